package controllers

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// books is a WHMCS with one order, which counts what it is asked. Actions it does not have panic.
type books struct {
	billing
	order    whmcs.Order
	services []whmcs.Service
	queue    []whmcs.ModuleQueueEntry
	asked    []string
}

func (b *books) GetOrders(context.Context, whmcs.OrderFilter) ([]whmcs.Order, error) {
	b.asked = append(b.asked, "GetOrders")
	return []whmcs.Order{b.order}, nil
}

func (b *books) GetClientsProducts(context.Context, whmcs.ServiceFilter) ([]whmcs.Service, error) {
	b.asked = append(b.asked, "GetClientsProducts")
	return b.services, nil
}

func (b *books) GetModuleQueue(context.Context, int64) ([]whmcs.ModuleQueueEntry, error) {
	b.asked = append(b.asked, "GetModuleQueue")
	return b.queue, nil
}

// open lets every call through at once.
type open struct{}

func (open) Acquire(context.Context, time.Time) (func(error), error) { return func(error) {}, nil }
func (open) State() whmcs.AdmissionState                             { return whmcs.AdmissionClosed }

// neighbours are what other orders hold.
type neighbours struct {
	has, busy bool
}

func (n neighbours) hasOrder(context.Context, *v1alpha1.ProvisioningOrder, int64) (bool, error) {
	return n.has, nil
}
func (n neighbours) inFlight(context.Context, *v1alpha1.ProvisioningOrder, time.Time) bool {
	return n.busy
}

func workerWith(b *books, n neighbours, now time.Time) *worker {
	backend := NewBackend(Backend{Billing: b, Admission: open{}}, nil)
	backend.Spec.Whmcs.Timeouts.Settle.Duration = testSettle
	return &worker{
		clock: clocktesting.NewFakeClock(now), backend: backend, pace: newPacer(), gate: newClientGate(), others: n,
	}
}

// TestAcceptAfterAdoptionLooksClosely adopts a Pending order whose provisioning somebody has begun: an object that was
// made anew remembers no claim, and a second accept could deploy twice. AcceptOrder is not in the books, so calling it
// panics.
func TestAcceptAfterAdoptionLooksClosely(t *testing.T) {
	tests := map[string]*books{
		"a service is active":             {order: whmcs.Order{ID: 7, Status: "Pending", LineItems: []whmcs.LineItem{{RelID: 1, Status: "Active"}, {RelID: 2, Status: "Pending"}}}},
		"a one-time service is completed": {order: whmcs.Order{ID: 7, Status: "Pending", LineItems: []whmcs.LineItem{{RelID: 1, Status: "Completed"}}}},
		"a service is overdue":            {order: whmcs.Order{ID: 7, Status: "Pending", LineItems: []whmcs.LineItem{{RelID: 1, Status: "Suspended"}}}},
		"a module failed": {
			order: whmcs.Order{ID: 7, Status: "Pending", LineItems: []whmcs.LineItem{{RelID: 1, Status: "Pending"}}},
			queue: []whmcs.ModuleQueueEntry{{ModuleAction: "CreateAccount", LastError: "no IP left"}},
		},
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder()
			order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 7}
			out := workerWith(b, neighbours{}, modelEpoch).accept(t.Context(), order)
			if out.kind != stallKind || out.reason != v1alpha1.ProvisioningFailedReason {
				t.Errorf("outcome %+v, want it stalled as ProvisioningFailed", out)
			}
		})
	}
}

// TestLookalikesTakeOneLook shows that the orders are read once for the key and for the fingerprint.
func TestLookalikesTakeOneLook(t *testing.T) {
	tests := map[string]struct {
		taken bool
		want  []string
		kind  kind
	}{
		"nobody's":  {false, []string{"GetOrders", "GetClientsProducts"}, doneKind},
		"another's": {true, []string{"GetOrders", "GetClientsProducts"}, waitKind},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &books{
				order:    whmcs.Order{ID: 11, UserID: 5, Status: "Pending"},
				services: []whmcs.Service{{ID: 1, OrderID: 11, PID: 188, Quantity: 1, BillingCycle: "Monthly"}},
			}
			order := testOrder(v1alpha1.PlanLine{OrderItemID: "a", PID: 188, Quantity: 1, BillingCycle: "monthly"})
			order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall)}
			w := workerWith(b, neighbours{has: test.taken}, afterSettle)
			w.backend.Spec.Suspend = true // stops in front of the next claim
			if out := w.order(t.Context(), order); out.kind != test.kind {
				t.Errorf("outcome %+v, want kind %d", out, test.kind)
			}
			if !slices.Equal(b.asked, test.want) {
				t.Errorf("asked %v, want %v", b.asked, test.want)
			}
		})
	}
}

