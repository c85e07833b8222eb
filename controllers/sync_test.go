package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// ledger is a Salesforce that keeps what it is told.
type ledger struct {
	OrderReader
	told []string
}

// Write keeps the error code of each order.
func (l *ledger) Write(_ context.Context, records []salesforce.Record) ([]salesforce.SaveResult, error) {
	for _, record := range records {
		l.told = append(l.told, record.Text("Activation_Error_Code__c"))
	}
	return make([]salesforce.SaveResult, len(records)), nil
}

// unchanged is an API server that has every object as it was read.
type unchanged struct{ client.Reader }

// Get leaves the object as it is.
func (unchanged) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return nil
}

// TestOvertakenPassReportsNothing has another manager go on with an order whose pass ends only then, as that of a leader that was
// paused. Staff must not read of a missing card over Activated.
func TestOvertakenPassReportsNothing(t *testing.T) {
	tests := map[string]struct {
		meanwhile func(s *mappingStage, order *v1alpha1.ProvisioningOrder) error
		told      int
		again     bool
	}{
		"nothing came": {func(*mappingStage, *v1alpha1.ProvisioningOrder) error { return nil }, 1, false},
		"another manager went on": {func(s *mappingStage, order *v1alpha1.ProvisioningOrder) error {
			order.Status.State = v1alpha1.ProvisionedState
			return s.Status().Update(s.t.Context(), order)
		}, 0, true},
		"it is gone": {func(s *mappingStage, order *v1alpha1.ProvisioningOrder) error {
			order.Finalizers = nil
			return errors.Join(s.Update(s.t.Context(), order), s.Delete(s.t.Context(), order))
		}, 0, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newMappingStage(t)
			s.use(allProducts)
			s.bills.onAsked = func() {
				if err := test.meanwhile(s, s.stored()); err != nil {
					t.Error(err)
				}
			}
			result, err := s.Reconcile(t.Context(), s.stored())
			if err != nil {
				t.Fatal(err)
			}
			if len(s.book.written) != test.told || (result.RequeueAfter == time.Second) != test.again {
				t.Errorf("Salesforce was told %v, and the order is looked at after %s; want %d reports", s.book.written, result.RequeueAfter, test.told)
			}
		})
	}
}

// TestExhaustedRetriesAreReported gives up on an order. Its customer's staff learn of it, once.
func TestExhaustedRetriesAreReported(t *testing.T) {
	rules, err := mapping.Parse([]byte("version: 1\nclient:\n- field: account.WH_Account__c\n  pattern: '^#(\\d+)\\b'\n"))
	if err != nil {
		t.Fatal(err)
	}
	order := testOrder()
	order.Namespace, order.Name = "default", "portal-8018b0000ejxuy1aqk"
	order.Status.Salesforce = &v1alpha1.SalesforceOrder{}
	order.Status.Failures = retryBudget - 2
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	r := &OrderReconciler{
		Client:   fake.NewClientBuilder().WithScheme(scheme).WithObjects(order).WithStatusSubresource(order).Build(),
		Recorder: &told{}, Clock: clocktesting.NewFakeClock(modelEpoch), Backends: NewBackends(),
	}
	r.Prepare()
	if err := r.Get(t.Context(), client.ObjectKeyFromObject(order), order); err != nil {
		t.Fatal(err)
	}
	book := &ledger{}
	for range 2 {
		w := workerWith(&books{}, neighbours{}, modelEpoch)
		w.reader, w.writer, w.stored = r.Client, r.Status(), *order.Status.DeepCopy()
		w.backend.Book, w.backend.Reporting = book, rules
		if _, err := r.finish(t.Context(), w, order, 0, retry(v1alpha1.MappingInvalidReason, errors.New("broken")), ask{}); err != nil && order.Status.State != v1alpha1.StalledState {
			t.Fatal(err)
		}
	}
	if order.Status.State != v1alpha1.StalledState || len(book.told) != 1 || book.told[0] != "RETRIES_EXHAUSTED" {
		t.Errorf("the order is %s and Salesforce was told %q, want it Stalled and RETRIES_EXHAUSTED", order.Status.State, book.told)
	}
	if got := order.Status.Salesforce.ReportedReason; got != v1alpha1.RetriesExhaustedReason {
		t.Errorf("the reported reason is %q", got)
	}
}

