package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// stalled makes an order that has stalled.
func (w *world) stalled(t *testing.T, namespace, reason string, change func(*v1alpha1.ProvisioningOrder)) *v1alpha1.ProvisioningOrder {
	t.Helper()
	order := w.object(t, namespace, w.order(t, true, true, sandbox.OrderLine{SKU: "SIM-5GB"}).ID)
	at(order, v1alpha1.StalledState, 1, reason, "it stands still", 20)
	if change != nil {
		change(order)
	}
	w.store(t, order)
	return order
}

// fresh reads an order again.
func (w *world) fresh(t *testing.T, order *v1alpha1.ProvisioningOrder) *v1alpha1.ProvisioningOrder {
	t.Helper()
	latest := &v1alpha1.ProvisioningOrder{}
	if err := w.cluster.Get(t.Context(), client.ObjectKeyFromObject(order), latest); err != nil {
		t.Fatal(err)
	}
	return latest
}

func retried(t *testing.T, got result) retryResult {
	t.Helper()
	var r retryResult
	if err := json.Unmarshal([]byte(got.out), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, got.out, got.errOut)
	}
	return r
}

// TestRetry asks orders that are named, and orders that are chosen.
func TestRetry(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	refused := w.stalled(t, namespace, v1alpha1.OrderRefusedReason, nil)
	labelled := w.stalled(t, namespace, v1alpha1.OrderRefusedReason, nil)
	labelled.Labels = map[string]string{"team": "a"}
	if err := w.cluster.Update(t.Context(), labelled); err != nil {
		t.Fatal(err)
	}
	other := w.stalled(t, namespace, v1alpha1.WriteRejectedReason, nil)
	malformed := &v1alpha1.ProvisioningOrder{}
	malformed.Namespace, malformed.Name = namespace, "portal-event-1"
	malformed.Spec = v1alpha1.ProvisioningOrderSpec{PipelineRef: v1alpha1.PipelineReference{Name: "portal"}, Origin: v1alpha1.EventOrigin, Event: &v1alpha1.Event{ID: "1", Problem: "no order"}}
	if err := w.cluster.Create(t.Context(), malformed); err != nil {
		t.Fatal(err)
	}
	at(malformed, v1alpha1.StalledState, 0, v1alpha1.MalformedEventReason, "no order", 20)
	w.store(t, malformed)
	orders := map[string]*v1alpha1.ProvisioningOrder{"refused": refused, "labelled": labelled, "other": other, "malformed": malformed}
	tests := map[string]struct {
		args  []string
		code  int
		asked []string
		lists int
	}{
		"by name":             {[]string{refused.Name}, exitOK, []string{"refused"}, 1},
		"several":             {[]string{refused.Name, other.Spec.SalesforceOrderID}, exitOK, []string{"refused", "other"}, 2},
		"by reason":           {[]string{"--reason", "orderrefused"}, exitOK, []string{"refused", "labelled"}, 2},
		"by label":            {[]string{"--selector", "team=a"}, exitOK, []string{"labelled"}, 1},
		"by label and reason": {[]string{"-l", "team=a", "--reason", "WriteRejected"}, exitOK, nil, 0},
		"of no pipeline":      {[]string{"--reason", "OrderRefused", "--pipeline", "none"}, exitOK, nil, 0},
		"dry":                 {[]string{"--reason", "OrderRefused", "--dry-run"}, exitOK, nil, 2},
		"names no order":      {[]string{malformed.Name}, exitFinding, nil, 1},
		"unknown":             {[]string{refused.Name, "nothing"}, exitFailure, nil, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			now := time.Now().UTC()
			got := w.run(t, call{namespace: namespace, now: now}, append([]string{"retry", "-o", "json"}, test.args...)...)
			if got.code != test.code {
				t.Fatalf("exit %d, want %d\n%s%s", got.code, test.code, got.out, got.errOut)
			}
			if test.code != exitFailure {
				if r := retried(t, got); len(r.Orders) != test.lists || r.Token != now.Format(time.RFC3339Nano) {
					t.Errorf("%d orders listed with the token %s, want %d with that of now", len(r.Orders), r.Token, test.lists)
				}
			}
			for name, order := range orders {
				asked := w.fresh(t, order).Annotations[v1alpha1.RequestedAtAnnotation] == now.Format(time.RFC3339Nano)
				want := false
				for _, n := range test.asked {
					want = want || n == name
				}
				if asked != want {
					t.Errorf("%s was asked: %t, want %t", name, asked, want)
				}
				if w.fresh(t, order).Annotations[v1alpha1.ForceAtAnnotation] != "" {
					t.Errorf("%s was forced", name)
				}
			}
		})
	}
}

