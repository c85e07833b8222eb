package salesforce

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVersions(t *testing.T) {
	o := newOrg(t)
	r := o.call("GET", "/services/data/", nil, "Authorization: ")
	wantStatus(t, r, http.StatusOK)
	if r.header.Get("Sforce-Limit-Info") != "" {
		t.Error("the list of versions carries Sforce-Limit-Info")
	}
	versions, _ := r.json(t).([]any)
	last, _ := versions[len(versions)-1].(map[string]any)
	want := map[string]any{"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("newest version (-want +got):\n%s", diff)
	}
	for version, status := range map[string]int{"v66.0": 200, "v31.0": 200, "v25.0": 410, "v69.0": 404, "v66": 404, "66.0": 404, "vx.0": 404, "v66.1": 404} {
		if r := o.call("GET", "/services/data/"+version+"/", nil); r.status != status {
			t.Errorf("%s answered %d, want %d", version, r.status, status)
		}
	}
}

func TestResourcesAndDescribe(t *testing.T) {
	o := newOrg(t)
	if r := o.call("GET", "/services/data/v66.0", nil); r.at(t, "identity") != o.url+"/id/"+o.server.OrgID()+"/"+o.server.UserID() {
		t.Errorf("resources = %s", r.text)
	}
	if r := o.call("GET", "sobjects", nil); r.at(t, "maxBatchSize") != 200.0 || !strings.Contains(r.text, `"name":"OrderProvisionRequested__e"`) {
		t.Errorf("global describe = %s", r.text)
	}
	if r := o.call("GET", "sobjects/order", nil); r.at(t, "objectDescribe", "keyPrefix") != "801" {
		t.Errorf("basic describe = %s", r.text)
	}
	r := o.call("GET", "sobjects/Order/describe", nil)
	fields := map[string]map[string]any{}
	all, _ := r.at(t, "fields").([]any)
	for _, f := range all {
		f, _ := f.(map[string]any)
		fields[fmt.Sprint(f["name"])] = f
	}
	for _, test := range []struct {
		field, key string
		want       any
	}{
		{"Status", "type", "picklist"}, {"Status", "restrictedPicklist", true}, {"Status", "nillable", false}, {"AccountId", "relationshipName", "Account"},
		{"Activation_Error_Message__c", "length", 255.0}, {"Activation_Error_Message__c", "label", "Activation Error Message"}, {"OrderNumber", "autoNumber", true},
		{"OrderNumber", "updateable", false}, {"CreatedDate", "soapType", "xsd:dateTime"}, {"WHMCS_Order_ID__c", "custom", true}, {"TotalAmount", "type", "currency"},
	} {
		if got := fields[test.field][test.key]; got != test.want {
			t.Errorf("%s.%s = %v, want %v", test.field, test.key, got, test.want)
		}
	}
	if r.at(t, "childRelationships", 0, "relationshipName") != "OrderItems" {
		t.Errorf("children = %v", r.at(t, "childRelationships"))
	}
	wantStatus(t, o.call("GET", "sobjects/Nope/describe", nil), http.StatusNotFound)
}

func TestEventSchema(t *testing.T) {
	o := newOrg(t, func(options *Options) {
		options.EventSchema = func(id, topic string) (string, bool) {
			return `{"type":"record"}`, id == "abc" || topic == flowTopic
		}
	})
	for path, status := range map[string]int{
		"event/eventSchema/abc": 200, "sobjects/OrderProvisionRequested__e/eventSchema": 200, "event/eventSchema/x": 404, "sobjects/Order/eventSchema": 404,
	} {
		if r := o.call("GET", path, nil); r.status != status || status == 200 && r.text != `{"type":"record"}` {
			t.Errorf("%s answered %d %s", path, r.status, r.text)
		}
	}
}

