package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// This file handles the request annotations of an order. Each token is answered once, and what cannot be done is answered
// by one Warning event that says why and what to do instead. docs/spec/v1alpha1/provisioningorder.md lists the cases.

// maxToken is the length in runes to which tokens are cut.
const maxToken = 256

// ask is what annotations that were not handled yet ask for, and what was made of it.
type ask struct {
	// request is the new requestedAt, or empty.
	request string
	// force is the reason of a force that was taken, or empty.
	force string
	// refused says why a force was not taken, or is empty.
	refused string
}

// token is the value of a request annotation.
func token(order *v1alpha1.ProvisioningOrder, annotation string) string {
	return cut(order.Annotations[annotation], maxToken)
}

// newRequest returns the requestedAt that was not handled yet, or "".
func newRequest(order *v1alpha1.ProvisioningOrder) string {
	if asked := token(order, v1alpha1.RequestedAtAnnotation); asked != order.Status.LastHandledRequest {
		return asked
	}
	return ""
}

// newForce returns the forceAt that was not handled yet, or "".
func newForce(order *v1alpha1.ProvisioningOrder) string {
	last := order.Status.LastHandledForce
	if force := token(order, v1alpha1.ForceAtAnnotation); last == nil || force != last.At {
		return force
	}
	return ""
}

// asks tells whether the annotations ask for something that was not handled yet.
func asks(order *v1alpha1.ProvisioningOrder) bool {
	return newRequest(order) != "" || newForce(order) != ""
}

// takeRequest handles the request annotations of an order: back-off is forgotten and, as long as no effect can exist, the
// plan as well. A backend of nil means that the order has no pipeline.
func takeRequest(order *v1alpha1.ProvisioningOrder, backend *Backend, now time.Time) ask {
	a := ask{request: newRequest(order)}
	if !asks(order) {
		return a
	}
	status := &order.Status
	force, reason := token(order, v1alpha1.ForceAtAnnotation), cut(strings.TrimSpace(order.Annotations[v1alpha1.ForceReasonAnnotation]), maxMessage)
	a.refused = refuseForce(order, backend, now)
	if a.refused != "" || force != "" && force == a.request {
		status.LastHandledForce = &v1alpha1.Force{At: force, Reason: reason, Refused: cut(a.refused, maxMessage)}
	}
	if a.request == "" {
		return a
	}
	if force == a.request && a.refused == "" {
		a.force = reason
	}
	status.LastHandledRequest = a.request
	status.Failures = 0
	if status.Whmcs == nil && !isOpen(lastCall(status.Calls, v1alpha1.AddOrderCall)) {
		status.Plan = nil
	}
	if status.Salesforce != nil {
		status.Salesforce.SyncedAt = nil
		// Whoever asks in Salesforce has overwritten the last report, and waits for an answer even if it is the same.
		status.Salesforce.ReportedReason = ""
	}
	return a
}

// anew is how a force that was refused is asked for again.
const anew = "set orderbridge.dev/requestedAt and orderbridge.dev/forceAt to the same new time, in one command"

// refuseForce says why a force that was not handled yet cannot be taken; "" means that it can, or that there is none.
func refuseForce(order *v1alpha1.ProvisioningOrder, backend *Backend, now time.Time) string {
	request, force := newRequest(order), token(order, v1alpha1.ForceAtAnnotation)
	reason := strings.TrimSpace(order.Annotations[v1alpha1.ForceReasonAnnotation])
	switch last := order.Status.LastHandledForce; {
	case force == "" && reason != "" && request != "":
		return "orderbridge.dev/forceReason without orderbridge.dev/forceAt forces nothing; " + anew
	case force == "":
		return ""
	case request == "" && force == order.Status.LastHandledRequest:
		return "the requestedAt of the same time was handled before forceAt was set; " + anew
	case force != request && newForce(order) == "":
		return "" // left over from an earlier force
	case force != request:
		return "orderbridge.dev/forceAt must equal orderbridge.dev/requestedAt; " + anew
	case last != nil && last.At == force && last.Refused == "":
		return "this force was used already; " + anew
	case reason == "":
		return "orderbridge.dev/forceReason must say why; set it, and " + anew
	}
	return unforceable(order, backend, now)
}

