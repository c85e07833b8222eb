package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// TestProductQuery asks price books for Product2, and other objects themselves.
func TestProductQuery(t *testing.T) {
	const own = "version: 1\nclient: 9\nsalesforce: {product: {object: Service__c, path: Service__r, sku: Code__c, billingCycle: \"\", class: \"\", configOptions: \"\"}}\n"
	const active = " FROM PricebookEntry WHERE IsActive = true AND Product2.IsActive = true AND Pricebook2.IsActive = true"
	for name, test := range map[string]struct {
		file, pricebook, want, problem string
	}{
		"all price books":                 {"version: 1\nclient: 9\n", "", "SELECT Product2.Billing_Cycle__c, Product2.Id, Product2.Item_Class__c, Product2.Portal_ConfigOptions_JSON__c, Product2.StockKeepingUnit, Product2.WHMCS_Product_Id__c, Product2.Name" + active, ""},
		"own products":                    {own, "", "SELECT Code__c, Id, WHMCS_Product_Id__c, Name FROM Service__c", ""},
		"own products have no price book": {own, "Portal", "", "--pricebook"},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := mapping.Parse([]byte(test.file))
			if err != nil {
				t.Fatal(err)
			}
			got, err := productQuery(m, test.pricebook)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
			if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("error %v, want %q", err, test.problem)
			}
		})
	}
	m, err := mapping.Parse([]byte(own))
	if err != nil {
		t.Fatal(err)
	}
	products := productsOf(m, []salesforce.Record{{"Id": "a00000000000002AAA", "Name": "B"}, {"Id": "a00000000000001AAA", "Name": "A"}})
	if diff := cmp.Diff([]map[string]any{{"Id": "a00000000000001AAA", "Name": "A"}, {"Id": "a00000000000002AAA", "Name": "B"}}, products); diff != "" {
		t.Errorf("products (-want +got):\n%s", diff)
	}
}
