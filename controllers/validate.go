package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// commitTime is how long an order may be invisible after its event: the event may be delivered before the transaction
// that made the order is committed.
const commitTime = 5 * time.Minute

// validate reads the order from Salesforce and resolves the mapping into the plan, until the first claim freezes it.
func (w *worker) validate(ctx context.Context, order *v1alpha1.ProvisioningOrder) outcome {
	id, err := orderID(order)
	if err != nil {
		return stall(v1alpha1.MalformedEventReason, fmt.Errorf("%w. Mend the publisher and have it publish the event again, then delete this object", err))
	}
	if frozen(order) {
		return done(v1alpha1.PlannedReason, planMessage(order))
	}
	if w.backend.Spec.Suspend {
		return suspended()
	}
	if w.backend.Mapping == nil {
		w.introduce(ctx, order, id)
		return w.waitFor(order, v1alpha1.MappingInvalidReason, w.backend.MappingProblem, customerLongest, customerLongest)
	}
	record, out, ok := w.readRecord(ctx, order, id)
	if !ok {
		return out
	}
	if w.backend.Billing == nil {
		return w.withoutBilling(order)
	}
	if out, ok := w.plan(ctx, order, record); !ok {
		return out
	}
	if out, named := w.named(ctx, order, w.backend.Mapping, record); named {
		return out
	}
	if at := order.Status.Plan.ScheduledFor; at != nil && w.now().Before(at.Time) {
		return wait(min(at.Sub(w.now()), time.Hour), v1alpha1.ScheduledReason, "Scheduled for "+at.UTC().Format(time.RFC3339))
	}
	if err := w.showPlan(ctx, order); err != nil {
		return notClaimed(err)
	}
	return w.client(ctx, order)
}

// showPlan stores the plan of an order that waited for the mapping. A mended mapping lets many orders go on at once, and
// the last of them should not name the old mistake until WHMCS has had time for the others.
func (w *worker) showPlan(ctx context.Context, order *v1alpha1.ProvisioningOrder) error {
	if !slices.Contains(waitingForMapping, w.waitedFor) {
		return nil
	}
	underWay(order, 0, "The mapping gives "+planMessage(order)+"; WHMCS is asked next")
	return w.save(ctx, order)
}

// orderID is the checked Salesforce id of the order.
func orderID(order *v1alpha1.ProvisioningOrder) (salesforce.ID, error) {
	if order.Spec.SalesforceOrderID == "" {
		problem := "the event names no order"
		if order.Spec.Event != nil && order.Spec.Event.Problem != "" {
			problem = order.Spec.Event.Problem
		}
		return "", errors.New(problem)
	}
	return salesforce.ParseID(order.Spec.SalesforceOrderID)
}

// frozen tells whether the plan must stay as it is: an order may exist that was made from it.
func frozen(order *v1alpha1.ProvisioningOrder) bool {
	last := lastCall(order.Status.Calls, v1alpha1.AddOrderCall)
	switch {
	case order.Status.Plan == nil:
		return false
	case order.Status.Whmcs != nil || isOpen(last):
		return true
	default:
		return last != nil && last.Outcome == v1alpha1.NotFoundOutcome && last.Request == order.Status.LastHandledRequest
	}
}

// readRecord reads the order from Salesforce.
func (w *worker) readRecord(ctx context.Context, order *v1alpha1.ProvisioningOrder, id salesforce.ID) (map[string]any, outcome, bool) {
	if w.backend.Book == nil {
		return nil, w.waitFor(order, v1alpha1.SalesforceUnavailableReason, w.backend.BookProblem, farSideFirst, farSideLongest), false
	}
	record, err := w.backend.Book.Order(ctx, id.String())
	if err != nil {
		return nil, w.unread(ctx, order, err), false
	}
	seen := order.Status.Salesforce
	if seen == nil {
		seen = &v1alpha1.SalesforceOrder{}
		order.Status.Salesforce = seen
	}
	w.theirs = record.Plain()
	if m := cmp.Or(w.backend.Mapping, w.backend.Reporting); m != nil {
		seen.OrderNumber, seen.AccountID = m.OrderNumber(w.theirs), m.AccountID(w.theirs)
	}
	return w.theirs, outcome{}, true
}

