package salesforce

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// answerQueries serves the first page of every query and the pages behind it by their path.
func answerQueries(first string, pages map[string]string) func(http.ResponseWriter, received) {
	return func(w http.ResponseWriter, r received) {
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.path, "/query") {
			_, _ = w.Write([]byte(first))
			return
		}
		page, ok := pages[r.path]
		if !ok {
			writeError(w, 404, "INVALID_QUERY_LOCATOR", "invalid query locator")
			return
		}
		_, _ = w.Write([]byte(page))
	}
}

func TestQueryFollowsOuterAndChildPages(t *testing.T) {
	f := newFake(t)
	f.rest = answerQueries(`{"totalSize":2,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/A-1","records":[
		{"attributes":{"type":"Order","url":"/x"},"Id":"8014x000000ABCD","TotalAmount":12.5,
		 "Account":{"attributes":{"type":"Account","url":"/y"},"Name":"ACME"},
		 "BillingAddress":{"city":"Kyoto","latitude":null},
		 "OrderItems":{"totalSize":3,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/B-1","records":[
		   {"attributes":{"type":"OrderItem"},"Id":"i1","PricebookEntry":{"attributes":{"type":"PricebookEntry"},"Product2":{"attributes":{"type":"Product2"},"Name":"SIM"}}}]}}]}`,
		map[string]string{
			"/services/data/v66.0/query/B-1": `{"totalSize":3,"done":false,"nextRecordsUrl":"/services/data/v66.0/query/B-2","records":[{"attributes":{"type":"OrderItem"},"Id":"i2"}]}`,
			"/services/data/v66.0/query/B-2": `{"totalSize":3,"done":true,"records":[{"attributes":{"type":"OrderItem"},"Id":"i3"}]}`,
			"/services/data/v66.0/query/A-1": `{"totalSize":2,"done":true,"records":[{"attributes":{"type":"Order"},"Id":"o2","Account":null,"OrderItems":null}]}`,
		})
	got, err := f.client().Query(t.Context(), "SELECT Id FROM Order WHERE Name = 'a+b & c'")
	if err != nil {
		t.Fatal(err)
	}
	attributes := func(t string) map[string]any { return map[string]any{"type": t} }
	item := func(id string) Record { return Record{"attributes": attributes("OrderItem"), "Id": id} }
	first := item("i1")
	first["PricebookEntry"] = Record{"attributes": attributes("PricebookEntry"), "Product2": Record{"attributes": attributes("Product2"), "Name": "SIM"}}
	want := []Record{
		{"attributes": attributes("Order"), "Id": "8014x000000ABCD", "TotalAmount": 12.5,
			"Account":        Record{"attributes": attributes("Account"), "Name": "ACME"},
			"BillingAddress": map[string]any{"city": "Kyoto", "latitude": nil},
			"OrderItems":     []Record{first, item("i2"), item("i3")}},
		{"attributes": attributes("Order"), "Id": "o2", "Account": nil, "OrderItems": nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	if q, _ := url.ParseQuery(f.calls("/query")[0].query); q.Get("q") != "SELECT Id FROM Order WHERE Name = 'a+b & c'" {
		t.Errorf("the query arrived as %q", q.Get("q"))
	}
}

func TestQueryAnswersThatMustNotPass(t *testing.T) {
	tests := map[string]struct{ first, page string }{
		"outage page":         {first: `<html>down for maintenance</html>`},
		"list":                {first: `[]`},
		"no records":          {first: `{"totalSize":0,"done":true}`},
		"records of text":     {first: `{"done":true,"records":["x"]}`},
		"cut short":           {first: `{"done":false,"records":[]}`},
		"child cut short":     {first: `{"done":true,"records":[{"OrderItems":{"done":false,"records":[]}}]}`},
		"page elsewhere":      {first: `{"done":false,"nextRecordsUrl":"https://evil.example/","records":[]}`},
		"page outside":        {first: `{"done":false,"nextRecordsUrl":"@evil.example/","records":[]}`},
		"child elsewhere":     {first: `{"done":true,"records":[{"OrderItems":{"done":false,"nextRecordsUrl":"//evil.example/","records":[]}}]}`},
		"pages run in circle": {first: `{"done":false,"nextRecordsUrl":"/services/data/v66.0/query/A","records":[]}`, page: `{"done":false,"nextRecordsUrl":"/services/data/v66.0/query/A","records":[]}`},
		"half a page":         {first: `{"done":true,"records":[{"Id":"x"`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.rest = answerQueries(test.first, map[string]string{"/services/data/v66.0/query/A": test.page})
			records, err := f.client().Query(t.Context(), "SELECT Id FROM Order")
			if err == nil {
				t.Fatalf("%v was taken for a result", records)
			}
			if ClassOf(err) != Transient {
				t.Errorf("got class %v, want Transient: %v", ClassOf(err), err)
			}
		})
	}
}

func TestQueryWithoutRecords(t *testing.T) {
	f := newFake(t)
	f.rest = answerQueries(`{"totalSize":0,"done":true,"records":[]}`, nil)
	got, err := f.client().Query(t.Context(), "SELECT Id FROM Order")
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestQueryHeaders(t *testing.T) {
	f := newFake(t)
	f.rest = answerQueries(`{"done":true,"records":[]}`, nil)
	if _, err := f.client().Query(t.Context(), "SELECT Id FROM Order"); err != nil {
		t.Fatal(err)
	}
	h := f.calls("/query")[0].header
	for name, want := range map[string]string{"User-Agent": "orderbridge", "Sforce-Call-Options": "client=orderbridge", "Sforce-Mru": "updateMru=false"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestQueryTooLong(t *testing.T) {
	f := newFake(t)
	_, err := f.client().Query(t.Context(), "SELECT Id FROM Order WHERE Name = '"+strings.Repeat("x", longestURI)+"'")
	if ClassOf(err) != Schema || len(f.calls("/query")) != 0 {
		t.Errorf("got %v and %d calls, want class Schema and none", err, len(f.calls("/query")))
	}
}

func TestQueryEndsWithItsCaller(t *testing.T) {
	f := newFake(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	f.rest = func(http.ResponseWriter, received) { close(arrived); <-release }
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := f.client().Query(ctx, "SELECT Id FROM Order")
	if !errors.Is(err, context.Canceled) || ClassOf(err) != Transient {
		t.Errorf("got %v, want the cancellation", err)
	}
}

func TestSOQLLiterals(t *testing.T) {
	tests := map[string]string{
		"plain":                 "'plain'",
		"O'Brien":               `'O\'Brien'`,
		`back\slash`:            `'back\\slash'`,
		`' OR Name != '`:        `'\' OR Name != \''`,
		`\' OR Id != null --`:   `'\\\' OR Id != null --'`,
		"two\nlines\r":          `'two\nlines\r'`,
		"":                      "''",
		"\u6771\u4eac \u00fc 1": "'\u6771\u4eac \u00fc 1'",
	}
	for in, want := range tests {
		if got := QuoteSOQL(in); got != want {
			t.Errorf("QuoteSOQL(%q) = %s, want %s", in, got, want)
		}
	}
	at := time.Date(2026, 3, 4, 5, 6, 7, 890, time.FixedZone("", 3600))
	if got, want := DateTimeSOQL(at), "2026-03-04T04:06:07Z"; got != want {
		t.Errorf("DateTimeSOQL = %s, want %s", got, want)
	}
}

func TestRecordPlain(t *testing.T) {
	r := Record{
		"attributes": map[string]any{"type": "Order"}, "Id": "x", "None": nil, "List": []any{"a"},
		"Account":    Record{"attributes": map[string]any{"type": "Account"}, "Name": "ACME"},
		"Address":    map[string]any{"city": "Kyoto"},
		"OrderItems": []Record{{"attributes": map[string]any{"type": "OrderItem"}, "Id": "i"}},
	}
	want := map[string]any{
		"Id": "x", "None": nil, "List": []any{"a"}, "Account": map[string]any{"Name": "ACME"}, "Address": map[string]any{"city": "Kyoto"},
		"OrderItems": []map[string]any{{"Id": "i"}},
	}
	got := r.Plain()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plain (-want +got):\n%s", diff)
	}
	if address, ok := got["Address"].(map[string]any); ok {
		address["city"] = "changed"
	}
	if fmt.Sprint(r["Address"]) != "map[city:Kyoto]" {
		t.Error("the copy shares a map with the record")
	}
	if r.Type() != "Order" || r.Parent("Account").Text("Name") != "ACME" || len(r.Children(OrderItems)) != 1 || r.Parent("OrderItems") != nil {
		t.Error("an accessor is wrong")
	}
	if p := Record(nil).Plain(); p != nil {
		t.Errorf("plain of nothing is %v", p)
	}
}
