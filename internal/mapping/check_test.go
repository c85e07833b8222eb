package mapping

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// shelf is a small catalogue with everything in order for the SKUs that begin with OK.
func shelf() Catalogue {
	product := func(sku string, fields map[string]any) map[string]any {
		return with(map[string]any{"Id": "01t" + sku, "StockKeepingUnit": sku, "WHMCS_Product_Id__c": 1.0, "Billing_Cycle__c": "Monthly"}, fields)
	}
	return Catalogue{
		Products: []map[string]any{
			product("OK-1", nil),
			product("OK-2", map[string]any{"WHMCS_Product_Id__c": 2.0, "Billing_Cycle__c": "Onetime"}),
			product("OK-3", map[string]any{"Portal_ConfigOptions_JSON__c": `{"12": 101, "13": true, "14": 7}`}),
			product("NO-PID", map[string]any{"WHMCS_Product_Id__c": nil}),
			product("NO-PID-2", map[string]any{"WHMCS_Product_Id__c": nil}),
			product("PID-GONE", map[string]any{"WHMCS_Product_Id__c": 99.0}),
			product("PID-WORDS", map[string]any{"WHMCS_Product_Id__c": "tbd"}),
			product("CYCLE-UNPRICED", map[string]any{"Billing_Cycle__c": "Quarterly"}),
			product("CYCLE-ONETIME", map[string]any{"Billing_Cycle__c": "Onetime"}),
			product("CYCLE-WORD", map[string]any{"Billing_Cycle__c": "Weekly"}),
			product("CYCLE-NONE", map[string]any{"Billing_Cycle__c": nil}),
			product("FREE", map[string]any{"WHMCS_Product_Id__c": 3.0}),
			product("UNPRICED", map[string]any{"WHMCS_Product_Id__c": 4.0, "Billing_Cycle__c": "Onetime"}),
			product("JSON-BAD", map[string]any{"Portal_ConfigOptions_JSON__c": "12"}),
			product("JSON-OPTION-GONE", map[string]any{"Portal_ConfigOptions_JSON__c": `{"99": 1}`}),
			product("JSON-CHOICE-GONE", map[string]any{"Portal_ConfigOptions_JSON__c": `{"12": 555}`}),
			product("JSON-YES-NO", map[string]any{"Portal_ConfigOptions_JSON__c": `{"13": 2}`}),
			product("REQUIRED", map[string]any{"WHMCS_Product_Id__c": 5.0}),
		},
		WHMCS: []WHMCSProduct{
			{PID: 1, PayType: "recurring", BillingCycles: []string{"monthly", "annually"}, CustomFields: []WHMCSCustomField{{ID: 198}},
				ConfigOptions: []WHMCSConfigOption{{ID: 12, Type: "1", Choices: []int64{101, 102}}, {ID: 13, Type: "3"}, {ID: 14, Type: "4"}}},
			{PID: 2, PayType: "onetime", BillingCycles: []string{"monthly"}},
			{PID: 3, PayType: "free"},
			{PID: 4, PayType: "onetime"},
			{PID: 5, PayType: "recurring", BillingCycles: []string{"monthly"}, CustomFields: []WHMCSCustomField{{ID: 201, Required: true}}},
		},
	}
}

