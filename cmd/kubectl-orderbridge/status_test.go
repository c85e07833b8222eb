package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// TestEveryReasonHasAdvice looks for a reason without advice, or without its section in the runbook that status names.
func TestEveryReasonHasAdvice(t *testing.T) {
	runbook, err := os.ReadFile("../../docs/runbook.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for line := range strings.Lines(string(runbook)) {
		if heading, ok := strings.CutPrefix(line, "### "); ok {
			anchor := strings.NewReplacer(",", "", " ", "-").Replace(strings.ToLower(strings.TrimSpace(heading)))
			sections["docs/runbook.md#"+anchor] = true
		}
	}
	for _, reason := range append(mapping.Reasons(), v1alpha1.ProgressingReason) {
		a, ok := advices[reason]
		if !ok || a.next == "" || a.do == "" || a.retry == "" {
			t.Errorf("%s: advice %+v, want all of it", reason, a)
		}
		if !sections[runbookOf(reason)] {
			t.Errorf("%s: the runbook has no section %s", reason, runbookOf(reason))
		}
	}
	if len(advices) != len(mapping.Reasons())+1 {
		t.Errorf("%d reasons have advice, want %d", len(advices), len(mapping.Reasons())+1)
	}
}

var statusNow = time.Date(2026, 11, 24, 2, 0, 0, 0, time.UTC)

// condition is one that became so some minutes before statusNow.
func condition(name string, status metav1.ConditionStatus, reason, message string, minutes int) metav1.Condition {
	return metav1.Condition{Type: name, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(before(minutes))}
}

func before(minutes int) time.Time {
	return statusNow.Add(-time.Duration(minutes) * time.Minute)
}

func micro(minutes int) metav1.MicroTime {
	return metav1.NewMicroTime(before(minutes))
}

// doneSteps are the conditions of steps that are done, as the manager sets them.
var doneSteps = []struct{ reason, message string }{
	{v1alpha1.PlannedReason, "2 lines for WHMCS client 1007"},
	{v1alpha1.OrderedReason, "WHMCS order 4711"},
	{v1alpha1.AcceptedReason, "WHMCS order 4711 and its 2 services are active"},
	{v1alpha1.SyncedReason, "WHMCS order 4711 is active and Salesforce knows"},
}

// at puts an order into a state: the steps before the one at index step are done.
func at(order *v1alpha1.ProvisioningOrder, state v1alpha1.OrderState, step int, reason, message string, minutes int) *v1alpha1.ProvisioningOrder {
	status := &order.Status
	status.State, status.Conditions = state, nil
	for i, name := range steps {
		switch {
		case i < step:
			status.Conditions = append(status.Conditions, condition(name, metav1.ConditionTrue, doneSteps[i].reason, doneSteps[i].message, minutes+1))
		case i == step:
			status.Conditions = append(status.Conditions, condition(name, metav1.ConditionFalse, reason, message, minutes))
		default:
			status.Conditions = append(status.Conditions, condition(name, metav1.ConditionUnknown, "NotStarted", "An earlier step is not done", minutes+1))
		}
	}
	ready := metav1.ConditionFalse
	if state == v1alpha1.ProvisionedState {
		ready = metav1.ConditionTrue
	}
	status.Conditions = append(status.Conditions, condition(v1alpha1.ReadyCondition, ready, reason, message, minutes))
	if state == v1alpha1.StalledState {
		status.Conditions = append(status.Conditions, condition(v1alpha1.StalledCondition, metav1.ConditionTrue, reason, message, minutes-1))
	}
	return order
}

// sampleOrder is an order of an hour ago.
func sampleOrder() *v1alpha1.ProvisioningOrder {
	order := &v1alpha1.ProvisioningOrder{}
	order.Namespace, order.Name = "shop", "portal-8014x000000abcdaa4"
	order.CreationTimestamp = metav1.NewTime(before(60))
	order.Spec = v1alpha1.ProvisioningOrderSpec{PipelineRef: v1alpha1.PipelineReference{Name: "portal"}, SalesforceOrderID: "8014x000000ABCDAA4", Origin: v1alpha1.EventOrigin}
	order.Status.Salesforce = &v1alpha1.SalesforceOrder{OrderNumber: "00000107"}
	return order
}

