package controllers

import (
	"strings"
	"testing"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// TestNamedOrderOfAClonedOrder takes over the WHMCS order that Salesforce names, unless it was there long before the Salesforce
// order: whoever clones an order there copies the field too.
func TestNamedOrderOfAClonedOrder(t *testing.T) {
	const made = "2026-01-10T09:00:00.000+0000"
	tests := map[string]struct {
		created any
		theirs  whmcs.Order
		reason  string
	}{
		"made after it":                    {made, whmcs.Order{Date: "2026-01-10 09:01:00"}, v1alpha1.PlannedReason},
		"entered by hand the day before":   {made, whmcs.Order{Date: "2026-01-09 08:00:00"}, v1alpha1.PlannedReason},
		"made long before it":              {made, whmcs.Order{Date: "2026-01-03 09:01:00"}, v1alpha1.OutcomeUnknownReason},
		"long before it, but with its key": {made, whmcs.Order{Date: "2026-01-03 09:01:00", Notes: orderKey(testOrder())}, v1alpha1.PlannedReason},
		"a zero date":                      {made, whmcs.Order{Date: "0000-00-00 00:00:00"}, v1alpha1.PlannedReason},
		"no date":                          {made, whmcs.Order{}, v1alpha1.PlannedReason},
		"not read from Salesforce":         {nil, whmcs.Order{Date: "2026-01-03 09:01:00"}, v1alpha1.PlannedReason},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.theirs.ID, test.theirs.UserID, test.theirs.Status = 11, 5, "Active"
			order := testOrder()
			w := workerWith(&books{order: test.theirs}, neighbours{}, modelEpoch)
			w.theirs = map[string]any{"CreatedDate": test.created}
			out := w.alreadyOrdered(t.Context(), order, 11)
			adopts := test.reason == v1alpha1.PlannedReason
			if out.reason != test.reason || (order.Status.Whmcs != nil) != adopts {
				t.Errorf("outcome %+v, whmcs %+v, want reason %s", out, order.Status.Whmcs, test.reason)
			}
			if !adopts && !strings.Contains(out.message, "put sfOrderId=8018b0000EjXuY1AQK in the notes") {
				t.Errorf("message %q, want it to say how to keep the order", out.message)
			}
		})
	}
}
