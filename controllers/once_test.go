package controllers

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// call builds a claim of a step: made at the epoch, to be sent within a minute.
func call(step v1alpha1.CallStep, change ...func(*v1alpha1.Call)) v1alpha1.Call {
	c := v1alpha1.Call{
		Step: step, Attempt: 1, Baseline: 10, Request: "r1",
		ClaimedAt: metav1.NewMicroTime(modelEpoch), NotAfter: metav1.NewMicroTime(modelEpoch.Add(time.Minute)),
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func settled(outcome v1alpha1.CallOutcome) func(*v1alpha1.Call) {
	return func(c *v1alpha1.Call) {
		c.Outcome, c.SettledAt, c.Evidence = outcome, new(c.NotAfter), "said so"
	}
}

const testSettle = 5 * time.Minute

var (
	duringSettle = modelEpoch.Add(2 * time.Minute)
	afterSettle  = modelEpoch.Add(6 * time.Minute)
)

func TestDecideOrder(t *testing.T) {
	add := v1alpha1.AddOrderCall
	tests := map[string]struct {
		calls    []v1alpha1.Call
		seen     sight
		allowed  permission
		want     verdictKind
		orderID  int64
		reason   string
		evidence string
	}{
		"nothing yet":                {want: claimVerdict},
		"found before the first try": {seen: sight{matches: []match{{7, "Pending", "notes"}}}, want: adoptVerdict, orderID: 7, evidence: "notes"},
		"open, found at once": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: modelEpoch, matches: []match{{11, "Pending", "notes"}}}, want: adoptVerdict, orderID: 11,
		},
		"open, not found, too early": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: duringSettle}, want: waitVerdict, reason: v1alpha1.SettlingReason,
		},
		"open, lookalike, too early": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: duringSettle, lookalikes: []int64{11}}, want: waitVerdict, reason: v1alpha1.SettlingReason,
		},
		"open, nothing after the settle time": {calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle}, want: settleVerdict},
		"open, one lookalike, key not stored": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle, lookalikes: []int64{11}}, want: adoptVerdict, orderID: 11, evidence: "above 10",
		},
		"open, one lookalike, but the key is known to be stored": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle, lookalikes: []int64{11}, keyReliable: true},
			want: stallVerdict, reason: v1alpha1.OutcomeUnknownReason, evidence: "order 11 of this client",
		},
		"open, a similar order, key not stored": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle, similar: []int64{12}},
			want: stallVerdict, reason: v1alpha1.OutcomeUnknownReason, evidence: "not exactly these lines: WHMCS order 12",
		},
		"open, a similar order, forced": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle, similar: []int64{12}}, allowed: permission{request: "r2", forced: true},
			want: settleVerdict, evidence: "12",
		},
		"open, a similar order, but ours would carry the key": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle, similar: []int64{12}, keyReliable: true, notesReliable: true}, want: settleVerdict,
		},
		"open, a similar order, but only lines carry the key": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle, similar: []int64{12}, keyReliable: true},
			want: stallVerdict, reason: v1alpha1.OutcomeUnknownReason, evidence: "not exactly these lines: WHMCS order 12",
		},
		"open, a lookalike and a similar order": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle, lookalikes: []int64{11}, similar: []int64{12}}, want: adoptVerdict, orderID: 11,
		},
		"open, two lookalikes": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle, lookalikes: []int64{11, 12}},
			want: stallVerdict, reason: v1alpha1.OutcomeUnknownReason, evidence: "orders 11 and 12 of this client",
		},
		"open, two lookalikes, a plain request changes nothing": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle, lookalikes: []int64{11, 12}}, allowed: permission{request: "r2"},
			want: stallVerdict, reason: v1alpha1.OutcomeUnknownReason,
		},
		"open, two lookalikes, forced": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle, lookalikes: []int64{11, 12}}, allowed: permission{request: "r2", forced: true},
			want: settleVerdict,
		},
		"forced, but too early": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: duringSettle}, allowed: permission{request: "r2", forced: true},
			want: waitVerdict, reason: v1alpha1.SettlingReason,
		},
		"a force is used once": {
			calls: []v1alpha1.Call{call(add)}, seen: sight{at: afterSettle, lookalikes: []int64{11, 12}}, allowed: permission{request: "r1", forced: true},
			want: stallVerdict, reason: v1alpha1.OutcomeUnknownReason,
		},
		"refused": {
			calls: []v1alpha1.Call{call(add, settled(v1alpha1.RefusedOutcome))}, allowed: permission{request: "r1"},
			want: stallVerdict, reason: v1alpha1.OrderRefusedReason, evidence: "said so",
		},
		"refused, asked again": {calls: []v1alpha1.Call{call(add, settled(v1alpha1.RefusedOutcome))}, allowed: permission{request: "r2"}, want: claimVerdict},
		"not sent":             {calls: []v1alpha1.Call{call(add, settled(v1alpha1.NotSentOutcome))}, allowed: permission{request: "r1"}, want: claimVerdict},
		"not found":            {calls: []v1alpha1.Call{call(add, settled(v1alpha1.NotFoundOutcome))}, allowed: permission{request: "r1"}, want: claimVerdict},
		"two orders with the key": {
			seen: sight{matches: []match{{7, "Pending", "notes"}, {8, "Active", "notes"}}},
			want: stallVerdict, reason: v1alpha1.OutcomeUnknownReason, evidence: "7 (Pending), 8 (Active)",
		},
		"two orders with the key, forced": {
			seen: sight{matches: []match{{7, "Pending", "notes"}, {8, "Active", "notes"}}}, allowed: permission{request: "r2", forced: true},
			want: stallVerdict, reason: v1alpha1.OutcomeUnknownReason,
		},
		"two orders with the key, one cancelled": {
			seen: sight{matches: []match{{7, "Cancelled", "notes"}, {8, "Active", "notes"}}}, want: adoptVerdict, orderID: 8,
		},
		"one order with the key, cancelled": {seen: sight{matches: []match{{7, "Cancelled", "notes"}}}, want: adoptVerdict, orderID: 7},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			check(t, decideOrder(test.calls, test.seen, test.allowed, testSettle), test.want, test.orderID, test.reason, test.evidence)
		})
	}
}

