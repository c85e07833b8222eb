package whmcs

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func serialized(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestAddOrderWorkedOrder(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	got := r.ok("addorder", "clientid", "1", "paymentmethod", "mailin", "noinvoice", "1", "noemail", "1",
		"notes", "sfOrderId=8014x000000ABCDIAZ",
		"pid[0]", "188", "billingcycle[0]", "monthly", "qty[0]", "1", "domain[0]", "Sf-1.example.net",
		"pid[1]", "242", "billingcycle[1]", "onetime", "qty[1]", "1",
		"pid[2]", "245", "billingcycle[2]", "onetime", "qty[2]", "1",
		"pid[3]", "246", "billingcycle[3]", "monthly", "qty[3]", "2",
		"pid[4]", "247", "billingcycle[4]", "onetime", "qty[4]", "1",
	)
	want := object{"result": "success", "orderid": "1", "productids": "1,2,3,4,5", "serviceids": "1,2,3,4,5", "addonids": "",
		"domainids": "", "invoiceid": float64(0)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	orders, services := r.Orders(), r.Services()
	if len(orders) != 1 || orders[0].Notes != "sfOrderId=8014x000000ABCDIAZ" || orders[0].Status != StatusPending ||
		orders[0].InvoiceID != 0 || orders[0].ConfirmationSent {
		t.Errorf("orders: %+v", orders)
	}
	type row struct {
		PID, Qty int64
		Cycle    string
	}
	var rows []row
	for _, sv := range services {
		rows = append(rows, row{sv.PID, sv.Qty, sv.BillingCycle})
	}
	wantRows := []row{{188, 1, "monthly"}, {242, 1, "onetime"}, {245, 1, "onetime"}, {246, 2, "monthly"}, {247, 1, "onetime"}}
	if diff := cmp.Diff(wantRows, rows); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
	if services[0].Domain != "Sf-1.example.net" || services[3].Recurring != 90000 {
		t.Errorf("first service %+v, fourth %+v", services[0], services[3])
	}
}

func TestAddOrderErrors(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	r.client(Client{Status: StatusClosed})
	head := []string{"clientid", "1", "paymentmethod", "mailin"}
	tests := map[string]struct {
		pairs []string
		want  string
	}{
		"unknown client": {[]string{"clientid", "99", "paymentmethod", "mailin"}, "Client ID Not Found"},
		"no client":      {[]string{"paymentmethod", "mailin"}, "Client ID Not Found"},
		"closed client":  {[]string{"clientid", "2", "paymentmethod", "mailin"}, "Unable to add order when client status is Closed"},
		"no payment method": {[]string{"clientid", "1", "pid[]", "181"},
			"Invalid Payment Method. Valid options include banktransfer, mailin, stripe"},
		"nothing":             {head, "No items added to cart so order cannot proceed"},
		"only a bad pid":      {append(head, "pid[]", "9999"), "No items added to cart so order cannot proceed"},
		"scalar beside array": {append(head, "pid[0]", "181", "billingcycle", "monthly"), "Expecting parameter 'billingcycle' to be an array"},
		"array beside scalar": {append(head, "pid", "181", "qty[0]", "1"), "Expecting parameter 'pid' to be an array"},
		"addon":               {append(head, "addonid", "4"), "Addon ID invalid"},
		"foreign service":     {append(head, "serviceid", "4"), "Service ID not owned by Client ID provided"},
		"renewal":             {append(head, "servicerenewals[0]", "4"), "Service ID 4 can not be renewed at this time."},
		"renewal as scalar":   {append(head, "servicerenewals", "4"), "Expecting parameter 'servicerenewals' to be an array"},
	}
	for name, tc := range tests {
		t.Run(name, func(*testing.T) { r.refused(tc.want, "AddOrder", tc.pairs...) })
	}
	if n := len(r.Orders()); n != 0 {
		t.Errorf("%d orders were made by refused calls", n)
	}
}

func TestAddOrderLines(t *testing.T) {
	head := []string{"clientid", "1", "paymentmethod", "mailin"}
	eid := serialized(`a:2:{i:301;s:5:"89049";s:3:"999";s:1:"x";}`)
	options := serialized(`a:3:{i:11;i:102;i:12;i:3;i:13;i:1;}`)
	tests := map[string]struct {
		faults  []Fault
		version string
		pairs   []string
		want    func(*testing.T, []Service)
	}{
		"bad pid among good ones is dropped": {pairs: []string{"pid[0]", "9999", "pid[1]", "181"},
			want: services(181)},
		"arrival order counts, not the index": {pairs: []string{"pid[2]", "181", "pid[10]", "182", "pid[1]", "183"},
			want: services(181, 182, 183)},
		"parallel values by key, not by position": {pairs: []string{"pid[a]", "181", "pid[b]", "182", "domain[b]", "B"},
			want: func(t *testing.T, sv []Service) { equal(t, sv[0].Domain+"|"+sv[1].Domain, "|B") }},
		"scalar form of one product": {pairs: []string{"pid", "181", "billingcycle", "annually"},
			want: func(t *testing.T, sv []Service) { equal(t, sv[0].BillingCycle, "annually") }},
		"repeated scalar keeps the last": {pairs: []string{"pid", "181", "pid", "182"}, want: services(182)},
		"cycle not offered falls back": {pairs: []string{"pid[]", "181", "billingcycle[]", "quarterly"},
			want: func(t *testing.T, sv []Service) { equal(t, sv[0].BillingCycle, "monthly") }},
		"one-time product ignores the cycle": {pairs: []string{"pid[]", "242", "billingcycle[]", "monthly"},
			want: func(t *testing.T, sv []Service) { equal(t, sv[0].BillingCycle, "onetime") }},
		"hostname becomes the domain": {pairs: []string{"pid[]", "181", "hostname[]", "h1"},
			want: func(t *testing.T, sv []Service) { equal(t, sv[0].Domain, "h1") }},
		"quantity on one service": {pairs: []string{"pid[]", "201", "qty[]", "3"},
			want: func(t *testing.T, sv []Service) { equal(t, len(sv), 1); equal(t, sv[0].Qty, int64(3)) }},
		"quantity as services": {faults: []Fault{{Kind: QtyServices}}, pairs: []string{"pid[]", "201", "qty[]", "3"},
			want: services(201, 201, 201)},
		"quantity ignored": {faults: []Fault{{Kind: QtyIgnored}}, pairs: []string{"pid[]", "201", "qty[]", "3"},
			want: func(t *testing.T, sv []Service) { equal(t, sv[0].Qty, int64(1)) }},
		"quantity before 8.12": {version: "8.11.2", pairs: []string{"pid[]", "201", "qty[]", "3"},
			want: func(t *testing.T, sv []Service) { equal(t, sv[0].Qty, int64(1)) }},
		"custom fields": {pairs: []string{"pid[]", "201", "customfields[]", eid},
			want: func(t *testing.T, sv []Service) {
				if diff := cmp.Diff(map[int64]string{301: "89049"}, sv[0].CustomFields); diff != "" {
					t.Error(diff)
				}
			}},
		"broken custom fields vanish": {pairs: []string{"pid[]", "201", "customfields[]", "bm90aGluZw=="},
			want: func(t *testing.T, sv []Service) { equal(t, len(sv[0].CustomFields), 0) }},
		"admin-only field ignored": {faults: []Fault{{Kind: AdminFieldIgnored}},
			pairs: []string{"pid[]", "201", "customfields[]", serialized(`a:1:{i:310;s:1:"k";}`)},
			want:  func(t *testing.T, sv []Service) { equal(t, len(sv[0].CustomFields), 0) }},
		"options": {pairs: []string{"pid[]", "220", "configoptions[]", options},
			want: func(t *testing.T, sv []Service) {
				want := map[int64]Selected{11: {Choice: 102}, 12: {Choice: 121, Qty: 3}, 13: {Choice: 131, Qty: 1}}
				if diff := cmp.Diff(want, sv[0].ConfigOptions); diff != "" {
					t.Error(diff)
				}
				equal(t, sv[0].Recurring, Money(250000+10000+3*20000+30000))
			}},
		"option defaults and unknown choice": {pairs: []string{"pid[]", "220", "configoptions[]", serialized(`a:1:{i:11;i:777;}`)},
			want: func(t *testing.T, sv []Service) {
				equal(t, sv[0].ConfigOptions[11], Selected{Choice: 101})
				equal(t, sv[0].ConfigOptions[12], Selected{Choice: 121})
			}},
		"option quantity ignored": {faults: []Fault{{Kind: OptionQtyIgnored}}, pairs: []string{"pid[]", "220", "configoptions[]", options},
			want: func(t *testing.T, sv []Service) { equal(t, sv[0].ConfigOptions[12].Qty, int64(0)) }},
		"price override": {pairs: []string{"pid[]", "181", "priceoverride[]", "12.5"},
			want: func(t *testing.T, sv []Service) { equal(t, sv[0].FirstPayment, Money(1250)) }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{Version: tc.version})
			r.client(Client{})
			for _, f := range tc.faults {
				r.fault(f)
			}
			r.ok("AddOrder", append(append([]string{}, head...), tc.pairs...)...)
			tc.want(t, r.Services())
		})
	}
}

