package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

func waitingOrder(pipeline, name string, age time.Duration) *v1alpha1.ProvisioningOrder {
	order := &v1alpha1.ProvisioningOrder{}
	order.Namespace, order.Name = "default", name
	order.CreationTimestamp = metav1.NewTime(modelEpoch.Add(-age))
	order.Spec.PipelineRef.Name = pipeline
	return order
}

func TestWakeWaitingWakesWhoWaitsForThatOnly(t *testing.T) {
	room := newWaitRoom()
	note := func(pipeline, name string, age time.Duration, out outcome) {
		room.note(waitingOrder(pipeline, name, age), out)
	}
	note("portal", "young", time.Minute, wait(0, v1alpha1.ProductUnmappedReason, ""))
	note("portal", "old", time.Hour, wait(0, v1alpha1.MappingInvalidReason, ""))
	note("portal", "gate", 2*time.Minute, wait(0, v1alpha1.GateClosedReason, ""))
	note("portal", "account", 3*time.Minute, wait(0, v1alpha1.AccountUnmappedReason, ""))
	note("portal", "payment", time.Hour, wait(0, v1alpha1.PaymentMethodMissingReason, ""))
	note("elsewhere", "elsewhere", time.Hour, wait(0, v1alpha1.ProductUnmappedReason, ""))
	note("portal", "went on", time.Hour, wait(0, v1alpha1.ProductUnmappedReason, ""))
	note("portal", "went on", time.Hour, done(v1alpha1.ProvisionedReason, ""))
	note("portal", "other reason now", time.Hour, wait(0, v1alpha1.ProductUnmappedReason, ""))
	note("portal", "other reason now", time.Hour, wait(0, v1alpha1.ScheduledReason, ""))
	note("portal", "field", 4*time.Minute, stall(v1alpha1.ReadRejectedReason, errors.New("no such field")))
	note("portal", "stalled", time.Hour, stall(v1alpha1.OrderRefusedReason, errors.New("refused")))
	note("portal", "deleted", time.Hour, wait(0, v1alpha1.ProductUnmappedReason, ""))
	room.leave(types.NamespacedName{Namespace: "default", Name: "deleted"})

	queue := make(chan event.GenericEvent, 16)
	n, err := wakeWaiting(t.Context(), room, queue, types.NamespacedName{Namespace: "default", Name: "portal"}, waitingForMapping...)
	if err != nil {
		t.Fatal(err)
	}
	close(queue)
	var woken []string
	for e := range queue {
		woken = append(woken, e.Object.GetName())
	}
	if diff := cmp.Diff([]string{"old", "field", "account", "gate", "young"}, woken); diff != "" || n != 5 {
		t.Errorf("woken %d (-want +got):\n%s", n, diff)
	}
}

// desk is a Salesforce with one order, which does something whenever it is read.
type desk struct {
	record  salesforce.Record
	written []salesforce.Record
	onRead  func()
}

func (s *desk) Order(context.Context, string) (salesforce.Record, error) {
	s.onRead()
	return s.record, nil
}

func (s *desk) Write(_ context.Context, records []salesforce.Record) ([]salesforce.SaveResult, error) {
	s.written = append(s.written, records...)
	return make([]salesforce.SaveResult, len(records)), nil
}

// noCard is a WHMCS whose clients have neither orders nor pay methods.
type noCard struct {
	billing
	asked   int
	onAsked func()
}

func (b *noCard) GetPayMethods(context.Context, int64) ([]whmcs.PayMethod, error) {
	b.asked++
	b.onAsked()
	return nil, nil
}

func (b *noCard) GetOrders(context.Context, whmcs.OrderFilter) ([]whmcs.Order, error) {
	return nil, nil
}

// mappingStage is one order of a pipeline whose mapping the test changes.
type mappingStage struct {
	*OrderReconciler
	t     *testing.T
	last  *mapping.Mapping
	book  *desk
	bills *noCard
}