// TestAlreadyOrderedIsNotSharedOut refuses a WHMCS order that Salesforce names for two of its orders.
func TestAlreadyOrderedIsNotSharedOut(t *testing.T) {
	b := &books{order: whmcs.Order{ID: 11, UserID: 5, Status: "Active"}}
	order := testOrder()
	if out := workerWith(b, neighbours{has: true}, modelEpoch).alreadyOrdered(t.Context(), order, 11); out.kind != stallKind || order.Status.Whmcs != nil {
		t.Errorf("outcome %+v, whmcs %+v, want it stalled and nothing adopted", out, order.Status.Whmcs)
	}
	if out := workerWith(b, neighbours{}, modelEpoch).alreadyOrdered(t.Context(), order, 11); out.kind != doneKind || order.Status.Whmcs == nil {
		t.Errorf("outcome %+v, whmcs %+v, want it adopted", out, order.Status.Whmcs)
	}
}

// TestLetGo keeps a deleted order while its call may take effect, also when nothing was built from its pipeline yet.
func TestLetGo(t *testing.T) {
	const hour = time.Hour
	tests := map[string]struct {
		calls    []v1alpha1.Call
		pipeline bool // exists, with a settle time of an hour
		built    bool
		now      time.Time
		keeps    bool
	}{
		"nothing open":                     {now: duringSettle},
		"open, built":                      {calls: []v1alpha1.Call{call(v1alpha1.AddOrderCall)}, pipeline: true, built: true, now: afterSettle, keeps: true},
		"open, not built yet":              {calls: []v1alpha1.Call{call(v1alpha1.AddOrderCall)}, pipeline: true, now: afterSettle, keeps: true},
		"open, settled":                    {calls: []v1alpha1.Call{call(v1alpha1.AddOrderCall)}, pipeline: true, now: modelEpoch.Add(2 * hour)},
		"open, the pipeline is gone":       {calls: []v1alpha1.Call{call(v1alpha1.AddOrderCall)}, now: duringSettle, keeps: true},
		"open, the pipeline is long gone":  {calls: []v1alpha1.Call{call(v1alpha1.AddOrderCall)}, now: modelEpoch.Add(2 * hour)},
		"settled call, still within times": {calls: []v1alpha1.Call{call(v1alpha1.AddOrderCall, settled(v1alpha1.SucceededOutcome))}, pipeline: true, now: duringSettle},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pipeline := &v1alpha1.ProvisioningPipeline{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "portal"}}
			pipeline.Spec.Whmcs.Timeouts.Settle.Duration = hour
			order := testOrder()
			order.Namespace, order.Name = "default", "portal-8018b0000ejxuy1aqk"
			order.Finalizers = []string{v1alpha1.ClaimFinalizer}
			order.DeletionTimestamp = new(metav1.NewTime(modelEpoch))
			order.Spec.PipelineRef.Name = "portal"
			order.Status.Calls = test.calls
			objects := []client.Object{order}
			if test.pipeline {
				objects = append(objects, pipeline)
			}
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			r := &OrderReconciler{
				Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build(),
				Clock:  clocktesting.NewFakeClock(test.now), Backends: NewBackends(),
			}
			r.Prepare()
			if test.built {
				r.Backends.Set(types.NamespacedName{Namespace: "default", Name: "portal"}, NewBackend(Backend{Spec: pipeline.Spec}, nil))
			}
			if err := r.Get(t.Context(), client.ObjectKeyFromObject(order), order); err != nil {
				t.Fatal(err)
			}
			result, err := r.Reconcile(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			left := r.Get(t.Context(), client.ObjectKeyFromObject(order), order) == nil
			if left != test.keeps || (result.RequeueAfter > 0) != test.keeps {
				t.Errorf("kept %t, looks again after %s, want kept %t", left, result.RequeueAfter, test.keeps)
			}
		})
	}
}

