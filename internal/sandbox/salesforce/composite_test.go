package salesforce

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func sub(method, path, ref string, body any) map[string]any {
	return map[string]any{"method": method, "url": "/services/data/v66.0/" + path, "referenceId": ref, "body": body}
}

// statuses writes a composite answer as one status per part.
func statuses(t *testing.T, r reply, path ...any) string {
	t.Helper()
	parts, ok := r.at(t, path...).([]any)
	if !ok {
		t.Fatalf("answer = %d %s", r.status, r.text)
	}
	var words []string
	for _, p := range parts {
		part, _ := p.(map[string]any)
		words = append(words, fmt.Sprint(part["httpStatusCode"]))
	}
	return strings.Join(words, " ")
}

func TestCompositeMakesAnOrderInOneGo(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	r := o.call("POST", "composite", map[string]any{"allOrNone": true, "compositeRequest": []any{
		sub("POST", "sobjects/Order", "order", map[string]any{"AccountId": shop.account, "EffectiveDate": "2026-11-23", "Status": "Draft", "Pricebook2Id": o.server.StandardPricebookID()}),
		sub("POST", "composite/sobjects", "lines", map[string]any{"allOrNone": true, "records": []any{
			typed("OrderItem", "OrderId", "@{order.id}", "PricebookEntryId", shop.products[0].PricebookEntryID, "Quantity", 2, "UnitPrice", 5),
		}}),
		sub("GET", "query?q=SELECT Id, (SELECT Id FROM OrderItems) FROM Order WHERE Id = '@{order.id}'", "read", nil),
		sub("PATCH", "sobjects/OrderItem/@{read.records[0].OrderItems.records[0].Id}", "touch", map[string]any{"Description": "of @{order.id}"}),
		sub("PATCH", "sobjects/Order/@{order.id}", "approve", map[string]any{"Status": "Approved"}),
	}})
	if got := statuses(t, r, "compositeResponse"); r.status != http.StatusOK || got != "201 200 200 204 204" {
		t.Fatalf("statuses = %s: %s", got, r.text)
	}
	id, _ := r.at(t, "compositeResponse", 0, "body", "id").(string)
	if got := r.at(t, "compositeResponse", 0, "httpHeaders", "Location"); got != "/services/data/v66.0/sobjects/Order/"+id {
		t.Errorf("Location = %v", got)
	}
	line, _ := o.server.Record(fmt.Sprint(r.at(t, "compositeResponse", 1, "body", 0, "id")))
	if line["Description"] != "of "+id || line["OrderId"] != id {
		t.Errorf("line = %v", line)
	}
	if events := o.on("/event/OrderProvisionRequested__e"); len(events) != 1 || events[0]["OrderId__c"] != id {
		t.Errorf("events = %v", events)
	}
	if got := o.server.Counters()["rest"]; got != 1 {
		t.Errorf("%d REST calls were counted, want 1", got)
	}
}

func TestCompositeFailures(t *testing.T) {
	account := func(ref string) any { return sub("POST", "sobjects/Account", ref, map[string]any{"Name": ref}) }
	bad := sub("POST", "sobjects/Account", "bad", map[string]any{})
	var many []any
	for i := range 26 {
		many = append(many, account(fmt.Sprint("r", i)))
	}
	tests := map[string]struct {
		parts     []any
		allOrNone bool
		want      string
		accounts  int
	}{
		"each for itself":       {[]any{account("a"), bad, account("b")}, false, "201 400 201", 2},
		"all or none":           {[]any{account("a"), bad, account("b")}, true, "400 400 400", 0},
		"reference to nothing":  {[]any{sub("GET", "sobjects/Account/@{nobody.id}", "x", nil), account("a")}, false, "400 201", 1},
		"reference to a fail":   {[]any{bad, sub("POST", "sobjects/Contact", "x", map[string]any{"LastName": "L", "AccountId": "@{bad.id}"})}, false, "400 400", 0},
		"case of the reference": {[]any{account("a"), sub("GET", "sobjects/Account/@{A.id}", "x", nil)}, false, "201 400", 1},
		"forbidden resource":    {[]any{sub("GET", "limits", "x", nil)}, false, "400", 0},
		"unknown version":       {[]any{map[string]any{"method": "GET", "url": "/services/data/v99.0/sobjects", "referenceId": "x"}}, false, "404", 0},
		"26 parts":              {many, false, "", 0},
		"same reference twice":  {[]any{account("a"), account("a")}, false, "", 0},
		"six queries": {[]any{sub("GET", "query?q=1", "a", nil), sub("GET", "query?q=1", "b", nil), sub("GET", "query?q=1", "c", nil), sub("GET", "query?q=1", "d", nil),
			sub("GET", "query?q=1", "e", nil), sub("GET", "query?q=1", "f", nil)}, false, "", 0},
		"nothing": {[]any{}, false, "", 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			r := o.call("POST", "composite", map[string]any{"allOrNone": test.allOrNone, "compositeRequest": test.parts})
			if test.want == "" {
				wantStatus(t, r, http.StatusBadRequest)
			} else if got := statuses(t, r, "compositeResponse"); got != test.want {
				t.Errorf("statuses = %s, want %s: %s", got, test.want, r.text)
			}
			if test.allOrNone && r.at(t, "compositeResponse", 0, "body", 0, "errorCode") != "PROCESSING_HALTED" {
				t.Errorf("rolled back part = %s", r.text)
			}
			if n := len(o.server.Records("Account")); n != test.accounts {
				t.Errorf("%d accounts, want %d", n, test.accounts)
			}
		})
	}
}

