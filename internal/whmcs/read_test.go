package whmcs

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReads(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		call   func(c *Client) (any, error)
		want   any
		form   map[string]string
	}{
		"orders as documented": {
			answer: `{"result":"success","totalresults":1,"startnumber":0,"numreturned":1,"orders":{"order":[{"id":1,"ordernum":7858259149,"userid":1,
				"date":"2020-09-23 13:59:35","renewalsByType":{"domains":[]},"orderdata":"}","invoiceid":1,"status":"Active","notes":"Sample Notes!",
				"lineitems":{"lineitem":[{"type":"product","relid":1,"producttype":"Other Product\/Service","product":"SSL","domain":"sampledomain.com","billingcycle":"One-Time","amount":"8.00","status":"Active"}]}}]}}`,
			call: func(c *Client) (any, error) { return c.GetOrders(t.Context(), OrderFilter{UserID: 1}) },
			want: []Order{{ID: 1, OrderNum: "7858259149", UserID: 1, Date: "2020-09-23 13:59:35", Status: "Active", Notes: "Sample Notes!", InvoiceID: 1,
				LineItems: []LineItem{{"product", 1, "SSL", "sampledomain.com", "One-Time", "Active"}}}},
			form: map[string]string{"action": "GetOrders", "userid": "1", "limitstart": "0", "limitnum": "100", "responsetype": "json"},
		},
		"an order by id, as texts": {
			answer: `{"result":"success","totalresults":"1","orders":{"order":{"id":"7","userid":"3","invoiceid":"","status":"Pending","notes":null,"lineitems":""}}}`,
			call:   func(c *Client) (any, error) { return c.GetOrders(t.Context(), OrderFilter{ID: 7}) },
			want:   []Order{{ID: 7, UserID: 3, Status: "Pending"}},
			form:   map[string]string{"id": "7"},
		},
		"no orders": {
			answer: `{"result":"success","totalresults":0,"startnumber":0,"numreturned":0}`,
			call:   func(c *Client) (any, error) { return c.GetOrders(t.Context(), OrderFilter{UserID: 1}) },
			want:   []Order(nil),
		},
		"orders of others are left out, one without an owner is not": {
			answer: `{"result":"success","totalresults":3,"orders":{"order":[{"id":1,"userid":1},{"id":2,"userid":2},{"id":3}]}}`,
			call:   func(c *Client) (any, error) { return c.GetOrders(t.Context(), OrderFilter{UserID: 1}) },
			want:   []Order{{ID: 1, UserID: 1}, {ID: 3}},
		},
		"services as documented": {
			answer: `{"result":"success","clientid":"1","serviceid":null,"totalresults":"2","products":{"product":[
				{"id":"1","qty":"2","clientid":"1","orderid":"1","pid":"5","domain":"a.example","billingcycle":"Monthly","status":"Terminated","overidesuspenduntil":"0000-00-00",
				 "customfields":{"customfield":[{"id":2,"name":"n","translated_name":"t","value":"v"}]},"configoptions":{"configoption":[{"id":"1","option":"o","type":"dropdown","value":3}]}},
				{"id":2,"clientid":1,"orderid":2,"pid":3,"serverip":null,"status":"Active","customfields":{"customfield":[]},"configoptions":""}]}}`,
			call: func(c *Client) (any, error) {
				return c.GetClientsProducts(t.Context(), ServiceFilter{ClientID: 1})
			},
			want: []Service{
				{ID: 1, ClientID: 1, OrderID: 1, PID: 5, Quantity: 2, Domain: "a.example", BillingCycle: "Monthly", Status: "Terminated",
					CustomFields: []CustomFieldValue{{2, "n", "v"}}, ConfigOptions: []ConfigOptionValue{{1, "o", "dropdown", "3"}}},
				{ID: 2, ClientID: 1, OrderID: 2, PID: 3, Quantity: 1, Status: "Active"},
			},
			form: map[string]string{"clientid": "1"},
		},
		"payment methods": {
			answer: `{"result":"success","clientid":"1","paymethods":[{"id":1,"type":"RemoteCreditCard","gateway_name":"stripe","expiry_date":"02\/25"},{"id":"3","type":"BankAccount","gateway_name":""}]}`,
			call:   func(c *Client) (any, error) { return c.GetPayMethods(t.Context(), 1) },
			want:   []PayMethod{{1, "RemoteCreditCard", "stripe", "02/25"}, {3, "BankAccount", "", ""}},
			form:   map[string]string{"clientid": "1"},
		},
		"no payment method": {
			answer: `{"result":"success","clientid":"1","paymethods":""}`,
			call:   func(c *Client) (any, error) { return c.GetPayMethods(t.Context(), 1) },
			want:   []PayMethod{},
		},
		"client": {
			answer: `{"result":"success","id":9,"client":{"id":"1","status":"Closed","currency_code":"EUR","defaultgateway":"mailin"}}`,
			call:   func(c *Client) (any, error) { return c.GetClientsDetails(t.Context(), 1) },
			want:   ClientDetails{1, "Closed", "EUR", "mailin"},
		},
		"client of an old version": {
			answer: `{"result":"success","id":1,"status":"Active"}`,
			call:   func(c *Client) (any, error) { return c.GetClientsDetails(t.Context(), 1) },
			want:   ClientDetails{ID: 1, Status: "Active"},
		},
		"module queue, flattened": {
			answer: `{"result":"success","count":"2","queue[0][id]":"1","queue[0][serviceType]":"service","queue[0][serviceId]":"4","queue[0][moduleName]":"esim","queue[0][moduleAction]":"CreateAccount",
				"queue[0][lastAttempt]":"2016-11-01 09:00:02","queue[0][lastAttemptError]":"no stock\n<br>password=x","queue[0][numRetries]":"2","queue[0][completed]":"0","queue[1][id]":"2","queue[1][serviceId]":"5"}`,
			call: func(c *Client) (any, error) { return c.GetModuleQueue(t.Context(), 4) },
			want: []ModuleQueueEntry{{1, "service", 4, "esim", "CreateAccount", "2016-11-01 09:00:02", "no stock password=[redacted]", 2, false}},
			form: map[string]string{"relatedId": "4", "serviceType": "service"},
		},
		"module queue, nested": {
			answer: `{"result":"success","count":1,"queue":[{"id":1,"serviceType":"service","serviceId":4,"completed":1},{"id":2,"serviceType":"domain","serviceId":4}]}`,
			call:   func(c *Client) (any, error) { return c.GetModuleQueue(t.Context(), 4) },
			want:   []ModuleQueueEntry{{ID: 1, ServiceType: "service", ServiceID: 4, Completed: true}},
		},
		"module queue, empty": {
			answer: `{"result":"success","count":0,"queue":[]}`,
			call:   func(c *Client) (any, error) { return c.GetModuleQueue(t.Context(), 4) },
			want:   []ModuleQueueEntry(nil),
		},
		"version": {
			answer: `{"result":"success","whmcs":{"version":"8.13.1","canonicalversion":"8.13.1-release.1"}}`,
			call:   func(c *Client) (any, error) { return c.WhmcsDetails(t.Context()) },
			want:   Details{"8.13.1"},
		},
		"products": {
			answer: `{"result":"success","totalresults":1,"products":{"product":[{"pid":1,"gid":2,"type":"other","name":"Plan","module":"esim","paytype":"recurring","allowqty":2,
				"pricing":{"USD":{"prefix":"$","msetupfee":"0.00","monthly":"25.99","quarterly":"-1.00","annually":"0.00"}},
				"customfields":{"customfield":[{"id":2,"name":"Line","required":"on"},{"id":3,"name":"x","required":""}]},
				"configoptions":{"configoption":[{"id":4,"name":"Size","type":"1","options":{"option":[{"id":9,"name":"S"}]}}]}},{"pid":7}]}}`,
			call: func(c *Client) (any, error) {
				return c.GetProducts(t.Context(), ProductFilter{PIDs: []int64{1, 3}})
			},
			want: []Product{{PID: 1, GroupID: 2, Type: "other", Name: "Plan", Module: "esim", PayType: "recurring", AllowQuantity: 2,
				BillingCycles: []string{"annually", "monthly"},
				Prices:        []Price{{"USD", "annually", "0.00", ""}, {"USD", "monthly", "25.99", "0.00"}},
				CustomFields:  []ProductCustomField{{2, "Line", true}, {3, "x", false}},
				ConfigOptions: []ProductConfigOption{{4, "Size", "1", []ProductConfigSubOption{{9, "S"}}}}}},
			form: map[string]string{"pid": "1,3"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFake(t, says(tc.answer))
			got, err := tc.call(fake.client(t))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			sent := fake.received()
			for key, value := range tc.form {
				if sent[0].Get(key) != value {
					t.Errorf("sent %s=%q, want %q", key, sent[0].Get(key), value)
				}
			}
			if len(sent) != 1 {
				t.Errorf("%d requests were sent, want 1", len(sent))
			}
		})
	}
}

