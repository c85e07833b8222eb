package salesforce

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const flowTopic = "/event/OrderProvisionRequested__e"

func TestFlow(t *testing.T) {
	tests := map[string]struct {
		before map[string]any
		update map[string]any
		events int
		status any
	}{
		"approved":           {nil, map[string]any{"Status": "Approved"}, 1, "Activating"},
		"scheduled":          {map[string]any{"Activation_Type__c": "Scheduled", "Activation_Scheduled_At__c": "2027-01-01T00:00:00Z"}, map[string]any{"Status": "Approved"}, 1, "Activating"},
		"asked again":        {map[string]any{"Status": "Approved"}, map[string]any{"Status": "Reactivate"}, 1, "Activating"},
		"the same again":     {map[string]any{"Status": "Approved"}, map[string]any{"Status": "Approved", "Activation_Status__c": "Failed"}, 0, "Failed"},
		"another field":      {map[string]any{"Status": "Approved"}, map[string]any{"Activation_Status__c": "Activated"}, 0, "Activated"},
		"another status":     {nil, map[string]any{"Status": "Pending Review"}, 0, "Not Started"},
		"refused with error": {nil, map[string]any{"Status": "Approved", "Name": 7}, 0, "Not Started"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			shop := o.shop()
			if err := o.server.Update(shop.order, map[string]any{"Activation_Error_Code__c": "X", "Activation_Error_Message__c": "Y"}); err != nil {
				t.Fatal(err)
			}
			if err := o.server.Update(shop.order, test.before); err != nil {
				t.Fatal(err)
			}
			before := len(o.on(flowTopic))
			o.call("PATCH", "sobjects/Order/"+shop.order, test.update)
			events := o.on(flowTopic)[before:]
			order, _ := o.server.Record(shop.order)
			if len(events) != test.events || order["Activation_Status__c"] != test.status {
				t.Fatalf("%d events, status %v; want %d, %v", len(events), order["Activation_Status__c"], test.events, test.status)
			}
			if test.events == 0 {
				return
			}
			if order["Activation_Error_Code__c"] != nil || order["Activation_Error_Message__c"] != nil {
				t.Errorf("the error was not cleared: %v", order)
			}
			want := map[string]any{"OrderId__c": shop.order, "RequestedBy__c": testUser, "Version__c": 1.0, "CreatedDate": testStart.UnixMilli(), "CreatedById": o.server.UserID()}
			if got, _ := events[0]["IdemKey__c"].(string); len(got) < 20 {
				t.Errorf("IdemKey__c = %q", got)
			}
			delete(events[0], "IdemKey__c")
			if diff := cmp.Diff(want, events[0]); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventsOfARolledBackRequestNeverLeave(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	before := len(o.on("/data/OrderChangeEvent"))
	r := o.call("PATCH", "composite/sobjects", map[string]any{"allOrNone": true, "records": []any{
		typed("Order", "Id", shop.order, "Status", "Approved"), typed("OrderItem", "Id", shop.lines[0], "Nope__c", 1),
	}})
	if got := outcomes(t, r); got != "ALL_OR_NONE_OPERATION_ROLLED_BACK,INVALID_FIELD" {
		t.Fatal(r.text)
	}
	order, _ := o.server.Record(shop.order)
	if len(o.on(flowTopic)) != 0 || len(o.on("/data/OrderChangeEvent")) != before || order["Status"] != "Draft" {
		t.Errorf("events left or the order changed: %v", order["Status"])
	}
}

func TestFlowFaults(t *testing.T) {
	tests := map[string]struct {
		fault  string
		events int
		status string
	}{
		"flow off":   {FaultFlowOff, 0, "Not Started"},
		"event lost": {FaultLoseEvent, 0, "Activating"},
		"two events": {FaultDoubleEvent, 2, "Activating"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			first, second := o.shop(), o.shop()
			if _, err := o.server.SetFault(Fault{Name: test.fault, RecordID: first.order}); err != nil {
				t.Fatal(err)
			}
			for _, id := range []string{first.order, second.order} {
				if err := o.server.Approve(id); err != nil {
					t.Fatal(err)
				}
			}
			order, _ := o.server.Record(first.order)
			if got := len(o.on(flowTopic)) - 1; got != test.events || order["Activation_Status__c"] != test.status {
				t.Errorf("%d events, status %v; want %d, %s", got, order["Activation_Status__c"], test.events, test.status)
			}
		})
	}
}

func TestEventOvertakesTheCommit(t *testing.T) {
	o := newOrg(t)
	hidden, stale := o.shop(), o.shop()
	for _, f := range []Fault{
		{Name: FaultHideOrder, RecordID: hidden.order, Delay: Duration(time.Minute)}, {Name: FaultStaleOrder, RecordID: stale.order, Delay: Duration(time.Minute)},
	} {
		if _, err := o.server.SetFault(f); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{hidden.order, stale.order} {
		if err := o.server.Approve(id); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(o.on(flowTopic)); got != 2 {
		t.Fatalf("%d events, want 2", got)
	}
	rows := o.rows("SELECT Id, Status FROM Order")
	if len(rows) != 1 || field(rows[0], "Status") != "Draft" || len(o.rows("SELECT Id FROM OrderItem WHERE OrderId = '"+hidden.order+"'")) != 0 {
		t.Errorf("before the commit is seen: %v", rows)
	}
	wantStatus(t, o.call("GET", "sobjects/Order/"+hidden.order, nil), http.StatusNotFound)
	o.move(time.Minute)
	if rows := o.rows("SELECT Id FROM Order WHERE Status = 'Approved'"); len(rows) != 2 {
		t.Errorf("after the commit is seen: %v", rows)
	}
}

func TestChangeEvents(t *testing.T) {
	o := newOrg(t)
	one, two := o.shop(), o.shop()
	before := len(o.on("/data/OrderChangeEvent"))
	r := o.call("PATCH", "composite/sobjects", map[string]any{"records": []any{
		typed("Order", "Id", one.order, "Description", "same", "Activation_Status__c", nil), typed("Order", "Id", two.order, "Description", "same", "Activation_Status__c", nil),
		typed("OrderItem", "Id", one.lines[0], "Description", "no events for lines"),
	}}, "Sforce-Call-Options: client=robot, defaultNamespace=x")
	if got := outcomes(t, r); got != "ok,ok,ok" {
		t.Fatal(got)
	}
	wantStatus(t, o.call("PATCH", "sobjects/Order/"+one.order, map[string]any{"Description": "same"}), http.StatusNoContent)
	wantStatus(t, o.call("DELETE", "sobjects/Order/"+two.order, nil), http.StatusNoContent)
	events := o.on("/data/OrderChangeEvent")[before:]
	if len(events) != 2 {
		t.Fatalf("%d events, want one for the two updates, none for the idle one, one for the deletion: %v", len(events), events)
	}
	header, _ := events[0]["ChangeEventHeader"].(map[string]any)
	if header["transactionKey"] == "" {
		t.Error("no transactionKey")
	}
	delete(header, "transactionKey")
	delete(header, "commitNumber")
	want := map[string]any{
		"Description": "same", "LastModifiedDate": testStart.UnixMilli(), "LastModifiedById": o.server.UserID(),
		"ChangeEventHeader": map[string]any{
			"entityName": "Order", "recordIds": []string{one.order, two.order}, "changeType": "UPDATE", "changeOrigin": "com/salesforce/api/rest/66.0;client=robot",
			"sequenceNumber": 1, "commitTimestamp": testStart.UnixMilli(), "commitUser": o.server.UserID(), "nulledFields": []string{"Activation_Status__c"},
			"diffFields": []string{}, "changedFields": []string{"LastModifiedDate", "LastModifiedById", "Description", "Activation_Status__c"},
		},
	}
	if diff := cmp.Diff(want, events[0]); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if got := field(events[1]["ChangeEventHeader"], "changeType"); got != "DELETE" {
		t.Errorf("last event = %v", got)
	}
}

func TestAddressesTravelAsCompounds(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	if err := o.server.Update(shop.order, map[string]any{"BillingCity": "Kyoto", "BillingCountry": "Japan"}); err != nil {
		t.Fatal(err)
	}
	if err := o.server.Update(shop.order, map[string]any{"BillingCity": nil}); err != nil {
		t.Fatal(err)
	}
	events := o.on("/data/OrderChangeEvent")
	set, cleared := events[len(events)-2], events[len(events)-1]
	if diff := cmp.Diff(map[string]any{"City": "Kyoto", "Country": "Japan"}, set["BillingAddress"]); diff != "" {
		t.Errorf("address (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"LastModifiedDate", "BillingAddress.City", "BillingAddress.Country"}, field(set["ChangeEventHeader"], "changedFields")); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"BillingAddress.City"}, field(cleared["ChangeEventHeader"], "nulledFields")); diff != "" || cleared["BillingAddress"] != nil {
		t.Errorf("address %v; nulled (-want +got):\n%s", cleared["BillingAddress"], diff)
	}
}

func TestChangeEventsCanBeChosen(t *testing.T) {
	o := newOrg(t)
	o.server.SetChangeEvents("Account")
	shop := o.shop()
	if len(o.on("/data/OrderChangeEvent")) != 0 || len(o.on("/data/AccountChangeEvent")) != 1 {
		t.Errorf("events = %v", o.events)
	}
	if _, err := o.server.SetFault(Fault{Name: FaultChangeEventsOff}); err != nil {
		t.Fatal(err)
	}
	if err := o.server.Update(shop.account, map[string]any{"Phone": "1"}); err != nil {
		t.Fatal(err)
	}
	if got := len(o.on("/data/AccountChangeEvent")); got != 1 {
		t.Errorf("%d events, want 1", got)
	}
}

func TestPublishThroughRest(t *testing.T) {
	var refuseAll error
	o := newOrg(t)
	publish := o.server.options.Publish
	o.server.options.Publish = func(topic string, fields map[string]any) (string, error) {
		if refuseAll != nil {
			return "", refuseAll
		}
		return publish(topic, fields)
	}
	r := o.call("POST", "sobjects/OrderProvisionRequested__e/", map[string]any{"OrderId__c": "801", "Version__c": 2})
	wantStatus(t, r, http.StatusCreated)
	if !isTrue(r.at(t, "success")) || r.at(t, "errors", 0, "statusCode") != "OPERATION_ENQUEUED" || r.at(t, "errors", 0, "message") != "5f1a4bb0-0000-4000-8000-000000000001" {
		t.Errorf("answer = %s", r.text)
	}
	if events := o.on(flowTopic); len(events) != 1 || events[0]["Version__c"] != 2.0 || events[0]["CreatedById"] != o.server.UserID() {
		t.Errorf("events = %v", events)
	}
	r = o.call("POST", "composite", map[string]any{"compositeRequest": []any{sub("POST", "sobjects/OrderProvisionRequested__e", "e", map[string]any{"OrderId__c": "801"})}})
	if r.at(t, "compositeResponse", 0, "body", "errors", 0, "statusCode") != "OPERATION_ENQUEUED" {
		t.Errorf("composite = %s", r.text)
	}
	refuseAll = errors.New("the bus is full")
	if r := o.call("POST", "composite/sobjects", map[string]any{"records": []any{typed("OrderProvisionRequested__e", "OrderId__c", "801")}}); outcomes(t, r) != "PLATFORM_EVENT_PUBLISHING_UNAVAILABLE" {
		t.Errorf("refused by the bus = %s", r.text)
	}
}
