package controllers

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// told collects events.
type told struct {
	events []string
}

// Eventf records an event.
func (r *told) Eventf(_, _ runtime.Object, eventType, reason, _, text string, args ...any) {
	r.events = append(r.events, eventType+" "+reason+": "+fmt.Sprintf(text, args...))
}

// warnings takes out the Warning events.
func (r *told) warnings() []string {
	var all []string
	for _, e := range r.events {
		if strings.HasPrefix(e, "Warning") {
			all = append(all, e)
		}
	}
	r.events = nil
	return all
}

func annotated(request, force, reason string) map[string]string {
	all := map[string]string{}
	for name, value := range map[string]string{
		v1alpha1.RequestedAtAnnotation: request, v1alpha1.ForceAtAnnotation: force, v1alpha1.ForceReasonAnnotation: reason,
	} {
		if value != "" {
			all[name] = value
		}
	}
	return all
}

// twins are books in which a client has two orders with the key.
type twins struct {
	*books
}

// GetOrders returns both orders of a client, or the one with the id.
func (b twins) GetOrders(_ context.Context, filter whmcs.OrderFilter) ([]whmcs.Order, error) {
	if filter.ID != 0 {
		return []whmcs.Order{b.order}, nil
	}
	second := b.order
	second.ID++
	return []whmcs.Order{b.order, second}, nil
}