// What does not hold together must not pass for "there is none".
func TestReadsRejectWhatTheyCannotUnderstand(t *testing.T) {
	for name, tc := range map[string]struct {
		action, answer string
		code           Code
	}{
		"orders without anything":    {actionGetOrders, `{"result":"success"}`, UnclearAnswer},
		"an order without an id":     {actionGetOrders, `{"result":"success","totalresults":1,"orders":{"order":[{"status":"x"}]}}`, UnclearAnswer},
		"notes as a list":            {actionGetOrders, `{"result":"success","totalresults":1,"orders":{"order":[{"id":1,"notes":["x"]}]}}`, UnclearAnswer},
		"lines as a word":            {actionGetOrders, `{"result":"success","totalresults":1,"orders":{"order":[{"id":1,"lineitems":"x"}]}}`, UnclearAnswer},
		"a count but no orders":      {actionGetOrders, `{"result":"success","totalresults":3,"orders":[]}`, Incomplete},
		"the count as a word":        {actionGetOrders, `{"result":"success","totalresults":"many","orders":[]}`, UnclearAnswer},
		"orders as a word":           {actionGetOrders, `{"result":"success","totalresults":1,"orders":"none"}`, UnclearAnswer},
		"a service without an id":    {actionGetClientsProducts, `{"result":"success","totalresults":1,"products":{"product":[{"pid":1}]}}`, UnclearAnswer},
		"services as a word":         {actionGetClientsProducts, `{"result":"success","totalresults":1,"products":"x"}`, UnclearAnswer},
		"a service's fields as text": {actionGetClientsProducts, `{"result":"success","totalresults":1,"products":{"product":[{"id":1,"customfields":"x"}]}}`, UnclearAnswer},
		"a pay method without an id": {actionGetPayMethods, `{"result":"success","paymethods":[{"type":"CreditCard"}]}`, UnclearAnswer},
		"pay methods as a word":      {actionGetPayMethods, `{"result":"success","paymethods":"x"}`, UnclearAnswer},
		"another client":             {actionGetClientsDetails, `{"result":"success","client":{"id":2}}`, UnclearAnswer},
		"no client":                  {actionGetClientsDetails, `{"result":"success"}`, UnclearAnswer},
		"a product without an id":    {actionGetProducts, `{"result":"success","products":{"product":[{"name":"x"}]}}`, UnclearAnswer},
		"queue as a word":            {actionGetModuleQueue, `{"result":"success","queue":"x"}`, UnclearAnswer},
		"version as a list":          {actionWhmcsDetails, `{"result":"success","whmcs":{"version":["x"]}}`, UnclearAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFake(t, says(tc.answer))
			err := callAction(t, fake.client(t), tc.action)
			if ClassOf(err) != Unknown || CodeOf(err) != tc.code {
				t.Errorf("got %v (%s, %s), want Unknown, %s", err, ClassOf(err), CodeOf(err), tc.code)
			}
			if unhealthy(err) {
				t.Error("the breaker would count an answer of WHMCS as an outage")
			}
		})
	}
}

