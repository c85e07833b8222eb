package mapping

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExamineAgreesWithPlan finds the same client and lines as Plan for an order without a miss.
func TestExamineAgreesWithPlan(t *testing.T) {
	m := parseFile(t, "testdata/full.yaml")
	plan, err := m.Plan(fullOrder())
	if err != nil {
		t.Fatal(err)
	}
	e := m.Examine(fullOrder())
	if e.Client != nil || e.Header != nil || e.Schedule != nil || e.ClientID != plan.ClientID {
		t.Errorf("client %d, misses %v %v %v, want client %d and none", e.ClientID, e.Client, e.Header, e.Schedule, plan.ClientID)
	}
	var made []Line
	left := 0
	for _, line := range e.Lines {
		if line.Miss != nil {
			t.Errorf("line %s: %v", line.OrderItemID, line.Miss)
		}
		if len(line.Made) == 0 {
			left++
		}
		made = append(made, line.Made...)
	}
	if diff := cmp.Diff(plan.Lines, made); diff != "" {
		t.Errorf("lines (-plan +examined):\n%s", diff)
	}
	if left != 1 {
		t.Errorf("%d lines are left out, want that of the fee", left)
	}
}

// TestExamineNamesEveryMiss goes on after the first part that is missing.
func TestExamineNamesEveryMiss(t *testing.T) {
	m := parseFile(t, "testdata/portal.yaml")
	e := m.Examine(map[string]any{"Id": "8014x000000ABCDIAZ", "Account": nil, "OrderItems": []any{
		map[string]any{"Id": "a", "OrderItemNumber": "1", "Quantity": 1.0, "PricebookEntry": map[string]any{"Product2": map[string]any{"StockKeepingUnit": "NEW"}}},
		map[string]any{"Id": "b", "OrderItemNumber": "2", "Quantity": 0.0, "PricebookEntry": map[string]any{"Product2": map[string]any{"StockKeepingUnit": "NEWER"}}},
	}})
	if e.Client == nil || e.Client.Reason != AccountUnmapped {
		t.Errorf("client: %v, want AccountUnmapped", e.Client)
	}
	for i, line := range e.Lines {
		if line.Miss == nil || line.Miss.Reason != ProductUnmapped {
			t.Errorf("line %d: %v, want ProductUnmapped", i, line.Miss)
		}
	}
	if len(e.Lines) != 2 || e.Lines[1].SKU != "NEWER" {
		t.Errorf("lines %+v, want both with their SKU", e.Lines)
	}
}

// TestUnread tells fields that were not read from those that are empty.
func TestUnread(t *testing.T) {
	m := parse(t, "version: 1\nclient: {field: account.A__c}\nline: {customFields: {7: {field: item.X__c}}}\nproducts: [{sku: A, skip: true}]\n")
	whole := `{"Id":"1","OrderNumber":"2","AccountId":null,"Account":null,"Status":"Approved","Activation_Status__c":null,"WHMCS_Order_ID__c":null,
		"Activation_Type__c":null,"Activation_Scheduled_At__c":null,"OrderItems":[%s]}`
	item := `{"Id":"3","OrderItemNumber":"4","Quantity":1,"WHMCS_Service_ID__c":null,"Billing_Cycle__c":null,"X__c":null,"PricebookEntry":{"Product2":{
		"StockKeepingUnit":"B","Portal_ConfigOptions_JSON__c":null,"WHMCS_Product_Id__c":null,"Billing_Cycle__c":null,"Item_Class__c":null}}}`
	tests := map[string]struct {
		text string
		want []string
	}{
		"everything was read":       {text: fmt.Sprintf(whole, item)},
		"no lines":                  {text: fmt.Sprintf(whole, "")},
		"a product that is missing": {text: fmt.Sprintf(whole, `{"Id":"3","OrderItemNumber":"4","Quantity":1,"WHMCS_Service_ID__c":null,"Billing_Cycle__c":null,"X__c":null,"PricebookEntry":null}`)},
		"one field of one line":     {text: fmt.Sprintf(whole, item+`,{"Id":"3","OrderItemNumber":"4","Quantity":1,"WHMCS_Service_ID__c":null,"Billing_Cycle__c":null,"PricebookEntry":null}`), want: []string{"X__c"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var record map[string]any
			if err := json.Unmarshal([]byte(test.text), &record); err != nil {
				t.Fatal(err)
			}
			got := m.Unread(record)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("unread (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnreadOrder misses everything of an order of which only the id was read. When it was made plays no part in a plan.
func TestUnreadOrder(t *testing.T) {
	m := parse(t, "version: 1\nclient: {field: account.A__c}\n")
	if got := m.Unread(map[string]any{"Id": "1"}); len(got) != len(m.OrderFields())-1 || slices.Contains(got, createdDate) {
		t.Errorf("unread %v, want all order fields but Id and CreatedDate, and the lines", got)
	}
}

func TestOwnStatuses(t *testing.T) {
	m := parse(t, "version: 1\nclient: 5\nreport: {reasons: {OrderRefused: {status: Refused}, Scheduled: {status: Planned}, OrderFraud: {status: Fraud, silent: true}}}\n")
	if diff := cmp.Diff([]string{"Activated", "Failed", "Planned", "Refused"}, m.OwnStatuses()); diff != "" {
		t.Errorf("own statuses (-want +got):\n%s", diff)
	}
}
