package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/internal/whmcs"
)

func TestPriceOf(t *testing.T) {
	monthly := whmcs.Product{PayType: "recurring", Prices: []whmcs.Price{
		{Currency: "EUR", Cycle: "monthly", Recurring: "8.00", Setup: "5.00"},
		{Currency: "USD", Cycle: "annually", Recurring: "100.00", Setup: "0.00"},
		{Currency: "USD", Cycle: "monthly", Recurring: "9.95", Setup: "0.00"},
	}}
	once := whmcs.Product{PayType: "onetime", Prices: []whmcs.Price{{Currency: "JPY", Cycle: "monthly", Recurring: "22800.00", Setup: ""}}}
	tests := map[string]struct {
		unit     any
		product  *whmcs.Product
		cycle    string
		currency string
		quantity int64
		want     linePrice
	}{
		"equal": {9.95, &monthly, "monthly", "USD", 3,
			linePrice{SalesforceUnit: "9.95", Salesforce: "29.85", Currency: "USD", WhmcsUnit: "9.95", Whmcs: "29.85"}},
		"dearer in WHMCS, with a setup fee": {7.5, &monthly, "monthly", "EUR", 2,
			linePrice{SalesforceUnit: "7.50", Salesforce: "15.00", Currency: "EUR", WhmcsUnit: "8.00", Whmcs: "16.00", Setup: "10.00", Difference: "+1.00"}},
		"cheaper in WHMCS": {"120", &monthly, "annually", "USD", 1,
			linePrice{SalesforceUnit: "120.00", Salesforce: "120.00", Currency: "USD", WhmcsUnit: "100.00", Whmcs: "100.00", Difference: "-20.00"}},
		"once, in the only currency": {22800.0, &once, "onetime", "", 1,
			linePrice{SalesforceUnit: "22800.00", Salesforce: "22800.00", Currency: "JPY", WhmcsUnit: "22800.00", Whmcs: "22800.00"}},
		"the currency is not known": {1.0, &monthly, "monthly", "", 1, linePrice{SalesforceUnit: "1.00", Salesforce: "1.00"}},
		"not offered":               {1.0, &monthly, "quarterly", "USD", 1, linePrice{SalesforceUnit: "1.00", Salesforce: "1.00"}},
		"the product is not known":  {nil, nil, "monthly", "USD", 1, linePrice{}},
		"free":                      {0.0, &whmcs.Product{PayType: "free"}, "free", "USD", 1, linePrice{SalesforceUnit: "0.00", Salesforce: "0.00", Currency: "USD", WhmcsUnit: "0.00", Whmcs: "0.00"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := priceOf(test.unit, test.product, test.cycle, test.currency, test.quantity)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("price (-want +got):\n%s", diff)
			}
		})
	}
}
