package salesforce

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestQueryConditions(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	ids := map[string]string{}
	for i, a := range []map[string]any{
		{"Name": "Alpha", "NumberOfEmployees": 5, "AnnualRevenue": 10.5, "Phone": "1"},
		{"Name": "alpha beta", "NumberOfEmployees": 50, "Type": "Customer"},
		{"Name": "100% O'Neil_x", "ParentId": shop.account},
	} {
		id, err := o.server.Create("Account", a)
		if err != nil {
			t.Fatal(err)
		}
		ids[fmt.Sprint(i)] = id
	}
	const all = "Ümit & Söhne,Alpha,alpha beta,100% O'Neil_x"
	tests := map[string]struct{ where, want string }{
		"equal folds case":         {"Name = 'ALPHA'", "Alpha"},
		"unequal takes null":       {"Type != 'Customer'", "Ümit & Söhne,Alpha,100% O'Neil_x"},
		"null":                     {"Phone = null", "Ümit & Söhne,alpha beta,100% O'Neil_x"},
		"empty text is null":       {"Phone = ''", "Ümit & Söhne,alpha beta,100% O'Neil_x"},
		"not null":                 {"Phone != null", "Alpha"},
		"less skips null":          {"NumberOfEmployees < 50", "Alpha"},
		"greater or equal":         {"NumberOfEmployees >= 5", "Alpha,alpha beta"},
		"decimal":                  {"AnnualRevenue = 10.5", "Alpha"},
		"like":                     {"Name LIKE 'alp%'", "Alpha,alpha beta"},
		"like one character":       {"Name LIKE '_lpha'", "Alpha"},
		"like escaped percent":     {`Name LIKE '100\% %'`, "100% O'Neil_x"},
		"like escaped underscore":  {`Name LIKE '%\_x'`, "100% O'Neil_x"},
		"like in unicode":          {"Name LIKE 'ü%ö____'", ""},
		"like unicode letters":     {"Name LIKE 'ü___ & sö%'", "Ümit & Söhne"},
		"quote":                    {`Name = '100% O\'Neil_x'`, "100% O'Neil_x"},
		"in":                       {"Name IN ('alpha', 'nobody')", "Alpha"},
		"not in takes null":        {"Type NOT IN ('Customer')", "Ümit & Söhne,Alpha,100% O'Neil_x"},
		"and":                      {"NumberOfEmployees > 1 AND Type = 'Customer'", "alpha beta"},
		"or":                       {"Phone = '1' OR Type = 'Customer'", "Alpha,alpha beta"},
		"not":                      {"NOT Name LIKE 'alp%'", "Ümit & Söhne,100% O'Neil_x"},
		"parentheses":              {"(Phone = '1' OR Type = 'Customer') AND NumberOfEmployees = 50", "alpha beta"},
		"parent":                   {"Parent.Name LIKE 'ümit%'", "100% O'Neil_x"},
		"parent is null":           {"Parent.Name = null", "Ümit & Söhne,Alpha,alpha beta"},
		"id of 15":                 {"Id = '" + ids["0"][:15] + "'", "Alpha"},
		"ids":                      {"Id IN ('" + ids["1"] + "','" + ids["0"] + "','" + ids["0"][:15] + "')", "Alpha,alpha beta"},
		"unknown id":               {"Id = '" + newID("001", 99999) + "'", ""},
		"id of another object":     {"Id = '" + shop.order + "'", ""},
		"reference":                {"ParentId = '" + shop.account + "'", "100% O'Neil_x"},
		"boolean":                  {"IsDeleted = false", all},
		"today":                    {"CreatedDate = TODAY", all},
		"before today":             {"CreatedDate < TODAY", ""},
		"last days":                {"CreatedDate >= LAST_N_DAYS:1", all},
		"not yesterday":            {"CreatedDate != YESTERDAY", all},
		"after a date-time":        {"CreatedDate > 2026-11-23T09:59:59Z", all},
		"at a date-time":           {"CreatedDate >= 2026-11-23T11:00:00+01:00", all},
		"after the date-time":      {"CreatedDate > 2026-11-23T10:00:00.000+0000", ""},
		"semi-join":                {"Id IN (SELECT AccountId FROM Order)", "Ümit & Söhne"},
		"anti-join":                {"Id NOT IN (SELECT AccountId FROM Order WHERE Status = 'Draft')", "Alpha,alpha beta,100% O'Neil_x"},
		"function":                 {"CALENDAR_YEAR(CreatedDate) = 2026", all},
		"object name as qualifier": {"Account.Name = 'alpha'", "Alpha"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, r := range o.rows("SELECT Name FROM Account WHERE " + test.where) {
				got = append(got, fmt.Sprint(field(r, "Name")))
			}
			if diff := cmp.Diff(test.want, strings.Join(got, ",")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.where, diff)
			}
		})
	}
}