// TestWhatCannotBeDone asks for things that cannot be done. Each is answered by one Warning that says why and what to do
// instead, and not again on later passes. No case makes a call that changes anything: the books panic on those.
func TestWhatCannotBeDone(t *testing.T) {
	accepted := metav1.NewMicroTime(modelEpoch)
	ordered := func(order *v1alpha1.ProvisioningOrder) {
		order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 7, Status: "Pending"}
		order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall, settled(v1alpha1.SucceededOutcome))}
	}
	unclear := func(order *v1alpha1.ProvisioningOrder) {
		order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall)}
	}
	provisioned := func(order *v1alpha1.ProvisioningOrder) {
		ordered(order)
		order.Status.State = v1alpha1.ProvisionedState
		order.Status.Whmcs.AcceptedAt = &accepted
		order.Status.Whmcs.Services = []v1alpha1.WhmcsService{{ServiceID: 1, Status: "Active"}}
		order.Status.Salesforce = &v1alpha1.SalesforceOrder{SyncedAt: &accepted}
	}
	failed := func(order *v1alpha1.ProvisioningOrder) {
		ordered(order)
		order.Status.Calls = append(order.Status.Calls, call(v1alpha1.AcceptOrderCall, settled(v1alpha1.FailedOutcome)))
	}
	malformed := func(order *v1alpha1.ProvisioningOrder) {
		order.Spec.SalesforceOrderID = ""
		order.Spec.Event = &v1alpha1.Event{Problem: "the event names no order"}
	}
	deleted := func(order *v1alpha1.ProvisioningOrder) {
		unclear(order)
		order.DeletionTimestamp = new(metav1.NewTime(modelEpoch))
	}
	tests := map[string]struct {
		request, force, reason string
		order                  func(*v1alpha1.ProvisioningOrder)
		now                    time.Time // default after the settle time
		suspended, missing     bool
		// first is a pass before anything is asked.
		first bool
		want  []string
	}{
		"a force of another time":                 {request: "r2", force: "f", reason: "looked", order: unclear, first: true, want: []string{"must equal", "same new time"}},
		"a force without a new request":           {request: "r1", force: "f", reason: "looked", order: unclear, first: true, want: []string{"must equal", "same new time"}},
		"a force after its request was handled":   {request: "r1", force: "r1", reason: "looked", order: unclear, first: true, want: []string{"was handled before", "same new time"}},
		"a force without a reason":                {request: "r2", force: "r2", order: unclear, first: true, want: []string{"forceReason must say why", "same new time"}},
		"a force with an empty reason":            {request: "r2", force: "r2", reason: "  ", order: unclear, first: true, want: []string{"forceReason must say why"}},
		"a reason without a force":                {request: "r2", reason: "looked", order: unclear, first: true, want: []string{"forceReason without", "same new time"}},
		"a force before anything was sent":        {request: "r2", force: "r2", reason: "looked", suspended: true, want: []string{"AddOrder was never sent", "requestedAt alone"}},
		"a force while the answer may still come": {request: "r2", force: "r2", reason: "looked", order: unclear, first: true, now: duringSettle, want: []string{"still being looked for", "stalled as OutcomeUnknown"}},
		"a force on a provisioned order":          {request: "r2", force: "r2", reason: "looked", order: provisioned, want: []string{"provisioned", "requestedAt alone"}},
		"a force alone on a provisioned order":    {force: "r2", reason: "looked", order: provisioned, want: []string{"must equal"}},
		"a force on an accepted order": {
			request: "r2", force: "r2", reason: "looked", want: []string{"WHMCS has accepted the order", "finish it in WHMCS"},
			order: func(order *v1alpha1.ProvisioningOrder) {
				ordered(order)
				order.Status.Whmcs.AcceptedAt = &accepted
			},
		},
		"a force while suspended": {
			request: "r2", force: "r2", reason: "looked", order: unclear, suspended: true, first: true,
			want: []string{"the pipeline is suspended", "resume it", "same new time"},
		},
		"a force without a pipeline":               {request: "r2", force: "r2", reason: "looked", order: unclear, missing: true, want: []string{"no pipeline", "make the pipeline"}},
		"a request while suspended":                {request: "r2", suspended: true, first: true, want: []string{"suspended", "is kept", "ProvisioningPipeline portal"}},
		"a request without a pipeline":             {request: "r2", missing: true, first: true, want: []string{"no ProvisioningPipeline", "is kept", "goes on by itself"}},
		"a request on a provisioned order without": {request: "r2", order: provisioned, missing: true, want: []string{"no ProvisioningPipeline", "make it, then"}},
		"a request on a malformed event":           {request: "r2", order: malformed, first: true, want: []string{"MalformedEvent", "publish", "delete this object"}},
		"a request on a deleted order":             {request: "r2", order: deleted, now: duringSettle, want: []string{"being deleted", "sweep"}},
		"a force on a deleted order":               {request: "r2", force: "r2", reason: "looked", order: deleted, now: duringSettle, want: []string{"being deleted", "sweep"}},
		"accepting again what failed":              {request: "r2", order: failed, first: true, want: []string{"ProvisioningFailed", "said so", "finish it in WHMCS", "force"}},
		"a request on an unknown outcome": {
			request: "r2", first: true, want: []string{"OutcomeUnknown", "Several WHMCS orders", "Cancel all but one"},
			order: unclear,
		},
		"a force on several orders with the key": {
			request: "r2", force: "r2", reason: "looked", first: true, want: []string{"OutcomeUnknown", "Several WHMCS orders", "Cancel all but one"},
			order: unclear,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder()
			order.Namespace, order.Name = "default", "portal-8018b0000ejxuy1aqk"
			order.Spec.PipelineRef.Name = "portal"
			order.Finalizers = []string{v1alpha1.ClaimFinalizer}
			order.Status.LastHandledRequest = "r1"
			if test.order != nil {
				test.order(order)
			}
			r, events := reconcilerOf(t, order, test.missing, test.suspended)
			r.Clock = clocktesting.NewFakeClock(afterSettle)
			if !test.now.IsZero() {
				r.Clock = clocktesting.NewFakeClock(test.now)
			}
			pass := func() {
				t.Helper()
				if err := r.Get(t.Context(), client.ObjectKeyFromObject(order), order); err != nil {
					t.Fatal(err)
				}
				_, _ = r.Reconcile(t.Context(), order) // an error is in the status
			}
			if test.first {
				pass()
				events.events = nil
			}
			if err := r.Get(t.Context(), client.ObjectKeyFromObject(order), order); err != nil {
				t.Fatal(err)
			}
			order.Annotations = annotated(test.request, test.force, test.reason)
			if err := r.Update(t.Context(), order); err != nil {
				t.Fatal(err)
			}
			pass()
			got := events.warnings()
			if len(got) != 1 || !strings.HasPrefix(got[0], "Warning RequestRefused: ") {
				t.Fatalf("warnings %q, want one RequestRefused", got)
			}
			for _, want := range test.want {
				if !strings.Contains(got[0], want) {
					t.Errorf("the warning is %q, want %q in it", got[0], want)
				}
			}
			for range 2 {
				pass()
			}
			if again := events.events; len(again) > 0 {
				t.Errorf("later passes say %q, want nothing", again)
			}
		})
	}
}

