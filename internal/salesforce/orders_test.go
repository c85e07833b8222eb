package salesforce

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var quotedIDs = regexp.MustCompile(`'([A-Za-z0-9]{18})'`)

// answerOrders serves the orders a query names, except those in missing, each with two lines in the wrong order.
func answerOrders(missing ...ID) func(http.ResponseWriter, received) {
	return func(w http.ResponseWriter, r received) {
		q, err := url.ParseQuery(r.query)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		records := []any{}
		for _, m := range quotedIDs.FindAllStringSubmatch(q.Get("q"), -1) {
			if slices.Contains(missing, ID(m[1])) {
				continue
			}
			lines := []any{map[string]any{"attributes": map[string]any{"type": "OrderItem"}, "Id": "2"}, map[string]any{"attributes": map[string]any{"type": "OrderItem"}, "Id": "1"}}
			records = append(records, map[string]any{"attributes": map[string]any{"type": "Order"}, "Id": m[1],
				"OrderItems": map[string]any{"totalSize": 2, "done": true, "records": lines}})
		}
		writeJSON(w, 200, map[string]any{"totalSize": len(records), "done": true, "records": records})
	}
}

func (f *fake) queries() []string {
	var out []string
	for _, r := range f.calls("/query") {
		q, err := url.ParseQuery(r.query)
		if err != nil {
			f.t.Error(err)
		}
		out = append(out, q.Get("q"))
	}
	return out
}

func TestQueryOrders(t *testing.T) {
	f := newFake(t)
	f.rest = answerOrders(orderID(3))
	sel := Select{OrderFields: []string{"Status", "Account.Name", "id", "STATUS"}, ItemFields: []string{"PricebookEntry.Product2.ProductCode", "Quantity"}}
	ids := []string{orderID(2).Lower(), string(orderID(1))[:15], orderID(2).String(), orderID(3).String()}
	got, err := f.client().QueryOrders(t.Context(), ids, sel)
	if err != nil {
		t.Fatal(err)
	}
	order := func(n int) Record {
		line := func(id string) Record { return Record{"attributes": map[string]any{"type": "OrderItem"}, "Id": id} }
		return Record{"attributes": map[string]any{"type": "Order"}, "Id": orderID(n).String(), "OrderItems": []Record{line("1"), line("2")}}
	}
	want := map[string]Record{orderID(1).String(): order(1), orderID(2).String(): order(2)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	soql := "SELECT Id,Status,Account.Name,(SELECT Id,PricebookEntry.Product2.ProductCode,Quantity FROM OrderItems) FROM Order WHERE Id IN ('" +
		orderID(1).String() + "','" + orderID(2).String() + "','" + orderID(3).String() + "')"
	if diff := cmp.Diff([]string{soql}, f.queries()); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

func TestQueryOrdersSplits(t *testing.T) {
	fields := func(n int) []string {
		var out []string
		for i := range n {
			out = append(out, "Some_Rather_Long_Custom_Field_"+strings.Repeat("x", i%7)+string(rune('A'+i%26))+string(rune('A'+i/26))+"__c")
		}
		return out
	}
	tests := map[string]struct {
		ids, fields, queries int
	}{
		"200 are one query":       {200, 10, 1},
		"201 are two":             {201, 10, 2},
		"long list of fields":     {200, 300, 2},
		"room for one id only":    {3, 370, 3},
		"no orders, no query":     {0, 10, 0},
		"450 with few and simple": {450, 0, 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.rest = answerOrders()
			var ids []string
			for i := range test.ids {
				ids = append(ids, orderID(i).String())
			}
			got, err := f.client().QueryOrders(t.Context(), ids, Select{OrderFields: fields(test.fields)})
			if err != nil || len(got) != test.ids {
				t.Fatalf("%d orders, %v; want %d", len(got), err, test.ids)
			}
			calls := f.calls("/query")
			if len(calls) != test.queries {
				t.Errorf("%d queries, want %d", len(calls), test.queries)
			}
			for _, r := range calls {
				size := len(r.path) + len(r.query)
				for k, v := range r.header {
					size += len(k) + len(strings.Join(v, "")) + 4
				}
				if size > 16_384 {
					t.Errorf("URI and headers have %d bytes, Salesforce accepts 16384", size)
				}
			}
		})
	}
}

func TestQueryOrdersRefuses(t *testing.T) {
	good := orderID(1).String()
	tests := map[string]struct {
		ids   []string
		sel   Select
		class Class
	}{
		"injection by id":     {[]string{good, "x') OR (Id != '"}, Select{}, Rejected},
		"id of a line":        {[]string{itemID(1).String()}, Select{}, Rejected},
		"injection by field":  {[]string{good}, Select{OrderFields: []string{"Id FROM User --"}}, Schema},
		"empty field":         {[]string{good}, Select{ItemFields: []string{""}}, Schema},
		"dot at the end":      {[]string{good}, Select{ItemFields: []string{"Account."}}, Schema},
		"seven levels":        {[]string{good}, Select{ItemFields: []string{"a.b.c.d.e.f.g"}}, Schema},
		"far too many fields": {[]string{good}, Select{OrderFields: []string{strings.Repeat("x", longestURI)}}, Schema},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.rest = answerOrders()
			_, err := f.client().QueryOrders(t.Context(), test.ids, test.sel)
			if err == nil || ClassOf(err) != test.class {
				t.Errorf("got %v, want class %v", err, test.class)
			}
			if n := len(f.calls("/query")); n != 0 {
				t.Errorf("%d queries were sent", n)
			}
		})
	}
}

func TestAbsence(t *testing.T) {
	tests := map[string]struct {
		answer func(w http.ResponseWriter)
		is     error
		class  Class
	}{
		"never was":    {func(w http.ResponseWriter) { writeError(w, 404, "NOT_FOUND", "The requested resource does not exist") }, ErrNotFound, NotFound},
		"deleted":      {func(w http.ResponseWriter) { writeError(w, 404, "ENTITY_IS_DELETED", "entity is deleted") }, ErrDeleted, Deleted},
		"just visible": {func(w http.ResponseWriter) { writeJSON(w, 200, map[string]any{"Id": "x"}) }, ErrNotFound, NotFound},
		"unavailable":  {func(w http.ResponseWriter) { writeError(w, 503, "SERVER_UNAVAILABLE", "busy") }, nil, Transient},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			gone := orderID(7)
			f.rest = func(w http.ResponseWriter, r received) {
				if strings.HasSuffix(r.path, "/sobjects/Order/"+gone.String()) {
					test.answer(w)
					return
				}
				answerOrders(gone)(w, r)
			}
			_, err := NewBatcher(f.client(), Select{}).Order(t.Context(), gone.Lower())
			if err == nil || ClassOf(err) != test.class {
				t.Fatalf("got %v, want class %v", err, test.class)
			}
			for _, e := range []error{ErrNotFound, ErrDeleted} {
				if errors.Is(err, e) != errors.Is(test.is, e) {
					t.Errorf("errors.Is(%v, %v) is %v", err, e, errors.Is(err, e))
				}
			}
		})
	}
}