func TestDecideAccept(t *testing.T) {
	step := v1alpha1.AcceptOrderCall
	pending := acceptance{at: duringSettle, found: true, status: "Pending"}
	settledPending := acceptance{at: afterSettle, found: true, status: "Pending"}
	tests := map[string]struct {
		calls    []v1alpha1.Call
		seen     acceptance
		allowed  permission
		want     verdictKind
		reason   string
		evidence string
	}{
		"pending, nothing tried":                {seen: pending, want: claimVerdict},
		"active":                                {seen: acceptance{found: true, status: "active"}, want: adoptVerdict},
		"active, answer was lost":               {calls: []v1alpha1.Call{call(step)}, seen: acceptance{found: true, status: "Active"}, want: adoptVerdict},
		"gone":                                  {want: stallVerdict, reason: v1alpha1.OutcomeUnknownReason},
		"cancelled":                             {seen: acceptance{found: true, status: "Cancelled"}, want: stallVerdict, reason: v1alpha1.OrderCancelledReason},
		"fraud":                                 {seen: acceptance{found: true, status: "Fraud"}, want: stallVerdict, reason: v1alpha1.OrderFraudReason},
		"a status of this company":              {seen: acceptance{found: true, status: "On Hold"}, want: stallVerdict, reason: v1alpha1.OutcomeUnknownReason, evidence: "On Hold"},
		"open, too early":                       {calls: []v1alpha1.Call{call(step)}, seen: pending, want: waitVerdict, reason: v1alpha1.SettlingReason},
		"open, untouched after the settle time": {calls: []v1alpha1.Call{call(step)}, seen: settledPending, want: settleVerdict},
		"open, half done": {
			calls: []v1alpha1.Call{call(step)}, seen: acceptance{at: afterSettle, found: true, status: "Pending", begun: "service 1 of it is Active"},
			want: stallVerdict, reason: v1alpha1.ProvisioningFailedReason,
		},
		"open, module failed": {
			calls: []v1alpha1.Call{call(step)}, seen: acceptance{at: afterSettle, found: true, status: "Pending", queued: "no IP left"},
			want: stallVerdict, reason: v1alpha1.ProvisioningFailedReason, evidence: "no IP left",
		},
		"failed": {
			calls: []v1alpha1.Call{call(step, settled(v1alpha1.FailedOutcome))}, seen: settledPending, allowed: permission{request: "r1"},
			want: stallVerdict, reason: v1alpha1.ProvisioningFailedReason, evidence: "said so",
		},
		"failed, asked again, still pending": {
			calls: []v1alpha1.Call{call(step, settled(v1alpha1.FailedOutcome))}, seen: settledPending, allowed: permission{request: "r2"},
			want: stallVerdict, reason: v1alpha1.ProvisioningFailedReason,
		},
		"failed, forced": {
			calls: []v1alpha1.Call{call(step, settled(v1alpha1.FailedOutcome))}, seen: settledPending, allowed: permission{request: "r2", forced: true},
			want: claimVerdict,
		},
		"not sent": {calls: []v1alpha1.Call{call(step, settled(v1alpha1.NotSentOutcome))}, seen: settledPending, want: claimVerdict},
		"accepted before, set back to Pending": {
			calls: []v1alpha1.Call{call(step, settled(v1alpha1.SucceededOutcome))},
			seen:  acceptance{at: afterSettle, found: true, status: "Pending", accepted: true}, allowed: permission{request: "r2"},
			want: stallVerdict, reason: v1alpha1.OutcomeUnknownReason, evidence: "set it back",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			check(t, decideAccept(test.calls, test.seen, test.allowed, testSettle), test.want, 0, test.reason, test.evidence)
		})
	}
}

