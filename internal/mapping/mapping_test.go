package mapping

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parse compiles a mapping that must be right.
func parse(tb testing.TB, text string) *Mapping {
	tb.Helper()
	m, err := Parse([]byte(text))
	if err != nil {
		tb.Fatalf("Parse:\n%v", err)
	}
	return m
}

func parseFile(tb testing.TB, name string) *Mapping {
	tb.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return parse(tb, string(data))
}

// readOrder reads an order as the REST API returns it.
func readOrder(tb testing.TB, name string) map[string]any {
	tb.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	dec := json.NewDecoder(strings.NewReader(string(data)))
	dec.UseNumber()
	var order map[string]any
	if err := dec.Decode(&order); err != nil {
		tb.Fatal(err)
	}
	return order
}

func TestPlanOfTheWorkedOrder(t *testing.T) {
	m := parseFile(t, "testdata/portal.yaml")
	order := readOrder(t, "testdata/worked-order.json")
	plan, err := m.Plan(order)
	if err != nil {
		t.Fatal(err)
	}
	line := func(id, sku string, pid int64, cycle string) Line {
		return Line{OrderItemID: id, SKU: sku, PID: pid, BillingCycle: cycle, Quantity: 1}
	}
	want := Plan{ClientID: 1234, PaymentMethod: "mailin", NoInvoice: true, NoEmail: true, Lines: []Line{
		line("8024x000000ABC1AAO", "INT-HOME-1G-GOLD", 188, "monthly"),
		line("8024x000000ABC2AAO", "INT-INSTALL", 242, "onetime"),
		line("8024x000000ABC3AAO", "INT-INSTALL-WEEKEND", 245, "onetime"),
		line("8024x000000ABC4AAO", "INT-HOME-PHONE", 246, "monthly"),
		line("8024x000000ABC5AAO", "INT-HOME-PHONE-INSTALL", 247, "onetime"),
	}}
	if diff := cmp.Diff(want, plan); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestFieldsOfTheReferenceMapping(t *testing.T) {
	m := parseFile(t, "testdata/portal.yaml")
	wantOrder := []string{
		"Account.SF_Account_No__c", "Account.WH_Account__c", "AccountId", "Activation_Scheduled_At__c", "Activation_Status__c",
		"Activation_Type__c", "CreatedDate", "Id", "OrderNumber", "Status", "WHMCS_Order_ID__c",
	}
	if diff := cmp.Diff(wantOrder, m.OrderFields()); diff != "" {
		t.Errorf("order fields (-want +got):\n%s", diff)
	}
	wantItem := []string{
		"Billing_Cycle__c", "Id", "OrderItemNumber", "PricebookEntry.Product2.Billing_Cycle__c", "PricebookEntry.Product2.Item_Class__c",
		"PricebookEntry.Product2.Portal_ConfigOptions_JSON__c", "PricebookEntry.Product2.StockKeepingUnit",
		"PricebookEntry.Product2.WHMCS_Product_Id__c", "Quantity", "WHMCS_Service_ID__c",
	}
	if diff := cmp.Diff(wantItem, m.ItemFields()); diff != "" {
		t.Errorf("item fields (-want +got):\n%s", diff)
	}
	const wantGate = "Status IN ('Approved', 'Reactivate') AND Activation_Status__c = 'Activating'"
	if got := m.GateSOQL(); got != wantGate {
		t.Errorf("GateSOQL() = %s, want %s", got, wantGate)
	}
}
