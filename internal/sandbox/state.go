package sandbox

import (
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
)

// State reads the books of both sides.
func (s *Sandbox) State() State {
	// Salesforce first: what was written back by now was done in WHMCS before.
	orders := s.salesforceOrders()
	return State{Now: s.Clock.Now(), Orders: orders, Whmcs: WhmcsState{
		Orders: s.Whmcs.Orders(), Services: s.Whmcs.Services(), Clients: s.Whmcs.Clients(), Products: s.Whmcs.Products(),
		Queue: s.Whmcs.Queue(),
	}}
}

// Audit compares the books.
func (s *Sandbox) Audit() Audit { return Compare(s.State()) }

func (s *Sandbox) salesforceOrders() []SalesforceOrder {
	accounts, products := byID(s.Salesforce.Records("Account")), byID(s.Salesforce.Records("Product2"))
	entries := byID(s.Salesforce.Records("PricebookEntry"))
	out := []SalesforceOrder{}
	for _, book := range s.Salesforce.Orders() {
		o := salesforceOrder(book)
		o.WhmcsAccount = text(accounts[o.AccountID], "WH_Account__c")
		for _, l := range book.Lines {
			product := products[text(l, "Product2Id")]
			if product == nil {
				product = products[text(entries[text(l, "PricebookEntryId")], "Product2Id")]
			}
			o.Lines = append(o.Lines, salesforceLine(l, product))
		}
		out = append(out, o)
	}
	return out
}

func salesforceOrder(book salesforce.OrderBook) SalesforceOrder {
	f := book.Fields
	o := SalesforceOrder{
		ID: book.ID, Number: text(f, "OrderNumber"), Status: text(f, "Status"), AccountID: text(f, "AccountId"),
		ActivationStatus: text(f, "Activation_Status__c"), ActivationType: text(f, "Activation_Type__c"),
		WhmcsOrderID: text(f, "WHMCS_Order_ID__c"), ErrorCode: text(f, "Activation_Error_Code__c"),
		ErrorMessage: text(f, "Activation_Error_Message__c"), Lines: []SalesforceLine{},
	}
	if at, err := time.Parse("2006-01-02T15:04:05.000-0700", text(f, "Activation_Scheduled_At__c")); err == nil {
		o.ScheduledAt = at
	}
	return o
}

func salesforceLine(line, product map[string]any) SalesforceLine {
	l := SalesforceLine{
		ID: text(line, "Id"), SKU: text(product, "StockKeepingUnit"), WhmcsServiceID: text(line, "WHMCS_Service_ID__c"),
		Class: text(product, "Item_Class__c"), Cycle: text(line, "Billing_Cycle__c"), Options: text(product, "Portal_ConfigOptions_JSON__c"),
	}
	l.Quantity, _ = line["Quantity"].(float64)
	if pid, ok := product["WHMCS_Product_Id__c"].(float64); ok {
		l.PID = int64(pid)
	}
	if l.Cycle == "" {
		l.Cycle = text(product, "Billing_Cycle__c")
	}
	return l
}

func byID(records []map[string]any) map[string]map[string]any {
	out := make(map[string]map[string]any, len(records))
	for _, r := range records {
		out[text(r, "Id")] = r
	}
	return out
}

func text(record map[string]any, field string) string {
	s, _ := record[field].(string)
	return s
}
