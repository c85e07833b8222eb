package controllers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// errAhead says that the object changed since it was read.
var errAhead = errors.New("the order changed since it was read")

// recordTimeout is how long writing an answer down may take, whatever else ends.
const recordTimeout = 30 * time.Second

// claim opens a claim and stores it, with everything else that is in the status, on the resourceVersion that was read.
// Only a claim that was stored gives the right to call.
func (w *worker) claim(ctx context.Context, order *v1alpha1.ProvisioningOrder, at int, call v1alpha1.Call, timeout time.Duration) error {
	w.open(order, at, call, timeout)
	return w.save(ctx, order)
}

// open appends an open claim to the status. It is not stored yet.
func (w *worker) open(order *v1alpha1.ProvisioningOrder, at int, call v1alpha1.Call, timeout time.Duration) {
	now := w.now()
	call.Attempt = 1
	if last := lastCall(order.Status.Calls, call.Step); last != nil {
		call.Attempt = last.Attempt + 1
	}
	call.ClaimedAt = metav1.NewMicroTime(now)
	call.NotAfter = metav1.NewMicroTime(now.Add(timeout))
	call.Request = order.Status.LastHandledRequest
	if call.Forced {
		w.resent = call.Step
	}
	order.Status.Calls = append(forgetful(order.Status.Calls), call)
	underWay(order, at, fmt.Sprintf("Calling %s, attempt %d", call.Step, call.Attempt))
}

// keptCalls is how many calls an order remembers. The API server takes 64.
const keptCalls = 32

// forgetful drops the oldest settled call if there are many: each call that WHMCS turns away unsent is one, and a role
// that lacks AddOrder turns one away every minute. The newest call of a step decides, and is never settled and old.
func forgetful(calls []v1alpha1.Call) []v1alpha1.Call {
	if len(calls) < keptCalls {
		return calls
	}
	at := slices.IndexFunc(calls, func(c v1alpha1.Call) bool { return !isOpen(&c) && *lastCall(calls, c.Step) != c })
	if at < 0 {
		return calls
	}
	return slices.Delete(slices.Clone(calls), at, at+1)
}

// settle writes the outcome into the newest claim of a step. It is not stored yet.
func (w *worker) settle(order *v1alpha1.ProvisioningOrder, step v1alpha1.CallStep, outcome v1alpha1.CallOutcome, evidence string) {
	call := lastCall(order.Status.Calls, step)
	call.SettledAt = new(metav1.NewMicroTime(w.now()))
	call.Outcome = outcome
	call.Evidence = cut(evidence, maxMessage)
	callOutcomes.WithLabelValues(string(step), string(outcome)).Inc()
}

// save writes the status on the resourceVersion that was read. A conflict is errAhead.
func (w *worker) save(ctx context.Context, order *v1alpha1.ProvisioningOrder) error {
	if equality.Semantic.DeepEqual(order.Status, w.stored) {
		return nil
	}
	err := w.writer.Update(ctx, order)
	switch {
	case apierrors.IsConflict(err) || apierrors.IsNotFound(err):
		return errAhead
	case err != nil:
		return fmt.Errorf("writing the order's status: %w", err)
	}
	w.stored = *order.Status.DeepCopy()
	return nil
}

// record writes down the answer of a call. It goes on after a shutdown began, and where only metadata changed
// meanwhile (an annotation, a deletion) or the change is its own it takes over the new resourceVersion: an answer must not be
// lost to that.
func (w *worker) record(ctx context.Context, order *v1alpha1.ProvisioningOrder) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		err := w.save(ctx, order)
		if err == nil {
			return nil
		}
		if errors.Is(err, errAhead) {
			if err := w.rebase(ctx, order); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return err
		case <-w.clock.After(pause):
		}
	}
}

// rebase takes over the stored object's metadata if its status is still the one that was written last, or the one that is being
// written: then that write took effect and its answer was lost.
func (w *worker) rebase(ctx context.Context, order *v1alpha1.ProvisioningOrder) error {
	var latest v1alpha1.ProvisioningOrder
	if err := w.reader.Get(ctx, client.ObjectKeyFromObject(order), &latest); err != nil {
		if apierrors.IsNotFound(err) {
			return errAhead
		}
		return nil
	}
	switch {
	case equality.Semantic.DeepEqual(latest.Status, w.stored):
	case isStoredAs(order.Status, latest.Status):
		order.Status = latest.Status
		w.stored = *latest.Status.DeepCopy()
	default:
		return errAhead
	}
	order.ObjectMeta = latest.ObjectMeta
	return nil
}

// isStoredAs tells whether a status that was sent is what the API server has. The wire cuts times to microseconds or seconds.
func isStoredAs(sent, stored v1alpha1.ProvisioningOrderStatus) bool {
	var arrived v1alpha1.ProvisioningOrderStatus
	wire, err := json.Marshal(sent)
	return err == nil && json.Unmarshal(wire, &arrived) == nil && equality.Semantic.DeepEqual(arrived, stored)
}
