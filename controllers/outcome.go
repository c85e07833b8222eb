package controllers

import (
	"errors"
	"time"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// kind says what a step's outcome means for the order.
type kind int

const (
	doneKind kind = iota
	waitKind
	retryKind
	stallKind
	// aheadKind: the object changed under us, so somebody else is ahead. Nothing is shown, we look again.
	aheadKind
)

// outcome is how a step ended.
type outcome struct {
	kind    kind
	reason  string
	message string
	after   time.Duration
	err     error
}

// done ends a step for good.
func done(reason, message string) outcome {
	return outcome{kind: doneKind, reason: reason, message: message}
}

// wait ends a pass: a fact is missing, and the order looks for it again after the given time.
func wait(after time.Duration, reason, message string) outcome {
	return outcome{kind: waitKind, reason: reason, message: message, after: after}
}

// retry ends a pass with an error that may be gone next time. It counts against the order's budget.
func retry(reason string, err error) outcome {
	return outcome{kind: retryKind, reason: reason, message: err.Error(), err: err}
}

// stall ends the order's way until a person asks for more.
func stall(reason string, err error) outcome {
	return outcome{kind: stallKind, reason: reason, message: err.Error(), err: err}
}

// ahead ends a pass without a trace because the object changed since it was read.
func ahead() outcome {
	return outcome{kind: aheadKind, after: time.Second}
}

// retryBudget is how many errors in a row an order may have before it stalls.
const retryBudget = 12

// maxMessage is the longest condition message in runes.
const maxMessage = 1000

// notice is an event to be recorded.
type notice struct {
	eventType string
	reason    string
	action    string
	message   string
}

// conclude turns the outcome of the step at index at into conditions, state, an event if something changed, and what
// Reconcile returns. It is the only place that does.
func conclude(order *v1alpha1.ProvisioningOrder, at int, out outcome, backoff func(failures int32) time.Duration, now time.Time) (*notice, ctrl.Result, error) {
	if out.kind == aheadKind {
		return nil, ctrl.Result{RequeueAfter: out.after}, nil
	}
	status := &order.Status
	out.message = sentence(out.message)
	last := at == len(steps)-1
	changed := markSteps(order, at, out)
	status.ObservedGeneration = order.Generation
	status.NextAttemptAt = nil

	var result ctrl.Result
	var err error
	switch out.kind {
	case aheadKind: // returned above
	case doneKind:
		status.Failures = 0
		status.State = v1alpha1.ProvisionedState
		setCondition(order, v1alpha1.ReadyCondition, metav1.ConditionTrue, v1alpha1.ProvisionedReason, out.message)
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ReconcilingCondition)
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.StalledCondition)
	case waitKind:
		status.State = v1alpha1.WaitingState
		result.RequeueAfter = out.after
		goOn(order, v1alpha1.ProgressingReason, out)
	case retryKind:
		status.State = v1alpha1.ProgressingState
		result.RequeueAfter = backoff(status.Failures)
		goOn(order, v1alpha1.ProgressingWithRetryReason, out)
	case stallKind:
		status.State = v1alpha1.StalledState
		err = reconcile.TerminalError(out.err)
		setCondition(order, v1alpha1.ReadyCondition, metav1.ConditionFalse, out.reason, out.message)
		setCondition(order, v1alpha1.StalledCondition, metav1.ConditionTrue, out.reason, out.message)
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ReconcilingCondition)
	}
	if out.kind == retryKind {
		status.NextAttemptAt = new(metav1.NewMicroTime(now.Add(result.RequeueAfter).Truncate(time.Microsecond)))
	}
	return eventFor(at, last, changed, out), result, err
}

// spend takes an error off the order's budget. The last one of it stalls.
func spend(order *v1alpha1.ProvisioningOrder, out outcome) outcome {
	if out.kind != retryKind {
		return out
	}
	if order.Status.Failures++; order.Status.Failures >= retryBudget {
		return stall(v1alpha1.RetriesExhaustedReason, exhausted(out))
	}
	return out
}

// sentence begins a message with a capital letter.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if first == utf8.RuneError {
		return text
	}
	return string(unicode.ToUpper(first)) + text[size:]
}

// exhausted says what kept failing.
func exhausted(out outcome) error {
	return errors.New("gave up after repeated errors, the last was " + out.reason + ": " + out.message +
		". Mend the cause, then set orderbridge.dev/requestedAt")
}

// markSteps sets the conditions of all steps and tells whether that of the step at index at changed.
func markSteps(order *v1alpha1.ProvisioningOrder, at int, out outcome) bool {
	for i := range at {
		passed(order, i)
	}
	condition := metav1.ConditionFalse
	if out.kind == doneKind {
		condition = metav1.ConditionTrue
	}
	changed := setCondition(order, steps[at].condition, condition, out.reason, out.message)
	for _, later := range steps[at+1:] {
		setCondition(order, later.condition, metav1.ConditionUnknown, v1alpha1.NotStartedReason, "An earlier step is not done")
	}
	return changed
}

// passed keeps the condition of a step that was done in an earlier pass and mends one that says otherwise.
func passed(order *v1alpha1.ProvisioningOrder, i int) {
	if !meta.IsStatusConditionTrue(order.Status.Conditions, steps[i].condition) {
		setCondition(order, steps[i].condition, metav1.ConditionTrue, steps[i].doneReason, "Done")
	}
}

func goOn(order *v1alpha1.ProvisioningOrder, reconciling string, out outcome) {
	setCondition(order, v1alpha1.ReadyCondition, metav1.ConditionFalse, out.reason, out.message)
	setCondition(order, v1alpha1.ReconcilingCondition, metav1.ConditionTrue, reconciling, out.message)
	meta.RemoveStatusCondition(&order.Status.Conditions, v1alpha1.StalledCondition)
}

func eventFor(at int, last, changed bool, out outcome) *notice {
	if !changed {
		return nil
	}
	switch {
	case out.kind == doneKind && last:
		return &notice{corev1.EventTypeNormal, v1alpha1.ProvisionedReason, steps[at].verb, out.message}
	case out.kind == retryKind || out.kind == stallKind:
		return &notice{corev1.EventTypeWarning, out.reason, steps[at].verb, out.message}
	}
	return nil
}

// underWay sets the conditions that show while the call of the step at index at is made.
func underWay(order *v1alpha1.ProvisioningOrder, at int, message string) {
	out := outcome{kind: waitKind, reason: v1alpha1.ProgressingReason, message: message}
	markSteps(order, at, out)
	order.Status.ObservedGeneration = order.Generation
	order.Status.State = v1alpha1.ProgressingState
	order.Status.NextAttemptAt = nil
	goOn(order, v1alpha1.ProgressingReason, out)
}

// setCondition sets a condition and tells whether its status or reason changed.
func setCondition(order *v1alpha1.ProvisioningOrder, name string, status metav1.ConditionStatus, reason, message string) bool {
	old := meta.FindStatusCondition(order.Status.Conditions, name)
	changed := old == nil || old.Status != status || old.Reason != reason
	meta.SetStatusCondition(&order.Status.Conditions, metav1.Condition{
		Type:               name,
		Status:             status,
		Reason:             reason,
		Message:            cut(message, maxMessage),
		ObservedGeneration: order.Generation,
	})
	return changed
}

// cut shortens a text to a number of runes.
func cut(text string, runes int) string {
	if utf8.RuneCountInString(text) <= runes {
		return text
	}
	return string([]rune(text)[:runes-1]) + "…"
}