func services(pids ...int64) func(*testing.T, []Service) {
	return func(t *testing.T, sv []Service) {
		t.Helper()
		var got []int64
		for _, s := range sv {
			got = append(got, s.PID)
		}
		if diff := cmp.Diff(pids, got); diff != "" {
			t.Errorf("pids (-want +got):\n%s", diff)
		}
	}
}

func equal[T comparable](t *testing.T, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAddOrderSwitches(t *testing.T) {
	head := []string{"clientid", "1", "paymentmethod", "mailin", "notes", "N", "pid[0]", "181", "pid[1]", "242", "domain[0]", "Dom"}
	tests := map[string]struct {
		fault Fault
		pairs []string
		want  func(*testing.T, *rig, object)
	}{
		"notes ignored": {fault: Fault{Kind: NotesIgnored}, want: func(t *testing.T, r *rig, _ object) { equal(t, r.Orders()[0].Notes, "") }},
		"domain ignored": {fault: Fault{Kind: DomainIgnored},
			want: func(t *testing.T, r *rig, _ object) { equal(t, r.Services()[0].Domain, "") }},
		"domain lowered": {fault: Fault{Kind: DomainLowered},
			want: func(t *testing.T, r *rig, _ object) { equal(t, r.Services()[0].Domain, "dom") }},
		"no productids": {fault: Fault{Kind: NoProductIDs},
			want: func(t *testing.T, _ *rig, a object) { equal(t, a["productids"], nil); equal(t, a["serviceids"], "1,2") }},
		"only productids": {fault: Fault{Kind: OnlyProductIDs},
			want: func(t *testing.T, _ *rig, a object) { equal(t, a["serviceids"], nil); equal(t, a["productids"], "1,2") }},
		"invoice": {fault: Fault{Kind: Warning, Text: "careful"}, want: func(t *testing.T, r *rig, a object) {
			equal(t, a["invoiceid"], "1")
			equal(t, a["warning"], "careful")
			equal(t, r.Invoices()[0].Total, Money(480000+2280000))
		}},
		"no invoice, null": {fault: Fault{Kind: InvoiceIDShape, Text: "null"}, pairs: []string{"noinvoice", "1"},
			want: func(t *testing.T, _ *rig, a object) {
				if v, ok := a["invoiceid"]; v != nil || !ok {
					t.Errorf("invoiceid = %v, %t", v, ok)
				}
			}},
		"no invoice, empty": {fault: Fault{Kind: InvoiceIDShape, Text: "empty"}, pairs: []string{"noinvoice", "1"},
			want: func(t *testing.T, _ *rig, a object) { equal(t, a["invoiceid"], "") }},
		"no invoice, missing": {fault: Fault{Kind: InvoiceIDShape, Text: "missing"}, pairs: []string{"noinvoice", "1"},
			want: func(t *testing.T, _ *rig, a object) {
				if v, ok := a["invoiceid"]; ok {
					t.Errorf("invoiceid = %v", v)
				}
			}},
		"the text false is true": {fault: Fault{Kind: NoProductIDs}, pairs: []string{"noinvoice", "false"},
			want: func(t *testing.T, r *rig, _ object) { equal(t, len(r.Invoices()), 0) }},
		"shuffled": {fault: Fault{Kind: ServiceIDsMixed}, pairs: []string{"pid[2]", "245", "pid[3]", "246", "pid[4]", "247"},
			want: func(t *testing.T, _ *rig, a object) {
				if a["serviceids"] == "1,2,3,4,5" || len(strings.Split(a["serviceids"].(string), ",")) != 5 {
					t.Errorf("serviceids = %v", a["serviceids"])
				}
			}},
		"ids as numbers": {fault: Fault{Kind: IDsAsInts},
			want: func(t *testing.T, _ *rig, a object) { equal(t, a["orderid"], any(float64(1))) }},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{Seed: 1})
			r.client(Client{})
			r.fault(tc.fault)
			tc.want(t, r, r.ok("AddOrder", append(append([]string{}, head...), tc.pairs...)...))
		})
	}
	t.Run("refusals", func(t *testing.T) {
		r := newRig(t, Options{})
		r.client(Client{})
		r.fault(Fault{Kind: BadPIDRefused})
		r.fault(Fault{Kind: CycleRefused})
		r.fault(Fault{Kind: StrictArrays})
		base := []string{"clientid", "1", "paymentmethod", "mailin"}
		r.refused("No items added to cart so order cannot proceed", "AddOrder", append(base, "pid[]", "181", "pid[]", "9999")...)
		r.refused("Invalid Billing Cycle Requested", "AddOrder", append(base, "pid[]", "181", "billingcycle[]", "quarterly")...)
		r.refused("Expecting parameter 'pid' to be an array", "AddOrder", append(base, "pid", "181")...)
	})
}

func TestAddOrderManyLines(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	pairs := []string{"clientid", "1", "paymentmethod", "mailin"}
	for range 1100 {
		pairs = append(pairs, "pid[]", "181")
	}
	r.ok("AddOrder", pairs...)
	if n, w := len(r.Services()), r.Counters().Warnings; n != 1000-6 || len(w) != 1 {
		t.Errorf("%d services with warnings %q: PHP keeps 1000 variables", n, w)
	}
}
