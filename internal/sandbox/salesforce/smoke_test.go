package salesforce

import (
	"net/http"
	"testing"
)

func TestOrderWayThroughRest(t *testing.T) {
	o := newOrg(t)
	shop := o.shop()
	r := o.call("PATCH", "sobjects/Order/"+shop.order, map[string]any{"Status": "Approved"}, "Sforce-Call-Options: client=portal")
	wantStatus(t, r, http.StatusNoContent)
	events := o.on("/event/OrderProvisionRequested__e")
	if len(events) != 1 || events[0]["OrderId__c"] != shop.order {
		t.Fatalf("events = %v", events)
	}
	changes := o.on("/data/OrderChangeEvent")
	header, _ := changes[len(changes)-1]["ChangeEventHeader"].(map[string]any)
	if got, want := header["changeOrigin"], "com/salesforce/api/rest/66.0;client=portal"; got != want {
		t.Errorf("changeOrigin = %v, want %v", got, want)
	}
	line := o.rows("SELECT Id, Activation_Status__c, Account.WH_Account__c, (SELECT Product2.WHMCS_Product_Id__c FROM OrderItems) FROM Order")
	if len(line) != 1 {
		t.Fatalf("orders = %v", line)
	}
}
