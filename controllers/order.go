package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// order makes exactly one order in WHMCS.
func (w *worker) order(ctx context.Context, order *v1alpha1.ProvisioningOrder) outcome {
	if known := order.Status.Whmcs; known != nil {
		return done(v1alpha1.OrderedReason, fmt.Sprintf("WHMCS order %d", known.OrderID))
	}
	if w.backend.Billing == nil {
		return w.withoutBilling(order)
	}
	// An effect that is there already is taken over whoever else is busy with the client, if it carries the key.
	entered := w.enter(ctx, order)
	if !entered && !isOpen(lastCall(order.Status.Calls, v1alpha1.AddOrderCall)) {
		return w.clientBusy(order)
	}
	seen, err := w.sightOf(ctx, order)
	if err != nil {
		return w.unavailable(ctx, order, err)
	}
	for forced := false; ; {
		v := decideOrder(order.Status.Calls, seen, w.permission(order), w.settleTime())
		switch {
		case v.kind == waitVerdict:
			return wait(v.after, v.reason, v.evidence)
		// Without the gate only the key tells this order from the one that whoever has the gate is making just now.
		case !entered && len(seen.matches) == 0:
			return w.clientBusy(order)
		case v.kind == adoptVerdict:
			if entered && !w.gate.commit(w.clientKey(order), order.UID) {
				return w.clientBusy(order)
			}
			return w.adopt(ctx, order, v)
		case v.kind == stallVerdict:
			return stall(v.reason, errors.New(v.evidence))
		case v.kind == settleVerdict:
			forced = v.forced
			w.settle(order, v1alpha1.AddOrderCall, v1alpha1.NotFoundOutcome, v.evidence)
			if order.Status.Failures++; order.Status.Failures >= retryBudget {
				return stall(v1alpha1.OutcomeUnknownReason, errors.New("the answers to AddOrder keep getting lost, and no order was found after any of them. Look at WHMCS and the proxies before it, then set orderbridge.dev/requestedAt"))
			}
		default:
			return w.addOrder(ctx, order, seen.highest, forced)
		}
	}
}

// sightOf is what WHMCS shows of the order: what this pass saw already, or a look now.
func (w *worker) sightOf(ctx context.Context, order *v1alpha1.ProvisioningOrder) (sight, error) {
	if w.seen != nil {
		return *w.seen, nil
	}
	seen, err := w.look(ctx, order, order.Status.Plan.ClientID)
	if err != nil {
		return seen, err
	}
	last := lastCall(order.Status.Calls, v1alpha1.AddOrderCall)
	if isOpen(last) && len(seen.matches) == 0 && !seen.at.Before(settledFrom(last, w.settleTime())) {
		err = w.compare(ctx, order, &seen, last.Baseline)
	}
	return seen, err
}

// compare finds the keyless orders above the baseline that no other ProvisioningOrder has and that have the plan's lines,
// exactly or in part.
func (w *worker) compare(ctx context.Context, order *v1alpha1.ProvisioningOrder, seen *sight, baseline int64) error {
	services, err := w.services(ctx, order, order.Status.Plan.ClientID)
	if err != nil {
		return err
	}
	if err := w.findFields(ctx, order); err != nil {
		return err
	}
	seen.keyReliable = w.backend.Markers.reliable(sentMarkers(order, w.backend.fields))
	seen.notesReliable = w.backend.Markers.reliable([]v1alpha1.Marker{v1alpha1.NotesMarker})
	for _, id := range seen.keyless {
		own := servicesOf(services, id)
		same := sameLines(order.Status.Plan.Lines, own)
		if id <= baseline || !same && !someLines(order.Status.Plan.Lines, own) {
			continue
		}
		taken, err := w.others.hasOrder(ctx, order, id)
		switch {
		case err != nil:
			return err
		case taken:
		case same:
			seen.lookalikes = append(seen.lookalikes, id)
		default:
			seen.similar = append(seen.similar, id)
		}
	}
	return nil
}