// TestRetryRefusesWhatDoesNotGoTogether calls it wrongly.
func TestRetryRefusesWhatDoesNotGoTogether(t *testing.T) {
	w := inWorld(t)
	tests := map[string]struct {
		args []string
		says string
	}{
		"nothing":                {nil, "name orders, or choose them"},
		"both":                   {[]string{"a", "--reason", "OrderRefused"}, "either name orders"},
		"force of several":       {[]string{"a", "b", "--force", "--force-reason", "x"}, "exactly one order"},
		"force of a reason":      {[]string{"--reason", "OutcomeUnknown", "--force", "--force-reason", "x"}, "exactly one order"},
		"force without a reason": {[]string{"a", "--force", "--force-reason", " "}, "--force needs --force-reason"},
		"reason without force":   {[]string{"a", "--force-reason", "x"}, "go with --force"},
		"yes without force":      {[]string{"a", "--yes"}, "go with --force"},
		"unknown reason":         {[]string{"--reason", "Tired"}, "no order has such a reason"},
		"broken selector":        {[]string{"--selector", "a in"}, "--selector"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := w.run(t, call{namespace: "default"}, append([]string{"retry"}, test.args...)...)
			if got.code != exitFailure || !strings.Contains(got.errOut, test.says) {
				t.Errorf("exit %d, %q, want %d and %q", got.code, got.errOut, exitFailure, test.says)
			}
		})
	}
}

// inDoubt is an AddOrder whose answer was lost long ago.
func inDoubt(order *v1alpha1.ProvisioningOrder) {
	planned(order)
	order.Status.Plan.PaymentMethod = "mailin"
	order.Status.Plan.Mapping = v1alpha1.MappingVersion{Name: "portal-mapping", ResourceVersion: "1", SHA256: "0"}
	order.Status.Calls = []v1alpha1.Call{{Step: v1alpha1.AddOrderCall, Attempt: 1, ClaimedAt: micro(90), NotAfter: micro(89), Baseline: 7,
		Evidence: "AddOrder: no clear answer"}}
}