func TestGzipBothWays(t *testing.T) {
	o := newOrg(t)
	var zippedBody bytes.Buffer
	z := gzip.NewWriter(&zippedBody)
	if _, err := z.Write([]byte(`{"Name":"zipped"}`)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, o.call("POST", "sobjects/Account", zippedBody.String(), "Content-Encoding: gzip"), http.StatusCreated)
	r := o.call("GET", "sobjects/Account/describe", nil, "Accept-Encoding: gzip;q=1.0, deflate")
	if r.header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("headers = %v", r.header)
	}
	plainReader, err := gzip.NewReader(strings.NewReader(r.text))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(plainReader); err != nil || !strings.Contains(string(text), `"name":"Account"`) {
		t.Errorf("unzipped = %.80s, %v", text, err)
	}
	if r := o.call("GET", "sobjects/Account/describe", nil, "Accept-Encoding: gzip;q=0"); r.header.Get("Content-Encoding") != "" {
		t.Error("gzip was sent to a client that refuses it")
	}
	wantStatus(t, o.call("POST", "sobjects/Account", "plain", "Content-Encoding: gzip"), http.StatusBadRequest)
	// The Go client go-salesforce announces gzip also where it sends no body.
	wantStatus(t, o.call("GET", "query?q=SELECT+Id+FROM+Account", nil, "Content-Encoding: gzip"), http.StatusOK)
}

func TestMethodOverride(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	path := "sobjects/Order/" + shop.order + "?_HttpMethod="
	wantStatus(t, o.call("POST", path+"PATCH", map[string]any{"PoNumber": "7"}), http.StatusNoContent)
	if order, _ := o.server.Record(shop.order); order["PoNumber"] != "7" {
		t.Errorf("order = %v", order)
	}
	wantStatus(t, o.call("GET", path+"DELETE", nil), http.StatusOK)
	wantStatus(t, o.call("POST", path+"delete", nil), http.StatusNoContent)
	wantStatus(t, o.call("GET", "sobjects/Order/"+shop.order, nil), http.StatusNotFound)
}

func TestStrangeRequests(t *testing.T) {
	o := newOrg(t)
	wantStatus(t, o.call("GET", "query?q="+strings.Repeat("x", maxURI), nil), http.StatusRequestURITooLong)
	wantStatus(t, o.call("POST", "sobjects/Account", `Name=x`, "Content-Type: application/x-www-form-urlencoded"), http.StatusUnsupportedMediaType)
	wantStatus(t, o.call("GET", "/nonsense", nil), http.StatusNotFound)
	wantStatus(t, o.call("GET", "/services/oauth2/token", nil), http.StatusBadRequest)
	if r := o.call("GET", "limits", nil, "Authorization: OAuth "+o.token); r.status != http.StatusOK {
		t.Errorf("the OAuth scheme answered %d", r.status)
	}
	if r := o.call("HEAD", "limits", nil); r.status != http.StatusOK || r.text != "" {
		t.Errorf("HEAD = %d %q", r.status, r.text)
	}
}

