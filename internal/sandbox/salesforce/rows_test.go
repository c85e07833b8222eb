package salesforce

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestRowLife(t *testing.T) {
	o := newOrg(t)
	r := o.call("POST", "sobjects/Account/", `{"name": "  Acme  ", "NumberOfEmployees": "7", "Phone": ""}`)
	wantStatus(t, r, http.StatusCreated)
	id, _ := r.at(t, "id").(string)
	if want := `{"id":"` + id + `","success":true,"errors":[]}`; r.text != want || r.header.Get("Location") != "/services/data/v66.0/sobjects/Account/"+id {
		t.Errorf("created = %s at %s", r.text, r.header.Get("Location"))
	}
	o.move(90 * time.Second)
	r = o.call("PATCH", "sobjects/Account/"+id[:15], map[string]any{"Phone": "12", "NumberOfEmployees": nil, "AnnualRevenue": 1.005})
	if wantStatus(t, r, http.StatusNoContent); r.text != "" {
		t.Errorf("PATCH answered a body: %q", r.text)
	}
	r = o.call("GET", "sobjects/account/"+id+"?fields=Name,Phone,NumberOfEmployees,AnnualRevenue,CreatedDate,LastModifiedDate,lastmodifiedbyid", nil)
	want := `{"attributes":{"type":"Account","url":"/services/data/v66.0/sobjects/Account/` + id + `"},"Name":"Acme","Phone":"12","NumberOfEmployees":null,` +
		`"AnnualRevenue":1.0,"CreatedDate":"2026-11-23T10:00:00.000+0000","LastModifiedDate":"2026-11-23T10:01:30.000+0000","LastModifiedById":"` + o.server.UserID() + `"}`
	if diff := cmp.Diff(want, r.text); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
	wantStatus(t, o.call("DELETE", "sobjects/Account/"+id, nil), http.StatusNoContent)
	r = o.call("GET", "sobjects/Account/"+id, nil)
	if wantStatus(t, r, http.StatusNotFound); r.code(t) != "ENTITY_IS_DELETED" {
		t.Errorf("deleted row = %s", r.text)
	}
}