func TestQueryOrderAndCut(t *testing.T) {
	o := newOrg(t)
	for i, phone := range []string{"b", "", "A", "c"} {
		if _, err := o.server.Create("Account", map[string]any{"Name": fmt.Sprint(i), "Phone": phone}); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct{ tail, want string }{
		"as made":      {"", "0123"},
		"nulls first":  {"ORDER BY Phone", "1203"},
		"nulls last":   {"ORDER BY Phone NULLS LAST", "2031"},
		"descending":   {"ORDER BY Phone DESC", "1302"},
		"desc, last":   {"ORDER BY Phone DESC NULLS LAST", "3021"},
		"two terms":    {"ORDER BY CreatedDate, Name DESC", "3210"},
		"limit":        {"ORDER BY Name LIMIT 2", "01"},
		"offset":       {"ORDER BY Name LIMIT 2 OFFSET 3", "3"},
		"offset alone": {"ORDER BY Name OFFSET 9", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := ""
			for _, r := range o.rows("SELECT Name FROM Account " + test.tail) {
				got += fmt.Sprint(field(r, "Name"))
			}
			if got != test.want {
				t.Errorf("order = %q, want %q", got, test.want)
			}
		})
	}
}

func TestQueryShape(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	empty, _, err := o.server.CreateOrder(Order{AccountID: shop.account})
	if err != nil {
		t.Fatal(err)
	}
	r := o.query(`SELECT Id, OrderNumber, EffectiveDate, CreatedDate, TotalAmount, Account.Name, Account.Owner.Username, Opportunity.Name,
		(SELECT Quantity, PricebookEntry.Product2.WHMCS_Product_Id__c FROM OrderItems ORDER BY OrderItemNumber DESC) FROM Order ORDER BY OrderNumber`)
	wantStatus(t, r, http.StatusOK)
	const line = `{"attributes":{"type":"OrderItem","url":"/services/data/v66.0/sobjects/OrderItem/%s"},"Quantity":1.0,` +
		`"PricebookEntry":{"attributes":{"type":"PricebookEntry","url":"/services/data/v66.0/sobjects/PricebookEntry/%s"},` +
		`"Product2":{"attributes":{"type":"Product2","url":"/services/data/v66.0/sobjects/Product2/%s"},"WHMCS_Product_Id__c":%s}}}`
	const head = `{"attributes":{"type":"Order","url":"/services/data/v66.0/sobjects/Order/%[1]s"},"Id":"%[1]s","OrderNumber":"%[2]s",` +
		`"EffectiveDate":"2026-11-23","CreatedDate":"2026-11-23T10:00:00.000+0000","TotalAmount":%[3]s,` +
		`"Account":{"attributes":{"type":"Account","url":"/services/data/v66.0/sobjects/Account/%[4]s"},"Name":"Ümit & Söhne",` +
		`"Owner":{"attributes":{"type":"User","url":"/services/data/v66.0/sobjects/User/%[5]s"},"Username":"admin@orderbridge.example"}},` +
		`"Opportunity":null,"OrderItems":`
	want := `{"totalSize":2,"done":true,"records":[` +
		fmt.Sprintf(head, shop.order, "00000100", "8000.5", shop.account, o.server.admin) +
		`{"totalSize":2,"done":true,"records":[` +
		fmt.Sprintf(line, shop.lines[1], shop.products[1].PricebookEntryID, shop.products[1].Product2ID, "242.0") + "," +
		fmt.Sprintf(line, shop.lines[0], shop.products[0].PricebookEntryID, shop.products[0].Product2ID, "188.0") + `]}},` +
		fmt.Sprintf(head, empty, "00000101", "0.0", shop.account, o.server.admin) + `null}]}`
	if diff := cmp.Diff(want, r.text); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestQueryRefusals(t *testing.T) {
	o := newOrg(t)
	tests := map[string]struct{ soql, code, message string }{
		"no such field":     {"SELECT Nope__c FROM Order", "INVALID_FIELD", "No such column 'Nope__c' on entity 'Order'."},
		"field of a parent": {"SELECT Account.Nope FROM Order", "INVALID_FIELD", "No such column 'Nope' on entity 'Account'."},
		"field in where":    {"SELECT Id FROM Order WHERE Nope = 1", "INVALID_FIELD", "No such column 'Nope' on entity 'Order'."},
		"no such parent":    {"SELECT Nope__r.Id FROM Order", "INVALID_FIELD", "Didn't understand relationship 'Nope__r' in field path."},
		"no such object":    {"SELECT Id FROM Nope__c", "INVALID_TYPE", "sObject type 'Nope__c' is not supported."},
		"event":             {"SELECT Id FROM OrderProvisionRequested__e", "INVALID_TYPE", "is not supported"},
		"no such children":  {"SELECT Id, (SELECT Id FROM Nope__r) FROM Order", "INVALID_TYPE", "Didn't understand relationship 'Nope__r'"},
		"quoted number":     {"SELECT Id FROM OrderItem WHERE Quantity = '1'", "INVALID_FIELD", "value of filter criterion for field 'Quantity' must be of type double and should not be enclosed in quotes"},
		"bare text":         {"SELECT Id FROM Order WHERE Status = 1", "INVALID_FIELD", "must be of type picklist and should be enclosed in quotes"},
		"quoted date":       {"SELECT Id FROM Order WHERE CreatedDate > '2026-01-01'", "INVALID_FIELD", "must be of type dateTime and should not be enclosed in quotes"},
		"date as date-time": {"SELECT Id FROM Order WHERE CreatedDate > 2026-01-01", "INVALID_FIELD", "must be of type dateTime"},
		"bad id":            {"SELECT Id FROM Order WHERE Id = '801'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: 801"},
		"bad checksum":      {"SELECT Id FROM Order WHERE Id = '801D0000000G0ySIAT'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field"},
		"long text filter":  {"SELECT Id FROM Product2 WHERE Description = 'x'", "INVALID_FIELD", "can not be filtered in a query call"},
		"like on a number":  {"SELECT Id FROM OrderItem WHERE Quantity LIKE '1%'", "INVALID_QUERY_FILTER_OPERATOR", "invalid operator"},
		"twice":             {"SELECT Id, id FROM Order", "MALFORMED_QUERY", "duplicate field selected"},
		"ungrouped":         {"SELECT Status, COUNT(Id) FROM Order", "MALFORMED_QUERY", "must be grouped or aggregated: Status"},
		"far offset":        {"SELECT Id FROM Order OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000"},
		"fields all":        {"SELECT FIELDS(ALL) FROM Order", "MALFORMED_QUERY", "must have a LIMIT"},
		"alias of a field":  {"SELECT Status s FROM Order", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"},
		"six levels":        {"SELECT Parent.Parent.Parent.Parent.Parent.Parent.Id FROM Account", "INVALID_FIELD", "5 parent levels"},
		"unknown function":  {"SELECT LENGTH(Name) n FROM Account", "MALFORMED_QUERY", "Invalid function: LENGTH"},
		"join on a text":    {"SELECT Id FROM Order WHERE Status IN (SELECT Id FROM Account)", "INVALID_QUERY_FILTER_OPERATOR", "semi join"},
		"join of two":       {"SELECT Id FROM Order WHERE AccountId IN (SELECT Id, Name FROM Account)", "MALFORMED_QUERY", "exactly one field"},
		"grammar":           {"SELECT Id FROM Order WHERE", "MALFORMED_QUERY", "unexpected token: <EOF>"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := o.query(test.soql)
			wantStatus(t, r, http.StatusBadRequest)
			message, _ := r.at(t, 0, "message").(string)
			if r.code(t) != test.code || !strings.Contains(message, test.message) {
				t.Errorf("answer = %s, want %s with %q", r.text, test.code, test.message)
			}
		})
	}
	if r := o.call("GET", "query", nil); r.code(t) != "MALFORMED_QUERY" {
		t.Errorf("query without q = %s", r.text)
	}
}

func TestQueryAggregates(t *testing.T) {
	o := newOrg(t)
	for i, a := range []map[string]any{
		{"Type": "Customer", "AnnualRevenue": 10}, {"Type": "customer", "AnnualRevenue": 20.5}, {"Type": "Prospect"}, {},
	} {
		a["Name"] = fmt.Sprint(i)
		if _, err := o.server.Create("Account", a); err != nil {
			t.Fatal(err)
		}
	}
	const result = `{"attributes":{"type":"AggregateResult"},`
	tests := map[string]struct{ soql, want string }{
		"count":        {"SELECT COUNT() FROM Account WHERE Type = 'Customer'", `{"totalSize":2,"done":true,"records":[]}`},
		"count id":     {"SELECT COUNT(Id) FROM Account", `{"totalSize":1,"done":true,"records":[` + result + `"expr0":4}]}`},
		"count field":  {"SELECT COUNT(Type) n FROM Account", `{"totalSize":1,"done":true,"records":[` + result + `"n":3}]}`},
		"numbers":      {"SELECT SUM(AnnualRevenue), AVG(AnnualRevenue) a, MIN(Name) lo, MAX(AnnualRevenue) hi FROM Account", `{"totalSize":1,"done":true,"records":[` + result + `"expr0":30.5,"a":15.25,"lo":"0","hi":20.5}]}`},
		"of nothing":   {"SELECT COUNT(Id) n, MAX(Name) hi FROM Account WHERE Name = 'none'", `{"totalSize":1,"done":true,"records":[` + result + `"n":0,"hi":null}]}`},
		"groups":       {"SELECT Type, COUNT(Id) n FROM Account GROUP BY Type ORDER BY COUNT(Id) DESC, Type", `{"totalSize":3,"done":true,"records":[` + result + `"Type":"Customer","n":2},` + result + `"Type":null,"n":1},` + result + `"Type":"Prospect","n":1}]}`},
		"having":       {"SELECT Type FROM Account GROUP BY Type HAVING COUNT(Id) > 1", `{"totalSize":1,"done":true,"records":[` + result + `"Type":"Customer"}]}`},
		"no groups":    {"SELECT Type FROM Account WHERE Name = 'none' GROUP BY Type", `{"totalSize":0,"done":true,"records":[]}`},
		"distinct":     {"SELECT COUNT_DISTINCT(CreatedDate) n FROM Account", `{"totalSize":1,"done":true,"records":[` + result + `"n":1}]}`},
		"year":         {"SELECT CALENDAR_YEAR(CreatedDate) y, COUNT(Id) n FROM Account GROUP BY CALENDAR_YEAR(CreatedDate)", `{"totalSize":1,"done":true,"records":[` + result + `"y":2026,"n":4}]}`},
		"parent group": {"SELECT Owner.Username u, COUNT(Id) n FROM Account GROUP BY Owner.Username", `{"totalSize":1,"done":true,"records":[` + result + `"u":"admin@orderbridge.example","n":4}]}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, o.query(test.soql).text); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.soql, diff)
			}
		})
	}
}

func TestQueryPages(t *testing.T) {
	o := newOrg(t, func(options *Options) { options.MinQueryBatch = 1 })
	shop := o.shop()
	for range 6 {
		order := Order{AccountID: shop.account, Lines: []Line{{PricebookEntryID: shop.products[0].PricebookEntryID}, {PricebookEntryID: shop.products[1].PricebookEntryID}}}
		if _, _, err := o.server.CreateOrder(order); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string]struct {
		soql, header string
		pages        []int
	}{
		"plain":                    {"SELECT Id FROM Order", "batchSize=3", []int{3, 3, 1}},
		"children count":           {"SELECT Id, (SELECT Id FROM OrderItems) FROM Order", "batchSize=7", []int{2, 2, 2, 1}},
		"one row is always served": {"SELECT Id, (SELECT Id FROM OrderItems) FROM Order LIMIT 2", "batchSize=2", []int{1, 1}},
		"default":                  {"SELECT Id FROM Order", "", []int{7}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := o.call("GET", "query?q="+url.QueryEscape(test.soql), nil, "Sforce-Query-Options: "+test.header)
			var sizes []int
			seen := map[any]bool{}
			for {
				records, _ := r.at(t, "records").([]any)
				sizes = append(sizes, len(records))
				for i := range records {
					seen[r.at(t, "records", i, "Id")] = true
				}
				next, more := r.at(t, "nextRecordsUrl").(string)
				if done := r.at(t, "done"); done == more {
					t.Fatalf("done = %v with next %q", done, next)
				}
				if !more {
					break
				}
				r = o.call("GET", next, nil)
			}
			total := 0
			for _, n := range test.pages {
				total += n
			}
			if diff := cmp.Diff(test.pages, sizes); diff != "" || len(seen) != total {
				t.Errorf("%d different rows; pages (-want +got):\n%s", len(seen), diff)
			}
		})
	}
}

func TestChildPagesAndLocators(t *testing.T) {
	o := newOrg(t, func(options *Options) { options.MinQueryBatch = 1 })
	shop := o.shop()
	r := o.call("GET", "query?q="+url.QueryEscape("SELECT Id, (SELECT Id FROM OrderItems) FROM Order"), nil, "Sforce-Query-Options: batchSize=1")
	next, _ := r.at(t, "records", 0, "OrderItems", "nextRecordsUrl").(string)
	if next == "" {
		t.Fatalf("the child query has no next page: %s", r.text)
	}
	if got := o.call("GET", next, nil).at(t, "records", 0, "Id"); got != shop.lines[1] {
		t.Errorf("second page of children = %v, want %v", got, shop.lines[1])
	}
	o.move(49 * time.Hour)
	o.token = o.server.IssueToken()
	if r := o.call("GET", next, nil); r.code(t) != "INVALID_QUERY_LOCATOR" {
		t.Errorf("a locator of 49 hours = %s", r.text)
	}
	if r := o.call("GET", "query/01gnonsense-2000", nil); r.code(t) != "INVALID_QUERY_LOCATOR" {
		t.Errorf("an unknown locator = %s", r.text)
	}
}

func TestQueryAllSeesDeletedRows(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	wantStatus(t, o.call("DELETE", "sobjects/Order/"+shop.order, nil), http.StatusNoContent)
	if n := len(o.rows("SELECT Id FROM OrderItem")); n != 0 {
		t.Errorf("%d lines are left of a deleted order", n)
	}
	r := o.call("GET", "queryAll/?q="+url.QueryEscape("SELECT Id, IsDeleted FROM Order"), nil)
	if got := r.at(t, "records", 0, "IsDeleted"); !isTrue(got) {
		t.Errorf("queryAll = %s", r.text)
	}
}

func FuzzSOQL(f *testing.F) {
	server := New(Options{Now: func() time.Time { return testStart }})
	seeded, err := server.Seed(Seed{
		Accounts: []Account{{Name: "A"}}, Products: []Product{{Name: "P", Price: 1}}, Orders: []SeedOrder{{Products: []int{0}}},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		"SELECT Id, Account.Name, (SELECT Id, Product2.Name FROM OrderItems) FROM Order WHERE Id = '" + seeded.Orders[0] + "' ORDER BY CreatedDate DESC LIMIT 1 OFFSET 0",
		"SELECT COUNT(Id) n, Status FROM Order WHERE CreatedDate = LAST_N_DAYS:3 GROUP BY Status HAVING COUNT(Id) > 0 ORDER BY Status",
		`SELECT FIELDS(ALL) FROM Account WHERE Name LIKE '%\_a' AND NOT (Phone IN ('1', null) OR NumberOfEmployees >= 1.5) LIMIT 3`,
		"SELECT DAY_ONLY(CreatedDate) d, toLabel(Status) FROM Order WHERE AccountId IN (SELECT Id FROM Account)",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		server.mu.Lock()
		defer server.mu.Unlock()
		r := server.query(&call{prefix: "/services/data/v66.0", header: http.Header{}, txn: server.begin(server.admin, nil)}, text, false)
		if r.status != http.StatusOK && r.status != http.StatusBadRequest {
			t.Errorf("%q: status %d", text, r.status)
		}
		if _, err := r.bytes(); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