// introduce reads an order that has to wait for a mapping, by the last one that was valid: staff are told in Salesforce,
// in their language, unless the order is not released anyway. What cannot be read is not told; the wait is the same.
func (w *worker) introduce(ctx context.Context, order *v1alpha1.ProvisioningOrder, id salesforce.ID) {
	known := order.Status.Salesforce
	if w.backend.Reporting == nil || known != nil && known.ReportedReason == v1alpha1.MappingInvalidReason {
		return
	}
	if record, _, ok := w.readRecord(ctx, order, id); ok && known == nil && w.backend.Reporting.Gate(record) != nil {
		order.Status.Salesforce = nil
	}
}

// unread says what an error of reading the order means.
func (w *worker) unread(ctx context.Context, order *v1alpha1.ProvisioningOrder, err error) outcome {
	switch {
	case ctx.Err() != nil:
		return ahead()
	case errors.Is(err, salesforce.ErrDeleted):
		return stall(v1alpha1.OrderDeletedReason, errors.New("the order was deleted in Salesforce"))
	case errors.Is(err, salesforce.ErrNotFound):
		if w.now().Sub(order.CreationTimestamp.Time) < commitTime {
			return w.waitFor(order, v1alpha1.OrderNotFoundReason, "Salesforce does not show the order yet", time.Second, 15*time.Second)
		}
		return w.waitFor(order, v1alpha1.OrderNotFoundReason,
			"Salesforce does not show the order: it was rolled back, or the user of the pipeline may not read it", customerLongest, customerLongest)
	}
	switch salesforce.ClassOf(err) {
	case salesforce.Schema, salesforce.Rejected:
		return stall(v1alpha1.ReadRejectedReason, err)
	default:
		return w.waitFor(order, v1alpha1.SalesforceUnavailableReason, err.Error(), farSideFirst, farSideLongest)
	}
}

// planOf applies the mapping. An order that Salesforce says is ordered already needs no open gate.
func planOf(m *mapping.Mapping, record map[string]any, own ...string) (mapping.Plan, error) {
	if id, _ := m.AlreadyOrdered(record); id != 0 {
		return m.PlanUngated(record)
	}
	return m.Plan(record, own...)
}

// plan resolves the mapping.
func (w *worker) plan(ctx context.Context, order *v1alpha1.ProvisioningOrder, record map[string]any) (outcome, bool) {
	plan, err := planOf(w.backend.Mapping, record, order.Status.Salesforce.ReportedState)
	if err != nil {
		return w.missed(order, err), false
	}
	order.Status.Plan = apiPlan(plan, w.backend)
	order.Status.Plan.Inputs = inputsOf(record)
	log.FromContext(ctx).V(1).Info("Mapped the order", "clientID", plan.ClientID, "lines", len(plan.Lines), "mapping", w.backend.Version.ResourceVersion)
	return outcome{}, true
}

// missed waits for the mapping or the record to be mended. A changed mapping wakes the order at once.
func (w *worker) missed(order *v1alpha1.ProvisioningOrder, err error) outcome {
	miss, ok := errors.AsType[*mapping.Miss](err)
	if !ok {
		return retry(v1alpha1.MappingInvalidReason, err)
	}
	return w.waitFor(order, miss.Reason, miss.Message, customerFirst, customerLongest)
}

