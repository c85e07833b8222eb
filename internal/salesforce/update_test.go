package salesforce

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sentCollection is the body of an update as the far side reads it.
type sentCollection struct {
	AllOrNone *bool            `json:"allOrNone"`
	Records   []map[string]any `json:"records"`
}

func (s sentCollection) ids() []string {
	var ids []string
	for _, r := range s.Records {
		ids = append(ids, fmt.Sprint(r["id"]))
	}
	return ids
}

func readCollection(t *testing.T, r received) sentCollection {
	t.Helper()
	var c sentCollection
	if err := json.Unmarshal([]byte(r.body), &c); err != nil {
		t.Errorf("body of an update: %v", err)
	}
	return c
}

func (f *fake) collections() []sentCollection {
	var out []sentCollection
	for _, r := range f.calls("/composite/sobjects") {
		out = append(out, readCollection(f.t, r))
	}
	return out
}

// saveAll answers an update as Salesforce does: it keeps the limits, and refuses the records in bad.
func saveAll(t *testing.T, bad map[ID]farError) func(http.ResponseWriter, received) {
	t.Helper()
	return func(w http.ResponseWriter, r received) {
		c := readCollection(t, r)
		chunks, last, seen := 0, "", map[string]bool{}
		results := []any{}
		for _, row := range c.Records {
			attributes, _ := row["attributes"].(map[string]any)
			kind := fmt.Sprint(attributes["type"])
			if kind != last {
				chunks, last = chunks+1, kind
			}
			id := fmt.Sprint(row["id"])
			if seen[id] || len(c.Records) > 200 || chunks > 10 {
				writeError(w, 400, "LIMIT_EXCEEDED", "more than Salesforce takes")
				return
			}
			seen[id] = true
			if e, ok := bad[ID(id)]; ok {
				results = append(results, map[string]any{"id": id, "success": false, "errors": []farError{e}})
				continue
			}
			results = append(results, map[string]any{"id": id, "success": true, "errors": []any{}})
		}
		writeJSON(w, 200, results)
	}
}