// TestForce lets only what is in doubt be forced, and only by who types the name.
func TestForce(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	tests := map[string]struct {
		reason string
		change func(*v1alpha1.ProvisioningOrder)
		in     string
		args   []string
		code   int
		forced bool
		says   string
	}{
		"the name is typed":     {reason: v1alpha1.OutcomeUnknownReason, change: inDoubt, in: "NAME\n", forced: true, says: "AddOrder, attempt 1, claimed"},
		"something else":        {reason: v1alpha1.OutcomeUnknownReason, change: inDoubt, in: "yes\n", code: exitFailure, says: "what was typed is not the name"},
		"nothing is typed":      {reason: v1alpha1.OutcomeUnknownReason, change: inDoubt, code: exitFailure, says: "what was typed is not the name"},
		"with yes":              {reason: v1alpha1.OutcomeUnknownReason, change: inDoubt, args: []string{"--yes"}, forced: true, says: "outcome not known, the client's highest order before it was 7"},
		"dry":                   {reason: v1alpha1.OutcomeUnknownReason, change: inDoubt, args: []string{"--dry-run"}, says: "the customer is billed twice"},
		"another reason":        {reason: v1alpha1.OrderRefusedReason, change: inDoubt, args: []string{"--yes"}, code: exitFinding, says: "this one is Stalled (OrderRefused); a plain retry is safe"},
		"nothing was ever sent": {reason: v1alpha1.OutcomeUnknownReason, args: []string{"--yes"}, code: exitFinding, says: "was never sent"},
		"an accept that failed": {reason: v1alpha1.ProvisioningFailedReason, args: []string{"--yes"}, forced: true, says: "services may be deployed twice", change: func(order *v1alpha1.ProvisioningOrder) {
			inDoubt(order)
			order.Status.Calls = []v1alpha1.Call{{Step: v1alpha1.AcceptOrderCall, Attempt: 1, ClaimedAt: micro(90), NotAfter: micro(89), SettledAt: new(micro(89)), Outcome: v1alpha1.FailedOutcome, Evidence: "no IP"}}
			order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 31000}
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := w.stalled(t, namespace, test.reason, test.change)
			args := append([]string{"retry", order.Name, "--force", "--force-reason", "looked at 8 and 9", "-o", "json"}, test.args...)
			now := time.Now().UTC()
			got := w.run(t, call{namespace: namespace, in: strings.ReplaceAll(test.in, "NAME", order.Name), now: now}, args...)
			if got.code != test.code || !strings.Contains(got.errOut, test.says) {
				t.Fatalf("exit %d, want %d; errors lack %q:\n%s", got.code, test.code, test.says, got.errOut)
			}
			annotations := w.fresh(t, order).Annotations
			token := annotations[v1alpha1.RequestedAtAnnotation]
			if forced := annotations[v1alpha1.ForceAtAnnotation] != ""; forced != test.forced || forced && (token != annotations[v1alpha1.ForceAtAnnotation] ||
				token != now.Format(time.RFC3339Nano) || annotations[v1alpha1.ForceReasonAnnotation] != "looked at 8 and 9") {
				t.Errorf("annotations %v, want forced %t", annotations, test.forced)
			}
			if !test.forced && token != "" {
				t.Errorf("asked with %s, want nothing to be changed", token)
			}
		})
	}
}

// TestForceIsTakenByTheOperator forces an order whose answer was lost, and lets the operator act on it.
func TestForceIsTakenByTheOperator(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	order := w.stalled(t, namespace, v1alpha1.OutcomeUnknownReason, nil)
	// The plan is that of the real order, so that the order can be made.
	plan := w.run(t, call{namespace: namespace}, "plan", "--order", order.Spec.SalesforceOrderID, "-o", "json")
	var made orderPlan
	if err := json.Unmarshal([]byte(plan.out), &made); err != nil {
		t.Fatal(err)
	}
	inDoubt(order)
	order.Status.Plan.ClientID = made.ClientID
	order.Status.Plan.Lines = []v1alpha1.PlanLine{{OrderItemID: made.Lines[0].OrderItemID, PID: made.Lines[0].PID, BillingCycle: made.Lines[0].BillingCycle, Quantity: 1}}
	w.store(t, order)
	if got := w.run(t, call{namespace: namespace}, "retry", order.Name, "--force", "--force-reason", "nothing there", "--yes"); got.code != exitOK {
		t.Fatalf("exit %d\n%s%s", got.code, got.out, got.errOut)
	}
	order = w.fresh(t, order)
	sent := w.reconcile(t, order)
	if len(sent) != 1 || order.Status.State != v1alpha1.ProvisionedState || order.Status.LastHandledForce == nil || order.Status.LastHandledForce.Refused != "" {
		t.Errorf("%d orders sent, %s, force %+v, want one, provisioned, and the force taken", len(sent), order.Status.State, order.Status.LastHandledForce)
	}
}