func apiPlan(plan mapping.Plan, backend *Backend) *v1alpha1.Plan {
	p := &v1alpha1.Plan{
		ClientID:       plan.ClientID,
		PaymentMethod:  plan.PaymentMethod,
		PromoCode:      plan.PromoCode,
		NoInvoice:      plan.NoInvoice,
		NoInvoiceEmail: plan.NoInvoiceEmail,
		NoEmail:        plan.NoEmail,
		Mapping:        backend.Version,
	}
	if p.PaymentMethod == "" {
		p.PaymentMethod = backend.Spec.Whmcs.PaymentMethod
	}
	if !plan.ScheduledFor.IsZero() {
		p.ScheduledFor = new(metav1.NewTime(plan.ScheduledFor))
	}
	p.Lines = apiLines(plan.Lines)
	return p
}

func apiLines(lines []mapping.Line) []v1alpha1.PlanLine {
	var list []v1alpha1.PlanLine
	for _, line := range lines {
		list = append(list, v1alpha1.PlanLine{
			OrderItemID:   line.OrderItemID,
			SKU:           line.SKU,
			PID:           line.PID,
			BillingCycle:  line.BillingCycle,
			Quantity:      line.Quantity,
			ConfigOptions: named(line.ConfigOptions),
			CustomFields:  named(line.CustomFields),
			Domain:        line.Domain,
		})
	}
	return list
}

// named turns ids into the keys of a JSON object.
func named[V any](values map[int64]V) map[string]V {
	if len(values) == 0 {
		return nil
	}
	out := make(map[string]V, len(values))
	for id, value := range values {
		out[strconv.FormatInt(id, 10)] = value
	}
	return out
}

// numbered is the inverse of named.
func numbered[V any](values map[string]V) (map[int64]V, error) {
	if len(values) == 0 {
		return nil, nil
	}
	out := make(map[int64]V, len(values))
	for name, value := range maps.All(values) {
		id, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number", name)
		}
		out[id] = value
	}
	return out, nil
}

// named follows what Salesforce says of a WHMCS order that is there already; false if it says nothing.
func (w *worker) named(ctx context.Context, order *v1alpha1.ProvisioningOrder, m *mapping.Mapping, record map[string]any) (outcome, bool) {
	id, err := m.AlreadyOrdered(record)
	switch {
	case err != nil:
		return stall(v1alpha1.OutcomeUnknownReason, fmt.Errorf("%w. Correct the field, or clear it if WHMCS has no such order, then set orderbridge.dev/requestedAt", err)), true
	case id != 0:
		return w.alreadyOrdered(ctx, order, id), true
	}
	return outcome{}, false
}

// alreadyOrdered takes over the WHMCS order that Salesforce names, if WHMCS shows it and it is not another order's. The
// gate keeps two orders that name the same one from both finding it free.
func (w *worker) alreadyOrdered(ctx context.Context, order *v1alpha1.ProvisioningOrder, id int64) outcome {
	if !w.enter(ctx, order) {
		return w.clientBusy(order)
	}
	orders, err := read(ctx, w, order, func(ctx context.Context) ([]whmcs.Order, error) {
		return w.backend.Billing.GetOrders(ctx, whmcs.OrderFilter{ID: id})
	})
	if err != nil {
		return w.unavailable(ctx, order, err)
	}
	for _, theirs := range orders {
		if theirs.ID != id {
			continue
		}
		if why := stranger(order, &theirs); why != "" {
			return stall(v1alpha1.OutcomeUnknownReason, fmt.Errorf("the Salesforce order names WHMCS order %d, but %s: correct the order in Salesforce, then set orderbridge.dev/requestedAt", id, why))
		}
		if w.predates(order, &theirs) {
			return stall(v1alpha1.OutcomeUnknownReason, fmt.Errorf("the Salesforce order names WHMCS order %d, which was made at %s, long before it: was the Salesforce order cloned, and the field with it? "+
				"Clear the field if so; if the WHMCS order is its own all the same, put %s in the notes there. Then set orderbridge.dev/requestedAt", id, theirs.Date, orderKey(order)))
		}
		taken, err := w.others.hasOrder(ctx, order, id)
		if err != nil {
			return w.unavailable(ctx, order, err)
		}
		if taken {
			return stall(v1alpha1.OutcomeUnknownReason, fmt.Errorf("the Salesforce order names WHMCS order %d, which is that of another ProvisioningOrder: correct the order in Salesforce, then set orderbridge.dev/requestedAt", id))
		}
		if !w.gate.commit(w.clientKey(order), order.UID) {
			return w.clientBusy(order)
		}
		order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: id, InvoiceID: theirs.InvoiceID, Status: theirs.Status}
		return done(v1alpha1.PlannedReason, fmt.Sprintf("Salesforce already names WHMCS order %d", id))
	}
	return stall(v1alpha1.OutcomeUnknownReason, fmt.Errorf("the Salesforce order names WHMCS order %d, which WHMCS does not show: clear the field in Salesforce if it is wrong, then set orderbridge.dev/requestedAt", id))
}

