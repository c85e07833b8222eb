package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
)

// retryOutcome is what a retry does with one order.
type retryOutcome struct {
	Namespace string              `json:"namespace"`
	Name      string              `json:"name"`
	State     v1alpha1.OrderState `json:"state,omitempty"`
	Reason    string              `json:"reason,omitempty"`
	// Asked says that the order was asked to try again; with --dry-run, that it would have been.
	Asked bool `json:"asked"`
	// Forced says that it was also allowed to send again a call whose outcome is not known.
	Forced bool `json:"forced,omitempty"`
	// Says is what happens now, or why nothing does.
	Says string `json:"says"`
}

// whatRetry says what a retry does with an order, and whether there is any use in one.
func whatRetry(order *v1alpha1.ProvisioningOrder) retryOutcome {
	reason, _ := reasonOf(order)
	out := retryOutcome{Namespace: order.Namespace, Name: order.Name, State: order.Status.State, Reason: reason}
	switch {
	case !order.DeletionTimestamp.IsZero():
		out.Says = "Not asked: the object is being deleted."
	case order.Spec.SalesforceOrderID == "":
		out.Says = "Not asked: the event names no order. " + advices[v1alpha1.MalformedEventReason].do
	default:
		out.Asked = true
		out.Says = sentence(adviceOf(reason).retry)
	}
	return out
}

func sentence(text string) string {
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// canForce says why a force would not do anything for an order, or nil if it is for a person to decide. pipeline is nil if
// there is none.
func canForce(order *v1alpha1.ProvisioningOrder, pipeline *v1alpha1.ProvisioningPipeline, now time.Time) error {
	reason, _ := reasonOf(order)
	if order.Status.State != v1alpha1.StalledState || reason != v1alpha1.OutcomeUnknownReason && reason != v1alpha1.ProvisioningFailedReason {
		return fmt.Errorf("a force is for an order that has stalled as OutcomeUnknown or ProvisioningFailed, and this one is %s; a plain retry is safe", stateWords(order))
	}
	if why := controllers.WhyNotForce(order, pipeline, now); why != "" {
		return errors.New(why)
	}
	return nil
}

func stateWords(order *v1alpha1.ProvisioningOrder) string {
	reason, _ := reasonOf(order)
	switch {
	case order.Status.State == "":
		return "not looked at yet"
	case reason == string(order.Status.State):
		return reason
	default:
		return fmt.Sprintf("%s (%s)", order.Status.State, reason)
	}
}

// forceSays is what a force does with an order that canForce.
func forceSays(order *v1alpha1.ProvisioningOrder) string {
	if order.Status.Whmcs != nil {
		return fmt.Sprintf("AcceptOrder is sent again for WHMCS order %d, unless it is Active by then. If its modules ran, services may be deployed twice.", order.Status.Whmcs.OrderID)
	}
	return "WHMCS is searched once more; unless an order carries the key, AddOrder is sent again. If one of the client's orders is this one after all, the customer is billed twice."
}