func check(t *testing.T, got verdict, kind verdictKind, orderID int64, reason, evidence string) {
	t.Helper()
	if got.kind != kind || got.orderID != orderID || got.reason != reason {
		t.Errorf("verdict %+v, want kind %d, order %d, reason %q", got, kind, orderID, reason)
	}
	if !strings.Contains(got.evidence, evidence) {
		t.Errorf("evidence %q, want it to contain %q", got.evidence, evidence)
	}
	if kind == waitVerdict && got.after <= 0 {
		t.Errorf("waits %s, want more than nothing", got.after)
	}
}

func TestInNotes(t *testing.T) {
	const key = "sfOrderId=8018b0000EjXuY1AQK"
	tests := map[string]struct {
		notes string
		want  bool
	}{
		"alone":           {key, true},
		"among others":    {"called twice\n" + key + "\nok", true},
		"before a stop":   {key + ".", true},
		"longer id":       {key + "x", false},
		"longer, then it": {key + "x " + key, true},
		"other case":      {strings.ToLower(key), false},
		"empty":           {"", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := inNotes(test.notes, key); got != test.want {
				t.Errorf("inNotes(%q) = %t, want %t", test.notes, got, test.want)
			}
		})
	}
}

func testOrder(lines ...v1alpha1.PlanLine) *v1alpha1.ProvisioningOrder {
	order := &v1alpha1.ProvisioningOrder{}
	order.Spec.SalesforceOrderID = "8018b0000EjXuY1AQK"
	order.Status.Plan = &v1alpha1.Plan{ClientID: 5, Lines: lines}
	return order
}