func TestRowRefusals(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	account, order, line := "sobjects/Account", "sobjects/Order/"+shop.order, "sobjects/OrderItem/"+shop.lines[0]
	tests := map[string]struct {
		method, path, body string
		status             int
		code, message      string
	}{
		"no body":              {"POST", account, ``, 400, "JSON_PARSER_ERROR", "entity body is required"},
		"broken JSON":          {"POST", account, `{"Name": `, 400, "JSON_PARSER_ERROR", ""},
		"two values":           {"POST", account, `{"Name": "a"} {}`, 400, "JSON_PARSER_ERROR", ""},
		"no name":              {"POST", account, `{"Phone": "1"}`, 400, "REQUIRED_FIELD_MISSING", "[Name]"},
		"unknown field":        {"PATCH", order, `{"Nope__c": 1}`, 400, "INVALID_FIELD", "No such column 'Nope__c' on sobject of type Order"},
		"unknown object":       {"POST", "sobjects/Nope__c", `{}`, 404, "NOT_FOUND", ""},
		"id in the body":       {"PATCH", order, `{"id": "` + shop.order + `"}`, 400, "INVALID_FIELD", "The Id field should not be specified"},
		"read-only field":      {"PATCH", order, `{"OrderNumber": "1"}`, 400, "INVALID_FIELD_FOR_INSERT_UPDATE", "OrderNumber"},
		"fixed field":          {"PATCH", line, `{"OrderId": "` + shop.order + `"}`, 400, "INVALID_FIELD_FOR_INSERT_UPDATE", "OrderId"},
		"restricted picklist":  {"PATCH", order, `{"Status": "Whatever"}`, 400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "bad value for restricted picklist field: Whatever"},
		"required cleared":     {"PATCH", order, `{"Status": null}`, 400, "REQUIRED_FIELD_MISSING", "[Status]"},
		"long text":            {"PATCH", order, `{"Activation_Error_Message__c": "` + strings.Repeat("é", 256) + `"}`, 400, "STRING_TOO_LONG", "(max length=255)"},
		"number for text":      {"PATCH", order, `{"WHMCS_Order_ID__c": 7}`, 400, "JSON_PARSER_ERROR", "string from VALUE_NUMBER_INT value 7"},
		"text for number":      {"PATCH", line, `{"Quantity": "many"}`, 400, "JSON_PARSER_ERROR", "double from VALUE_STRING value many"},
		"object for text":      {"PATCH", order, `{"Name": {}}`, 400, "JSON_PARSER_ERROR", "START_OBJECT"},
		"list for text":        {"PATCH", order, `{"Name": []}`, 400, "JSON_PARSER_ERROR", "START_ARRAY"},
		"truth for text":       {"PATCH", order, `{"Name": true}`, 400, "JSON_PARSER_ERROR", "VALUE_TRUE"},
		"bad date-time":        {"PATCH", order, `{"Activation_Scheduled_At__c": "tomorrow"}`, 400, "JSON_PARSER_ERROR", "datetime from VALUE_STRING"},
		"bad truth":            {"PATCH", order, `{"Address_Changed__c": "perhaps"}`, 400, "JSON_PARSER_ERROR", ""},
		"large number":         {"PATCH", line, `{"Quantity": 1e18}`, 400, "NUMBER_OUTSIDE_VALID_RANGE", ""},
		"malformed reference":  {"PATCH", order, `{"AccountId": "abc"}`, 400, "MALFORMED_ID", "abc"},
		"reference elsewhere":  {"PATCH", order, `{"AccountId": "` + shop.order + `"}`, 400, "FIELD_INTEGRITY_EXCEPTION", "incorrect type"},
		"reference to nothing": {"PATCH", order, `{"AccountId": "` + newID("001", 999) + `"}`, 400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"},
		"no such row":          {"PATCH", "sobjects/Order/" + newID("801", 999), `{}`, 404, "NOT_FOUND", "does not exist"},
		"malformed id":         {"GET", "sobjects/Order/801D0000000G0ySIAT", ``, 400, "MALFORMED_ID", "801D0000000G0ySIAT"},
		"id of another object": {"GET", "sobjects/Order/" + shop.account, ``, 400, "MALFORMED_ID", "incorrect type"},
		"not an id":            {"GET", "sobjects/Order/abc", ``, 404, "NOT_FOUND", "external ID field does not exist"},
		"field of a GET":       {"GET", order + "?fields=Id,Nope", ``, 400, "INVALID_FIELD", "No such column 'Nope'"},
		"system object":        {"POST", "sobjects/Organization", `{"Name": "x"}`, 400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", ""},
		"system row":           {"DELETE", "sobjects/User/" + o.server.UserID(), ``, 403, "INSUFFICIENT_ACCESS_OR_READONLY", ""},
		"method":               {"PUT", order, `{}`, 405, "METHOD_NOT_ALLOWED", "GET,PATCH,DELETE"},
		"resource":             {"GET", "nonsense/here", ``, 404, "NOT_FOUND", ""},
		"used parent":          {"DELETE", "sobjects/Account/" + shop.account, ``, 400, "DELETE_FAILED", shop.order},
		"event without order":  {"POST", "sobjects/OrderProvisionRequested__e", `{}`, 400, "REQUIRED_FIELD_MISSING", "OrderId__c"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var body any
			if test.body != "" || test.method == "POST" {
				body = test.body
			}
			r := o.call(test.method, test.path, body)
			wantStatus(t, r, test.status)
			message, _ := r.at(t, 0, "message").(string)
			if r.code(t) != test.code || !strings.Contains(message, test.message) {
				t.Errorf("answer = %s, want %s with %q", r.text, test.code, test.message)
			}
		})
	}
}

func TestOrderAndPriceRules(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	book, err := o.server.Create("Pricebook2", map[string]any{"Name": "Portal", "IsActive": true})
	if err != nil {
		t.Fatal(err)
	}
	unpriced, err := o.server.Create("Product2", map[string]any{"Name": "Unpriced"})
	if err != nil {
		t.Fatal(err)
	}
	bare, err := o.server.Create("Order", map[string]any{"AccountId": shop.account, "EffectiveDate": "2026-11-23", "Status": "Draft"})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		object string
		fields map[string]any
		code   string
	}{
		"activated at birth":   {"Order", map[string]any{"AccountId": shop.account, "EffectiveDate": "2026-11-23", "Status": "Activated"}, "FAILED_ACTIVATION"},
		"no account":           {"Order", map[string]any{"EffectiveDate": "2026-11-23", "Status": "Draft"}, "REQUIRED_FIELD_MISSING"},
		"line without a book":  {"OrderItem", map[string]any{"OrderId": bare, "PricebookEntryId": shop.products[0].PricebookEntryID, "Quantity": 1, "UnitPrice": 1}, "FIELD_INTEGRITY_EXCEPTION"},
		"other product":        {"OrderItem", map[string]any{"OrderId": shop.order, "PricebookEntryId": shop.products[0].PricebookEntryID, "Product2Id": unpriced, "Quantity": 1, "UnitPrice": 1}, "FIELD_INTEGRITY_EXCEPTION"},
		"no price on the line": {"OrderItem", map[string]any{"OrderId": shop.order, "PricebookEntryId": shop.products[0].PricebookEntryID, "Quantity": 1}, "REQUIRED_FIELD_MISSING"},
		"custom price first":   {"PricebookEntry", map[string]any{"Pricebook2Id": book, "Product2Id": unpriced, "UnitPrice": 1}, "STANDARD_PRICE_NOT_DEFINED"},
		"price twice":          {"PricebookEntry", map[string]any{"Pricebook2Id": o.server.StandardPricebookID(), "Product2Id": shop.products[0].Product2ID, "UnitPrice": 1}, "DUPLICATE_VALUE"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := o.server.Create(test.object, test.fields); err == nil || !strings.Contains(err.Error(), test.code) {
				t.Errorf("error = %v, want %s", err, test.code)
			}
		})
	}
	line, _ := o.server.Record(shop.lines[1])
	for field, want := range map[string]any{"TotalPrice": 3000.5, "ListPrice": 3000.5, "Product2Id": shop.products[1].Product2ID, "OrderItemNumber": "0000000002", "Billing_Cycle__c": "Onetime"} {
		if line[field] != want {
			t.Errorf("%s of the line = %v, want %v", field, line[field], want)
		}
	}
	if err := o.server.Update(shop.order, map[string]any{"Status": "Processed"}); err != nil {
		t.Fatal(err)
	}
	order, _ := o.server.Record(shop.order)
	if order["StatusCode"] != "Activated" || order["ActivatedDate"] != "2026-11-23T10:00:00.000+0000" || order["TotalAmount"] != 8000.5 {
		t.Errorf("processed order = %v", order)
	}
}

