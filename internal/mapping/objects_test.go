package mapping

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ownObjects is the mapping of an org whose orders, lines and products are custom objects.
const ownObjects = `version: 1
salesforce:
  order: {object: Provision__c}
  item: {object: acme__Line__c, path: acme__Lines__r, quantity: Units__c}
  product: {object: Service__c, path: Service__r, sku: Name}
  account: {path: Customer__r}
gate: {order.Activation_Status__c: Activating}
client: {field: account.Client__c}
line:
  domain: {cel: "string(order.acme__Lines__r.filter(i, i.Units__c > 1.0).size()) + item.Service__r.Name"}
`

func ownObjectsOrder() map[string]any {
	line := func(number, id string, units float64) map[string]any {
		return map[string]any{"Id": id, "Name": number, "Units__c": units, "WHMCS_Service_ID__c": nil,
			"Service__r": map[string]any{"Name": "VPN", "WHMCS_Product_Id__c": 188.0, "Billing_Cycle__c": "Monthly"}}
	}
	return map[string]any{
		"Id": "a01000000000001AAA", "Name": "PO-7", "Activation_Status__c": "Activating", "WHMCS_Order_ID__c": nil,
		"Customer__r":    map[string]any{"Id": "001000000000001AAA", "Client__c": 4711.0},
		"acme__Lines__r": map[string]any{"records": []any{line("L-2", "a02000000000002AAA", 2), line("L-1", "a02000000000001AAA", 1)}},
	}
}

func TestOrdersOfCustomObjects(t *testing.T) {
	m := parse(t, ownObjects)
	want := Objects{Order: "Provision__c", Item: "acme__Line__c", Lines: "acme__Lines__r", Product: "Service__c"}
	if diff := cmp.Diff(want, m.Objects()); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	wantFields := []string{"Activation_Scheduled_At__c", "Activation_Status__c", "Activation_Type__c", "CreatedDate", "Customer__r.Client__c", "Customer__r.Id", "Id", "Name", "WHMCS_Order_ID__c"}
	if diff := cmp.Diff(wantFields, m.OrderFields()); diff != "" {
		t.Errorf("order fields (-want +got):\n%s", diff)
	}
	wantFields = []string{"Billing_Cycle__c", "Id", "Name", "Service__r.Billing_Cycle__c", "Service__r.Item_Class__c", "Service__r.Name",
		"Service__r.Portal_ConfigOptions_JSON__c", "Service__r.WHMCS_Product_Id__c", "Units__c", "WHMCS_Service_ID__c"}
	if diff := cmp.Diff(wantFields, m.ItemFields()); diff != "" {
		t.Errorf("item fields (-want +got):\n%s", diff)
	}
	order := ownObjectsOrder()
	plan, err := m.Plan(order)
	if err != nil {
		t.Fatal(err)
	}
	line := Line{SKU: "VPN", PID: 188, BillingCycle: "monthly", Domain: "1VPN"}
	first, second := line, line
	first.OrderItemID, first.Quantity = "a02000000000001AAA", 1
	second.OrderItemID, second.Quantity = "a02000000000002AAA", 2
	if diff := cmp.Diff(Plan{ClientID: 4711, Lines: []Line{first, second}}, plan); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if number, account := m.OrderNumber(order), m.AccountID(order); number != "PO-7" || account != "001000000000001AAA" {
		t.Errorf("the order is %q of account %q", number, account)
	}
}

// An order without an account is possible where no entry asks for one.
func TestCustomOrdersNeedNoAccount(t *testing.T) {
	m := parse(t, strings.NewReplacer("  account: {path: Customer__r}\n", "", "account.Client__c", "order.Client__c").Replace(ownObjects))
	for _, f := range m.OrderFields() {
		if strings.HasPrefix(f, "Account") {
			t.Errorf("the order fields have %s", f)
		}
	}
	if got := m.AccountID(ownObjectsOrder()); got != "" {
		t.Errorf("AccountID() = %q", got)
	}
}

// What is not recorded of lines under another name must not count as an order without lines.
func TestUnreadLines(t *testing.T) {
	order := ownObjectsOrder()
	delete(order, "acme__Lines__r")
	if got := parse(t, ownObjects).Unread(order); !strings.Contains(strings.Join(got, " "), "acme__Lines__r") {
		t.Errorf("unread %v, want the lines among them", got)
	}
}

// Names of objects go into SOQL as they are.
func TestObjectNamesAreNothingElse(t *testing.T) {
	for _, bad := range []string{"Order WHERE Id != null", "Order'", "Order,Account", "Order\n", "Ördér", "1Order", "Order.Id", "Order)", strings.Repeat("O", 81)} {
		for _, key := range []string{"order: {object: %}", "item: {path: Lines__r, object: %}", "item: {object: Line__c, path: %}", "product: {object: %}"} {
			text := "version: 1\nclient: 9\nsalesforce: {" + strings.Replace(key, "%", yamlQuote(bad), 1) + "}\n"
			if _, err := Parse([]byte(text)); err == nil {
				t.Errorf("Parse takes\n%s", text)
			} else if ps, ok := errors.AsType[Problems](err); !ok || !strings.Contains(ps.Error(), "salesforce.") {
				t.Errorf("Parse says %v of\n%s", err, text)
			}
		}
	}
}

// yamlQuote writes a text as a YAML scalar.
func yamlQuote(s string) string {
	return `"` + strings.NewReplacer("\n", `\n`, `"`, `\"`).Replace(s) + `"`
}