// TestMismatchStaysMismatch looks again at an order of which WHMCS dropped a line, as a manager that starts does: that
// all services there are work does not make up for the one that is missing.
func TestMismatchStaysMismatch(t *testing.T) {
	b := &books{
		order:    whmcs.Order{ID: 11, UserID: 5, Status: "Active"},
		services: []whmcs.Service{{ID: 1, OrderID: 11, PID: 188, Quantity: 1, BillingCycle: "Monthly", Status: "Active"}},
	}
	order := testOrder(
		v1alpha1.PlanLine{OrderItemID: "a", PID: 188, Quantity: 1, BillingCycle: "monthly"},
		v1alpha1.PlanLine{OrderItemID: "b", PID: 242, Quantity: 1, BillingCycle: "onetime"},
	)
	order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 11}
	for pass := range 3 {
		out := workerWith(b, neighbours{}, modelEpoch).accept(t.Context(), order)
		if out.kind != stallKind || out.reason != v1alpha1.ServicesMismatchReason {
			t.Errorf("pass %d: outcome %+v, want it stalled as ServicesMismatch", pass, out)
		}
	}
}

// TestSimilarOrdersAreNotOverlooked has WHMCS store no key and lose an answer, and make something else of the lines: old
// versions ignore a quantity, and a cycle that a product does not have is changed.
func TestSimilarOrdersAreNotOverlooked(t *testing.T) {
	tests := map[string]struct {
		services []whmcs.Service
		notes    string
		kind     kind
		reason   string
	}{
		"quantity ignored": {services: []whmcs.Service{{ID: 1, OrderID: 11, PID: 188, Quantity: 1, BillingCycle: "Monthly"}}, kind: stallKind, reason: v1alpha1.OutcomeUnknownReason},
		"cycle changed":    {services: []whmcs.Service{{ID: 1, OrderID: 11, PID: 188, Quantity: 2, BillingCycle: "Annually"}}, kind: stallKind, reason: v1alpha1.OutcomeUnknownReason},
		"died over it":     {kind: stallKind, reason: v1alpha1.OutcomeUnknownReason},
		"other products":   {services: []whmcs.Service{{ID: 1, OrderID: 11, PID: 9, Quantity: 2, BillingCycle: "Monthly"}}, kind: waitKind, reason: v1alpha1.SuspendedReason},
		"another's":        {services: []whmcs.Service{{ID: 1, OrderID: 11, PID: 188, Quantity: 1}}, notes: "sfOrderId=8018b0000EjXuY2AQK", kind: waitKind, reason: v1alpha1.SuspendedReason},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &books{order: whmcs.Order{ID: 11, UserID: 5, Status: "Pending", Notes: test.notes}, services: test.services}
			order := testOrder(v1alpha1.PlanLine{OrderItemID: "a", PID: 188, Quantity: 2, BillingCycle: "monthly"})
			order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall)}
			w := workerWith(b, neighbours{}, afterSettle)
			w.backend.Spec.Suspend = true // stops in front of the next claim
			if out := w.order(t.Context(), order); out.kind != test.kind || out.reason != test.reason {
				t.Errorf("outcome %+v, want kind %d, reason %s", out, test.kind, test.reason)
			}
		})
	}
}

// TestKeyOfTwoObjects does not take over an order that another object has: both would accept it.
func TestKeyOfTwoObjects(t *testing.T) {
	b := &books{order: whmcs.Order{ID: 11, UserID: 5, Status: "Pending", Notes: "sfOrderId=8018b0000EjXuY1AQK"}}
	order := testOrder()
	out := workerWith(b, neighbours{has: true}, modelEpoch).order(t.Context(), order)
	if out.kind != stallKind || out.reason != v1alpha1.OutcomeUnknownReason || order.Status.Whmcs != nil {
		t.Errorf("outcome %+v, whmcs %+v, want it stalled and nothing adopted", out, order.Status.Whmcs)
	}
}