func TestSeedAndBooks(t *testing.T) {
	o := newOrg(t)
	seeded, err := o.server.Seed(Seed{
		Accounts: []Account{{Name: "A", Number: "C-1", WHMCSClient: 12}},
		Products: []Product{{Name: "P", SKU: "S-1", WHMCSProduct: 188, BillingCycle: "Monthly", Price: 10, Fields: map[string]any{"Family": "x"}}},
		Orders:   []SeedOrder{{Products: []int{0, 0}, Approve: true}, {Products: []int{0}, Fields: map[string]any{"Activation_Type__c": "Scheduled"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	books := o.server.Orders()
	if len(books) != 2 || len(books[0].Lines) != 2 || books[0].ID != seeded.Orders[0] || books[0].Fields["Status"] != "Approved" || books[1].Fields["Activation_Type__c"] != "Scheduled" {
		t.Errorf("books = %+v", books)
	}
	if account, _ := o.server.Record(seeded.Accounts[0]); account["WH_Account__c"] != "#12 - A" {
		t.Errorf("account = %v", account)
	}
	if _, known := o.server.Record(newID("001", 999)); known {
		t.Error("a record that was never made is there")
	}
	product, _ := o.server.Record(seeded.Products[0].Product2ID)
	if product["WHMCS_Product_Id__c"] != 188.0 || product["WH_Product_ID__c"] != 188.0 || product["StockKeepingUnit"] != "S-1" || product["Family"] != "x" {
		t.Errorf("product = %v", product)
	}
	if err := o.server.Approve(seeded.Orders[0]); err != nil {
		t.Fatal(err)
	}
	if order, _ := o.server.Record(seeded.Orders[0]); order["Status"] != "Reactivate" || len(o.on(flowTopic)) != 2 {
		t.Errorf("approved again: %v, %d events", order["Status"], len(o.on(flowTopic)))
	}
	if _, err := o.server.Seed(Seed{Orders: []SeedOrder{{Account: 3}}}); err == nil {
		t.Error("an order of an account that is not there was seeded")
	}
	for name, err := range map[string]error{"update": o.server.Update("nonsense", nil), "delete": o.server.Delete(newID("801", 99)), "approve": o.server.Approve("")} {
		if err == nil {
			t.Errorf("%s of nothing succeeded", name)
		}
	}
}

func TestDefineObject(t *testing.T) {
	o := newOrg(t)
	err := o.server.DefineObject(Object{Name: "Subscription__c", KeyPrefix: "a01", Fields: []Field{
		{Name: "Order__c", Type: TypeReference, References: []string{"Order"}, Relationship: "Order__r", ChildRelation: "Subscriptions__r"},
		{Name: "Kinds__c", Type: TypeMultiPicklist, Values: []string{"a", "b", "c"}, Restricted: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	shop := o.shop()
	if _, err := o.server.Create("Subscription__c", map[string]any{"Order__c": shop.order, "Kinds__c": "a;c"}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.server.Create("Subscription__c", map[string]any{"Kinds__c": "a;d"}); err == nil {
		t.Error("a value outside the restricted picklist was stored")
	}
	for where, want := range map[string]int{"Kinds__c INCLUDES ('a;c')": 1, "Kinds__c INCLUDES ('b', 'c')": 1, "Kinds__c EXCLUDES ('b')": 1, "Kinds__c INCLUDES ('a;b')": 0, "Order__r.Status = 'Draft'": 1} {
		if got := len(o.rows("SELECT Id, Order__r.OrderNumber FROM Subscription__c WHERE " + where)); got != want {
			t.Errorf("%s: %d rows, want %d", where, got, want)
		}
	}
	if rows := o.rows("SELECT (SELECT Kinds__c FROM Subscriptions__r) FROM Order"); field(rows[0], "Subscriptions__r") == nil {
		t.Errorf("children = %v", rows)
	}
	for name, bad := range map[string]Object{"name": {Name: "Subscription", KeyPrefix: "a02"}, "prefix": {Name: "X__c", KeyPrefix: "a"}, "twice": {Name: "Subscription__c", KeyPrefix: "a01"}} {
		if err := o.server.DefineObject(bad); err == nil {
			t.Errorf("an object with a wrong %s was defined", name)
		}
	}
	if err := o.server.DefineObject(Object{Name: "Done__e", KeyPrefix: "e02", Fields: []Field{{Name: "Text__c", Type: TypeString}}}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, o.call("POST", "sobjects/Done__e", map[string]any{"Text__c": "x"}), http.StatusCreated)
	if len(o.on("/event/Done__e")) != 1 {
		t.Error("the event did not reach the bus")
	}
	for name, err := range map[string]error{"object": o.server.DefineField("Nope", Field{Name: "X__c"}), "name": o.server.DefineField("Order", Field{Name: "X"}), "app": o.server.RegisterApp(App{})} {
		if err == nil {
			t.Errorf("a definition with a wrong %s was accepted", name)
		}
	}
}
