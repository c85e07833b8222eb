package salesforce

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestRequestFaults(t *testing.T) {
	tests := map[string]struct {
		fault   Fault
		status  int // 0 = the connection breaks
		text    string
		applied bool
	}{
		"503":            {Fault{Name: FaultUnavailable}, 503, "<html>", false},
		"502":            {Fault{Name: FaultUnavailable, Status: 502}, 502, "<html>", false},
		"503 after":      {Fault{Name: FaultUnavailableAfter}, 503, "<html>", true},
		"dropped before": {Fault{Name: FaultDropBefore}, 0, "", false},
		"dropped after":  {Fault{Name: FaultDropAfter}, 0, "", true},
		"error":          {Fault{Name: FaultError}, 500, "UNKNOWN_EXCEPTION", false},
		"chosen error":   {Fault{Name: FaultError, Status: 400, Code: "QUERY_TIMEOUT", Message: "too slow"}, 400, `[{"message":"too slow","errorCode":"QUERY_TIMEOUT"}]`, false},
		"unauthorized":   {Fault{Name: FaultUnauthorized}, 401, "INVALID_SESSION_ID", false},
		"limit":          {Fault{Name: FaultRequestLimit}, 403, "REQUEST_LIMIT_EXCEEDED", false},
		"locked":         {Fault{Name: FaultLockRow}, 400, "UNABLE_TO_LOCK_ROW", false},
		"rejected":       {Fault{Name: FaultRejectRow, Object: "order", Code: "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", Message: "trigger: UNABLE_TO_LOCK_ROW"}, 400, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", false},
		"by endpoint":    {Fault{Name: FaultError, Endpoint: "row.update"}, 500, "UNKNOWN_EXCEPTION", false},
		"by path":        {Fault{Name: FaultError, Path: "/sobjects/Order/", Method: "PATCH"}, 500, "UNKNOWN_EXCEPTION", false},
		"other endpoint": {Fault{Name: FaultError, Endpoint: "query"}, 204, "", true},
		"other method":   {Fault{Name: FaultError, Method: "GET"}, 204, "", true},
		"other object":   {Fault{Name: FaultLockRow, Object: "Account"}, 204, "", true},
		"latency":        {Fault{Name: FaultLatency, Delay: Duration(time.Millisecond)}, 204, "", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newOrg(t)
			shop := o.shop()
			test.fault.Times = 1
			if _, err := o.server.SetFault(test.fault); err != nil {
				t.Fatal(err)
			}
			path, body := "sobjects/Order/"+shop.order, map[string]any{"Description": "x"}
			r, err := o.try("PATCH", path, body)
			if (err != nil) != (test.status == 0) || r.status != test.status || !strings.Contains(r.text, test.text) {
				t.Fatalf("answer = %d %q, error %v", r.status, r.text, err)
			}
			order, _ := o.server.Record(shop.order)
			if applied := order["Description"] == "x"; applied != test.applied {
				t.Errorf("applied = %v, want %v", applied, test.applied)
			}
			if test.status != http.StatusNoContent {
				wantStatus(t, o.call("PATCH", path, body), http.StatusNoContent)
			}
		})
	}
}

func TestTruncatedAnswer(t *testing.T) {
	o := newOrg(t)
	o.shop()
	if _, err := o.server.SetFault(Fault{Name: FaultTruncate}); err != nil {
		t.Fatal(err)
	}
	r, err := o.try("GET", "query?q=SELECT+Id+FROM+Order", nil)
	if err == nil || r.status != http.StatusOK || r.text == "" || json.Valid([]byte(r.text)) {
		t.Errorf("answer = %d %q, error %v; want half a body", r.status, r.text, err)
	}
}

func TestLoginFaults(t *testing.T) {
	o := newOrg(t)
	if _, err := o.server.SetFault(Fault{Name: FaultLoginError, Code: "invalid_grant", Message: "user is locked", Times: 1}); err != nil {
		t.Fatal(err)
	}
	form := []string{"grant_type", "client_credentials", "client_id", testClient, "client_secret", "s3cret"}
	if r := o.form("/services/oauth2/token", form...); r.at(t, "error_description") != "user is locked" {
		t.Errorf("answer = %s", r.text)
	}
	wantStatus(t, o.form("/services/oauth2/token", form...), http.StatusOK)
	if _, err := o.server.SetFault(Fault{Name: FaultUnavailable, Endpoint: "login"}); err != nil {
		t.Fatal(err)
	}
	wantStatus(t, o.form("/services/oauth2/token", form...), http.StatusServiceUnavailable)
}

