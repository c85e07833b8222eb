package controllers

import (
	"slices"
	"testing"
	"time"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// TestOpenClaimIsLookedForBesideABusyNeighbour finds an order by its key at once although another one of the client is under
// way, and claims nothing meanwhile. An order without the key may be what the other one is making just now, whatever its lines.
func TestOpenClaimIsLookedForBesideABusyNeighbour(t *testing.T) {
	tests := map[string]struct {
		notes string
		now   time.Time
		want  kind
		why   string
	}{
		"found":                           {"sfOrderId=8018b0000EjXuY1AQK", duringSettle, doneKind, v1alpha1.AdoptedReason},
		"not found yet":                   {"", duringSettle, waitKind, v1alpha1.SettlingReason},
		"not there after the settle time": {"sfOrderId=8018b0000EjXuY2AQK", afterSettle, waitKind, v1alpha1.ClientBusyReason},
		"the same lines without the key":  {"", afterSettle, waitKind, v1alpha1.ClientBusyReason},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &books{
				order:    whmcs.Order{ID: 11, UserID: 5, Status: "Pending", Notes: test.notes},
				services: []whmcs.Service{{ID: 1, OrderID: 11, PID: 188, Quantity: 1, BillingCycle: "Monthly"}},
			}
			order := testOrder(v1alpha1.PlanLine{OrderItemID: "a", PID: 188, Quantity: 1, BillingCycle: "monthly"})
			order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall)}
			out := workerWith(b, neighbours{busy: true}, test.now).order(t.Context(), order)
			if out.kind != test.want || out.reason != test.why {
				t.Errorf("outcome %+v, want kind %d, reason %s", out, test.want, test.why)
			}
			if !slices.Contains(b.asked, "GetOrders") {
				t.Errorf("asked %v, want a look", b.asked)
			}
		})
	}
}

// TestOvertakenOrderAdoptsNothing has an older order of the client take the gate while a younger one looks. Both may be objects
// of the same Salesforce order, and then both find the key.
func TestOvertakenOrderAdoptsNothing(t *testing.T) {
	old, young := aged("old", 1), aged("young", 2)
	young.Spec.SalesforceOrderID = "8018b0000EjXuY1AQK"
	w := workerWith(&books{order: whmcs.Order{ID: 11, UserID: 5, Status: "Pending", Notes: orderKey(young)}}, neighbours{}, modelEpoch)
	w.backend.Admission = &interrupted{meanwhile: func() { w.gate.enter(w.clientKey(young), old) }}
	out := w.order(t.Context(), young)
	if out.kind != waitKind || out.reason != v1alpha1.ClientBusyReason || young.Status.Whmcs != nil {
		t.Errorf("outcome %+v, whmcs %+v, want it to wait for the other order", out, young.Status.Whmcs)
	}
}

// TestLostLineTakesTheKeyWithIt loses the answer of an AddOrder over which PHP died. Where WHMCS keeps the key on lines, what it
// made of the order cannot show it.
func TestLostLineTakesTheKeyWithIt(t *testing.T) {
	const yes, no = v1alpha1.MarkerStoredYes, v1alpha1.MarkerStoredNo
	first := []whmcs.Service{{ID: 1, OrderID: 11, PID: 188, Quantity: 1, BillingCycle: "Monthly", Domain: "shop.example"}}
	tests := map[string]struct {
		services      []whmcs.Service
		notes, domain v1alpha1.MarkerStored
		reason        string
	}{
		"no line was made":                       {nil, no, yes, v1alpha1.OutcomeUnknownReason},
		"the line without the key was made":      {first, no, yes, v1alpha1.OutcomeUnknownReason},
		"the order itself would carry the key":   {first, yes, yes, v1alpha1.SuspendedReason},
		"nothing is known of the notes":          {first, v1alpha1.MarkerStoredUnknown, yes, v1alpha1.OutcomeUnknownReason},
		"the notes are all that carries the key": {nil, yes, no, v1alpha1.SuspendedReason},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder(
				v1alpha1.PlanLine{OrderItemID: "a", PID: 188, Quantity: 1, BillingCycle: "monthly", Domain: "shop.example"},
				v1alpha1.PlanLine{OrderItemID: "b", PID: 242, Quantity: 1, BillingCycle: "monthly"},
			)
			order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall)}
			w := workerWith(&books{order: whmcs.Order{ID: 11, UserID: 5, Status: "Pending"}, services: test.services}, neighbours{}, afterSettle)
			w.backend.Markers = newMarkerMemory([]v1alpha1.Marker{v1alpha1.NotesMarker, v1alpha1.LineDomainMarker}, []v1alpha1.MarkerStatus{
				{Name: v1alpha1.NotesMarker, Stored: test.notes}, {Name: v1alpha1.LineDomainMarker, Stored: test.domain},
			})
			w.backend.Spec.Suspend = true // stops in front of the next claim
			if out := w.order(t.Context(), order); out.reason != test.reason {
				t.Errorf("outcome %+v, want reason %s", out, test.reason)
			}
		})
	}
}
