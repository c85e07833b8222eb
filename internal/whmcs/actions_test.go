package whmcs

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func anOrder() AddOrderRequest {
	return AddOrderRequest{
		ClientID: 42, PaymentMethod: "mailin", Notes: "sfOrderId=8014x000000ABCDIAZ", NoInvoice: true, NoEmail: true,
		Lines: []OrderLine{
			{PID: 5, BillingCycle: "Monthly", Quantity: 2, Domain: "l1.example.net", ConfigOptions: map[int64]int64{3: 999}},
			{PID: 7, BillingCycle: "One-Time", CustomFields: map[int64]string{9: "O'Brien"}},
		},
	}
}

func TestAddOrderForm(t *testing.T) {
	want := []Field{
		{"clientid", "42"}, {"paymentmethod", "mailin"}, {"noinvoice", "1"}, {"noemail", "1"},
		{"pid[0]", "5"}, {"pid[1]", "7"}, {"qty[0]", "2"}, {"qty[1]", "1"},
		{"billingcycle[0]", "monthly"}, {"billingcycle[1]", "onetime"},
		{"domain[0]", "l1.example.net"},
		{"configoptions[0]", "YToxOntpOjM7aTo5OTk7fQ=="},
		{"customfields[1]", "YToxOntpOjk7czo3OiJPJ0JyaWVuIjt9"},
		{"notes", "sfOrderId=8014x000000ABCDIAZ"}, {"responsetype", "json"}, {"action", "AddOrder"},
	}
	if diff := cmp.Diff(want, anOrder().Form()); diff != "" {
		t.Errorf("Form (-want +got):\n%s", diff)
	}
}

