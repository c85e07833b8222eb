package mapping

import (
	stdcmp "cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// record is a Salesforce record of a named type, as a client might define it.
type record map[string]any

// with returns a copy of the record with some fields changed.
func with(r, changes map[string]any) map[string]any {
	out := maps.Clone(r)
	maps.Copy(out, changes)
	return out
}

// fullOrder is an order that testdata/full.yaml provisions.
func fullOrder() map[string]any {
	return map[string]any{
		"Id": "8014x000000ABCDIAZ", "OrderNumber": "00000100", "Status": "Approved", "Provision_Status__c": "start",
		"On_Hold__c": false, "SIM_Type__c": "eSIM", "EID__c": "8904", "Plan__c": "Plus", "SIM_Voice_Mail__c": true,
		"Payment__c": "Card", "Promo__c": " SPRING ", "Quiet__c": true, "TotalAmount": json.Number("0.0"),
		"BillTo__r": record{"Client_Number__c": json.Number("1234.0"), "SF_Account_No__c": "C-001", "Tier__c": 2.0, "Language__c": "de_DE"},
		"OrderItems": []record{
			{"Id": "802B", "OrderItemNumber": "0000000002", "Quantity": json.Number("3.0"), "UnitPrice": 500.0, "Host__c": "r1.example.net",
				"Product2": record{"ProductCode": "RT-1", "Family": "Router"}},
			{"Id": "802A", "OrderItemNumber": "0000000001", "Quantity": 2.0, "Cycle__c": "Half-yearly",
				"Product2": record{"ProductCode": "SIM-X5G", "Family": "SIM"}},
			{"Id": "802C", "OrderItemNumber": "0000000003", "Quantity": 1.0, "Product2": record{"ProductCode": "FEE-1"}},
			{"Id": "802D", "OrderItemNumber": "0000000004", "Quantity": 1.0, "Cycle__c": "毎月",
				"Product2": record{"ProductCode": "VPN", "WH_Product_ID__c": "400"}},
		},
	}
}

func TestPlanOfEveryPart(t *testing.T) {
	m := parseFile(t, "testdata/full.yaml")
	got, err := m.Plan(fullOrder())
	if err != nil {
		t.Fatal(err)
	}
	sim := Line{
		OrderItemID: "802A", SKU: "SIM-X5G", PID: 190, BillingCycle: "semiannually", Quantity: 1, Domain: "sf-00000100-0000000001.example.net",
		ConfigOptions: map[int64]int64{12: 102, 13: 1, 14: 3}, CustomFields: map[int64]string{198: "C-001", 201: "8904"},
	}
	want := Plan{
		ClientID: 1234, PaymentMethod: "stripe", PromoCode: "SPRING", NoInvoice: true, NoInvoiceEmail: true, NoEmail: true,
		Lines: []Line{
			sim, sim,
			{OrderItemID: "802B", SKU: "RT-1", PID: 301, BillingCycle: "onetime", Quantity: 3, Domain: "r1.example.net", CustomFields: map[int64]string{198: "C-001"}},
			{OrderItemID: "802D", SKU: "VPN", PID: 400, BillingCycle: "monthly", Quantity: 1, Domain: "sf-00000100-0000000004.example.net", CustomFields: map[int64]string{198: "C-001"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestFieldsOfEveryPart(t *testing.T) {
	m := parseFile(t, "testdata/full.yaml")
	wantOrder := []string{
		"AccountId", "Billing_Order__c", "BillTo__r.Client_Number__c", "BillTo__r.Language__c", "BillTo__r.Legacy__c", "BillTo__r.Parent.Group_Client__c",
		"BillTo__r.Parent.Id", "BillTo__r.Segment__c", "BillTo__r.SF_Account_No__c", "BillTo__r.Tier__c",
		"CreatedDate", "EID__c", "Id", "On_Hold__c", "OrderNumber", "Payment__c", "Plan__c", "Promo__c", "Provision_Status__c", "Quiet__c",
		"SIM_Type__c", "SIM_Voice_Mail__c", "Start__c", "Start_At__c", "Status", "TotalAmount", "Type",
	}
	if diff := cmp.Diff(wantOrder, m.OrderFields()); diff != "" {
		t.Errorf("order fields (-want +got):\n%s", diff)
	}
	wantItem := []string{
		"Billing_Service__c", "Cycle__c", "Host__c", "Id", "OrderItemNumber", "Product2.Family", "Product2.ProductCode",
		"Product2.WH_Product_ID__c", "Quantity", "UnitPrice",
	}
	if diff := cmp.Diff(wantItem, m.ItemFields()); diff != "" {
		t.Errorf("item fields (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Family", "Id", "ProductCode", "WH_Product_ID__c"}, m.ProductFields()); diff != "" {
		t.Errorf("product fields (-want +got):\n%s", diff)
	}
}

func TestPlanDoesNotDependOnTheOrderOfLines(t *testing.T) {
	m := parseFile(t, "testdata/full.yaml")
	first, err := m.Plan(fullOrder())
	if err != nil {
		t.Fatal(err)
	}
	order := fullOrder()
	items := order["OrderItems"].([]record)
	items[0], items[1], items[2], items[3] = items[3], items[2], items[0], items[1]
	second, err := m.Plan(order)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the plan changed with the order of the lines:\n%s", diff)
	}
}

// oneLine is the smallest order that a mapping without further rules provisions.
func oneLine(item, product map[string]any) map[string]any {
	i := with(map[string]any{"Id": "802A", "OrderItemNumber": "0000000001", "Quantity": 1.0}, item)
	i["PricebookEntry"] = map[string]any{"Product2": with(map[string]any{"StockKeepingUnit": "A", "WHMCS_Product_Id__c": 5.0, "Billing_Cycle__c": "Monthly"}, product)}
	return map[string]any{"Id": "801A", "Status": "Approved", "Activation_Status__c": "Activating", "OrderItems": []map[string]any{i}}
}

func TestMisses(t *testing.T) {
	const minimal = "version: 1\nclient: 9\n"
	tests := map[string]struct {
		mapping string
		order   map[string]any
		want    Miss
	}{
		"gate on status": {
			order: with(oneLine(nil, nil), map[string]any{"Status": "Draft"}),
			want: Miss{Reason: GateClosed, Field: "order.Status",
				Message: `The order is not released: order.Status is "Draft", and the mapping lets through "Approved" or "Reactivate".`},
		},
		"gate on empty activation status": {
			order: with(oneLine(nil, nil), map[string]any{"Activation_Status__c": nil}),
			want: Miss{Reason: GateClosed, Field: "order.Activation_Status__c",
				Message: `The order is not released: order.Activation_Status__c is empty, and the mapping lets through "Activating".`},
		},
		"no client": {
			mapping: "version: 1\nclient:\n- field: account.A__c\n- {field: account.B__c, pattern: '#(\\d+)'}\n- {field: account.C__c, table: {x: 1}}\n- cel: \"null\"\n",
			order:   with(oneLine(nil, nil), map[string]any{"Account": map[string]any{"B__c": "Yamada", "C__c": "y"}}),
			want: Miss{Reason: AccountUnmapped, Field: "account.A__c",
				Message: `No WHMCS client is known for the account: account.A__c is empty; account.B__c does not match #(\d+); account.C__c is not in the table; the expression at 6:8 (client[3].cel) gives nothing. Fill in the field in Salesforce, or add the account to the mapping.`},
		},
		"client id in words": {
			mapping: "version: 1\nclient: {field: account.A__c}\n",
			order:   with(oneLine(nil, nil), map[string]any{"Account": map[string]any{"A__c": "none"}}),
			want: Miss{Reason: AccountUnmapped, Field: "account.A__c",
				Message: `The account has no usable WHMCS client id: account.A__c: "none" is not a whole number. Correct the field in Salesforce, or the client entry of the mapping.`},
		},
		"no lines": {
			order: with(oneLine(nil, nil), map[string]any{"OrderItems": nil}),
			want:  Miss{Reason: ProductUnmapped, Message: "The order has no lines. Add products to the order in Salesforce."},
		},
		"no pid": {
			order: oneLine(nil, map[string]any{"WHMCS_Product_Id__c": nil}),
			want: Miss{Reason: ProductUnmapped, Field: "product.WHMCS_Product_Id__c", OrderItemID: "802A",
				Message: "Line 0000000001 (SKU A) has no WHMCS product id: product.WHMCS_Product_Id__c is empty. Fill in the field on the product in Salesforce, or add the product to the mapping."},
		},
		"pid 0": {
			order: oneLine(nil, map[string]any{"WHMCS_Product_Id__c": 0.0}),
			want: Miss{Reason: ProductUnmapped, Field: "product.WHMCS_Product_Id__c", OrderItemID: "802A",
				Message: "Line 0000000001 (SKU A) has no usable WHMCS product id: product.WHMCS_Product_Id__c: 0 is not an id: WHMCS ids begin at 1. Fill in the field on the product in Salesforce, or add the product to the mapping."},
		},
		"unknown cycle": {
			order: oneLine(map[string]any{"Billing_Cycle__c": "Weekly"}, nil),
			want: Miss{Reason: ProductUnmapped, Field: "item.Billing_Cycle__c", OrderItemID: "802A",
				Message: `Line 0000000001 (SKU A) has no usable billing cycle: item.Billing_Cycle__c: "Weekly" is neither a billing cycle of WHMCS nor a word of cycles. Fill in the field in Salesforce, or add the word to cycles in the mapping.`},
		},
		"no cycle": {
			order: oneLine(nil, map[string]any{"Billing_Cycle__c": nil}),
			want: Miss{Reason: ProductUnmapped, Field: "item.Billing_Cycle__c", OrderItemID: "802A",
				Message: "Line 0000000001 (SKU A) has no billing cycle: item.Billing_Cycle__c is empty; product.Billing_Cycle__c is empty; product.Item_Class__c is empty. Fill in the field in Salesforce, or add the word to cycles in the mapping."},
		},
		"half a unit": {
			order: oneLine(map[string]any{"Quantity": json.Number("1.5")}, nil),
			want: Miss{Reason: ProductUnmapped, Field: "item.Quantity", OrderItemID: "802A",
				Message: "Line 0000000001 (SKU A) has no usable quantity: item.Quantity: 1.5 is not a whole number. WHMCS counts in whole units: correct the quantity in Salesforce."},
		},
		"no unit": {
			order: oneLine(map[string]any{"Quantity": 0.0}, nil),
			want: Miss{Reason: ProductUnmapped, Field: "item.Quantity", OrderItemID: "802A",
				Message: "Line 0000000001 (SKU A) has the quantity 0. Correct it in Salesforce: WHMCS needs at least 1."},
		},
		"too many units to repeat": {
			mapping: minimal + "line: {quantity: repeat}\n",
			order:   oneLine(map[string]any{"Quantity": 151.0}, nil),
			want: Miss{Reason: ProductUnmapped, Field: "item.Quantity", OrderItemID: "802A",
				Message: "Line 0000000001 (SKU A) has the quantity 151, and repeating it would make more than the 150 lines that arrive safely. Split the order, or use quantity: qty."},
		},
		"config options that are no JSON": {
			order: oneLine(nil, map[string]any{"Portal_ConfigOptions_JSON__c": "12=34"}),
			want: Miss{Reason: ProductUnmapped, Field: "product.Portal_ConfigOptions_JSON__c", OrderItemID: "802A",
				Message: `Line 0000000001 (SKU A) has config options that cannot be read: product.Portal_ConfigOptions_JSON__c: this is not a JSON object. Write a JSON object of option id and value, such as {"12": 34}.`},
		},
		"everything left out": {
			mapping: minimal + "products: [{sku: A, skip: true}]\n",
			order:   oneLine(nil, nil),
			want:    Miss{Reason: ProductUnmapped, Message: "The mapping leaves out every line of the order, so there is nothing to provision."},
		},
		"required custom field": {
			mapping: minimal + "line: {customFields: {201: {field: order.EID__c, required: true}}}\n",
			order:   oneLine(nil, nil),
			want: Miss{Reason: ProductUnmapped, Field: "order.EID__c", OrderItemID: "802A",
				Message: "Line 0000000001 (SKU A) has no usable value for custom field 201: order.EID__c is empty. Correct the field in Salesforce, or the entry of the mapping."},
		},
		"expression on an empty field": {
			mapping: minimal + "products: [{when: \"product.Name.startsWith('A')\", pid: 5}]\n",
			order:   oneLine(nil, nil),
			want: Miss{Reason: MappingInvalid, OrderItemID: "802A",
				Message: "The expression at 3:19 (products[0].when) fails: it meets an empty field, or a value of another type (has() tells whether a field is filled in)."},
		},
		"expression that takes too long": {
			mapping: minimal + "line: {domain: {cel: \"order.Note__c.split('').map(a, order.Note__c.split('')).size()\"}}\n",
			order:   with(oneLine(nil, nil), map[string]any{"Note__c": strings.Repeat("x", 1000)}),
			want: Miss{Reason: MappingInvalid, OrderItemID: "802A",
				Message: "The expression at 3:22 (line.domain.cel) fails: it takes too long."},
		},
		"scheduled without a time": {
			order: with(oneLine(nil, nil), map[string]any{"Activation_Type__c": "Scheduled"}),
			want: Miss{Reason: GateClosed, Field: "order.Activation_Scheduled_At__c",
				Message: "The order is to be activated later, but order.Activation_Scheduled_At__c is empty. Fill it in, or change order.Activation_Type__c."},
		},
		"scheduled for no time": {
			order: with(oneLine(nil, nil), map[string]any{"Activation_Type__c": "Scheduled", "Activation_Scheduled_At__c": "soon"}),
			want: Miss{Reason: GateClosed, Field: "order.Activation_Scheduled_At__c",
				Message: `The order is to be activated later, but order.Activation_Scheduled_At__c is no date and time: "soon". Correct it.`},
		},
		"option that is neither true nor false": {
			mapping: minimal + "addOrder: {noInvoice: {field: order.X__c}}\n",
			order:   with(oneLine(nil, nil), map[string]any{"X__c": "maybe"}),
			want: Miss{Reason: MappingInvalid, Field: "order.X__c",
				Message: `The order has a value that cannot be used: order.X__c: "maybe" is neither true nor false. Correct the field in Salesforce, or the addOrder entry of the mapping.`},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := parse(t, stdcmp.Or(tt.mapping, minimal))
			_, err := m.Plan(tt.order)
			got, ok := errors.AsType[*Miss](err)
			if !ok {
				t.Fatalf("Plan gives %v, want a Miss", err)
			}
			if diff := cmp.Diff(tt.want, *got); diff != "" {
				t.Errorf("miss (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAllLinesWithoutPlanAreNamedAtOnce(t *testing.T) {
	m := parse(t, "version: 1\nclient: 9\n")
	order := oneLine(nil, map[string]any{"WHMCS_Product_Id__c": nil})
	order["OrderItems"] = append(order["OrderItems"].([]map[string]any),
		map[string]any{"Id": "802B", "OrderItemNumber": "0000000002", "Quantity": 0.5, "Product2": map[string]any{"StockKeepingUnit": "B", "WHMCS_Product_Id__c": 5, "Billing_Cycle__c": "Monthly"}})
	_, err := m.Plan(order)
	for _, part := range []string{"SKU A", "SKU B"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not name %s: %v", part, err)
		}
	}
}

// TestCreatedAt reads when an order was made, in the form in which Salesforce writes it.
func TestCreatedAt(t *testing.T) {
	for value, want := range map[any]time.Time{
		"2026-11-23T10:00:00.000+0000": time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		"2026-11-23T10:00:00Z":         time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC),
		"yesterday":                    {},
		nil:                            {},
	} {
		if got := CreatedAt(map[string]any{"CreatedDate": value}); !got.Equal(want) {
			t.Errorf("CreatedAt of %v = %s, want %s", value, got, want)
		}
	}
}

// TestManyLinesWithoutPlanAreCounted shortens the sentence for staff, and does not hide that there is more.
func TestManyLinesWithoutPlanAreCounted(t *testing.T) {
	order := oneLine(nil, nil)
	var items []map[string]any
	for i := range 8 {
		items = append(items, map[string]any{"Id": fmt.Sprint("802", i), "OrderItemNumber": fmt.Sprint("000000000", i), "Quantity": 1.0})
	}
	order["OrderItems"] = items
	_, err := parse(t, "version: 1\nclient: 9\n").Plan(order)
	if err == nil || strings.Count(err.Error(), "Line 000000000") != 5 || !strings.HasSuffix(err.Error(), " Further such mistakes: 3.") {
		t.Errorf("the error is %v, want five lines and the number of the others", err)
	}
}

func TestScheduledFor(t *testing.T) {
	tests := map[string]struct {
		schedule string
		kind, at any
		want     time.Time
	}{
		"at once":              {"", "Immediate", "2026-03-01T10:00:00.000+0000", time.Time{}},
		"no type":              {"", nil, "2026-03-01T10:00:00.000+0000", time.Time{}},
		"as Salesforce writes": {"", "scheduled", "2026-03-01T10:00:00.000+0000", time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)},
		"with a zone":          {"timeZone: Asia/Tokyo", "Scheduled", "2026-03-01T10:00:00+02:00", time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)},
		"without a zone":       {"timeZone: Asia/Tokyo", "Scheduled", "2026-03-01 10:00", time.Date(2026, 3, 1, 1, 0, 0, 0, time.UTC)},
		"a date":               {"timeZone: Asia/Tokyo, timeOfDay: \"09:30\"", "Scheduled", "2026-03-01", time.Date(2026, 3, 1, 0, 30, 0, 0, time.UTC)},
		"a date of 23 hours":   {"timeZone: Europe/Berlin, timeOfDay: \"09:00\"", "Scheduled", "2026-03-29", time.Date(2026, 3, 29, 7, 0, 0, 0, time.UTC)},
		"another word":         {"values: [Later]", "Later", "2026-03-01", time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)},
		"not that word":        {"values: [Later]", "Scheduled", "2026-03-01", time.Time{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := "version: 1\nclient: 9\n"
			if tt.schedule != "" {
				text += "schedule: {" + tt.schedule + "}\n"
			}
			order := with(oneLine(nil, nil), map[string]any{"Activation_Type__c": tt.kind, "Activation_Scheduled_At__c": tt.at})
			plan, err := parse(t, text).Plan(order)
			if err != nil {
				t.Fatal(err)
			}
			if !plan.ScheduledFor.Equal(tt.want) {
				t.Errorf("ScheduledFor = %s, want %s", plan.ScheduledFor, tt.want)
			}
		})
	}
}

func TestConfigOptionsOfTheProduct(t *testing.T) {
	tests := map[string]struct {
		json string
		want map[int64]int64 // nil: refused
	}{
		"numbers":         {`{"12": 34, "13": 5}`, map[int64]int64{12: 34, 13: 5}},
		"texts":           {`{"12": "34"}`, map[int64]int64{12: 34}},
		"yes and no":      {`{"12": true, "13": false}`, map[int64]int64{12: 1, 13: 0}},
		"none":            {`{}`, map[int64]int64{}},
		"a list":          {`[1]`, nil},
		"null":            {`null`, nil},
		"names":           {`{"Colour": 3}`, nil},
		"words":           {`{"12": "red"}`, nil},
		"fraction":        {`{"12": 1.5}`, nil},
		"negative":        {`{"12": -1}`, nil},
		"object":          {`{"12": {"optionid": 1}}`, nil},
		"text after it":   {`{"12": 1} x`, nil},
		"half an object":  {`{"12": `, nil},
		"option 0":        {`{"0": 1}`, nil},
		"large and exact": {`{"12": 9007199254740993}`, map[int64]int64{12: 9007199254740993}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseOptions(tt.json)
			if (err != nil) != (tt.want == nil) {
				t.Fatalf("error %v, want one: %t", err, tt.want == nil)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("options (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRulesOverrideLineOverProduct(t *testing.T) {
	m := parse(t, `
version: 1
client: 9
line: {configOptions: {1: 10, 2: 20}}
products: [{sku: A, configOptions: {2: 21, 3: 31}}]
`)
	plan, err := m.Plan(oneLine(nil, map[string]any{"Portal_ConfigOptions_JSON__c": `{"1": 1, "2": 2, "4": 4}`}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[int64]int64{1: 10, 2: 21, 3: 31, 4: 4}, plan.Lines[0].ConfigOptions); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

// TestExpressionsReadLinesAsTheyArrive gives expressions the lines as the REST API has them, inside a query result.
func TestExpressionsReadLinesAsTheyArrive(t *testing.T) {
	m := parse(t, "version: 1\nclient: {cel: \"order.OrderItems.filter(i, i.Quantity > 1.0).size()\"}\n")
	order := readOrder(t, "testdata/worked-order.json")
	items := asRecords(order["OrderItems"])
	if len(items) == 0 {
		t.Fatal("the order has no lines")
	}
	items[0]["Quantity"] = 2.0
	for name, lines := range map[string]any{"query result": map[string]any{"totalSize": len(items), "done": true, "records": items}, "list": items} {
		if plan, err := m.Plan(with(order, map[string]any{"OrderItems": lines})); err != nil || plan.ClientID != 1 {
			t.Errorf("%s: client %d, %v", name, plan.ClientID, err)
		}
	}
}

// TestNamesInAnyCase plans the same by names in another case: Salesforce takes them, and answers in its own.
func TestNamesInAnyCase(t *testing.T) {
	const file = `version: 1
salesforce:
  order: {whmcsOrderID: WHMCS_Order_ID__c, activationType: Activation_Type__c, scheduledAt: Activation_Scheduled_At__c}
  item: {object: OrderItem, path: OrderItems, quantity: Quantity}
  product: {path: PricebookEntry.Product2, sku: StockKeepingUnit, whmcsProductID: WHMCS_Product_Id__c, billingCycle: Billing_Cycle__c, configOptions: Portal_ConfigOptions_JSON__c}
gate: {order.Status: Approved, order.Activation_Status__c: Activating}
client: {field: account.WH_Account__c, pattern: '^#(\d+)\b'}
line:
  domain: {cel: "string(order.OrderItems.size()) + string(has(item.Mark__c) ? item.Mark__c : 'none') + product.StockKeepingUnit"}
`
	lower := regexp.MustCompile(`\b[A-Z][A-Za-z0-9_]*(__c|Unit|2|Entry|Id|Status|Quantity)\b`).ReplaceAllStringFunc(file, strings.ToLower)
	order := readOrder(t, "testdata/worked-order.json")
	order["WHMCS_Order_ID__c"], order["Activation_Type__c"], order["Activation_Scheduled_At__c"] = "77", "Scheduled", "2026-03-01"
	for _, item := range asRecords(order["OrderItems"]) {
		item["Mark__c"] = "m"
	}
	want, err := parse(t, file).Plan(order)
	if err != nil {
		t.Fatal(err)
	}
	m := parse(t, lower)
	got, err := m.Plan(order)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if id, err := m.AlreadyOrdered(order); err != nil || id != 77 {
		t.Errorf("AlreadyOrdered() = %d, %v", id, err)
	}
}