const (
	noProducts  = "version: 1\nclient: 5\nline: {pid: {field: product.StockKeepingUnit, table: {OTHER: 1}}}\n"
	allProducts = "version: 1\nclient: 5\nline: {pid: 7, cycle: monthly}\n"
)

func newMappingStage(t *testing.T) *mappingStage {
	t.Helper()
	order := waitingOrder("portal", "portal-8018b0000ejxuy1aqk", time.Hour)
	order.Spec.SalesforceOrderID = "8018b0000EjXuY1AQK"
	order.Finalizers = []string{v1alpha1.ClaimFinalizer}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	cluster := fake.NewClientBuilder().WithScheme(scheme).WithObjects(order).WithStatusSubresource(order).Build()
	s := &mappingStage{
		OrderReconciler: &OrderReconciler{
			Client: cluster, Reader: cluster, Recorder: events.NewFakeRecorder(100),
			Clock: clocktesting.NewFakeClock(modelEpoch), Backends: NewBackends(), Wake: make(chan event.GenericEvent, 1),
		},
		t: t, bills: &noCard{onAsked: func() {}}, book: &desk{onRead: func() {}},
	}
	s.book.record = salesforce.Record{
		"Id": order.Spec.SalesforceOrderID, "OrderNumber": "100", "Status": "Approved", "Activation_Status__c": "Activating",
		"OrderItems": []salesforce.Record{{"Id": "802A", "OrderItemNumber": "1", "Quantity": 1.0}},
	}
	s.others = neighbours{}
	s.prepare()
	return s
}

// use publishes a mapping; an empty text is a broken one.
func (s *mappingStage) use(text string) {
	s.t.Helper()
	next := Backend{Book: s.book, Billing: s.bills, Admission: open{}, MappingProblem: "3:1: broken"}
	if text != "" {
		m, err := mapping.Parse([]byte(text))
		if err != nil {
			s.t.Fatal(err)
		}
		next.Mapping, next.Version.SHA256, s.last = m, m.SHA256(), m
	}
	backend := NewBackend(next, nil)
	backend.Reporting = s.last
	s.Backends.Set(types.NamespacedName{Namespace: "default", Name: "portal"}, backend)
}

// pass reconciles the order once.
func (s *mappingStage) pass() (*v1alpha1.ProvisioningOrder, ctrl.Result) {
	s.t.Helper()
	result, err := s.Reconcile(s.t.Context(), s.stored())
	if err != nil {
		s.t.Fatal(err)
	}
	return s.stored(), result
}

func (s *mappingStage) stored() *v1alpha1.ProvisioningOrder {
	s.t.Helper()
	var order v1alpha1.ProvisioningOrder
	if err := s.Get(s.t.Context(), client.ObjectKey{Namespace: "default", Name: "portal-8018b0000ejxuy1aqk"}, &order); err != nil {
		s.t.Fatal(err)
	}
	return &order
}

// TestMappingMendedDuringAPass looks again at once at an order that nobody could wake, because its pass was under way
// with the old mapping when the new one came.
func TestMappingMendedDuringAPass(t *testing.T) {
	tests := map[string]struct {
		before, meanwhile string
		change            bool
		again             bool
	}{
		"nothing came":        {before: noProducts},
		"mended":              {before: noProducts, meanwhile: allProducts, change: true, again: true},
		"broken":              {before: noProducts, meanwhile: "", change: true},
		"stored anew as is":   {before: noProducts, meanwhile: noProducts, change: true},
		"changed and no help": {before: noProducts, meanwhile: noProducts + "# a comment\n", change: true, again: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newMappingStage(t)
			s.use(test.before)
			s.book.onRead = func() {
				if test.change {
					s.use(test.meanwhile)
				}
			}
			order, result := s.pass()
			if got := order.Status.Conditions[0].Reason; got != v1alpha1.ProductUnmappedReason {
				t.Errorf("reason %s, want that of the mapping with which the pass began", got)
			}
			if soon := result.RequeueAfter < time.Second; soon != test.again {
				t.Errorf("looks again after %s, want at once: %t", result.RequeueAfter, test.again)
			}
		})
	}
}