// reconcilerOf works on one order, with a WHMCS in which two orders of the client carry its key.
func reconcilerOf(t *testing.T, order *v1alpha1.ProvisioningOrder, missing, suspended bool) (*OrderReconciler, *told) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	events := &told{}
	r := &OrderReconciler{
		Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(order).WithStatusSubresource(order).
			WithIndex(&v1alpha1.ProvisioningOrder{}, openClientIndex, indexOpenClient).Build(),
		Recorder: events, Backends: NewBackends(),
	}
	r.Reader = r.Client
	r.Prepare()
	if !missing {
		key := orderKey(order)
		b := twins{&books{order: whmcs.Order{ID: 7, UserID: 5, Status: "Pending", Notes: key}}}
		if known := order.Status.Whmcs; known != nil && known.AcceptedAt != nil {
			b.order.Status = "Active"
			b.services = []whmcs.Service{{ID: 1, OrderID: 7, Status: "Active"}}
		}
		backend := NewBackend(Backend{Billing: b, Admission: open{}, MappingProblem: "There is no mapping"}, nil)
		backend.Spec.Whmcs.Timeouts.Settle.Duration, backend.Spec.Suspend = testSettle, suspended
		r.Backends.Set(types.NamespacedName{Namespace: "default", Name: "portal"}, backend)
	}
	return r, events
}

func TestTakeRequest(t *testing.T) {
	stalled := func(order *v1alpha1.ProvisioningOrder) {
		order.Status.State = v1alpha1.StalledState
		order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall)}
	}
	tests := map[string]struct {
		annotations map[string]string
		order       func(*v1alpha1.ProvisioningOrder)
		want        ask
		keepsPlan   bool
	}{
		"nothing":       {keepsPlan: true},
		"handled":       {annotations: annotated("r1", "", ""), keepsPlan: true},
		"plain request": {annotations: annotated("r2", "", ""), want: ask{request: "r2"}},
		"plain request on an open claim": {
			annotations: annotated("r2", "", ""), order: stalled, want: ask{request: "r2"}, keepsPlan: true,
		},
		"plain request beside an old force": {
			annotations: annotated("r2", "f0", "looked"), want: ask{request: "r2"},
			order: func(order *v1alpha1.ProvisioningOrder) {
				order.Status.LastHandledForce = &v1alpha1.Force{At: "f0", Reason: "looked"}
			},
		},
		"force": {annotations: annotated("r2", "r2", "looked"), order: stalled, want: ask{request: "r2", force: "looked"}, keepsPlan: true},
		"force that was refused because the request came later": {
			annotations: annotated("r2", "r2", "looked"), want: ask{request: "r2", force: "looked"}, keepsPlan: true,
			order: func(order *v1alpha1.ProvisioningOrder) {
				stalled(order)
				order.Status.LastHandledForce = &v1alpha1.Force{At: "r2", Refused: "must equal"}
			},
		},
		"force of a failed accept": {
			annotations: annotated("r2", "r2", "looked"), want: ask{request: "r2", force: "looked"}, keepsPlan: true,
			order: func(order *v1alpha1.ProvisioningOrder) {
				order.Status.State, order.Status.Whmcs = v1alpha1.StalledState, &v1alpha1.WhmcsOrder{OrderID: 7}
				order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AcceptOrderCall, settled(v1alpha1.FailedOutcome))}
			},
		},
		"endless token": {annotations: annotated(strings.Repeat("x", 1000), "", ""), want: ask{request: strings.Repeat("x", maxToken-1) + "…"}},
	}
	backend := NewBackend(Backend{}, nil)
	backend.Spec.Whmcs.Timeouts.Settle.Duration = testSettle
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder()
			order.Annotations = test.annotations
			order.Status.LastHandledRequest, order.Status.Failures = "r1", 4
			if test.order != nil {
				test.order(order)
			}
			if got := takeRequest(order, backend, afterSettle); got != test.want {
				t.Errorf("takes %+v, want %+v", got, test.want)
			}
			if forced := order.Status.LastHandledForce; test.want.force != "" && (forced == nil || forced.At != "r2" || forced.Refused != "") {
				t.Errorf("remembers the force %+v, want it taken", forced)
			}
			if kept := order.Status.Plan != nil; kept != test.keepsPlan {
				t.Errorf("keeps the plan: %t, want %t", kept, test.keepsPlan)
			}
			if test.want.request != "" && order.Status.Failures != 0 {
				t.Errorf("failures %d, want them forgotten", order.Status.Failures)
			}
			if again := takeRequest(order, backend, afterSettle); again != (ask{}) {
				t.Errorf("takes %+v again", again)
			}
		})
	}
}

