package main

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// cliVersion is the version of what the commands print with -o json and -o yaml. No cluster knows it, so that nothing
// printed can be applied by mistake.
const cliVersion = "cli.orderbridge.dev/v1alpha1"

// stamp writes an instant.
func stamp(t time.Time) string {
	return t.UTC().Format(time.RFC3339)
}

// ago writes an instant and how far it is from now.
func ago(t, now time.Time) string {
	if t.After(now) {
		return fmt.Sprintf("%s (in %s)", stamp(t), duration.HumanDuration(t.Sub(now)))
	}
	return fmt.Sprintf("%s (%s ago)", stamp(t), duration.HumanDuration(now.Sub(t)))
}

// reasonOf is the reason and the message of Ready.
func reasonOf(order *v1alpha1.ProvisioningOrder) (reason, message string) {
	ready := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ReadyCondition)
	if ready == nil {
		return "", "Nobody has looked at the order yet"
	}
	return ready.Reason, ready.Message
}

// steps are the conditions of an order in the order of its way.
var steps = []string{v1alpha1.ValidatedCondition, v1alpha1.WhmcsOrderedCondition, v1alpha1.AcceptedCondition, v1alpha1.SalesforceSyncedCondition}

// sinceOf is the time since which the order is as it is, as far as its conditions tell: they remember when they became
// True or False, not when their reason changed.
func sinceOf(order *v1alpha1.ProvisioningOrder) time.Time {
	conditions := order.Status.Conditions
	if stalled := meta.FindStatusCondition(conditions, v1alpha1.StalledCondition); stalled != nil {
		return stalled.LastTransitionTime.Time
	}
	ready := meta.FindStatusCondition(conditions, v1alpha1.ReadyCondition)
	if ready == nil {
		return order.CreationTimestamp.Time
	}
	if ready.Status == metav1.ConditionTrue {
		return ready.LastTransitionTime.Time
	}
	if call := openCall(order); call != nil && ready.Reason == v1alpha1.SettlingReason {
		return call.ClaimedAt.Time
	}
	for _, name := range steps {
		if step := meta.FindStatusCondition(conditions, name); step != nil && step.Status == metav1.ConditionFalse {
			return step.LastTransitionTime.Time
		}
	}
	return ready.LastTransitionTime.Time
}

// openCall is the newest call whose outcome is not known, or nil.
func openCall(order *v1alpha1.ProvisioningOrder) *v1alpha1.Call {
	for i := len(order.Status.Calls) - 1; i >= 0; i-- {
		if order.Status.Calls[i].SettledAt == nil {
			return &order.Status.Calls[i]
		}
	}
	return nil
}

// nextOf is when something happens by itself, and what; zero where it has no set time.
func nextOf(order *v1alpha1.ProvisioningOrder, pipeline *v1alpha1.ProvisioningPipeline) (at time.Time, what string) {
	reason, _ := reasonOf(order)
	status := &order.Status
	switch {
	case status.NextAttemptAt != nil:
		return status.NextAttemptAt.Time, "the next attempt"
	case reason == v1alpha1.ScheduledReason && status.Plan != nil && status.Plan.ScheduledFor != nil:
		return status.Plan.ScheduledFor.Time, "the order's time"
	case pipeline == nil:
		return time.Time{}, ""
	}
	timeouts := &pipeline.Spec.Whmcs.Timeouts
	call := openCall(order)
	switch {
	case reason == v1alpha1.SettlingReason && call != nil:
		return call.NotAfter.Add(timeouts.Settle.Duration), "from then on, not finding the effect of " + string(call.Step) + " counts"
	case reason == v1alpha1.ServicesPendingReason && status.Whmcs != nil && status.Whmcs.AcceptedAt != nil:
		return status.Whmcs.AcceptedAt.Add(timeouts.Services.Duration), "if a service is still pending then, the order has failed"
	case reason == v1alpha1.ProvisionedReason && status.Salesforce != nil && status.Salesforce.SyncedAt != nil:
		return status.Salesforce.SyncedAt.Add(pipeline.Spec.Retention.Provisioned.Duration), "the object is deleted"
	}
	return time.Time{}, ""
}