// TestMappedOrderSaysSoFirst shows the plan of an order that waited for the mapping before WHMCS is asked anything.
func TestMappedOrderSaysSoFirst(t *testing.T) {
	tests := map[string]struct {
		before string
		shown  bool
	}{
		"unmapped":              {noProducts, true},
		"broken":                {"", true},
		"did not wait for that": {allProducts, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newMappingStage(t)
			s.use(test.before)
			s.pass()
			s.use(allProducts)
			asked := s.bills.asked
			var shown []string
			s.bills.onAsked = func() { shown = append(shown, s.stored().Status.Conditions[0].Reason) }
			order, _ := s.pass()
			want := v1alpha1.PaymentMethodMissingReason
			if test.shown {
				want = v1alpha1.ProgressingReason
			}
			if diff := cmp.Diff([]string{want}, shown); diff != "" || s.bills.asked != asked+1 {
				t.Errorf("WHMCS was asked %d times, and meanwhile the order showed (-want +got):\n%s", s.bills.asked-asked, diff)
			}
			if got := order.Status.Conditions[0]; got.Reason != v1alpha1.PaymentMethodMissingReason || order.Status.State != v1alpha1.WaitingState {
				t.Errorf("condition %+v, state %s, want what WHMCS answered", got, order.Status.State)
			}
		})
	}
}

// TestBrokenMappingIsToldToStaff writes to an order that came while the mapping was broken, once, unless it was not released.
func TestBrokenMappingIsToldToStaff(t *testing.T) {
	tests := map[string]struct {
		last   string
		status string
		want   []any
	}{
		"released":                {last: allProducts, status: "Approved", want: []any{"MAPPING_INVALID"}},
		"not released":            {last: allProducts, status: "Draft"},
		"never had a valid one":   {status: "Approved"},
		"a name of its own":       {last: allProducts + "salesforce: {order: {errorCode: Other__c}}\n", status: "Approved", want: []any{nil}},
		"silent by the last file": {last: allProducts + "report: {reasons: {MappingInvalid: {silent: true}}}\n", status: "Approved"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newMappingStage(t)
			if test.last != "" {
				s.use(test.last)
			}
			s.use("")
			s.book.record["Status"] = test.status
			for range 3 {
				if order, _ := s.pass(); order.Status.Conditions[0].Reason != v1alpha1.MappingInvalidReason {
					t.Errorf("condition %+v, want MappingInvalid", order.Status.Conditions[0])
				}
			}
			var told []any
			for _, record := range s.book.written {
				told = append(told, record["Activation_Error_Code__c"])
			}
			if diff := cmp.Diff(test.want, told); diff != "" {
				t.Errorf("told (-want +got):\n%s", diff)
			}
		})
	}
}

// turnedAway turns every call away, and then says what it thinks of its WHMCS.
type turnedAway struct{ state whmcs.AdmissionState }

func (turnedAway) Acquire(context.Context, time.Time) (func(error), error) {
	return nil, whmcs.ErrOpen
}
func (t turnedAway) State() whmcs.AdmissionState { return t.state }

// TestWhmcsCameBackDuringAPass looks again at once at an order that was turned away, if the circuit breaker has closed
// since: who waited was woken before this order was noted as one of them.
func TestWhmcsCameBackDuringAPass(t *testing.T) {
	for state, again := range map[whmcs.AdmissionState]bool{whmcs.AdmissionClosed: true, whmcs.AdmissionHalfOpen: false, whmcs.AdmissionOpen: false} {
		t.Run(string(state), func(t *testing.T) {
			s := newMappingStage(t)
			s.use(allProducts)
			s.Backends.Get(types.NamespacedName{Namespace: "default", Name: "portal"}).Admission = turnedAway{state}
			order, result := s.pass()
			if got := order.Status.Conditions[0].Reason; got != v1alpha1.WhmcsUnavailableReason {
				t.Errorf("reason %s", got)
			}
			if soon := result.RequeueAfter < time.Second; soon != again {
				t.Errorf("looks again after %s, want at once: %t", result.RequeueAfter, again)
			}
		})
	}
}