func TestUpdateOnTheWire(t *testing.T) {
	f := newFake(t)
	f.rest = saveAll(t, nil)
	_, err := f.client().Update(t.Context(), []Record{
		NewRecord("OrderItem", itemID(1), map[string]any{"WHMCS_Service_ID__c": "12"}),
		{"attributes": map[string]any{"type": "Order"}, "Id": orderID(1).Lower(), "Activation_Error_Code__c": nil},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := f.calls("/composite/sobjects")[0]
	if r.method != http.MethodPatch || r.path != "/services/data/v66.0/composite/sobjects" || !strings.HasPrefix(r.header.Get("Content-Type"), "application/json") {
		t.Errorf("sent as %s %s, %s", r.method, r.path, r.header.Get("Content-Type"))
	}
	want := sentCollection{AllOrNone: new(false), Records: []map[string]any{
		{"attributes": map[string]any{"type": "OrderItem"}, "id": itemID(1).String(), "WHMCS_Service_ID__c": "12"},
		{"attributes": map[string]any{"type": "Order"}, "id": orderID(1).String(), "Activation_Error_Code__c": nil},
	}}
	if diff := cmp.Diff(want, readCollection(t, r)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestUpdateResultsPerRecord(t *testing.T) {
	f := newFake(t)
	f.rest = saveAll(t, map[ID]farError{
		orderID(2): {StatusCode: "UNABLE_TO_LOCK_ROW", Message: "unable to obtain exclusive access to this record"},
		orderID(3): {StatusCode: "FIELD_CUSTOM_VALIDATION_EXCEPTION", Message: "Not\nlike this", Fields: []string{"Status"}},
	})
	results, err := f.client().Update(t.Context(), []Record{
		NewRecord("Order", orderID(1), nil), NewRecord("Order", orderID(2), nil), NewRecord("Order", orderID(3), nil),
	})
	if err != nil || len(results) != 3 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	if results[0].Err != nil || results[0].ID != orderID(1) {
		t.Errorf("first: %+v", results[0])
	}
	if ClassOf(results[1].Err) != RowLocked || results[1].ID != orderID(2) {
		t.Errorf("second: %+v", results[1])
	}
	want := "salesforce update: FIELD_CUSTOM_VALIDATION_EXCEPTION: Not like this (fields: Status): " + adviceRecord
	if got := fmt.Sprint(results[2].Err); got != want || ClassOf(results[2].Err) != Rejected {
		t.Errorf("third: %s\nwant   %s", got, want)
	}
}

func TestUpdateSplits(t *testing.T) {
	orders := func(from, to int) (out []Record) {
		for i := from; i < to; i++ {
			out = append(out, NewRecord("Order", orderID(i), nil))
		}
		return out
	}
	var alternating []Record
	for i := range 12 {
		alternating = append(alternating, NewRecord("Order", orderID(i), nil), NewRecord("OrderItem", itemID(i), nil))
	}
	tests := map[string]struct {
		records []Record
		want    []int
	}{
		"none":               {nil, nil},
		"200 rows":           {orders(0, 200), []int{200}},
		"201 rows":           {orders(0, 201), []int{200, 1}},
		"types take turns":   {alternating, []int{10, 10, 4}},
		"one record twice":   {append(orders(0, 3), orders(2, 5)...), []int{3, 3}},
		"450 rows, one type": {orders(0, 450), []int{200, 200, 50}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.rest = saveAll(t, nil)
			results, err := f.client().Update(t.Context(), test.records)
			if err != nil || len(results) != len(test.records) {
				t.Fatalf("%d results, %v", len(results), err)
			}
			var sizes []int
			for _, c := range f.collections() {
				sizes = append(sizes, len(c.Records))
			}
			if diff := cmp.Diff(test.want, sizes); diff != "" {
				t.Errorf("records per request (-want +got):\n%s", diff)
			}
			for i, r := range results {
				if r.Err != nil || r.ID != test.records[i].ID() {
					t.Errorf("result %d is %+v", i, r)
				}
			}
		})
	}
}

func TestUpdateWholeRequestFails(t *testing.T) {
	f := newFake(t)
	calls := 0
	f.rest = func(w http.ResponseWriter, r received) {
		if calls++; calls == 2 {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		saveAll(t, nil)(w, r)
	}
	var records []Record
	for i := range 450 {
		records = append(records, NewRecord("Order", orderID(i), nil))
	}
	results, err := f.client().Update(t.Context(), records)
	if ClassOf(err) != Transient || err == nil {
		t.Fatalf("got %v, want class Transient", err)
	}
	for i, r := range results {
		if wrote := r.Err == nil; wrote != (i < 200) || r.ID != orderID(i) {
			t.Fatalf("result %d is %+v: only the first 200 are known to be written", i, r)
		}
	}
	if calls != 2 {
		t.Errorf("%d requests, want 2: a failing far side is left alone", calls)
	}
}

func TestUpdateStrangeAnswers(t *testing.T) {
	tests := map[string]string{
		"HTML":            `<html>`,
		"object":          `{}`,
		"too few results": `[]`,
		"too many":        `[{"success":true},{"success":true}]`,
		"neither nor":     `[{"success":false,"errors":[]}]`,
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.rest = func(w http.ResponseWriter, _ received) { _, _ = w.Write([]byte(answer)) }
			results, err := f.client().Update(t.Context(), []Record{NewRecord("Order", orderID(1), nil)})
			if len(results) != 1 || results[0].Err == nil || ClassOf(results[0].Err) != Transient {
				t.Errorf("got %+v, %v; want one transient failure", results, err)
			}
		})
	}
}

func TestUpdateRefuses(t *testing.T) {
	tests := map[string]Record{
		"no type": {"Id": orderID(1).String()},
		"no id":   {"attributes": map[string]any{"type": "Order"}},
		"bad id":  {"attributes": map[string]any{"type": "Order"}, "Id": "801"},
		"no JSON": NewRecord("Order", orderID(1), map[string]any{"x": math.NaN()}),
	}
	for name, record := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.rest = saveAll(t, nil)
			c := f.client()
			if _, err := c.Update(t.Context(), []Record{record}); ClassOf(err) != Rejected {
				t.Errorf("Update: %v, want class Rejected", err)
			}
			if _, err := NewBatcher(c, Select{}).Write(t.Context(), []Record{record}); ClassOf(err) != Rejected {
				t.Errorf("Write: %v, want class Rejected", err)
			}
			if n := len(f.calls("/composite/sobjects")); n != 0 {
				t.Errorf("%d requests were sent", n)
			}
		})
	}
}
