package controllers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// accept has WHMCS accept the order exactly once and reads back what came of it.
func (w *worker) accept(ctx context.Context, order *v1alpha1.ProvisioningOrder) outcome {
	known := order.Status.Whmcs
	switch {
	case known.AcceptedAt != nil && allActive(known.Services) && !w.asked:
		return done(v1alpha1.AcceptedReason, acceptedMessage(known))
	case w.backend.Billing == nil:
		return w.withoutBilling(order)
	case known.AcceptedAt != nil && !w.asked:
		return w.readBack(ctx, order)
	case w.accepting:
		w.accepting = false
		return w.acceptOrder(ctx, order)
	}
	return w.acceptAfterLook(ctx, order)
}

// acceptAfterLook reads the order and acts on what it shows.
func (w *worker) acceptAfterLook(ctx context.Context, order *v1alpha1.ProvisioningOrder) outcome {
	seen, err := w.lookAtOrder(ctx, order)
	if err != nil {
		return w.unavailable(ctx, order, err)
	}
	for forced := false; ; {
		v := decideAccept(order.Status.Calls, seen, w.permission(order), w.settleTime())
		switch v.kind {
		case adoptVerdict:
			return w.accepted(ctx, order, v1alpha1.FoundOutcome, v.evidence)
		case settleVerdict:
			forced = v.forced
			w.settle(order, v1alpha1.AcceptOrderCall, v1alpha1.NotFoundOutcome, v.evidence)
			if order.Status.Failures++; order.Status.Failures >= retryBudget {
				return stall(v1alpha1.OutcomeUnknownReason, errors.New("the answers to AcceptOrder keep getting lost, and the order was Pending after each of them. Look at WHMCS and the proxies before it, then set orderbridge.dev/requestedAt"))
			}
		case claimVerdict:
			return w.claimAccept(ctx, order, forced || v.forced)
		case waitVerdict:
			return wait(v.after, v.reason, v.evidence)
		default:
			return stall(v.reason, fmt.Errorf("WHMCS order %d: %s", order.Status.Whmcs.OrderID, v.evidence))
		}
	}
}

// lookAtOrder reads the order, its services and what its modules failed at.
func (w *worker) lookAtOrder(ctx context.Context, order *v1alpha1.ProvisioningOrder) (acceptance, error) {
	began := w.now()
	theirs, err := w.readOrder(ctx, order)
	if err != nil || theirs == nil {
		return acceptance{at: began}, err
	}
	if why := stranger(order, theirs); why != "" {
		return acceptance{at: began, found: true, stranger: why}, nil
	}
	known := order.Status.Whmcs
	known.Status = theirs.Status
	if known.InvoiceID == 0 {
		known.InvoiceID = theirs.InvoiceID
	}
	seen := acceptance{at: began, found: true, accepted: known.AcceptedAt != nil, status: theirs.Status}
	if !strings.EqualFold(theirs.Status, whmcsPending) {
		return seen, nil
	}
	// Also without a claim: the object may have been made anew, and then it does not remember that provisioning began.
	for _, item := range theirs.LineItems {
		if item.Status != "" && !strings.EqualFold(item.Status, whmcsPending) && seen.begun == "" {
			seen.begun = fmt.Sprintf("%s %d of it is %s", kindOfItem(item), item.RelID, item.Status)
		}
	}
	seen.queued, err = w.failedModule(ctx, order, theirs.LineItems)
	return seen, err
}

// readOrder reads the order by its id; nil means that WHMCS does not show it.
func (w *worker) readOrder(ctx context.Context, order *v1alpha1.ProvisioningOrder) (*whmcs.Order, error) {
	id := order.Status.Whmcs.OrderID
	orders, err := read(ctx, w, order, func(ctx context.Context) ([]whmcs.Order, error) {
		return w.backend.Billing.GetOrders(ctx, whmcs.OrderFilter{ID: id})
	})
	for i := range orders {
		if orders[i].ID == id {
			return &orders[i], err
		}
	}
	return nil, err
}

// serviceItem is the kind of an item of an order that stands for a service.
const serviceItem = "service"

// kindOfItem names what an item of an order stands for. Only of a service is its id that of a service: the id of a domain or an
// addon may be that of a stranger's service too.
func kindOfItem(item whmcs.LineItem) string {
	kind := strings.ToLower(item.Type)
	if kind == "" || kind == "product" {
		return serviceItem
	}
	return kind
}

