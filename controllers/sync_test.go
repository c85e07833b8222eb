package controllers

import (
	"context"
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
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
	book := &ledger{}
	for range 2 {
		w := workerWith(&books{}, neighbours{}, modelEpoch)
		w.writer, w.stored = r.Status(), *order.Status.DeepCopy()
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
