package controllers

import (
	"context"
	"strings"
	"testing"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// queues are books in which the modules of some services failed.
type queues struct {
	books
	failed map[int64]string
}

// GetModuleQueue has what failed of a service.
func (q *queues) GetModuleQueue(_ context.Context, serviceID int64) ([]whmcs.ModuleQueueEntry, error) {
	if text, ok := q.failed[serviceID]; ok {
		return []whmcs.ModuleQueueEntry{{ServiceID: serviceID, ModuleAction: "CreateAccount", LastError: text}}, nil
	}
	return nil, nil
}

// TestItemsOfOtherTypesAreNoServices looks at an order to accept of which not every item is a service: the id of a domain or an
// addon may be that of some other client's service as well.
func TestItemsOfOtherTypesAreNoServices(t *testing.T) {
	item := func(kind string, id int64, status string) whmcs.LineItem {
		return whmcs.LineItem{Type: kind, RelID: id, Status: status}
	}
	tests := map[string]struct {
		items   []whmcs.LineItem
		reason  string
		message string
	}{
		"a domain":                 {[]whmcs.LineItem{item("product", 1, "Pending"), item("domain", 4, "Pending")}, v1alpha1.SuspendedReason, ""},
		"an addon":                 {[]whmcs.LineItem{item("Product", 1, "Pending"), item("addon", 4, "Pending")}, v1alpha1.SuspendedReason, ""},
		"a service":                {[]whmcs.LineItem{item("Product", 4, "Pending")}, v1alpha1.ProvisioningFailedReason, "service 4, CreateAccount: no IP left"},
		"no type":                  {[]whmcs.LineItem{item("", 4, "Pending")}, v1alpha1.ProvisioningFailedReason, "service 4, CreateAccount: no IP left"},
		"a service that has begun": {[]whmcs.LineItem{item("product", 1, "Active")}, v1alpha1.ProvisioningFailedReason, "service 1 of it is Active"},
		"an addon that has begun":  {[]whmcs.LineItem{item("product", 1, "Pending"), item("addon", 4, "Active")}, v1alpha1.ProvisioningFailedReason, "addon 4 of it is Active"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder()
			order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 7}
			w := workerWith(&books{}, neighbours{}, modelEpoch)
			w.backend.Billing = &queues{
				books:  books{order: whmcs.Order{ID: 7, UserID: 5, Status: "Pending", LineItems: test.items}},
				failed: map[int64]string{4: "no IP left"},
			}
			w.backend.Spec.Suspend = true // stops in front of the claim
			out := w.accept(t.Context(), order)
			if out.reason != test.reason || !strings.Contains(out.message, test.message) {
				t.Errorf("outcome %+v, want reason %s and %q", out, test.reason, test.message)
			}
		})
	}
}