// TestAlreadyOrderedTakesTurns lets one of two orders that name the same WHMCS order find it free.
func TestAlreadyOrderedTakesTurns(t *testing.T) {
	b := &books{order: whmcs.Order{ID: 11, UserID: 5, Status: "Pending"}}
	first, second := testOrder(), testOrder()
	first.UID, second.UID = "first", "second"
	w := workerWith(b, neighbours{}, modelEpoch)
	if out := w.alreadyOrdered(t.Context(), first, 11); out.kind != doneKind {
		t.Errorf("first: outcome %+v, want it adopted", out)
	}
	if out := w.alreadyOrdered(t.Context(), second, 11); out.reason != v1alpha1.ClientBusyReason || second.Status.Whmcs != nil {
		t.Errorf("second: outcome %+v, whmcs %+v, want it to wait", out, second.Status.Whmcs)
	}
}

// TestReliableMarkers takes a marker for evidence only where it was sent.
func TestReliableMarkers(t *testing.T) {
	own := v1alpha1.PlanLine{PID: 188, Quantity: 1, BillingCycle: "monthly", Domain: "shop.example"}
	bare := v1alpha1.PlanLine{PID: 188, Quantity: 1, BillingCycle: "monthly"}
	tests := map[string]struct {
		lines []v1alpha1.PlanLine
		want  verdictKind
	}{
		"the line has a domain of its own": {[]v1alpha1.PlanLine{own}, adoptVerdict},
		"the line's domain is the key":     {[]v1alpha1.PlanLine{bare}, stallVerdict},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &books{
				order:    whmcs.Order{ID: 11, UserID: 5, Status: "Pending"},
				services: []whmcs.Service{{ID: 1, OrderID: 11, PID: 188, Quantity: 1, BillingCycle: "Monthly", Domain: "shop.example"}},
			}
			order := testOrder(test.lines...)
			order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall)}
			w := workerWith(b, neighbours{}, afterSettle)
			w.backend.Markers = newMarkerMemory([]v1alpha1.Marker{v1alpha1.LineDomainMarker}, []v1alpha1.MarkerStatus{{Name: v1alpha1.LineDomainMarker, Stored: v1alpha1.MarkerStoredYes}})
			seen, err := w.sightOf(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			if v := decideOrder(order.Status.Calls, seen, permission{}, testSettle); v.kind != test.want {
				t.Errorf("verdict %+v, want kind %d", v, test.want)
			}
		})
	}
}

// TestLearnsWhatWasSent learns nothing of a marker that an order had no place for.
func TestLearnsWhatWasSent(t *testing.T) {
	own := whmcs.Order{ID: 11, UserID: 5, Status: "Active", LineItems: []whmcs.LineItem{{RelID: 1, Domain: "shop.example"}}}
	keyed := whmcs.Order{ID: 11, UserID: 5, Status: "Active", Notes: "sfOrderId=8018b0000EjXuY1AQK"}
	tests := map[string]struct {
		theirs  whmcs.Order
		marker  v1alpha1.Marker
		outcome v1alpha1.CallOutcome
		want    v1alpha1.MarkerStored
	}{
		"stored":                      {keyed, v1alpha1.NotesMarker, v1alpha1.SucceededOutcome, v1alpha1.MarkerStoredYes},
		"not stored":                  {own, v1alpha1.NotesMarker, v1alpha1.SucceededOutcome, v1alpha1.MarkerStoredNo},
		"no line without a domain":    {own, v1alpha1.LineDomainMarker, v1alpha1.SucceededOutcome, v1alpha1.MarkerStoredUnknown},
		"perhaps written by a person": {keyed, v1alpha1.NotesMarker, v1alpha1.FoundOutcome, v1alpha1.MarkerStoredUnknown},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder(v1alpha1.PlanLine{PID: 188, Quantity: 1, BillingCycle: "monthly", Domain: "shop.example"})
			order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 11}
			order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall, settled(test.outcome))}
			w := workerWith(&books{order: test.theirs}, neighbours{}, modelEpoch)
			w.learnt = func(types.NamespacedName) {}
			w.backend.Markers = newMarkerMemory([]v1alpha1.Marker{test.marker}, nil)
			if err := w.learn(t.Context(), order, nil); err != nil {
				t.Fatal(err)
			}
			if got := w.backend.Markers.known(); len(got) != 1 || got[0].Stored != test.want {
				t.Errorf("learnt %v, want %s", got, test.want)
			}
		})
	}
}