// TestFinishedOrdersAreAnswered passes on what is asked of an order that is in no cache.
func TestFinishedOrdersAreAnswered(t *testing.T) {
	tests := map[string]struct {
		annotations map[string]string
		want        int
	}{
		"nothing asked":        {annotated("r1", "f1", "looked"), 0},
		"a request":            {annotated("r2", "", ""), 1},
		"a force, which fails": {annotated("r1", "f2", "looked"), 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder()
			order.Annotations = test.annotations
			order.Status.State, order.Status.LastHandledRequest = v1alpha1.ProvisionedState, "r1"
			order.Status.LastHandledForce = &v1alpha1.Force{At: "f1"}
			f := &Finished{Backends: NewBackends(), Wake: make(chan event.GenericEvent, 1)}
			if err := f.attend(t.Context(), order); err != nil {
				t.Fatal(err)
			}
			if len(f.Wake) != test.want {
				t.Errorf("wakes %d orders, want %d", len(f.Wake), test.want)
			}
		})
	}
}

// TestForceIsRefused has forces that are asked for well and cannot be taken.
func TestForceIsRefused(t *testing.T) {
	tests := map[string]struct {
		state v1alpha1.OrderState
		used  string
		want  string
	}{
		"used before another request was handled": {v1alpha1.StalledState, "r1", "used already"},
		"nobody has looked for the order yet":     {v1alpha1.WaitingState, "", "still being looked for"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder()
			order.Annotations = annotated("r1", "r1", "looked")
			order.Status.State, order.Status.LastHandledRequest = test.state, "r2"
			if test.used != "" {
				order.Status.LastHandledForce = &v1alpha1.Force{At: test.used, Reason: "looked"}
			}
			order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall)}
			if got := takeRequest(order, NewBackend(Backend{}, nil), afterSettle); got.force != "" || !strings.Contains(got.refused, test.want) {
				t.Errorf("takes %+v, want it refused with %q", got, test.want)
			}
			if (&worker{}).permission(order).forced {
				t.Error("the order may be forced")
			}
		})
	}
}

// TestManyCallsAreForgotten has WHMCS turn more calls away than the API server would store.
func TestManyCallsAreForgotten(t *testing.T) {
	order := testOrder()
	order.Status.Whmcs = nil
	w := workerWith(&books{}, neighbours{}, modelEpoch)
	for range 100 {
		w.open(order, orderStep, v1alpha1.Call{Step: v1alpha1.AddOrderCall}, time.Minute)
		w.settle(order, v1alpha1.AddOrderCall, v1alpha1.NotSentOutcome, "denied")
	}
	for range 100 {
		w.open(order, acceptStep, v1alpha1.Call{Step: v1alpha1.AcceptOrderCall}, time.Minute)
		w.settle(order, v1alpha1.AcceptOrderCall, v1alpha1.NotSentOutcome, "denied")
	}
	w.open(order, acceptStep, v1alpha1.Call{Step: v1alpha1.AcceptOrderCall}, time.Minute)
	calls := order.Status.Calls
	if len(calls) > 64 {
		t.Errorf("%d calls, and the API server takes 64", len(calls))
	}
	if last := lastCall(calls, v1alpha1.AddOrderCall); last == nil || last.Attempt != 100 {
		t.Errorf("the last AddOrder is %+v, want attempt 100", last)
	}
	if !isOpen(lastCall(calls, v1alpha1.AcceptOrderCall)) {
		t.Error("the open claim was forgotten")
	}
}

func TestNoteFitsIntoAnEvent(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("x", maxNote), strings.Repeat("x", maxNote+1), strings.Repeat("プ", 1000)} {
		got := note(text)
		if len(got) > maxNote || !utf8.ValidString(got) || len(text) <= maxNote && got != text {
			t.Errorf("a text of %d bytes becomes one of %d: %q", len(text), len(got), got)
		}
	}
	events := &told{}
	(&OrderReconciler{Recorder: events}).tell(testOrder(), refusal("Request", strings.Repeat("プ", 1000)))
	if size := len(strings.TrimPrefix(events.events[0], "Warning RequestRefused: ")); size > maxNote {
		t.Errorf("an event has %d bytes", size)
	}
}