// TestReportsAgainWhenAsked stalls, is asked, and stalls for the same reason: staff who have asked in Salesforce see
// Activating there, and must not wait for an answer that was given before.
func TestReportsAgainWhenAsked(t *testing.T) {
	rules, err := mapping.Parse([]byte("version: 1\nclient: 5\n"))
	if err != nil {
		t.Fatal(err)
	}
	order := testOrder()
	order.Status.Salesforce = &v1alpha1.SalesforceOrder{}
	order.Annotations = map[string]string{}
	book := &ledger{}
	w := workerWith(&books{}, neighbours{}, modelEpoch)
	w.reader, w.backend.Book, w.backend.Reporting = unchanged{}, book, rules
	for _, request := range []string{"", "", "again", "again"} {
		order.Annotations[v1alpha1.RequestedAtAnnotation] = request
		takeRequest(order, w.backend, modelEpoch)
		if err := w.report(t.Context(), order, stall(v1alpha1.OrderRefusedReason, errors.New("client closed"))); err != nil {
			t.Fatal(err)
		}
	}
	if len(book.told) != 2 {
		t.Errorf("Salesforce was told %q, want it told once, and once more when asked", book.told)
	}
}

// rowByRow is a Salesforce that refuses some rows and writes the others, but the last only if all before it are written.
type rowByRow struct {
	OrderReader
	refuses string
	class   salesforce.Class
	written []string
}

func (b *rowByRow) Write(_ context.Context, records []salesforce.Record) ([]salesforce.SaveResult, error) {
	results := make([]salesforce.SaveResult, len(records))
	refused := false
	for i, record := range records {
		switch {
		case record.Type() == b.refuses:
			results[i].Err = &salesforce.Error{Class: b.class, Message: "no"}
			refused = true
		case refused:
			results[i].Err = &salesforce.Error{Code: "ALL_OR_NONE_OPERATION_ROLLED_BACK", Message: "no"}
		default:
			b.written = append(b.written, record.Type())
		}
	}
	return results, nil
}

// TestActivatedComesLast does not say Activated while a line cannot be written.
func TestActivatedComesLast(t *testing.T) {
	rules, err := mapping.Parse([]byte("version: 1\nclient: 5\n"))
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		book    rowByRow
		reason  string
		written []string
	}{
		"all well":      {rowByRow{}, v1alpha1.SyncedReason, []string{"OrderItem", "Order"}},
		"line locked":   {rowByRow{refuses: "OrderItem", class: salesforce.RowLocked}, v1alpha1.RowLockedReason, nil},
		"line deleted":  {rowByRow{refuses: "OrderItem", class: salesforce.Deleted}, v1alpha1.WriteRejectedReason, nil},
		"order deleted": {rowByRow{refuses: "Order", class: salesforce.Deleted}, v1alpha1.OrderDeletedReason, []string{"OrderItem"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder()
			order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 11, Services: []v1alpha1.WhmcsService{{OrderItemID: "8028b0000EjXuY1AQK", ServiceID: 1}}}
			w := workerWith(&books{}, neighbours{}, modelEpoch)
			w.backend.Book, w.backend.Reporting = &test.book, rules
			if out := w.sync(t.Context(), order); out.reason != test.reason {
				t.Errorf("outcome %+v, want reason %s", out, test.reason)
			}
			if diff := cmp.Diff(test.written, test.book.written); diff != "" {
				t.Errorf("rows written (-want +got):\n%s", diff)
			}
		})
	}
}