// enteredBefore is how much older than the Salesforce order a WHMCS order may be that it names: WHMCS tells times in a zone that
// we do not know, and staff may have entered an order there the day before. Where an order is cloned sooner, mostly the object of
// the first one is still there and has the WHMCS order.
const enteredBefore = 48 * time.Hour

// predates tells whether a WHMCS order that lacks the order's key was there long before the Salesforce order: then it may be
// that of the order from which this one was cloned.
func (w *worker) predates(order *v1alpha1.ProvisioningOrder, theirs *whmcs.Order) bool {
	created := mapping.CreatedAt(w.theirs)
	ordered, err := time.Parse(time.DateTime, theirs.Date)
	if err != nil || created.IsZero() || carriesKey(order, theirs) {
		return false
	}
	return created.Sub(ordered) > enteredBefore
}

// client checks that the client can be billed, and looks at its orders at the same time.
func (w *worker) client(ctx context.Context, order *v1alpha1.ProvisioningOrder) outcome {
	if !w.enter(ctx, order) {
		return w.clientBusy(order)
	}
	clientID := order.Status.Plan.ClientID
	var methods []whmcs.PayMethod
	var seen sight
	group, groupCtx := errgroup.WithContext(ctx)
	required := w.backend.Spec.Whmcs.RequirePayMethod == nil || *w.backend.Spec.Whmcs.RequirePayMethod
	if required {
		group.Go(func() (err error) {
			methods, err = read(groupCtx, w, order, func(ctx context.Context) ([]whmcs.PayMethod, error) {
				return w.backend.Billing.GetPayMethods(ctx, clientID)
			})
			return err
		})
	}
	group.Go(func() (err error) {
		seen, err = w.look(groupCtx, order, clientID)
		return err
	})
	if err := group.Wait(); err != nil {
		if whmcs.CodeOf(err) == whmcs.ClientNotFound {
			return w.waitFor(order, v1alpha1.AccountUnmappedReason,
				fmt.Sprintf("WHMCS has no client %d: correct the account in Salesforce or the mapping", clientID), customerFirst, customerLongest)
		}
		return w.unavailable(ctx, order, err)
	}
	w.seen = &seen
	if required && len(methods) == 0 && len(seen.matches) == 0 {
		return w.waitFor(order, v1alpha1.PaymentMethodMissingReason,
			fmt.Sprintf("WHMCS client %d has no pay method; the order goes on by itself when one is added", clientID), customerFirst, customerLongest)
	}
	return done(v1alpha1.PlannedReason, planMessage(order))
}

func planMessage(order *v1alpha1.ProvisioningOrder) string {
	plan := order.Status.Plan
	if len(plan.Lines) == 1 {
		return fmt.Sprintf("1 line for WHMCS client %d", plan.ClientID)
	}
	return fmt.Sprintf("%d lines for WHMCS client %d", len(plan.Lines), plan.ClientID)
}
