package salesforce

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func typed(object string, fields ...any) map[string]any {
	out := map[string]any{"attributes": map[string]any{"type": object}}
	for i := 0; i < len(fields); i += 2 {
		out[fmt.Sprint(fields[i])] = fields[i+1]
	}
	return out
}

// outcomes writes a collections answer as one word per record.
func outcomes(t *testing.T, r reply) string {
	t.Helper()
	results, ok := r.json(t).([]any)
	if !ok || r.status != http.StatusOK {
		t.Fatalf("answer = %d %s", r.status, r.text)
	}
	var words []string
	for i := range results {
		if isTrue(r.at(t, i, "success")) {
			words = append(words, "ok")
			continue
		}
		words = append(words, fmt.Sprint(r.at(t, i, "errors", 0, "statusCode")))
	}
	return strings.Join(words, ",")
}

func TestUpdateMany(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	gone, _, err := o.server.CreateOrder(Order{AccountID: shop.account})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.server.Delete(gone); err != nil {
		t.Fatal(err)
	}
	order := typed("Order", "Id", shop.order, "WHMCS_Order_ID__c", "900")
	tests := map[string]struct {
		records   []any
		allOrNone bool
		want      string
		stored    any
	}{
		"mixed types": {[]any{order, typed("OrderItem", "id", shop.lines[0], "WHMCS_Service_ID__c", "1"), typed("OrderItem", "Id", shop.lines[1][:15], "WHMCS_Service_ID__c", "2")}, false, "ok,ok,ok", "900"},
		"some fail": {[]any{
			typed("Order", "Id", shop.order, "WHMCS_Order_ID__c", "901"), typed("Order", "Id", gone, "Name", "x"), typed("Order", "Id", newID("801", 777), "Name", "x"),
			typed("Order", "Id", "80100", "Name", "x"), typed("Order", "Name", "x"), typed("Order", "Id", shop.account), typed("Nope__c", "Id", shop.order),
			typed("OrderItem", "Id", shop.lines[0], "Nope__c", "x"),
		}, false, "ok,ENTITY_IS_DELETED,INVALID_CROSS_REFERENCE_KEY,MALFORMED_ID,MISSING_ARGUMENT,MALFORMED_ID,INVALID_TYPE,INVALID_FIELD", "901"},
		"all or none": {[]any{typed("Order", "Id", shop.order, "WHMCS_Order_ID__c", "902"), typed("OrderItem", "Id", shop.lines[0], "Nope__c", "x"), typed("OrderItem", "Id", shop.lines[1], "Description", "y")}, true,
			"ALL_OR_NONE_OPERATION_ROLLED_BACK,INVALID_FIELD,ALL_OR_NONE_OPERATION_ROLLED_BACK", nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := o.server.Update(shop.order, map[string]any{"WHMCS_Order_ID__c": nil}); err != nil {
				t.Fatal(err)
			}
			r := o.call("PATCH", "composite/sobjects", map[string]any{"allOrNone": test.allOrNone, "records": test.records})
			if got := outcomes(t, r); got != test.want {
				t.Errorf("outcomes = %s, want %s\n%s", got, test.want, r.text)
			}
			if stored, _ := o.server.Record(shop.order); stored["WHMCS_Order_ID__c"] != test.stored {
				t.Errorf("stored = %v, want %v", stored["WHMCS_Order_ID__c"], test.stored)
			}
		})
	}
}

func TestCollectionsRefusals(t *testing.T) {
	o := newOrg(t)
	var many, chunks []any
	for i := range 201 {
		many = append(many, typed("Account", "Name", fmt.Sprint(i)))
	}
	for i := range 11 {
		chunks = append(chunks, typed([]string{"Account", "Contact"}[i%2], "Name", "x"))
	}
	tests := map[string]struct {
		body any
		want string
	}{
		"201 records": {map[string]any{"records": many}, "cannot submit more than 200 records"},
		"11 chunks":   {map[string]any{"records": chunks}, "at most 10 chunks"},
		"no type":     {map[string]any{"records": []any{map[string]any{"Name": "x"}}}, "attributes.type"},
		"no records":  {map[string]any{}, "must not be empty"},
		"a list":      {[]any{}, "could not be read"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := o.call("POST", "composite/sobjects", test.body)
			if wantStatus(t, r, http.StatusBadRequest); !strings.Contains(r.text, test.want) {
				t.Errorf("answer = %s, want %q", r.text, test.want)
			}
		})
	}
	if n := len(o.server.Records("Account")); n != 0 {
		t.Errorf("%d accounts were made", n)
	}
}

func TestCreateGetDeleteMany(t *testing.T) {
	o := newOrg(t)
	r := o.call("POST", "composite/sobjects", map[string]any{"records": []any{typed("Account", "Name", "One"), typed("Account"), typed("Contact", "LastName", "Two")}})
	if got := outcomes(t, r); got != "ok,REQUIRED_FIELD_MISSING,ok" {
		t.Fatalf("created: %s", r.text)
	}
	id, contact := fmt.Sprint(r.at(t, 0, "id")), fmt.Sprint(r.at(t, 2, "id"))
	missing := newID("001", 999)
	want := fmt.Sprintf(`[{"attributes":{"type":"Account","url":"/services/data/v66.0/sobjects/Account/%s"},"Name":"One"},null]`, id)
	for name, r := range map[string]reply{
		"GET":  o.call("GET", "composite/sobjects/Account?fields=Name&ids="+id+","+missing, nil),
		"POST": o.call("POST", "composite/sobjects/Account", map[string]any{"ids": []string{id, missing}, "fields": []string{"Name"}}),
	} {
		if diff := cmp.Diff(want, r.text); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	r = o.call("DELETE", "composite/sobjects?ids="+id+","+contact+","+missing+"&allOrNone=true", nil)
	if got := outcomes(t, r); got != "ALL_OR_NONE_OPERATION_ROLLED_BACK,ALL_OR_NONE_OPERATION_ROLLED_BACK,INVALID_CROSS_REFERENCE_KEY" {
		t.Errorf("deleted, all or none: %s", got)
	}
	r = o.call("DELETE", "composite/sobjects?ids="+id+","+contact, nil)
	if got := outcomes(t, r); got != "ok,ok" || len(o.server.Records("Account")) != 0 {
		t.Errorf("deleted: %s", got)
	}
}

func TestUpsertMany(t *testing.T) {
	o := newOrg(t)
	if err := o.server.DefineField("Account", Field{Name: "Number__c", Type: TypeDouble, Precision: 10, ExternalID: true}); err != nil {
		t.Fatal(err)
	}
	body := map[string]any{"records": []any{typed("Account", "Name", "One", "Number__c", 1), typed("Account", "Name", "None"), typed("Account", "Name", "Again", "number__c", "1")}}
	r := o.call("PATCH", "composite/sobjects/Account/Number__c", body)
	if got := outcomes(t, r); got != "ok,MISSING_ARGUMENT,ok" || !isTrue(r.at(t, 0, "created")) || isTrue(r.at(t, 2, "created")) {
		t.Errorf("upserted: %s", r.text)
	}
	if rows := o.server.Records("Account"); len(rows) != 1 || rows[0]["Name"] != "Again" {
		t.Errorf("accounts = %v", rows)
	}
}
