package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// sync writes the result to Salesforce. Values are absolute, so writing twice is the same as writing once.
func (w *worker) sync(ctx context.Context, order *v1alpha1.ProvisioningOrder) outcome {
	message := "WHMCS order " + strconv.FormatInt(order.Status.Whmcs.OrderID, 10) + " is active and Salesforce knows"
	seen := order.Status.Salesforce
	if seen == nil {
		seen = &v1alpha1.SalesforceOrder{}
		order.Status.Salesforce = seen
	}
	if seen.SyncedAt != nil && !w.asked {
		return done(v1alpha1.SyncedReason, message)
	}
	if w.backend.Reporting == nil {
		return w.waitFor(order, v1alpha1.MappingInvalidReason, w.backend.MappingProblem, customerLongest, customerLongest)
	}
	if w.backend.Book == nil {
		return w.waitFor(order, v1alpha1.SalesforceUnavailableReason, w.backend.BookProblem, farSideFirst, farSideLongest)
	}
	report, records := w.rows(order, mapping.Result{
		Reason:       v1alpha1.ProvisionedReason,
		WHMCSOrderID: order.Status.Whmcs.OrderID,
		Services:     servicesByItem(order.Status.Whmcs.Services),
	})
	if err := w.write(ctx, records); err != nil {
		return w.unwritten(ctx, order, err)
	}
	seen.SyncedAt = new(metav1.NewMicroTime(w.now()))
	seen.ReportedState, seen.ReportedCode, seen.ReportedReason = report.Status, report.Code, v1alpha1.ProvisionedReason
	return done(v1alpha1.SyncedReason, message)
}

func servicesByItem(services []v1alpha1.WhmcsService) map[string][]int64 {
	byItem := map[string][]int64{}
	for _, service := range services {
		if service.OrderItemID != "" {
			byItem[service.OrderItemID] = append(byItem[service.OrderItemID], service.ServiceID)
		}
	}
	return byItem
}

// rows are what the mapping writes for a result: the lines, then the order. There are none if the mapping is silent about
// the reason.
func (w *worker) rows(order *v1alpha1.ProvisioningOrder, result mapping.Result) (mapping.Report, []salesforce.Record) {
	m := w.backend.Reporting
	report, _ := m.ReportFor(result.Reason, w.theirs)
	values, ok := m.WriteBack(w.theirs, result)
	id, err := orderID(order)
	if !ok || err != nil {
		return report, nil
	}
	objects := m.Objects()
	var records []salesforce.Record
	for _, item := range slices.Sorted(maps.Keys(values.Items)) {
		if itemID, err := salesforce.ParseID(item); err == nil {
			records = append(records, salesforce.NewRecord(objects.Item, itemID, values.Items[item]))
		}
	}
	return report, append(records, salesforce.NewRecord(objects.Order, id, values.Order))
}

// errLineDeleted says that a line was deleted in Salesforce after its service was made.
var errLineDeleted = errors.New("restore it from the recycle bin, then set orderbridge.dev/requestedAt; or finish the order in Salesforce by hand and delete this object")

// write writes the lines, and the order if they are written: it must not say Activated while a line of it lacks its
// service ids. It returns the error of the first record that is to blame.
func (w *worker) write(ctx context.Context, records []salesforce.Record) error {
	if len(records) == 0 {
		return nil
	}
	results, err := w.backend.Book.Write(ctx, records)
	if err != nil {
		return err
	}
	for i, result := range results {
		switch {
		case salesforce.RolledBack(result.Err):
			err = result.Err
		case salesforce.ClassOf(result.Err) == salesforce.Deleted && i < len(records)-1:
			return fmt.Errorf("order product %s was deleted in Salesforce after it was provisioned: %w", records[i].ID(), errLineDeleted)
		case result.Err != nil:
			return result.Err
		}
	}
	return err
}

// unwritten says what an error of the write-back means.
func (w *worker) unwritten(ctx context.Context, order *v1alpha1.ProvisioningOrder, err error) outcome {
	if ctx.Err() != nil {
		return ahead()
	}
	if errors.Is(err, errLineDeleted) {
		return stall(v1alpha1.WriteRejectedReason, err)
	}
	switch salesforce.ClassOf(err) {
	case salesforce.RowLocked:
		return w.waitFor(order, v1alpha1.RowLockedReason, err.Error(), farSideFirst, farSideLongest)
	case salesforce.LimitExceeded:
		return w.waitFor(order, v1alpha1.LimitExceededReason, err.Error(), farSideLongest, customerLongest)
	case salesforce.Deleted:
		return stall(v1alpha1.OrderDeletedReason, errors.New("the order was deleted in Salesforce after it was provisioned: "+err.Error()))
	case salesforce.Rejected, salesforce.Schema, salesforce.Denied, salesforce.NotFound:
		return stall(v1alpha1.WriteRejectedReason, err)
	default:
		return w.waitFor(order, v1alpha1.SalesforceUnavailableReason, err.Error(), farSideFirst, farSideLongest)
	}
}

// report tells Salesforce, once per reason, that the order waits for somebody or failed. It returns an error if that
// should be tried again.
func (w *worker) report(ctx context.Context, order *v1alpha1.ProvisioningOrder, out outcome) error {
	if out.kind != waitKind && out.kind != stallKind || w.backend == nil || w.backend.Reporting == nil || w.backend.Book == nil {
		return nil
	}
	seen := order.Status.Salesforce
	if seen == nil || seen.ReportedReason == out.reason {
		return nil
	}
	report, records := w.rows(order, mapping.Result{Reason: out.reason, Detail: sentence(out.message)})
	if len(records) == 0 {
		return nil
	}
	if err := w.current(ctx, order); err != nil {
		return err
	}
	err := w.write(ctx, records)
	if err != nil && (ctx.Err() != nil || salesforce.ClassOf(err).Retryable()) {
		return err
	}
	// A report that Salesforce refuses for good is not repeated: the order itself says what is wrong.
	seen.ReportedState, seen.ReportedCode, seen.ReportedReason = report.Status, report.Code, out.reason
	return nil
}

// current returns an error if the object is not the one any more that this pass read or wrote. Saving would find that out too
// late: a leader that was paused must not write why the order waited over the result that another one has written since.
func (w *worker) current(ctx context.Context, order *v1alpha1.ProvisioningOrder) error {
	var latest v1alpha1.ProvisioningOrder
	if err := w.reader.Get(ctx, client.ObjectKeyFromObject(order), &latest); err != nil {
		return fmt.Errorf("reading the order again: %w", err)
	}
	if latest.ResourceVersion != order.ResourceVersion {
		return errAhead
	}
	return nil
}