// adopt takes over an order that is there already, unless another object has it: two of them would accept it twice.
func (w *worker) adopt(ctx context.Context, order *v1alpha1.ProvisioningOrder, v verdict) outcome {
	taken, err := w.others.hasOrder(ctx, order, v.orderID)
	if err != nil {
		return w.unavailable(ctx, order, err)
	}
	if taken {
		return stall(v1alpha1.OutcomeUnknownReason, fmt.Errorf("%s, but it is that of another ProvisioningOrder: either two pipelines serve the same orders, or the key was written into the wrong order. "+
			"Correct that, delete the object that is one too many, then set orderbridge.dev/requestedAt", v.evidence))
	}
	if isOpen(lastCall(order.Status.Calls, v1alpha1.AddOrderCall)) {
		w.settle(order, v1alpha1.AddOrderCall, v1alpha1.FoundOutcome, v.evidence)
	}
	order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: v.orderID}
	order.Status.Failures = 0
	return done(v1alpha1.AdoptedReason, fmt.Sprintf("WHMCS order %d: %s", v.orderID, v.evidence))
}

// addOrder claims and calls AddOrder.
func (w *worker) addOrder(ctx context.Context, order *v1alpha1.ProvisioningOrder, baseline int64, forced bool) outcome {
	if w.isSuspended(order) {
		return suspended()
	}
	if w.theirs == nil {
		if out, ok := w.stillWanted(ctx, order); !ok {
			return out
		}
	}
	request, err := w.request(ctx, order)
	if err != nil {
		return w.unavailable(ctx, order, err)
	}
	release, err := w.backend.Admission.Acquire(ctx, order.CreationTimestamp.Time)
	if err != nil {
		return w.unavailable(ctx, order, err)
	}
	if !w.gate.commit(w.clientKey(order), order.UID) {
		release(errNotAsked)
		return w.clientBusy(order)
	}
	if w.isSuspended(order) {
		release(errNotAsked)
		return suspended()
	}
	timeout := w.backend.Spec.Whmcs.Timeouts.AddOrder.Duration
	call := v1alpha1.Call{Step: v1alpha1.AddOrderCall, Baseline: baseline, Forced: forced}
	if err := w.claim(ctx, order, orderStep, call, timeout); err != nil {
		release(errNotAsked)
		return notClaimed(err)
	}
	w.called = true
	claimed := lastCall(order.Status.Calls, v1alpha1.AddOrderCall)
	request.NotAfter = claimed.NotAfter.Time
	callCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	defer cancel()
	result, err := w.backend.Billing.AddOrder(callCtx, request)
	release(err)
	if err != nil {
		return w.notOrdered(order, err)
	}
	return w.ordered(ctx, order, result)
}

// stillWanted reads the order from Salesforce again before AddOrder is sent once more with a frozen plan: since that was
// made, the order may have been taken back, or somebody may have entered it by hand.
func (w *worker) stillWanted(ctx context.Context, order *v1alpha1.ProvisioningOrder) (outcome, bool) {
	m := w.backend.Reporting
	if m == nil {
		return w.waitFor(order, v1alpha1.MappingInvalidReason, w.backend.MappingProblem, customerLongest, customerLongest), false
	}
	id, err := orderID(order)
	if err != nil {
		return stall(v1alpha1.MalformedEventReason, err), false
	}
	record, out, ok := w.readRecord(ctx, order, id)
	if !ok {
		return out, false
	}
	if out, named := w.named(ctx, order, m, record); named {
		if out.kind == doneKind {
			out.reason = v1alpha1.AdoptedReason
		}
		return out, false
	}
	if err := m.Gate(record, order.Status.Salesforce.ReportedState); err != nil {
		// Nothing came of the plan. What is released later is planned afresh.
		order.Status.Plan = nil
		return w.missed(order, err), false
	}
	return outcome{}, true
}

// request is the request of the plan with the markers.
func (w *worker) request(ctx context.Context, order *v1alpha1.ProvisioningOrder) (whmcs.AddOrderRequest, error) {
	if err := w.findFields(ctx, order); err != nil {
		return whmcs.AddOrderRequest{}, err
	}
	return addOrderRequest(order, w.backend.Markers, w.backend.fields)
}