func TestJoin(t *testing.T) {
	line := func(item string, pid, quantity int64, cycle string) v1alpha1.PlanLine {
		return v1alpha1.PlanLine{OrderItemID: item, PID: pid, Quantity: quantity, BillingCycle: cycle}
	}
	order := testOrder(line("a", 188, 1, "monthly"), line("b", 242, 1, "onetime"), line("c", 246, 2, "monthly"))
	service := func(id, pid, quantity int64, cycle string) whmcs.Service {
		return whmcs.Service{ID: id, PID: pid, Quantity: quantity, BillingCycle: cycle, Status: "Active", OrderID: 1}
	}
	tests := map[string]struct {
		services []whmcs.Service
		want     map[int64]string
		problem  string
	}{
		"in another order": {
			services: []whmcs.Service{service(1, 246, 2, "Monthly"), service(2, 242, 1, "One Time"), service(3, 188, 1, "Monthly")},
			want:     map[int64]string{1: "c", 2: "b", 3: "a"},
		},
		"a service for each unit": {
			services: []whmcs.Service{service(1, 188, 1, "Monthly"), service(2, 242, 1, "One-Time"), service(3, 246, 1, "Monthly"), service(4, 246, 0, "Monthly")},
			want:     map[int64]string{1: "a", 2: "b", 3: "c", 4: "c"},
		},
		"one missing": {
			services: []whmcs.Service{service(1, 188, 1, "Monthly"), service(3, 246, 2, "Monthly")},
			want:     map[int64]string{1: "a", 3: "c"}, problem: "line b (product 242, onetime) lacks 1 of 1",
		},
		"one too many": {
			services: []whmcs.Service{service(1, 188, 1, "Monthly"), service(2, 242, 1, "One Time"), service(3, 246, 2, "Monthly"), service(4, 188, 1, "Monthly")},
			want:     map[int64]string{1: "a", 2: "b", 3: "c", 4: "a"}, problem: "has 1 more than 1",
		},
		"other cycle": {
			services: []whmcs.Service{service(1, 188, 1, "Annually"), service(2, 242, 1, "One Time"), service(3, 246, 2, "Monthly")},
			want:     map[int64]string{1: "", 2: "b", 3: "c"}, problem: "service 1 (product 188, Annually) was not asked for",
		},
		"quantity ignored": {
			services: []whmcs.Service{service(1, 188, 1, "Monthly"), service(2, 242, 1, "One Time"), service(3, 246, 1, "Monthly")},
			want:     map[int64]string{1: "a", 2: "b", 3: "c"}, problem: "lacks 1 of 2",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, problem := join(order, test.services)
			for _, s := range got {
				if want := test.want[s.ServiceID]; s.OrderItemID != want {
					t.Errorf("service %d is of line %q, want %q", s.ServiceID, s.OrderItemID, want)
				}
			}
			if len(got) != len(test.want) {
				t.Errorf("%d services, want %d", len(got), len(test.want))
			}
			if !strings.Contains(problem, test.problem) || (problem == "") != (test.problem == "") {
				t.Errorf("problem %q, want %q", problem, test.problem)
			}
			if exact := sameLines(order.Status.Plan.Lines, test.services); exact != (test.problem == "") {
				t.Errorf("sameLines is %t for problem %q", exact, test.problem)
			}
		})
	}
}

// TestJoinByQuantity shows that lines that are alike but for their quantities find their services, in whatever order
// WHMCS made them.
func TestJoinByQuantity(t *testing.T) {
	line := func(item string, quantity int64) v1alpha1.PlanLine {
		return v1alpha1.PlanLine{OrderItemID: item, PID: 201, Quantity: quantity, BillingCycle: "monthly"}
	}
	order := testOrder(line("two", 2), line("one", 1), line("three", 3))
	service := func(id, quantity int64) whmcs.Service {
		return whmcs.Service{ID: id, PID: 201, Quantity: quantity, BillingCycle: "Monthly"}
	}
	got, problem := join(order, []whmcs.Service{service(1, 1), service(2, 3), service(3, 2)})
	if problem != "" || got[0].OrderItemID != "one" || got[1].OrderItemID != "three" || got[2].OrderItemID != "two" {
		t.Errorf("join = %+v, %q", got, problem)
	}
}

// TestJoinByDomain shows that lines that are alike are told apart by their domains.
func TestJoinByDomain(t *testing.T) {
	alike := v1alpha1.PlanLine{PID: 201, Quantity: 1, BillingCycle: "monthly"}
	first, second := alike, alike
	first.OrderItemID, second.OrderItemID = "first", "second"
	order := testOrder(first, second)
	got, problem := join(order, []whmcs.Service{
		{ID: 1, PID: 201, Quantity: 1, BillingCycle: "Monthly", Domain: lineDomain(order, 1)},
		{ID: 2, PID: 201, Quantity: 1, BillingCycle: "Monthly", Domain: strings.ToUpper(lineDomain(order, 0))},
	})
	if problem != "" || got[0].OrderItemID != "second" || got[1].OrderItemID != "first" {
		t.Errorf("join = %+v, %q", got, problem)
	}
}
