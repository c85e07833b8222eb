package controllers

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// maxToken is the length in runes to which tokens are cut.
const maxToken = 256

// takeRequest handles the request annotations of an order: back-off is forgotten and, as long as no effect can exist,
// the plan as well. It returns the events that say what was made of the request.
func takeRequest(order *v1alpha1.ProvisioningOrder) (asked bool, notices []notice) {
	token := cut(order.Annotations[v1alpha1.RequestedAtAnnotation], maxToken)
	status := &order.Status
	if token == "" || token == status.LastHandledRequest {
		return false, nil
	}
	status.LastHandledRequest = token
	status.Failures = 0
	if status.Whmcs == nil && !isOpen(lastCall(status.Calls, v1alpha1.AddOrderCall)) {
		status.Plan = nil
	}
	if status.Salesforce != nil {
		status.Salesforce.SyncedAt = nil
	}
	notices = append(notices, notice{corev1.EventTypeNormal, v1alpha1.RequestedReason, "Request", "Trying again as requested at " + token})
	force := cut(order.Annotations[v1alpha1.ForceAtAnnotation], maxToken)
	reason := order.Annotations[v1alpha1.ForceReasonAnnotation]
	switch {
	case force == "" || force == lastForce(order):
	case force != token:
		notices = append(notices, refusedForce("orderbridge.dev/forceAt must equal orderbridge.dev/requestedAt"))
	case reason == "":
		notices = append(notices, refusedForce("orderbridge.dev/forceReason must say why"))
	default:
		status.LastHandledForce = &v1alpha1.Force{At: token, Reason: cut(reason, maxMessage)}
		notices = append(notices, notice{corev1.EventTypeWarning, v1alpha1.ForcedReason, "Force",
			"A call whose outcome is not known may be sent again: " + cut(reason, maxMessage)})
	}
	return true, notices
}

func lastForce(order *v1alpha1.ProvisioningOrder) string {
	if order.Status.LastHandledForce == nil {
		return ""
	}
	return order.Status.LastHandledForce.At
}

func refusedForce(why string) notice {
	return notice{corev1.EventTypeWarning, v1alpha1.RequestRefusedReason, "Force", "The force was not taken: " + why}
}