// findFields finds the custom fields of the plan's products that hold the key, unless they are remembered.
func (w *worker) findFields(ctx context.Context, order *v1alpha1.ProvisioningOrder) error {
	if !w.backend.Markers.wants(v1alpha1.CustomFieldMarker) {
		return nil
	}
	var pids []int64
	for _, line := range order.Status.Plan.Lines {
		pids = append(pids, line.PID)
	}
	slices.Sort(pids)
	missing := w.backend.fields.missing(slices.Compact(pids), w.now())
	if len(missing) == 0 {
		return nil
	}
	products, err := read(ctx, w, order, func(ctx context.Context) ([]whmcs.Product, error) {
		return w.backend.Billing.GetProducts(ctx, whmcs.ProductFilter{PIDs: missing})
	})
	if err != nil {
		return err
	}
	w.backend.fields.learn(missing, products, w.now())
	return nil
}

// notClaimed ends a pass whose claim could not be stored: no claim, no call.
func notClaimed(err error) outcome {
	out := ahead()
	if !errors.Is(err, errAhead) {
		out.err = err
	}
	return out
}

// notOrdered says what an error of AddOrder means.
func (w *worker) notOrdered(order *v1alpha1.ProvisioningOrder, err error) outcome {
	switch whmcs.ClassOf(err) {
	case whmcs.Refused:
		w.settle(order, v1alpha1.AddOrderCall, v1alpha1.RefusedOutcome, err.Error())
		return stall(v1alpha1.OrderRefusedReason, err)
	case whmcs.Denied, whmcs.Busy, whmcs.NotSent:
		w.settle(order, v1alpha1.AddOrderCall, v1alpha1.NotSentOutcome, err.Error())
		return w.waitFor(order, v1alpha1.WhmcsUnavailableReason, awayFor(err), farSideFirst, farSideLongest)
	default:
		return w.lost(order, v1alpha1.AddOrderCall, err)
	}
}

// ordered writes the answer down. The same write opens the claim of AcceptOrder, unless a shutdown has begun.
func (w *worker) ordered(ctx context.Context, order *v1alpha1.ProvisioningOrder, result whmcs.AddOrderResult) outcome {
	w.settle(order, v1alpha1.AddOrderCall, v1alpha1.SucceededOutcome, "")
	order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: result.OrderID, InvoiceID: result.InvoiceID, Status: whmcsPending}
	order.Status.Failures = 0
	if ctx.Err() == nil && !w.isSuspended(order) {
		w.open(order, acceptStep, v1alpha1.Call{Step: v1alpha1.AcceptOrderCall}, w.backend.Spec.Whmcs.Timeouts.AcceptOrder.Duration)
		w.accepting = true
	}
	if err := w.record(ctx, order); err != nil {
		return notClaimed(err)
	}
	return done(v1alpha1.OrderedReason, fmt.Sprintf("WHMCS order %d", result.OrderID))
}

// lost leaves the claim of a call open whose answer did not arrive, or says nothing.
func (w *worker) lost(order *v1alpha1.ProvisioningOrder, step v1alpha1.CallStep, err error) outcome {
	last := lastCall(order.Status.Calls, step)
	last.Evidence = cut(err.Error(), maxMessage)
	callOutcomes.WithLabelValues(string(step), "Lost").Inc()
	from := settledFrom(last, w.settleTime())
	return wait(lookAgain(last, from, w.now()), v1alpha1.SettlingReason, settling(step, from))
}

// errNotAsked releases an admission that was not used: it says nothing about WHMCS, and does not close its breaker.
var errNotAsked = context.Canceled

// enter takes the gate of the order's client. What this pass has seen counts only if nobody else had the gate since.
func (w *worker) enter(ctx context.Context, order *v1alpha1.ProvisioningOrder) bool {
	key := w.clientKey(order)
	if w.seen != nil && !w.gate.holds(key, order.UID) || w.seen == nil && !w.gate.enter(key, order) {
		return false
	}
	return !w.others.inFlight(ctx, order, w.now())
}

func (w *worker) clientKey(order *v1alpha1.ProvisioningOrder) clientKey {
	return clientKey{whmcs.Endpoint(w.backend.Spec.Whmcs.URL), order.Status.Plan.ClientID}
}

func (w *worker) clientBusy(order *v1alpha1.ProvisioningOrder) outcome {
	return w.waitFor(order, v1alpha1.ClientBusyReason,
		fmt.Sprintf("Another order of WHMCS client %d is being made", order.Status.Plan.ClientID), farSideFirst, farSideFirst*4)
}

func suspended() outcome {
	return wait(farSideLongest*10, v1alpha1.SuspendedReason, "The pipeline is suspended")
}