func planned(order *v1alpha1.ProvisioningOrder) *v1alpha1.ProvisioningOrder {
	order.Status.Plan = &v1alpha1.Plan{ClientID: 1007, Lines: []v1alpha1.PlanLine{
		{OrderItemID: "8024x000000AAAAAAA", SKU: "INT-HOME-10G", PID: 188, BillingCycle: "monthly", Quantity: 1},
		{OrderItemID: "8024x000000BBBBAAA", SKU: "INT-INSTALL", PID: 242, BillingCycle: "onetime", Quantity: 2},
	}}
	return order
}

func statusPipeline() *v1alpha1.ProvisioningPipeline {
	pipeline := &v1alpha1.ProvisioningPipeline{}
	pipeline.Namespace, pipeline.Name = "shop", "portal"
	pipeline.Spec.Salesforce.LoginURL = "https://acme.my.salesforce.com"
	pipeline.Spec.Whmcs.URL = "https://billing.example.com/includes/api.php"
	pipeline.Spec.Whmcs.Timeouts.Settle.Duration = 5 * time.Minute
	pipeline.Spec.Whmcs.Timeouts.Services.Duration = 30 * time.Minute
	pipeline.Spec.Retention.Provisioned.Duration = 168 * time.Hour
	return pipeline
}

// TestStatusText compares the texts for the situations that people ask about.
func TestStatusText(t *testing.T) {
	lost := v1alpha1.Call{Step: v1alpha1.AddOrderCall, Attempt: 1, ClaimedAt: micro(3), NotAfter: micro(2), Baseline: 7, Evidence: "AddOrder: no clear answer: the connection broke"}
	fresh := sampleOrder()
	fresh.Status, fresh.CreationTimestamp = v1alpha1.ProvisioningOrderStatus{}, metav1.NewTime(before(0))
	settling := at(planned(sampleOrder()), v1alpha1.WaitingState, 1, v1alpha1.SettlingReason, "the answer to AddOrder was lost; WHMCS may still commit it until 2026-11-24T02:03:00Z", 3)
	settling.Status.Calls = []v1alpha1.Call{lost}
	unpaid := at(planned(sampleOrder()), v1alpha1.WaitingState, 0, v1alpha1.PaymentMethodMissingReason, "WHMCS client 1007 has no pay method; the order goes on by itself when one is added", 59)
	unpaid.Status.Salesforce.ReportedCode, unpaid.Status.Salesforce.ReportedReason = "PAYMENT_METHOD_MISSING", v1alpha1.PaymentMethodMissingReason
	unknown := at(planned(sampleOrder()), v1alpha1.StalledState, 1, v1alpha1.OutcomeUnknownReason, "the answer to AddOrder was lost; orders [8 9] of this client have exactly these lines", 30)
	unknown.Status.Calls = []v1alpha1.Call{lost}
	unknown.Status.Calls[0].NotAfter = micro(59)
	unknown.Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: "again"}
	pending := at(planned(sampleOrder()), v1alpha1.WaitingState, 2, v1alpha1.ServicesPendingReason, "service 31 is Pending", 5)
	pending.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 4711, InvoiceID: 12, Status: "Active", AcceptedAt: new(micro(5)), Services: []v1alpha1.WhmcsService{
		{OrderItemID: "8024x000000AAAAAAA", ServiceID: 31, Status: "Pending"}, {OrderItemID: "8024x000000BBBBAAA", ServiceID: 32, Status: "Active"}}}
	done := at(planned(sampleOrder()), v1alpha1.ProvisionedState, 4, v1alpha1.ProvisionedReason, "WHMCS order 4711 is active and Salesforce knows", 50)
	done.Status.Whmcs = pending.Status.Whmcs
	done.Status.Salesforce.SyncedAt = new(micro(50))
	retrying := at(planned(sampleOrder()), v1alpha1.ProgressingState, 1, v1alpha1.WhmcsUnavailableReason, "AddOrder: it cannot be done", 1)
	retrying.Status.Failures, retrying.Status.NextAttemptAt = 3, new(metav1.NewMicroTime(statusNow.Add(16*time.Second)))
	events := []statusEvent{{At: before(31), Type: "Warning", Reason: "OutcomeUnknown", Message: "the answer to AddOrder was lost", Count: 2}}

	var text bytes.Buffer
	for _, c := range []struct {
		name   string
		order  *v1alpha1.ProvisioningOrder
		events []statusEvent
	}{
		{"just made", fresh, nil}, {"waits for the customer", unpaid, nil}, {"an answer was lost", settling, nil},
		{"waits for a person", unknown, events}, {"is being set up", pending, nil}, {"tries again", retrying, nil}, {"is done", done, nil},
	} {
		fmt.Fprintf(&text, "##### %s\n", c.name)
		if err := statusOf(c.order, statusPipeline(), c.events, statusNow).writeText(&text, statusNow); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&text)
	}
	golden(t, "status.txt", text.String())
}