// PHP prints its notices with every answer; nobody reads a log of a thousand.
func TestOddAnswersAreReportedOnce(t *testing.T) {
	fake := newFake(t, says("Notice: x\n"+`{"result":"success","warning":"old <b>feature</b> of jane@example.com","whmcs":{},"paymethods":[]}`))
	var got []string
	c := fake.client(t, func(cfg *Config) { cfg.OnOddAnswer = func(action, text string) { got = append(got, action+": "+text) } })
	for range 2 {
		if _, err := c.WhmcsDetails(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.GetPayMethods(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"WhmcsDetails: there is text before the JSON: turn off display_errors in WHMCS' PHP",
		"WhmcsDetails: it carries a warning: old feature of [mail address]",
		"GetPayMethods: there is text before the JSON: turn off display_errors in WHMCS' PHP",
		"GetPayMethods: it carries a warning: old feature of [mail address]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
}

// shelf is a list of orders that is paged as WHMCS does, and may change between pages.
type shelf struct {
	ids    []int
	clamp  int               // largest page, 0 = what was asked for
	before func(*shelf, int) // runs before page n is cut
	pages  int
	deaf   bool // ignores limitstart
}

func (s *shelf) answer(w http.ResponseWriter, form url.Values) {
	if s.before != nil {
		s.before(s, s.pages)
	}
	s.pages++
	start, _ := strconv.Atoi(form.Get("limitstart"))
	num, _ := strconv.Atoi(form.Get("limitnum"))
	if s.clamp > 0 {
		num = min(num, s.clamp)
	}
	if s.deaf {
		start = 0
	}
	start = min(start, len(s.ids))
	var rows []map[string]int
	for _, id := range s.ids[start:min(start+num, len(s.ids))] {
		rows = append(rows, map[string]int{"id": id, "userid": 1})
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"result": "success", "totalresults": len(s.ids), "orders": map[string]any{"order": rows}})
}

func numbers(from, to int) (ids []int) {
	for i := from; i <= to; i++ {
		ids = append(ids, i)
	}
	return ids
}

func TestGetOrdersReadsAllPages(t *testing.T) {
	descending := numbers(1, 250)
	slices.Reverse(descending)
	for name, tc := range map[string]struct {
		shelf     *shelf
		want      []int
		mostPages int
		fails     bool
	}{
		"one page":           {shelf: &shelf{ids: numbers(1, 100)}, want: numbers(1, 100), mostPages: 1},
		"three pages":        {shelf: &shelf{ids: numbers(1, 250)}, want: numbers(1, 250), mostPages: 3},
		"newest first":       {shelf: &shelf{ids: descending}, want: numbers(1, 250), mostPages: 3},
		"small pages forced": {shelf: &shelf{ids: numbers(1, 60), clamp: 25}, want: numbers(1, 60), mostPages: 3},
		"tiny pages forced":  {shelf: &shelf{ids: numbers(1, 12), clamp: 3}, want: numbers(1, 12), mostPages: 12},
		"an order placed meanwhile, newest first": {
			shelf: &shelf{ids: slices.Clone(descending), before: func(s *shelf, page int) {
				if page == 1 {
					s.ids = append([]int{251}, s.ids...)
				}
			}},
			want: numbers(1, 251), mostPages: 7,
		},
		"an order placed meanwhile, oldest first": {
			shelf: &shelf{ids: numbers(1, 250), before: func(s *shelf, page int) {
				if page == 1 {
					s.ids = append(s.ids, 251)
				}
			}},
			want: numbers(1, 251), mostPages: 3,
		},
		"an order deleted meanwhile hides no other": {
			shelf: &shelf{ids: numbers(1, 250), before: func(s *shelf, page int) {
				if page == 1 {
					s.ids = s.ids[1:]
				}
			}},
			want: numbers(1, 250), mostPages: 3,
		},
		"a WHMCS that does not page": {shelf: &shelf{ids: numbers(1, 250), deaf: true}, mostPages: 6, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			fake := newFake(t, tc.shelf.answer)
			orders, err := fake.client(t).GetOrders(t.Context(), OrderFilter{UserID: 1})
			if tc.fails {
				if CodeOf(err) != Incomplete || !strings.Contains(err.Error(), "counts 250 rows but lists only 100") {
					t.Errorf("got %v, want Incomplete", err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, o := range orders {
				got = append(got, int(o.ID))
			}
			slices.Sort(got)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("orders (-want +got):\n%s", diff)
			}
			if n := len(fake.received()); n > tc.mostPages {
				t.Errorf("%d pages were read, want at most %d", n, tc.mostPages)
			}
		})
	}
}

func TestPagesWithoutACount(t *testing.T) {
	fake := newFake(t, func(w http.ResponseWriter, form url.Values) {
		start, _ := strconv.Atoi(form.Get("limitstart"))
		if start >= 2 {
			_, _ = io.WriteString(w, `{"result":"success","orders":[]}`)
			return
		}
		fmt.Fprintf(w, `{"result":"success","orders":[{"id":%d},{"id":%d}]}`, start+1, start+2)
	})
	orders, err := fake.client(t).GetOrders(t.Context(), OrderFilter{})
	if err != nil || len(orders) != 3 {
		t.Errorf("got %d orders, error %v; want 3", len(orders), err)
	}
}