// unforceable says why nothing of an order can be forced now; "" means that something can.
func unforceable(order *v1alpha1.ProvisioningOrder, backend *Backend, now time.Time) string {
	const plain = "a requestedAt alone tries again without a risk"
	status := &order.Status
	step := v1alpha1.AddOrderCall
	if status.Whmcs != nil {
		step = v1alpha1.AcceptOrderCall
	}
	last := lastCall(status.Calls, step)
	switch {
	case status.State == v1alpha1.ProvisionedState:
		return "the order is provisioned, and nothing about it is unclear; a requestedAt alone checks WHMCS and writes to Salesforce again"
	case status.Whmcs != nil && status.Whmcs.AcceptedAt != nil:
		return "WHMCS has accepted the order, and accepting it again does nothing; finish it in WHMCS, then set requestedAt alone"
	case last == nil:
		return fmt.Sprintf("%s was never sent for this order, so that nothing is unclear; %s", step, plain)
	case backend == nil:
		return "the order has no pipeline; make the pipeline, look in WHMCS again, then " + anew
	case backend.Spec.Suspend:
		return "the pipeline is suspended; resume it, look in WHMCS again, then " + anew
	case isOpen(last) && (status.State != v1alpha1.StalledState || now.Before(settledFrom(last, backend.Spec.Whmcs.Timeouts.Settle.Duration))):
		return fmt.Sprintf("the answer to %s was lost, and its effect is still being looked for; wait until the order has stalled as OutcomeUnknown, look in WHMCS, then %s", step, anew)
	case isOpen(last):
		return ""
	case step == v1alpha1.AddOrderCall || status.State != v1alpha1.StalledState:
		return fmt.Sprintf("what became of %s is known (%s), so that nothing is unclear; %s", step, last.Outcome, plain)
	}
	return ""
}

// answers are the events that say what was made of the request, after the pass that took it: at most one of them is a
// Warning. Changed is the event of the pass itself.
func (a ask) answers(order *v1alpha1.ProvisioningOrder, w *worker, out outcome, changed *notice) []notice {
	var all []notice
	if a.refused != "" {
		all = append(all, refusal("Force", "The force was not taken: "+a.refused))
	}
	if a.request == "" {
		return all
	}
	trying := notice{corev1.EventTypeNormal, v1alpha1.RequestedReason, "Request", "Trying again as requested at " + a.request}
	switch {
	case a.refused != "":
	case out.reason == v1alpha1.SuspendedReason || out.reason == v1alpha1.PipelineNotReadyReason:
		return append(all, refusal("Request", fmt.Sprintf("The request of %s cannot be done yet, and is kept. %s. Mend that in ProvisioningPipeline %s, and the order goes on by itself",
			a.request, out.message, order.Spec.PipelineRef.Name)))
	case w.resent != "":
		trying = notice{corev1.EventTypeWarning, v1alpha1.ForcedReason, "Force", fmt.Sprintf("%s was sent again although what became of it was not known: %s", w.resent, a.force)}
	case out.kind == stallKind && changed == nil:
		return append(all, refusal("Request", fmt.Sprintf("Looked again as requested at %s, and the order is still stalled as %s: %s", a.request, out.reason, sentence(out.message))))
	case a.force == "" && out.kind == doneKind && changed == nil:
		trying.message = fmt.Sprintf("Checked as requested at %s: %s", a.request, sentence(out.message))
	case a.force != "" && out.kind != waitKind:
		trying.message += ". The force was not needed"
	case a.force != "":
		trying = notice{corev1.EventTypeWarning, v1alpha1.ForcedReason, "Force", "A call whose outcome is not known may be sent again: " + a.force}
	}
	return append(all, trying)
}

func refusal(action, message string) notice {
	return notice{corev1.EventTypeWarning, v1alpha1.RequestRefusedReason, action, message}
}

// decline answers what is asked of an order for which nothing can be done any more.
func (r *OrderReconciler) decline(ctx context.Context, order *v1alpha1.ProvisioningOrder, why string) (ctrl.Result, error) {
	request, force := newRequest(order), newForce(order)
	w := &worker{writer: r.Status(), stored: *order.Status.DeepCopy()}
	if request != "" {
		order.Status.LastHandledRequest = request
	}
	if force != "" {
		reason := cut(order.Annotations[v1alpha1.ForceReasonAnnotation], maxMessage)
		order.Status.LastHandledForce = &v1alpha1.Force{At: force, Reason: reason, Refused: cut(why, maxMessage)}
	}
	if err := w.save(ctx, order); err != nil {
		if errors.Is(err, errAhead) {
			return ctrl.Result{RequeueAfter: time.Second}, nil
		}
		return ctrl.Result{}, err
	}
	r.tell(order, refusal("Request", "What was asked for cannot be done: "+why))
	return ctrl.Result{}, nil
}

// maxNote is the longest note in bytes that the API server takes; an event with a longer one is lost.
const maxNote = 1024

// tell records events.
func (r *OrderReconciler) tell(order client.Object, notices ...notice) {
	for _, n := range notices {
		r.Recorder.Eventf(order, nil, n.eventType, n.reason, n.action, "%s", note(n.message))
	}
}

// note shortens a text to what fits into an event.
func note(text string) string {
	if len(text) <= maxNote {
		return text
	}
	const end = "…"
	runes := []rune(text)
	size := len(end)
	at := slices.IndexFunc(runes, func(c rune) bool {
		size += len(string(c))
		return size > maxNote
	})
	return string(runes[:at]) + end
}