func TestConditionalRequests(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	path := "sobjects/Order/" + shop.order
	before, after := testStart.Add(-time.Second).Format(http.TimeFormat), testStart.Add(time.Second).Format(http.TimeFormat)
	tests := map[string]struct {
		method, header string
		status         int
	}{
		"unchanged":         {"GET", "If-Modified-Since: " + after, 304},
		"changed":           {"GET", "If-Modified-Since: " + before, 200},
		"nobody was ahead":  {"PATCH", "If-Unmodified-Since: " + after, 204},
		"the same second":   {"PATCH", "If-Unmodified-Since: " + testStart.Format(http.TimeFormat), 204},
		"somebody was":      {"PATCH", "If-Unmodified-Since: " + before, 412},
		"not a date":        {"PATCH", "If-Unmodified-Since: yesterday", 400},
		"not a date in GET": {"GET", "If-Unmodified-Since: yesterday", 200},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var body any
			if test.method == "PATCH" {
				body = map[string]any{"Description": "x"}
			}
			wantStatus(t, o.call(test.method, path, body, test.header), test.status)
		})
	}
}

func TestEntityTags(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	if tag := o.call("GET", "sobjects/Order/"+shop.order, nil).header.Get("ETag"); tag != "" {
		t.Errorf("an order has the ETag %s", tag)
	}
	path := "sobjects/Account/" + shop.account
	first := o.call("GET", path, nil).header.Get("ETag")
	name := map[string]any{"Name": "Changed"}
	wantStatus(t, o.call("GET", path, nil, "If-None-Match: "+first), http.StatusNotModified)
	wantStatus(t, o.call("GET", path, nil, `If-None-Match: "other", *`), http.StatusNotModified)
	wantStatus(t, o.call("GET", path, nil, `If-Match: "other"`), http.StatusPreconditionFailed)
	wantStatus(t, o.call("PATCH", path, name, `If-Match: "other"`), http.StatusPreconditionFailed)
	wantStatus(t, o.call("PATCH", path, name, `If-Match: "other", W/`+first), http.StatusNoContent)
	// Within the same second only the tag tells that the row has changed.
	wantStatus(t, o.call("GET", path, nil, "If-None-Match: "+first), http.StatusOK)
	wantStatus(t, o.call("PATCH", path, name, "If-Match: "+first), http.StatusPreconditionFailed)
}

