package controllers

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// statusWriter writes the status of an object on the resourceVersion it carries.
type statusWriter interface {
	Update(ctx context.Context, obj client.Object, opts ...client.SubResourceUpdateOption) error
}

// worker takes one order through its steps once.
type worker struct {
	clock   clock.Clock
	reader  client.Reader
	writer  statusWriter
	backend *Backend
	// backends has the pipelines as they are now. It is nil where an order is worked on by hand.
	backends *Backends
	pace     *pacer
	gate     *clientGate
	// others finds what other orders hold.
	others owners
	// learnt is told of a pipeline for which something was found out about the markers.
	learnt func(pipeline types.NamespacedName)

	// began is the status with which the pass began.
	began v1alpha1.ProvisioningOrderStatus
	// stored is the status as it was last read or written.
	stored v1alpha1.ProvisioningOrderStatus
	// waitedFor is the reason for which the order waited until this pass, or empty. It decides about what is shown only.
	waitedFor string
	// asked is true if this pass handles a request.
	asked bool
	// called is true once a call was made whose answer must be written down.
	called bool
	// resent is the call that was claimed because a person forced it, or empty.
	resent v1alpha1.CallStep
	// accepting is true if the order step has just opened the claim of the accept step.
	accepting bool
	// theirs is the order as this pass read it from Salesforce, or nil.
	theirs map[string]any
	// seen is what the validate step saw in WHMCS.
	seen *sight
}

func (w *worker) now() time.Time {
	return w.clock.Now()
}

func (w *worker) pipeline(order *v1alpha1.ProvisioningOrder) types.NamespacedName {
	return types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.PipelineRef.Name}
}

// isSuspended tells whether the pipeline is suspended now. The pass may have begun before that, and waited long for its
// turn at WHMCS.
func (w *worker) isSuspended(order *v1alpha1.ProvisioningOrder) bool {
	if w.backends != nil {
		if now := w.backends.Get(w.pipeline(order)); now != nil {
			return now.Spec.Suspend
		}
	}
	return w.backend.Spec.Suspend
}

// permission is what was asked for this order.
func (w *worker) permission(order *v1alpha1.ProvisioningOrder) permission {
	status := &order.Status
	return permission{
		request: status.LastHandledRequest,
		forced:  status.LastHandledForce != nil && status.LastHandledForce.At == status.LastHandledRequest && status.LastHandledForce.Refused == "",
	}
}

func (w *worker) settleTime() time.Duration {
	return w.backend.Spec.Whmcs.Timeouts.Settle.Duration
}

// The waits of an order, first and longest. A wait for a fact is short at first and then ever longer.
const (
	farSideFirst, farSideLongest   = 2 * time.Second, 60 * time.Second
	customerFirst, customerLongest = 15 * time.Second, 10 * time.Minute
	servicesFirst, servicesLongest = 3 * time.Second, 60 * time.Second
)

// waitFor waits for a fact at the pace of its reason.
func (w *worker) waitFor(order *v1alpha1.ProvisioningOrder, reason, message string, first, longest time.Duration) outcome {
	return wait(w.pace.next(order.UID, reason, first, longest), reason, message)
}

// withoutBilling waits for usable WHMCS credentials.
func (w *worker) withoutBilling(order *v1alpha1.ProvisioningOrder) outcome {
	return w.waitFor(order, v1alpha1.WhmcsUnavailableReason, w.backend.BillingProblem, farSideFirst, farSideLongest)
}

// unavailable turns an error of a call that changed nothing into an outcome. WHMCS being away is waited for. After
// an error of the API server the pass is repeated: neither the order nor Salesforce staff have anything to do with it.
func (w *worker) unavailable(ctx context.Context, order *v1alpha1.ProvisioningOrder, err error) outcome {
	_, ofCluster := errors.AsType[clusterError](err)
	switch {
	case ctx.Err() != nil:
		return ahead()
	case ofCluster:
		return notClaimed(err)
	case errors.Is(err, whmcs.ErrOpen):
		out := w.waitFor(order, v1alpha1.WhmcsUnavailableReason,
			"WHMCS failed repeatedly; its circuit breaker is open, and the order goes on by itself when it closes"+lastFailure(err), farSideLongest/2, farSideLongest)
		out.err = err
		return out
	case whmcs.ClassOf(err) == whmcs.Refused:
		return retry(v1alpha1.WhmcsUnavailableReason, err)
	default:
		return w.waitFor(order, v1alpha1.WhmcsUnavailableReason, awayFor(err), farSideFirst, farSideLongest)
	}
}

// lastFailure is a further sentence about a WHMCS that is out of order: what it failed at last, if that is known.
func lastFailure(err error) string {
	if last := whmcs.LastFailure(err); last != nil {
		return ". The last failure: " + last.Error()
	}
	return ""
}

// awayFor says why WHMCS is not to be had, and what happens then.
func awayFor(err error) string {
	return err.Error() + ". The order goes on by itself when WHMCS takes it; no attempt is used up"
}