// TestStatusFinds looks for an order by everything that a person may have at hand.
func TestStatusFinds(t *testing.T) {
	w := inWorld(t)
	namespace, elsewhere := w.namespace(t), w.namespace(t)
	order := w.provisioned(t, namespace, sandbox.OrderLine{SKU: "SIM-5GB"})
	stalled := w.object(t, namespace, w.order(t, true, true, sandbox.OrderLine{SKU: "SIM-5GB"}).ID)
	at(stalled, v1alpha1.StalledState, 0, v1alpha1.OrderDeletedReason, "the order was deleted in Salesforce", 1)
	w.store(t, stalled)
	id, number := order.Spec.SalesforceOrderID, order.Status.Salesforce.OrderNumber
	whmcs := fmt.Sprint(order.Status.Whmcs.OrderID)
	tests := map[string]struct {
		args      []string
		namespace string
		want      string
		code      int
	}{
		"name":                      {[]string{order.Name}, namespace, order.Name, exitOK},
		"as kubectl writes it":      {[]string{"pvo/" + order.Name}, namespace, order.Name, exitOK},
		"18 characters":             {[]string{id}, namespace, order.Name, exitOK},
		"15 characters":             {[]string{id[:15]}, namespace, order.Name, exitOK},
		"order number":              {[]string{number}, namespace, order.Name, exitOK},
		"WHMCS order id":            {[]string{whmcs}, namespace, order.Name, exitOK},
		"needs a person":            {[]string{stalled.Name}, namespace, stalled.Name, exitFinding},
		"in all namespaces by name": {[]string{order.Name, "-A"}, elsewhere, order.Name, exitOK},
		"in all namespaces by id":   {[]string{id, "-A"}, elsewhere, order.Name, exitOK},
		"in another namespace":      {[]string{id}, elsewhere, "", exitFailure},
		"unknown WHMCS order id":    {[]string{"987654"}, namespace, "", exitFailure},
		"unknown name":              {[]string{"nothing"}, namespace, "", exitFailure},
		"nothing":                   {nil, namespace, "", exitFailure},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := w.run(t, call{namespace: test.namespace}, append([]string{"status", "-o", "json"}, test.args...)...)
			if got.code != test.code {
				t.Fatalf("exit %d, want %d\n%s%s", got.code, test.code, got.out, got.errOut)
			}
			if test.want == "" {
				if !strings.HasPrefix(got.errOut, "error: ") || got.out != "" {
					t.Errorf("out %q, errors %q, want an error only", got.out, got.errOut)
				}
				return
			}
			var status orderStatus
			if err := json.Unmarshal([]byte(got.out), &status); err != nil || status.Name != test.want || status.Kind != "OrderStatus" {
				t.Errorf("%v: %s %s, want OrderStatus of %s", err, status.Kind, status.Name, test.want)
			}
		})
	}
}

// TestStatusShowsEvents shows events that were recorded in the form of the newer API.
func TestStatusShowsEvents(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	order := w.object(t, namespace, w.order(t, true, true, sandbox.OrderLine{SKU: "SIM-5GB"}).ID)
	for i, note := range []string{"the newest", "an older one"} {
		event := &eventsv1.Event{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("event-%d", i)}, EventTime: metav1.NewMicroTime(before(i)),
			ReportingController: "orderbridge", ReportingInstance: "test", Action: "Order", Reason: "OrderRefused", Type: "Warning", Note: note,
			Regarding: corev1.ObjectReference{APIVersion: "orderbridge.dev/v1alpha1", Kind: "ProvisioningOrder", Namespace: namespace, Name: order.Name, UID: order.UID},
		}
		if err := w.cluster.Create(t.Context(), event); err != nil {
			t.Fatal(err)
		}
	}
	got := w.run(t, call{namespace: namespace, now: statusNow}, "status", order.Name)
	older, newest := strings.Index(got.out, "an older one"), strings.Index(got.out, "the newest")
	if older < 0 || newest < older {
		t.Errorf("events are missing, or in the wrong order:\n%s%s", got.out, got.errOut)
	}
}