// failedModule is the text of an unfinished failed module action of the services.
func (w *worker) failedModule(ctx context.Context, order *v1alpha1.ProvisioningOrder, items []whmcs.LineItem) (string, error) {
	for _, item := range items {
		if item.RelID == 0 || kindOfItem(item) != serviceItem || strings.EqualFold(item.Status, whmcsActive) {
			continue
		}
		entries, err := read(ctx, w, order, func(ctx context.Context) ([]whmcs.ModuleQueueEntry, error) {
			return w.backend.Billing.GetModuleQueue(ctx, item.RelID)
		})
		if err != nil {
			return "", err
		}
		for _, entry := range entries {
			if !entry.Completed && entry.LastError != "" {
				return fmt.Sprintf("service %d, %s: %s", item.RelID, entry.ModuleAction, entry.LastError), nil
			}
		}
	}
	return "", nil
}

// claimAccept claims AcceptOrder in a write of its own and calls it.
func (w *worker) claimAccept(ctx context.Context, order *v1alpha1.ProvisioningOrder, forced bool) outcome {
	if w.isSuspended(order) {
		return suspended()
	}
	if w.backend.Admission.State() == whmcs.AdmissionOpen {
		return w.unavailable(ctx, order, whmcs.ErrOpen)
	}
	call := v1alpha1.Call{Step: v1alpha1.AcceptOrderCall, Forced: forced}
	if err := w.claim(ctx, order, acceptStep, call, w.backend.Spec.Whmcs.Timeouts.AcceptOrder.Duration); err != nil {
		return notClaimed(err)
	}
	return w.acceptOrder(ctx, order)
}

// acceptOrder calls AcceptOrder under the open claim.
func (w *worker) acceptOrder(ctx context.Context, order *v1alpha1.ProvisioningOrder) outcome {
	w.called = true
	claimed := lastCall(order.Status.Calls, v1alpha1.AcceptOrderCall)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), claimed.NotAfter.Sub(w.now()))
	defer cancel()
	// In front of all who wait: the claim is open already, and if we die before the call nobody can tell for the settle time.
	release, err := w.backend.Admission.Acquire(ctx, time.Time{})
	if err != nil {
		w.settle(order, v1alpha1.AcceptOrderCall, v1alpha1.NotSentOutcome, "WHMCS was not available")
		return w.waitFor(order, v1alpha1.WhmcsUnavailableReason, awayFor(err), farSideFirst, farSideLongest)
	}
	spec := &w.backend.Spec.Whmcs
	err = w.backend.Billing.AcceptOrder(ctx, whmcs.AcceptOrderRequest{
		OrderID:   order.Status.Whmcs.OrderID,
		AutoSetup: spec.AutoSetup == nil || *spec.AutoSetup,
		SendEmail: spec.SendEmail,
		NotAfter:  claimed.NotAfter.Time,
	})
	release(err)
	if err != nil {
		return w.notAccepted(ctx, order, err)
	}
	return w.accepted(ctx, order, v1alpha1.SucceededOutcome, "")
}

// notAccepted says what an error of AcceptOrder means.
func (w *worker) notAccepted(ctx context.Context, order *v1alpha1.ProvisioningOrder, err error) outcome {
	switch class := whmcs.ClassOf(err); {
	case class == whmcs.Refused && whmcs.CodeOf(err) == whmcs.OrderNotPending:
		return w.notPending(ctx, order, err)
	case class == whmcs.Refused || whmcs.CodeOf(err) == whmcs.ModuleFailed:
		w.settle(order, v1alpha1.AcceptOrderCall, v1alpha1.FailedOutcome, err.Error())
		return stall(v1alpha1.ProvisioningFailedReason, fmt.Errorf("WHMCS order %d: %s", order.Status.Whmcs.OrderID, failedAccept(err.Error())))
	case class == whmcs.Denied || class == whmcs.Busy || class == whmcs.NotSent:
		w.settle(order, v1alpha1.AcceptOrderCall, v1alpha1.NotSentOutcome, err.Error())
		return w.waitFor(order, v1alpha1.WhmcsUnavailableReason, awayFor(err), farSideFirst, farSideLongest)
	default:
		return w.lost(order, v1alpha1.AcceptOrderCall, err)
	}
}