func TestAddOrder(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		want   AddOrderResult
	}{
		"as documented":      {`{"result":"success","orderid":"1","serviceids":"1,2","addonids":"","domainids":"","invoiceid":"7"}`, AddOrderResult{1, 7}},
		"numbers":            {`{"result":"success","orderid":76,"productids":"66","serviceids":"66","invoiceid":70}`, AddOrderResult{76, 70}},
		"a single number":    {`{"result":"success","orderid":76,"serviceids":66}`, AddOrderResult{76, 0}},
		"before 7.8":         {`{"result":"success","orderid":76,"productids":"66/67"}`, AddOrderResult{76, 0}},
		"invoice null":       {`{"result":"success","orderid":76,"serviceids":"66","invoiceid":null}`, AddOrderResult{76, 0}},
		"invoice empty":      {`{"result":"success","orderid":76,"serviceids":"66","invoiceid":""}`, AddOrderResult{76, 0}},
		"invoice odd":        {`{"result":"success","orderid":76,"serviceids":"66","invoiceid":"none"}`, AddOrderResult{76, 0}},
		"no service":         {`{"result":"success","orderid":76,"serviceids":""}`, AddOrderResult{76, 0}},
		"services odd":       {`{"result":"success","orderid":76,"serviceids":"x"}`, AddOrderResult{76, 0}},
		"status for result":  {`{"status":"success","orderid":76,"serviceids":"66"}`, AddOrderResult{76, 0}},
		"a warning too":      {`{"result":"success","warning":"deprecated","orderid":76,"serviceids":"66"}`, AddOrderResult{76, 0}},
		"notices and mark":   {"\ufeff<br />\n<b>Notice</b>: Undefined index {foo} in x.php{}\n{\"result\":\"success\",\"orderid\":\"1\",\"serviceids\":\"1\"}<!-- 3 ms -->", AddOrderResult{1, 0}},
		"escaped as by PHP":  {`{"result":"success","orderid":1,"serviceids":"1","x":"\u0022\/\u00e4"}`, AddOrderResult{1, 0}},
		"services as a list": {`{"result":"success","orderid":1,"serviceids":["1"],"productids":"1"}`, AddOrderResult{1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFake(t, says(tc.answer))
			got, err := fake.client(t).AddOrder(t.Context(), anOrder())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCredentialsAreSentInTheBodyBeforeTheAction(t *testing.T) {
	fake := newFake(t, says(`{"result":"success","orderid":1,"serviceids":"1"}`))
	if _, err := fake.client(t).AddOrder(t.Context(), anOrder()); err != nil {
		t.Fatal(err)
	}
	fields := append(anOrder().payload(), Field{"identifier", testIdentifier}, Field{"secret", testSecret},
		Field{"accesskey", testAccessKey}, Field{"responsetype", "json"}, Field{"action", "AddOrder"})
	if diff := cmp.Diff([]string{EncodeForm(fields)}, fake.bodies); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestAcceptOrder(t *testing.T) {
	fake := newFake(t, says(`{"result":"success"}`))
	if err := fake.client(t).AcceptOrder(t.Context(), AcceptOrderRequest{OrderID: 9, AutoSetup: true, NotAfter: time.Now().Add(time.Minute)}); err != nil {
		t.Fatal(err)
	}
	form := fake.received()[0]
	got := map[string]string{"orderid": form.Get("orderid"), "autosetup": form.Get("autosetup"), "action": form.Get("action")}
	if diff := cmp.Diff(map[string]string{"orderid": "9", "autosetup": "1", "action": "AcceptOrder"}, got); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
	if form.Has("sendemail") {
		t.Error("sendemail was sent although it is false")
	}
}

func TestInvalidRequestsAreNotSent(t *testing.T) {
	fake := newFake(t, func(http.ResponseWriter, url.Values) {})
	c := fake.client(t)
	change := func(f func(*AddOrderRequest)) func() error {
		return func() error {
			r := anOrder()
			f(&r)
			_, err := c.AddOrder(t.Context(), r)
			return err
		}
	}
	for name, call := range map[string]func() error{
		"no client":         change(func(r *AddOrderRequest) { r.ClientID = 0 }),
		"no payment method": change(func(r *AddOrderRequest) { r.PaymentMethod = "" }),
		"no lines":          change(func(r *AddOrderRequest) { r.Lines = nil }),
		"no product":        change(func(r *AddOrderRequest) { r.Lines[1].PID = 0 }),
		"negative quantity": change(func(r *AddOrderRequest) { r.Lines[0].Quantity = -1 }),
		"unknown cycle":     change(func(r *AddOrderRequest) { r.Lines[0].BillingCycle = "fortnightly" }),
		"text not UTF-8":    change(func(r *AddOrderRequest) { r.Notes = "\xff" }),
		"zero in text":      change(func(r *AddOrderRequest) { r.PromoCode = "a\x00b" }),
		"field not UTF-8":   change(func(r *AddOrderRequest) { r.Lines[1].CustomFields[9] = "\xc3" }),
		"too many lines": change(func(r *AddOrderRequest) {
			for range 200 {
				r.Lines = append(r.Lines, anOrder().Lines...)
			}
		}),
		"no order":   func() error { return c.AcceptOrder(t.Context(), AcceptOrderRequest{}) },
		"pay client": func() error { _, err := c.GetPayMethods(t.Context(), 0); return err },
		"client":     func() error { _, err := c.GetClientsDetails(t.Context(), -1); return err },
	} {
		t.Run(name, func(t *testing.T) {
			err := call()
			if ClassOf(err) != Refused || CodeOf(err) != InvalidRequest {
				t.Errorf("got %v (%s, %s), want Refused, InvalidRequest", err, ClassOf(err), CodeOf(err))
			}
		})
	}
	if n := len(fake.received()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

// Hooks and modules print into answers, often what some other system said. None of that may pass for WHMCS' own word.
func TestAnswersAmongOtherOutput(t *testing.T) {
	const made = `{"result":"success","orderid":"7"}`
	for name, tc := range map[string]struct {
		body  string
		class Class
	}{
		"alone":                        {made, ""},
		"after a hook's error":         {`{"status":"error","message":"CRM says no"}` + made, ""},
		"before a hook's error":        {made + `{"status":"error","message":"CRM says no"}`, ""},
		"after a hook's success":       {`{"status":"success"}{"result":"error","message":"Client ID Not Found"}`, Refused},
		"beside another answer":        {`{"result":"error","message":"Client ID Not Found"}` + made, Unknown},
		"beside another success":       {`{"result":"success"}` + made, Unknown},
		"two that are not WHMCS' form": {`{"status":"error","message":"no"}{"status":"success","orderid":"7"}`, Unknown},
		"cut after a hook's error":     {`{"status":"error","message":"CRM says no"}{"result":"succ`, Unknown},
		"inside something else":        {`{"debug":{"result":"error","message":"Client ID Not Found"}}`, Unknown},
		"beside something else":        {`{"debug":{"result":"error","message":"Client ID Not Found"}}` + made, ""},
	} {
		t.Run(name, func(t *testing.T) {
			result, err := newFake(t, says(tc.body)).client(t).AddOrder(t.Context(), anOrder())
			if ClassOf(err) != tc.class || err == nil && result.OrderID != 7 {
				t.Errorf("got %+v, %v, want class %q", result, err, tc.class)
			}
		})
	}
}