// TestSentAgainOnlyIfWanted reads the order from Salesforce before AddOrder is sent once more.
func TestSentAgainOnlyIfWanted(t *testing.T) {
	rules, err := mapping.Parse([]byte("version: 1\nclient: 5\ngate:\n  order.Status: Approved\n"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		record  salesforce.Record
		reason  string
		adopted int64
		planned bool
	}{
		"taken back":      {salesforce.Record{"Status": "Draft"}, v1alpha1.GateClosedReason, 0, false},
		"entered by hand": {salesforce.Record{"Status": "Approved", "WHMCS_Order_ID__c": "11"}, v1alpha1.AdoptedReason, 11, true},
		"noted in words":  {salesforce.Record{"Status": "Approved", "WHMCS_Order_ID__c": "#11"}, v1alpha1.OutcomeUnknownReason, 0, true},
		"still wanted":    {salesforce.Record{"Status": "Approved"}, "", 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &books{order: whmcs.Order{ID: 11, UserID: 5, Status: "Active"}}
			order := testOrder(v1alpha1.PlanLine{PID: 188, Quantity: 1, BillingCycle: "monthly"})
			order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall, settled(v1alpha1.NotFoundOutcome))}
			w := workerWith(b, neighbours{}, afterSettle)
			w.backend.Book, w.backend.Reporting = &ledger{OrderReader: page{test.record}}, rules
			out, ok := w.stillWanted(t.Context(), order)
			if ok != (test.reason == "") || out.reason != test.reason {
				t.Errorf("outcome %+v, want reason %q", out, test.reason)
			}
			if known := order.Status.Whmcs; (known != nil) != (test.adopted != 0) || known != nil && known.OrderID != test.adopted {
				t.Errorf("whmcs %+v, want %d", known, test.adopted)
			}
			if got := order.Status.Plan != nil; got != test.planned {
				t.Errorf("planned %t, want %t", got, test.planned)
			}
		})
	}
}

// page is a Salesforce with one order.
type page struct {
	record salesforce.Record
}

func (p page) Order(context.Context, string) (salesforce.Record, error) { return p.record, nil }

// TestStrangerIsNotAccepted leaves an order alone that has the id of ours but is somebody else's, as after a change of the
// pipeline's URL. AcceptOrder is not in the books, so calling it panics.
func TestStrangerIsNotAccepted(t *testing.T) {
	tests := map[string]whmcs.Order{
		"another client's":    {ID: 7, UserID: 6, Status: "Pending"},
		"another order's key": {ID: 7, UserID: 5, Status: "Pending", Notes: "sfOrderId=8018b0000EjXuY2AQK"},
		"active already":      {ID: 7, UserID: 6, Status: "Active"},
	}
	for name, theirs := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder()
			order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 7}
			out := workerWith(&books{order: theirs}, neighbours{}, modelEpoch).accept(t.Context(), order)
			if out.kind != stallKind || out.reason != v1alpha1.OutcomeUnknownReason || order.Status.Whmcs.AcceptedAt != nil {
				t.Errorf("outcome %+v, whmcs %+v, want it stalled as OutcomeUnknown", out, order.Status.Whmcs)
			}
		})
	}
}

// TestSuspendedWhileWaitingForATurn sends nothing if the pipeline was suspended after the pass began. Claiming panics.
func TestSuspendedWhileWaitingForATurn(t *testing.T) {
	order := testOrder(v1alpha1.PlanLine{PID: 188, Quantity: 1, BillingCycle: "monthly"})
	w := workerWith(&books{order: whmcs.Order{ID: 3, UserID: 5}}, neighbours{}, modelEpoch)
	w.theirs, w.backends = map[string]any{}, NewBackends()
	now := NewBackend(*w.backend, nil)
	now.Spec.Suspend = true
	admission := &interrupted{meanwhile: func() { w.backends.Set(w.pipeline(order), now) }}
	w.backend.Admission = admission
	w.seen = &sight{}
	w.gate.enter(w.clientKey(order), order)
	out := w.order(t.Context(), order)
	if out.kind != waitKind || out.reason != v1alpha1.SuspendedReason {
		t.Errorf("outcome %+v, want it to wait as Suspended", out)
	}
	if !errors.Is(admission.released[len(admission.released)-1], errNotAsked) {
		t.Errorf("released with %v: a call that was not made says nothing about WHMCS", admission.released)
	}
}