func TestRevokeTokenFault(t *testing.T) {
	o := newOrg(t)
	if _, err := o.server.SetFault(Fault{Name: FaultRevokeToken, Times: 1}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantStatus(t, o.call("GET", "limits", nil), http.StatusUnauthorized)
	}
	o.token = o.server.IssueToken()
	wantStatus(t, o.call("GET", "limits", nil), http.StatusOK)
}

func TestLockRowCountsPerRecord(t *testing.T) {
	o := newOrg(t)
	one, two := o.shop(), o.shop()
	if _, err := o.server.SetFault(Fault{Name: FaultLockRow, RecordID: one.order[:15], After: 1, Times: 2}); err != nil {
		t.Fatal(err)
	}
	touch := func() string {
		return outcomes(t, o.call("PATCH", "composite/sobjects", map[string]any{"records": []any{
			typed("Order", "Id", one.order, "Description", "x"), typed("OrderItem", "Id", one.lines[0], "Description", "x"), typed("Order", "Id", two.order, "Description", "x"),
		}}))
	}
	// A line locks its order, so it counts too.
	if got := touch(); got != "ok,UNABLE_TO_LOCK_ROW,ok" {
		t.Errorf("first = %s", got)
	}
	if got := touch(); got != "UNABLE_TO_LOCK_ROW,ok,ok" {
		t.Errorf("second = %s", got)
	}
	if got := o.server.Faults(); len(got) != 1 || got[0].Used != 2 || got[0].RecordID != one.order {
		t.Errorf("faults = %+v", got)
	}
	o.server.ClearFaults(FaultFlowOff)
	if len(o.server.Faults()) != 1 {
		t.Error("clearing another fault cleared this one")
	}
	o.server.ClearFaults()
	if len(o.server.Faults()) != 0 {
		t.Error("the fault is still on")
	}
}

func TestFaultsAreJSON(t *testing.T) {
	var f Fault
	if err := json.Unmarshal([]byte(`{"name":"latency","endpoint":"query","delay":"1.5s","times":3}`), &f); err != nil {
		t.Fatal(err)
	}
	if want := (Fault{Name: FaultLatency, Endpoint: "query", Delay: Duration(1500 * time.Millisecond), Times: 3}); f != want {
		t.Errorf("fault = %+v, want %+v", f, want)
	}
	out, err := json.Marshal(f)
	if want := `{"name":"latency","endpoint":"query","times":3,"delay":"1.5s"}`; err != nil || string(out) != want {
		t.Errorf("encoded = %s, %v, want %s", out, err, want)
	}
	server := New(Options{})
	for name, bad := range map[string]Fault{"name": {Name: "nonsense"}, "record": {Name: FaultLockRow, RecordID: "7"}, "field": {Name: FaultMissingField, Object: "Order", Field: "Nope"}} {
		if _, err := server.SetFault(bad); err == nil {
			t.Errorf("a fault with a wrong %s was accepted", name)
		}
	}
	for _, name := range FaultNames() {
		if _, err := server.SetFault(Fault{Name: name, Object: "Order", Field: "Name"}); err != nil {
			t.Error(err)
		}
	}
}

func TestDailyLimit(t *testing.T) {
	o := newOrg(t, func(options *Options) {
		options.DailyAPIRequests = 3
		options.EventsDelivered = func() int64 { return 24_990 }
	})
	r := o.call("GET", "limits", nil)
	if got := r.header.Get("Sforce-Limit-Info"); got != "api-usage=1/3" {
		t.Errorf("Sforce-Limit-Info = %q", got)
	}
	if r.at(t, "DailyApiRequests", "Remaining") != 2.0 || r.at(t, "DailyDeliveredPlatformEvents", "Remaining") != 10.0 {
		t.Errorf("limits = %s", r.text)
	}
	o.call("GET", "limits", nil)
	o.call("GET", "limits", nil)
	if r := o.call("GET", "limits", nil); r.status != http.StatusForbidden || r.code(t) != "REQUEST_LIMIT_EXCEEDED" {
		t.Errorf("fourth call = %d %s", r.status, r.text)
	}
	o.move(24 * time.Hour)
	o.token = o.server.IssueToken()
	wantStatus(t, o.call("GET", "limits", nil), http.StatusOK)
	if _, err := o.server.SetFault(Fault{Name: FaultNearLimit, Remaining: 1}); err != nil {
		t.Fatal(err)
	}
	if got := o.call("GET", "limits", nil).header.Get("Sforce-Limit-Info"); got != "api-usage=2/3" {
		t.Errorf("near the limit = %q", got)
	}
}