func TestGraph(t *testing.T) {
	o := newOrg(t)
	good := []any{
		sub("POST", "sobjects/Account", "a", map[string]any{"Name": "A"}),
		sub("POST", "sobjects/Contact", "c", map[string]any{"LastName": "L", "AccountId": "@{a.id}"}),
	}
	bad := []any{sub("POST", "sobjects/Account", "a", map[string]any{"Name": "B"}), sub("POST", "sobjects/Contact", "c", map[string]any{})}
	r := o.call("POST", "composite/graph", map[string]any{"graphs": []any{
		map[string]any{"graphId": "1", "compositeRequest": bad}, map[string]any{"graphId": "2", "compositeRequest": good},
	}})
	if isTrue(r.at(t, "graphs", 0, "isSuccessful")) || !isTrue(r.at(t, "graphs", 1, "isSuccessful")) {
		t.Errorf("graphs = %s", r.text)
	}
	if got := statuses(t, r, "graphs", 1, "graphResponse", "compositeResponse"); got != "201 201" {
		t.Errorf("good graph = %s", got)
	}
	if rows := o.server.Records("Account"); len(rows) != 1 || rows[0]["Name"] != "A" {
		t.Errorf("accounts = %v", rows)
	}
	wantStatus(t, o.call("POST", "composite/graph", map[string]any{"graphs": []any{}}), http.StatusBadRequest)
}

func TestBatch(t *testing.T) {
	o := newOrg(t)
	body := map[string]any{"batchRequests": []any{
		map[string]any{"method": "POST", "url": "v66.0/sobjects/Account", "richInput": map[string]any{"Name": "A"}},
		map[string]any{"method": "GET", "url": "v66.0/sobjects/Account/nope"},
		map[string]any{"method": "GET", "url": "/services/data/v66.0/query?q=SELECT+Name+FROM+Account"},
	}}
	r := o.call("POST", "composite/batch", body)
	if !isTrue(r.at(t, "hasErrors")) || r.at(t, "results", 0, "statusCode") != 201.0 || r.at(t, "results", 2, "result", "totalSize") != 1.0 {
		t.Errorf("batch = %s", r.text)
	}
	body["haltOnError"] = true
	if r := o.call("POST", "composite/batch", body); r.at(t, "results", 2, "statusCode") != 412.0 {
		t.Errorf("halted batch = %s", r.text)
	}
}

func (s shop) nested(line any) map[string]any {
	return map[string]any{
		"attributes": map[string]any{"type": "Order", "referenceId": "o"}, "AccountId": s.account, "EffectiveDate": "2026-11-23", "Status": "Draft",
		"Pricebook2Id": s.book, "OrderItems": map[string]any{"records": []any{line}},
	}
}

func (s shop) line(quantity any) map[string]any {
	return map[string]any{"attributes": map[string]any{"type": "OrderItem", "referenceId": "l"}, "PricebookEntryId": s.products[0].PricebookEntryID, "Quantity": quantity, "UnitPrice": 5}
}

func TestTreeAndPlaceOrder(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	tests := map[string]struct {
		path   string
		body   any
		status int
		want   string
		orders int
	}{
		"tree":             {"composite/tree/Order", map[string]any{"records": []any{shop.nested(shop.line(2))}}, 201, `"hasErrors":false`, 1},
		"tree, bad line":   {"composite/tree/Order", map[string]any{"records": []any{shop.nested(shop.line(nil))}}, 400, `"statusCode":"REQUIRED_FIELD_MISSING"`, 0},
		"tree, no ref":     {"composite/tree/Order", map[string]any{"records": []any{map[string]any{"AccountId": shop.account}}}, 400, `referenceId`, 0},
		"tree, nothing":    {"composite/tree/Order", map[string]any{"records": []any{}}, 400, `must not be empty`, 0},
		"place order":      {"commerce/sale/order", map[string]any{"order": []any{shop.nested(shop.line(2))}}, 201, `"OrderItems":{"totalSize":1,"done":true,"records":[{"attributes"`, 1},
		"place two orders": {"commerce/sale/order", map[string]any{"order": []any{shop.nested(nil), shop.nested(nil)}}, 400, `exactly one order`, 0},
		"place, bad line":  {"commerce/sale/order", map[string]any{"order": []any{shop.nested(shop.line(nil))}}, 400, `REQUIRED_FIELD_MISSING`, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := len(o.server.Orders())
			r := o.call("POST", test.path, test.body)
			if wantStatus(t, r, test.status); !strings.Contains(r.text, test.want) {
				t.Errorf("answer = %s, want %q", r.text, test.want)
			}
			if got := len(o.server.Orders()) - before; got != test.orders {
				t.Errorf("%d orders were made, want %d", got, test.orders)
			}
		})
	}
}