func TestUpsertByExternalID(t *testing.T) {
	o := newOrg(t)
	field := Field{Name: "Number__c", Type: TypeString, ExternalID: true}
	if err := o.server.DefineField("Account", field); err != nil {
		t.Fatal(err)
	}
	path := "sobjects/Account/Number__c/A%2F7"
	r := o.call("PATCH", path+"?updateOnly=true", map[string]any{"Name": "One"})
	wantStatus(t, r, http.StatusNotFound)
	r = o.call("PATCH", path, map[string]any{"Name": "One"})
	wantStatus(t, r, http.StatusCreated)
	id := r.at(t, "id")
	if !isTrue(r.at(t, "created")) {
		t.Errorf("created = %s", r.text)
	}
	r = o.call("PATCH", path, map[string]any{"Name": "Two"})
	if wantStatus(t, r, http.StatusOK); isTrue(r.at(t, "created")) || r.at(t, "id") != id {
		t.Errorf("updated = %s", r.text)
	}
	if r := o.call("GET", path, nil); r.at(t, "Name") != "Two" || r.at(t, "Number__c") != "A/7" {
		t.Errorf("by external id = %s", r.text)
	}
	if r := o.call("PATCH", "sobjects/Account/Phone/7", map[string]any{"Name": "x"}); r.status != http.StatusNotFound || r.code(t) != "NOT_FOUND" {
		t.Errorf("no external id = %s", r.text)
	}
	if _, err := o.server.Create("Account", map[string]any{"Name": "Twin", "Number__c": "a/7"}); err != nil {
		t.Fatal(err)
	}
	r = o.call("PATCH", path, map[string]any{"Name": "Three"})
	if urls, _ := r.json(t).([]any); r.status != http.StatusMultipleChoices || len(urls) != 2 {
		t.Errorf("ambiguous upsert = %d %s", r.status, r.text)
	}
	if r := o.call("POST", "sobjects/Account/Id", map[string]any{"Name": "Special"}); r.status != http.StatusCreated {
		t.Errorf("insert by Id = %d %s", r.status, r.text)
	}
}

func TestReferenceByExternalID(t *testing.T) {
	o := newOrg(t)
	if err := o.server.DefineField("Account", Field{Name: "Number__c", Type: TypeString, ExternalID: true, Unique: true}); err != nil {
		t.Fatal(err)
	}
	account, err := o.server.Create("Account", map[string]any{"Name": "A", "Number__c": "7"})
	if err != nil {
		t.Fatal(err)
	}
	r := o.call("POST", "sobjects/Contact", `{"LastName": "L", "FirstName": "F", "Account": {"Number__c": "7"}}`)
	wantStatus(t, r, http.StatusCreated)
	id, _ := r.at(t, "id").(string)
	if got, _ := o.server.Record(id); got["AccountId"] != account || got["Name"] != "F L" {
		t.Errorf("contact = %v", got)
	}
	if r := o.call("POST", "sobjects/Contact", `{"LastName": "L", "Account": {"Number__c": "8"}}`); r.code(t) != "INVALID_FIELD" {
		t.Errorf("unknown parent = %s", r.text)
	}
	if _, err := o.server.Create("Account", map[string]any{"Name": "B", "Number__c": "7"}); err == nil || !strings.Contains(err.Error(), "DUPLICATE_VALUE") {
		t.Errorf("second account with a unique number: %v", err)
	}
}

func TestRelatedRows(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	if r := o.call("GET", "sobjects/Order/"+shop.order+"/OrderItems", nil); r.at(t, "totalSize") != 2.0 {
		t.Errorf("children = %s", r.text)
	}
	if r := o.call("GET", "sobjects/Order/"+shop.order+"/Account", nil); r.at(t, "Id") != shop.account {
		t.Errorf("parent = %s", r.text)
	}
	wantStatus(t, o.call("GET", "sobjects/Order/"+shop.order+"/Nope", nil), http.StatusNotFound)
}

func TestHiddenFieldReadsAsAbsent(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	id, err := o.server.SetFault(Fault{Name: FaultMissingField, Object: "Order", Field: "WHMCS_Order_ID__c"})
	if err != nil {
		t.Fatal(err)
	}
	if r := o.query("SELECT whmcs_order_id__c FROM Order"); r.code(t) != "INVALID_FIELD" {
		t.Errorf("query = %s", r.text)
	}
	if r := o.call("PATCH", "sobjects/Order/"+shop.order, map[string]any{"WHMCS_Order_ID__c": "7"}); r.code(t) != "INVALID_FIELD" {
		t.Errorf("update = %s", r.text)
	}
	o.server.ClearFault(id)
	if n := len(o.rows("SELECT WHMCS_Order_ID__c FROM Order")); n != 1 {
		t.Errorf("%d rows after the fault was cleared", n)
	}
}