func TestCheckGolden(t *testing.T) {
	tests := []struct {
		name, mapping string
		change        func(*Catalogue)
	}{
		{name: "defaults", mapping: "version: 1\nclient: 9\n"},
		{name: "without WHMCS", mapping: "version: 1\nclient: 9\n", change: func(c *Catalogue) { c.WHMCS = nil }},
		{name: "rules", mapping: `version: 1
client: 9
line:
  customFields: {198: "x", 777: "y"}
products:
- {sku: NO-PID, pid: 1}
- {sku: NO-PID-2, pid: 98, cycle: triennially}
- {sku: PID-*, skip: true}
- {sku: "[CJFUR]*", skip: true}
- {sku: OK-2, configOptions: {12: 101}}
- {sku: OK-3, configOptions: {12: 103, 13: true}}
- {sku: GONE-*, pid: 1}
- {when: product.Family == 'none', pid: 1}
`},
		{name: "entries that depend on the order", mapping: `version: 1
client: 9
line:
  pid: {field: item.PID__c, table: {a: 1, b: 97}}
  cycle: [{field: item.Billing_Cycle__c}, monthly]
products:
- {sku: "[CJFUR]*", skip: true}
- {when: order.Type == 'x' && product.StockKeepingUnit.startsWith('OK'), pid: 96}
- {sku: "NO-*", pid: {cel: "order.Type == 'x' ? 1 : 2"}}
`},
		{name: "expressions that fail", mapping: `version: 1
client: 9
products:
- {sku: "[CJFUNRP]*", skip: true}
- {when: product.Name.startsWith('x'), pid: 1}
`},
	}
	var golden strings.Builder
	for _, tt := range tests {
		cat := shelf()
		if tt.change != nil {
			tt.change(&cat)
		}
		golden.WriteString("=== " + tt.name + "\n")
		for _, f := range parse(t, tt.mapping).Check(cat) {
			golden.WriteString(f.String() + "\n")
		}
	}
	const name = "testdata/check.txt"
	if *update {
		if err := os.WriteFile(name, []byte(golden.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), golden.String()); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// TestCheckAgreesWithPlan proves that a product without a finding can be ordered, and one with an error cannot, as far
// as the product alone decides.
func TestCheckAgreesWithPlan(t *testing.T) {
	tests := map[string]string{
		"defaults":                      "",
		"required custom field":         "line: {customFields: {198: {field: product.Portal_ConfigOptions_JSON__c, required: true}}}\n",
		"required custom field of rule": "products: [{sku: \"*\", customFields: {198: {field: product.Portal_ConfigOptions_JSON__c, required: true}}}]\n",
		"domain":                        "line: {domain: {cel: product.Portal_ConfigOptions_JSON__c.lowerAscii()}}\n",
		"domain of rule":                "products: [{sku: \"*\", domain: {cel: product.Portal_ConfigOptions_JSON__c.lowerAscii()}}]\n",
		"domain that a rule replaces":   "line: {domain: {cel: product.Portal_ConfigOptions_JSON__c.lowerAscii()}}\nproducts: [{sku: \"*\", domain: x}]\n",
	}
	for name, entries := range tests {
		t.Run(name, func(t *testing.T) {
			m := parse(t, "version: 1\nclient: 9\nsalesforce: {item: {billingCycle: \"\"}}\n"+entries)
			for _, product := range shelf().Products {
				findings := m.Check(Catalogue{Products: []map[string]any{product}})
				_, err := m.Plan(oneLine(nil, with(map[string]any{"WHMCS_Product_Id__c": nil, "Billing_Cycle__c": nil}, product)))
				if (len(findings) > 0) != (err != nil) {
					t.Errorf("%s: findings %v, and the plan says %v", product["StockKeepingUnit"], findings, err)
				}
			}
		})
	}
}

// TestCheckSeesTheOptionsOfPlan holds what is certainly not ordered against nothing, and what may be ordered against WHMCS.
func TestCheckSeesTheOptionsOfPlan(t *testing.T) {
	const (
		unknownOption = "WHMCS product 1 has no config option 99"
		unknownChoice = "config option 12 has no choice 999"
		unknownField  = "the order form of WHMCS product 1 shows no custom field 777"
	)
	tests := map[string]struct {
		entries, json string
		want          []string
	}{
		"nothing from the product":       {entries: "line: {configOptions: {99: {field: product.Disk__c}}}"},
		"something from the order":       {entries: "line: {configOptions: {99: {field: order.Disk__c}}}", want: []string{unknownOption}},
		"nothing replaces nothing":       {entries: "line: {configOptions: {12: {field: product.Disk__c}}}", json: `{"12": 999}`, want: []string{unknownChoice}},
		"perhaps something from orders":  {entries: "line: {configOptions: {12: {field: order.Disk__c}}}", json: `{"12": 999}`, want: []string{unknownChoice}},
		"certainly something else":       {entries: "line: {configOptions: {12: [{field: order.Disk__c}, 101]}}", json: `{"12": 999}`},
		"the rule gives nothing":         {entries: "line: {configOptions: {12: 999}}\nproducts: [{sku: X, configOptions: {12: {field: product.Disk__c}}}]", want: []string{unknownChoice}},
		"the rule gives something else":  {entries: "line: {configOptions: {12: 999}}\nproducts: [{sku: X, configOptions: {12: 101}}]"},
		"a custom field without a value": {entries: "line: {customFields: {777: {field: product.Disk__c}}}"},
		"a custom field with a value":    {entries: "line: {customFields: {777: x}}", want: []string{unknownField}},
		"required, unless orders do":     {entries: "line: {customFields: {198: [{field: order.Disk__c}, {field: product.Disk__c, required: true}]}}"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cat := Catalogue{WHMCS: shelf().WHMCS, Products: []map[string]any{{
				"StockKeepingUnit": "X", "WHMCS_Product_Id__c": 1.0, "Billing_Cycle__c": "Monthly", "Portal_ConfigOptions_JSON__c": tt.json,
			}}}
			var got []string
			for _, f := range parse(t, "version: 1\nclient: 9\n"+tt.entries+"\n").Check(cat) {
				got = append(got, f.Message)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCatalogueInAnyCase reads products as Salesforce names their fields, whatever the mapping writes.
func TestCatalogueInAnyCase(t *testing.T) {
	m := parse(t, "version: 1\nclient: 9\nline: {pid: {field: product.portal__R.PID__C}}\nproducts: [{when: product.FAMILY == 'x', cycle: free}]\n")
	products := []map[string]any{{
		"id": "01t1", "STOCKKEEPINGUNIT": "A", "family": nil, "Portal__r": map[string]any{"Pid__c": 1.0},
		"billing_cycle__c": "monthly", "item_class__c": nil, "portal_configoptions_json__c": nil,
	}}
	if got := m.UnreadOfProducts(products); len(got) > 0 {
		t.Errorf("UnreadOfProducts() = %v of fields that are there", got)
	}
	delete(products[0], "family")
	products[0]["Portal__r"] = map[string]any{}
	if diff := cmp.Diff([]string{"FAMILY", "portal__R.PID__C"}, m.UnreadOfProducts(products)); diff != "" {
		t.Errorf("UnreadOfProducts() (-want +got):\n%s", diff)
	}
	products[0]["Portal__r"] = nil
	if diff := cmp.Diff([]string{"FAMILY"}, m.UnreadOfProducts(products)); diff != "" {
		t.Errorf("UnreadOfProducts() behind a parent that is null (-want +got):\n%s", diff)
	}
}

func TestFindingsAboutOneEntryAreOne(t *testing.T) {
	m := parse(t, "version: 1\nclient: 9\nproducts: [{sku: \"*\", pid: 99}]\n")
	cat := Catalogue{WHMCS: []WHMCSProduct{{PID: 1}}}
	for i := range 1000 {
		cat.Products = append(cat.Products, map[string]any{"StockKeepingUnit": fmt.Sprintf("S%04d", i), "Billing_Cycle__c": "monthly"})
	}
	findings := m.Check(cat)
	if len(findings) != 1 || len(findings[0].Products) != 1000 {
		t.Fatalf("%d findings, want one about 1000 products: %.500v", len(findings), findings)
	}
	const want = "3:28: error: products[0].pid: WHMCS has no product 99 (S0000, S0001, S0002 and 997 more); correct the id, or create the product in WHMCS"
	if got := findings[0].String(); got != want {
		t.Errorf("String() = %s\nwant %s", got, want)
	}
}