// notPending looks at an order of which WHMCS says that it is unknown or not pending: the text is the same for both,
// and for one that is active already.
func (w *worker) notPending(ctx context.Context, order *v1alpha1.ProvisioningOrder, refusal error) outcome {
	seen, err := w.lookAtOrder(ctx, order)
	if err != nil {
		// The claim stays open; the next pass looks again.
		return w.unavailable(ctx, order, err)
	}
	if seen.found && strings.EqualFold(seen.status, whmcsPending) {
		w.settle(order, v1alpha1.AcceptOrderCall, v1alpha1.RefusedOutcome, refusal.Error())
		return retry(v1alpha1.WhmcsUnavailableReason, fmt.Errorf("WHMCS shows order %d as Pending and refuses to accept it: %w", order.Status.Whmcs.OrderID, refusal))
	}
	v := decideAccept(order.Status.Calls, seen, w.permission(order), w.settleTime())
	if v.kind == adoptVerdict {
		return w.accepted(ctx, order, v1alpha1.FoundOutcome, v.evidence)
	}
	w.settle(order, v1alpha1.AcceptOrderCall, v1alpha1.RefusedOutcome, refusal.Error())
	return stall(v.reason, fmt.Errorf("WHMCS order %d: %s", order.Status.Whmcs.OrderID, v.evidence))
}

// accepted notes that WHMCS accepted the order and reads its services back.
func (w *worker) accepted(ctx context.Context, order *v1alpha1.ProvisioningOrder, result v1alpha1.CallOutcome, evidence string) outcome {
	if isOpen(lastCall(order.Status.Calls, v1alpha1.AcceptOrderCall)) {
		w.settle(order, v1alpha1.AcceptOrderCall, result, evidence)
	}
	known := order.Status.Whmcs
	known.Status = whmcsActive
	if known.AcceptedAt == nil {
		known.AcceptedAt = new(metav1.NewMicroTime(w.now()))
		order.Status.Failures = 0
	}
	return w.readBack(ctx, order)
}

// readBack joins the services to the plan's lines and checks that they are what was asked for.
func (w *worker) readBack(ctx context.Context, order *v1alpha1.ProvisioningOrder) outcome {
	known := order.Status.Whmcs
	all, err := w.services(ctx, order, order.Status.Plan.ClientID)
	if err != nil {
		return w.unavailable(ctx, order, err)
	}
	services := servicesOf(all, known.OrderID)
	if err := w.learn(ctx, order, services); err != nil {
		return w.unavailable(ctx, order, err)
	}
	joined, problem := join(order, services)
	// Only services that are the plan's are kept: on a later pass kept services that are all active stand for the order.
	known.Services = nil
	if problem != "" {
		return stall(v1alpha1.ServicesMismatchReason, fmt.Errorf("WHMCS order %d: %s", known.OrderID, problem))
	}
	known.Services = joined
	if bad := withdrawn(joined); bad != "" {
		return stall(v1alpha1.ProvisioningFailedReason, fmt.Errorf("WHMCS order %d: %s", known.OrderID, bad))
	}
	if allActive(joined) {
		return done(v1alpha1.AcceptedReason, acceptedMessage(known))
	}
	return w.servicesPending(ctx, order, joined)
}

// servicesPending waits for services whose modules work in the background.
func (w *worker) servicesPending(ctx context.Context, order *v1alpha1.ProvisioningOrder, services []v1alpha1.WhmcsService) outcome {
	var items []whmcs.LineItem
	for _, service := range services {
		items = append(items, whmcs.LineItem{RelID: service.ServiceID, Status: service.Status})
	}
	failed, err := w.failedModule(ctx, order, items)
	if err != nil {
		return w.unavailable(ctx, order, err)
	}
	known := order.Status.Whmcs
	if failed != "" {
		return stall(v1alpha1.ProvisioningFailedReason, fmt.Errorf("WHMCS order %d is active, %s. Mend it in the module queue of WHMCS, then set orderbridge.dev/requestedAt", known.OrderID, failed))
	}
	if w.asked {
		known.AcceptedAt = new(metav1.NewMicroTime(w.now()))
	}
	deadline := known.AcceptedAt.Add(w.backend.Spec.Whmcs.Timeouts.Services.Duration)
	left := deadline.Sub(w.now())
	if left <= 0 {
		return stall(v1alpha1.ProvisioningFailedReason, fmt.Errorf("WHMCS order %d is active, but services of it are still pending after %s: look at the module queue in WHMCS, then set orderbridge.dev/requestedAt",
			known.OrderID, w.backend.Spec.Whmcs.Timeouts.Services.Duration))
	}
	out := w.waitFor(order, v1alpha1.ServicesPendingReason,
		fmt.Sprintf("WHMCS order %d is active; waiting for its services until %s", known.OrderID, deadline.UTC().Format(time.RFC3339)), servicesFirst, servicesLongest)
	out.after = min(out.after, left)
	return out
}

func acceptedMessage(known *v1alpha1.WhmcsOrder) string {
	return fmt.Sprintf("WHMCS order %d and its %d services are active", known.OrderID, len(known.Services))
}
