package whmcs

import (
	"encoding/json"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGetOrdersRow(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{FirstName: "Hana", LastName: "Ōno"})
	r.order("1", "188", "242")
	got := r.ok("GetOrders", "userid", "1")
	row := dig(t, got, "orders", "order", 0).(object)
	delete(row, "ordernum")
	want := object{
		"id": 1.0, "userid": 1.0, "contactid": 0.0, "requestor_id": 1.0, "admin_requestor_id": 1.0, "date": "2026-03-02 09:30:00",
		"nameservers": "", "transfersecret": "", "renewals": "",
		"renewalsByType": object{"domains": []any{}, "services": []any{}, "addons": []any{}}, "promocode": "", "promotype": "",
		"promovalue": "", "orderdata": "[]", "amount": "29600.00", "paymentmethod": "mailin", "invoiceid": 0.0, "status": "Pending",
		"ipaddress": "127.0.0.1", "fraudmodule": "", "fraudoutput": "", "notes": "sfOrderId=8014x000000ABCDIAZ",
		"paymentmethodname": "Mail In Payment", "paymentstatus": "", "name": "Hana Ōno", "currencyprefix": "¥", "currencysuffix": " JPY",
		"frauddata": "", "validationdata": "",
		"lineitems": object{"lineitem": []any{
			object{"type": "product", "relid": 1.0, "producttype": "Other Product/Service", "product": "Internet - Home Internet 10G",
				"domain": "", "billingcycle": "Monthly", "amount": "6800.00", "status": "Pending"},
			object{"type": "product", "relid": 2.0, "producttype": "Other Product/Service", "product": "Internet - Installation",
				"domain": "", "billingcycle": "One-Time", "amount": "22800.00", "status": "Pending"},
		}},
	}
	if diff := cmp.Diff(want, row); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

func TestGetOrdersFilterAndPages(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	r.client(Client{})
	for range 30 {
		r.order("1", "181")
	}
	other := r.order("2", "181")
	ids := func(pairs ...string) []int {
		got := r.ok("GetOrders", pairs...)
		var out []int
		for i := range int(got["numreturned"].(float64)) {
			out = append(out, int(dig(t, got, "orders", "order", i, "id").(float64)))
		}
		return out
	}
	tests := map[string]struct {
		pairs       []string
		n           int
		first, last int
	}{
		"default page":   {nil, 25, 1, 25},
		"second page":    {[]string{"limitstart", "25"}, 6, 26, 31},
		"page size":      {[]string{"userid", "1", "limitnum", "10", "limitstart", "20"}, 10, 21, 30},
		"past the end":   {[]string{"limitstart", "99"}, 0, 0, 0},
		"by id":          {[]string{"id", other}, 1, 31, 31},
		"id and user":    {[]string{"id", "1", "userid", "2"}, 0, 0, 0},
		"by requestor":   {[]string{"requestor_id", "2"}, 1, 31, 31},
		"status":         {[]string{"status", "active"}, 0, 0, 0},
		"status pending": {[]string{"status", "pending", "userid", "2"}, 1, 31, 31},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := ids(tc.pairs...)
			if len(got) != tc.n || tc.n > 0 && (got[0] != tc.first || got[tc.n-1] != tc.last) {
				t.Errorf("got %v", got)
			}
		})
	}
	t.Run("newest first", func(t *testing.T) {
		f := r.fault(Fault{Kind: SortDescending})
		defer r.RemoveFault(f.ID)
		if got := ids("limitnum", "3"); !slices.Equal(got, []int{31, 30, 29}) {
			t.Errorf("got %v", got)
		}
	})
	t.Run("orders appear while paging", func(t *testing.T) {
		r.fault(Fault{Kind: PagingInserts, Count: 2})
		first := r.ok("GetOrders", "userid", "1")
		second := r.ok("GetOrders", "userid", "1", "limitstart", "25")
		equal(t, first["totalresults"], any(31.0))
		equal(t, second["totalresults"], any(32.0))
	})
	t.Run("statuses", func(t *testing.T) {
		if err := r.SetOrderStatus(1, "In Review"); err != nil {
			t.Fatal(err)
		}
		got := r.ok("GetOrderStatuses")
		equal(t, dig(t, got, "statuses", "status", 0, "title"), any("Pending"))
		equal(t, dig(t, got, "statuses", "status", 0, "count"), any(32.0))
		equal(t, dig(t, got, "statuses", "status", 4, "title"), any("In Review"))
	})
}

func TestListShapes(t *testing.T) {
	tests := map[string]struct {
		fault Fault
		want  string
	}{
		"as documented": {Fault{Kind: HTMLType}, `"orders":{"order":[]}}`},
		"wrapped":       {Fault{Kind: EmptyList, Text: "wrapped"}, `"orders":{"order":[]}}`},
		"array":         {Fault{Kind: EmptyList, Text: "array"}, `"orders":[]}`},
		"object":        {Fault{Kind: EmptyList, Text: "object"}, `"orders":{}}`},
		"string":        {Fault{Kind: EmptyList, Text: "string"}, `"orders":""}`},
		"null":          {Fault{Kind: EmptyList, Text: "null"}, `"orders":null}`},
		"missing":       {Fault{Kind: EmptyList, Text: "missing"}, `"numreturned":0}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			r.client(Client{})
			r.fault(tc.fault)
			if _, body, err := r.post("GetOrders", "userid", "1"); err != nil || !strings.HasSuffix(body, tc.want) {
				t.Errorf("%v %s", err, body)
			}
		})
	}
	t.Run("single object", func(t *testing.T) {
		r := newRig(t, Options{})
		r.client(Client{})
		r.order("1", "181")
		r.fault(Fault{Kind: SingleObject})
		equal(t, dig(t, r.ok("GetOrders"), "orders", "order", "lineitems", "lineitem", "relid"), any(1.0))
	})
	t.Run("ids", func(t *testing.T) {
		r := newRig(t, Options{})
		r.client(Client{})
		r.order("1", "181")
		r.fault(Fault{Kind: IDsAsStrings, Count: 1})
		equal(t, dig(t, r.ok("GetOrders"), "orders", "order", 0, "lineitems", "lineitem", 0, "relid"), any("1"))
		r.fault(Fault{Kind: IDsAsInts, Count: 1})
		// The types of a live answer, as the Go client whmcsgo has them.
		var live struct {
			TotalResults int
			Products     struct {
				Product []struct {
					ID, OrderID, PID, Qty, OverideAutoSuspend, DiskUsage, DiskLimit, BWUsage, BWLimit int
				}
			}
		}
		_, body, _ := r.post("GetClientsProducts")
		if err := json.Unmarshal([]byte(body), &live); err != nil || live.TotalResults != 1 || live.Products.Product[0].OrderID != 1 || live.Products.Product[0].Qty != 1 {
			t.Errorf("%v: %s", err, body)
		}
	})
}

func TestGetClientsProducts(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	r.client(Client{})
	r.ok("AddOrder", "clientid", "1", "paymentmethod", "mailin", "pid[0]", "220", "pid[1]", "221", "domain[0]", "Sf-Key.l1", "qty[0]", "2",
		"configoptions[0]", serialized(`a:2:{i:11;i:102;i:12;i:4;}`))
	r.order("2", "181")
	got := r.ok("GetClientsProducts", "clientid", "1")
	equal(t, got["clientid"], any("1"))
	equal(t, got["domain"], nil)
	equal(t, got["totalresults"], any("2"))
	row := dig(t, got, "products", "product", 0).(object)
	for k, want := range map[string]any{"id": "1", "qty": "2", "orderid": "1", "pid": "220", "domain": "Sf-Key.l1",
		"billingcycle": "Monthly", "status": "Pending", "regdate": "2026-03-02", "nextduedate": "2026-04-02",
		"lastupdate": "0000-00-00 00:00:00", "overidesuspenduntil": "0000-00-00", "serverip": nil, "clientid": "1"} {
		equal(t, row[k], want)
	}
	equal(t, dig(t, row, "configoptions", "configoption", 0, "value"), any("UK - London"))
	equal(t, dig(t, row, "configoptions", "configoption", 1, "value"), any(4.0))
	equal(t, dig(t, row, "configoptions", "configoption", 2, "type"), any("yesno"))
	second := dig(t, got, "products", "product", 1)
	equal(t, dig(t, second, "billingcycle"), any("One Time"))
	equal(t, dig(t, second, "nextduedate"), any("0000-00-00"))

	count := func(pairs ...string) any { return r.ok("GetClientsProducts", pairs...)["totalresults"] }
	equal(t, count(), any("3"))
	equal(t, count("serviceid", "2"), any("1"))
	equal(t, count("serviceid", "2", "clientid", "2"), any("0"))
	equal(t, count("serviceid", "99"), any("0"))
	equal(t, count("pid", "181"), any("1"))
	equal(t, count("domain", "sf-key.L1"), any("1"))
	equal(t, count("domain", "sf-key"), any("0"))
	r.fault(Fault{Kind: DomainPartial, Count: 1})
	equal(t, count("domain", "sf-key"), any("1"))
	equal(t, count("username2", "nobody"), any("0"))
}

func TestUpdateClientProduct(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	r.order("1", "220", "201")
	r.refused("Service ID Not Found", "UpdateClientProduct", "serviceid", "9")
	r.ok("UpdateClientProduct", "serviceid", "1", "domain", "d", "status", "Active", "notes", "n", "recurringamount", "9.99",
		"billingcycle", "One-Time", "nextduedate", "2027-01-02", "configoptions", serialized(`a:1:{i:12;a:2:{s:8:"optionid";i:121;s:3:"qty";i:7;}}`))
	r.ok("UpdateClientProduct", "serviceid", "2", "customfields", serialized(`a:1:{s:3:"301";s:3:"eid";}`))
	sv := r.Services()
	if sv[0].Domain != "d" || sv[0].Status != StatusActive || sv[0].Recurring != 999 || sv[0].BillingCycle != "onetime" ||
		sv[0].ConfigOptions[12].Qty != 7 || sv[0].NextDue.Year() != 2027 || sv[0].Deployments != 0 {
		t.Errorf("%+v", sv[0])
	}
	equal(t, sv[1].CustomFields[301], "eid")
}

func TestClients(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{FirstName: "Ann", Email: "ann@example.com", CustomFields: map[int64]string{198: "C-1"},
		PayMethods: []PayMethod{{}, {Type: "BankAccount", BankName: "B"}}})
	r.client(Client{FirstName: "Bob", Email: "bob@example.com", Status: StatusInactive})

	r.refused("Client ID Is Required", "GetPayMethods")
	r.refused("Client Not Found", "GetPayMethods", "clientid", "9")
	r.refused("Invalid Pay Method Type. Should be 'BankAccount' or 'CreditCard'", "GetPayMethods", "clientid", "1", "type", "x")
	methods := r.ok("GetPayMethods", "clientid", "1")["paymethods"].([]any)
	equal(t, len(methods), 2)
	equal(t, dig(t, methods, 0, "card_last_four"), any("4242"))
	equal(t, dig(t, methods, 1, "bank_name"), any("B"))
	equal(t, len(r.ok("GetPayMethods", "clientid", "1", "type", "BankAccount")["paymethods"].([]any)), 1)
	equal(t, len(r.ok("GetPayMethods", "clientid", "1", "paymethodid", "2")["paymethods"].([]any)), 1)
	r.fault(Fault{Kind: NoPayMethods, Count: 1})
	equal(t, len(r.ok("GetPayMethods", "clientid", "1")["paymethods"].([]any)), 0)
	if err := r.RemovePayMethods(1); err != nil {
		t.Fatal(err)
	}
	equal(t, len(r.ok("GetPayMethods", "clientid", "1")["paymethods"].([]any)), 0)

	equal(t, dig(t, r.ok("GetPaymentMethods"), "paymentmethods", "paymentmethod", 1, "module"), any("mailin"))

	r.refused("Either clientid Or email Is Required", "GetClientsDetails")
	r.refused("Client Not Found", "GetClientsDetails", "email", "x@example.com")
	d := r.ok("GetClientsDetails", "email", "ANN@example.com", "stats", "1")
	equal(t, dig(t, d, "client", "customfields", 0, "value"), any("C-1"))
	equal(t, dig(t, d, "customfields1"), any("C-1"))
	equal(t, dig(t, d, "client", "status"), any("Active"))
	equal(t, dig(t, d, "stats", "productsnumtotal"), any(0.0))

	equal(t, r.ok("GetClients")["totalresults"], any(2.0))
	equal(t, r.ok("GetClients", "search", "bo")["totalresults"], any(1.0))
	equal(t, r.ok("GetClients", "status", "Inactive")["totalresults"], any(1.0))
	equal(t, dig(t, r.ok("GetClients", "orderby", "firstname", "sorting", "DESC"), "clients", "client", 0, "firstname"), any("Bob"))

	id := r.ok("AddClient", "firstname", "Cy", "email", "cy@example.com", "customfields", serialized(`a:1:{i:198;s:3:"C-3";}`))["clientid"]
	equal(t, id, any(3.0))
	r.refused("A user already exists with that email address", "AddClient", "email", "CY@example.com")
	r.refused("You did not enter your email address", "AddClient")

	r.refused("Client ID not found", "AddClientNote", "userid", "9", "notes", "x")
	r.refused("Notes can not be empty", "AddClientNote", "userid", "1")
	equal(t, r.ok("AddClientNote", "userid", "1", "notes", "x", "sticky", "1")["noteid"], any(1.0))
	equal(t, r.Notes()[0], Note{ID: 1, ClientID: 1, Text: "x", Sticky: true})
	if _, err := r.AddClient(Client{ID: 1}); err == nil {
		t.Error("a client number was given twice")
	}
	if err := r.UpdateClient(9, func(*Client) {}); err == nil {
		t.Error("an unknown client was changed")
	}
}

func TestGetProducts(t *testing.T) {
	r := newRig(t, Options{})
	all := r.ok("GetProducts")
	equal(t, all["totalresults"], any(float64(len(DefaultCatalogue()))))
	vpn := dig(t, r.ok("GetProducts", "pid", "220"), "products", "product", 0)
	equal(t, dig(t, vpn, "paytype"), any("recurring"))
	equal(t, dig(t, vpn, "pricing", "JPY", "quarterly"), any("-1.00"))
	equal(t, dig(t, vpn, "pricing", "JPY", "monthly"), any("2500.00"))
	equal(t, dig(t, vpn, "configoptions", "configoption", 0, "options", "option", 1, "name"), any("UK - London"))
	equal(t, len(dig(t, vpn, "customfields", "customfield").([]any)), 0) // the key field is for administrators only
	equal(t, r.ok("GetProducts", "pid", "181,242,999")["totalresults"], any(2.0))
	equal(t, r.ok("GetProducts", "gid", "2")["totalresults"], any(3.0))
	equal(t, r.ok("GetProducts", "module", "sandboxvpn")["totalresults"], any(1.0))
	if err := r.PutProduct(Product{PID: 900, Name: "Free", PayType: PayFree, Hidden: true}); err != nil {
		t.Fatal(err)
	}
	equal(t, r.ok("GetProducts")["totalresults"], all["totalresults"])
	equal(t, dig(t, r.ok("GetProducts", "pid", "900"), "products", "product", 0, "pricing", "JPY", "monthly"), any("0.00"))
	r.RemoveProduct(900)
	equal(t, r.ok("GetProducts", "pid", "900")["totalresults"], any(0.0))
}

func TestSendEmail(t *testing.T) {
	r := newRig(t, Options{})
	custom := []string{"customtype", "general", "customsubject", "S", "custommessage", "M"}
	r.refused("You must provide either an existing email template name or a custom message type", "SendEmail")
	r.refused("Invalid message type provided", "SendEmail", "customtype", "odd")
	r.refused("A subject is required for a custom message", "SendEmail", custom[:2]...)
	r.refused("A message body is required for a custom message", "SendEmail", custom[:4]...)
	r.refused("The custom variables you provided are invalid.", "SendEmail", append(custom, "customvars", "x", "id", "1")...)
	r.refused("A related ID is required", "SendEmail", custom...)
	r.refused("Email Template not found", "SendEmail", "messagename", "None", "id", "1")
	r.refused("Email Template is disabled", "SendEmail", "messagename", "Disabled Template", "id", "1")
	r.ok("SendEmail", append(custom, "id", "1", "customvars", serialized(`a:1:{s:1:"a";s:1:"b";}`))...)
	r.ok("SendEmail", "messagename", "Service Welcome", "id", "4")
	equal(t, r.Emails()[1], Email{Template: "Service Welcome", RelID: 4})
}

func TestActivityAndRest(t *testing.T) {
	r := newRig(t, Options{Version: "8.11.0"})
	r.client(Client{})
	r.refused("Required fields for logging activity were not provided.", "LogActivity")
	r.ok("LogActivity", "description", "sfOrderId=1 placed", "clientid", "1")
	r.ok("LogActivity", "description", "something else")
	got := r.ok("GetActivityLog", "description", "SFORDERID", "clientid", "1", "date", "2026-03-02")
	equal(t, got["totalresults"], any(1.0))
	equal(t, dig(t, got, "activity", "entry", 0, "description"), any("sfOrderId=1 placed"))
	equal(t, r.ok("GetActivityLog", "date", "2020-01-01")["totalresults"], any(0.0))
	r.ok("TriggerNotificationEvent", "notification_identifier", "a", "title", "t", "message", "m")
	r.refused("A required parameter is missing: title", "TriggerNotificationEvent", "notification_identifier", "a")
	equal(t, dig(t, r.ok("WhmcsDetails"), "whmcs", "version"), any("8.11.0"))
	equal(t, dig(t, r.ok("WhmcsDetails"), "whmcs", "canonicalversion"), any("8.11.0-release.1"))

	r.refused("Invoice ID Not Found", "GetInvoice", "invoiceid", "1")
	r.ok("AddOrder", "clientid", "1", "paymentmethod", "mailin", "pid[]", "188")
	inv := r.ok("GetInvoice", "invoiceid", "1")
	equal(t, inv["total"], any("6800.00"))
	equal(t, inv["transactions"], any(""))
	equal(t, dig(t, inv, "items", "item", 0, "relid"), any(1.0))
	equal(t, dig(t, r.ok("GetOrders", "id", "1"), "orders", "order", 0, "paymentstatus"), any("Unpaid"))
}

func TestDomainOnlyOrder(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	got := r.ok("AddOrder", "clientid", "1", "paymentmethod", "mailin", "domain[0]", "x.example", "domaintype[0]", "register", "regperiod[0]", "1")
	equal(t, got["domainids"], any("1"))
	r.ok("AcceptOrder", "orderid", "1")
	equal(t, dig(t, r.ok("GetOrders"), "orders", "order", 0, "lineitems", "lineitem", 0, "status"), any("Active"))
	r.ok("PendingOrder", "orderid", "1")
	r.ok("CancelOrder", "orderid", "1")
	r.ok("DeleteOrder", "orderid", "1")
}

func TestAuthentication(t *testing.T) {
	r := newRig(t, Options{Username: "admin", Password: "pa ss", AccessKey: "k!y"})
	tests := map[string]struct {
		query, body string
		status      int
		contains    string
	}{
		"identifier":       {"", "identifier=sandbox-identifier&secret=sandbox-secret&action=WhmcsDetails", 200, "success"},
		"as username":      {"", "username=sandbox-identifier&password=sandbox-secret&action=WhmcsDetails", 200, "success"},
		"administrator":    {"", "username=admin&password=pa+ss&action=WhmcsDetails", 200, "success"},
		"md5 of password":  {"", "username=admin&password=3c77afecdcc99443b7508b272c80e6bd&action=WhmcsDetails", 200, "success"},
		"wrong secret":     {"", "identifier=sandbox-identifier&secret=x&action=WhmcsDetails", 403, "Authentication Failed"},
		"nothing":          {"", "", 403, "Invalid or missing credentials"},
		"no action":        {"", "identifier=sandbox-identifier&secret=sandbox-secret", 400, "Empty action request"},
		"unknown action":   {"", "identifier=sandbox-identifier&secret=sandbox-secret&action=Nope", 200, "Command Not Found"},
		"in the query":     {"?identifier=sandbox-identifier&secret=sandbox-secret&action=whmcsdetails", "", 200, "success"},
		"split over both":  {"?action=whmcsdetails", "identifier=sandbox-identifier&secret=sandbox-secret", 200, "success"},
		"odd case":         {"", "identifier=sandbox-identifier&secret=sandbox-secret&action=WHMCSdetails", 200, "success"},
		"array as a name":  {"", "identifier[]=sandbox-identifier&secret=sandbox-secret&action=WhmcsDetails", 403, "Invalid or missing credentials"},
		"empty admin name": {"", "username=&password=&action=WhmcsDetails", 403, "Invalid or missing credentials"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			resp, body, err := r.raw(tc.query, tc.body)
			if err != nil || resp.StatusCode != tc.status || !strings.Contains(body, tc.contains) {
				t.Errorf("%v %v %s", err, resp, body)
			}
			if !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
				t.Errorf("content type %q", resp.Header.Get("Content-Type"))
			}
		})
	}
	r.url += "/" // as gowhmcs ends it
	r.ok("WhmcsDetails")
	r.fault(Fault{Kind: IPDenied})
	r.refused("Invalid IP 127.0.0.1", "WhmcsDetails")
	r.refused("Invalid IP 127.0.0.1", "WhmcsDetails", "accesskey", "wrong")
	r.ok("WhmcsDetails", "accesskey", "k!y")
}

func TestResponseTypes(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{FirstName: "A&B"})
	r.order("1", "181", "242")
	resp, body, err := r.post("GetOrders", "responsetype", "xml")
	if err != nil || resp.Header.Get("Content-Type") != "application/xml" {
		t.Fatal(err, resp)
	}
	var doc struct {
		XMLName xml.Name `xml:"whmcsapi"`
		Result  string   `xml:"result"`
		Name    string   `xml:"orders>order>name"`
		Lines   []string `xml:"orders>order>lineitems>lineitem>product"`
	}
	if err := xml.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatal(err, body)
	}
	if doc.Result != "success" || doc.Name != "A&B" || len(doc.Lines) != 2 {
		t.Errorf("%+v", doc)
	}
	if _, body, _ = r.post("GetModuleQueue", "responsetype", "xml"); !strings.Contains(body, "<queue>") {
		t.Error(body)
	}
	if _, body, _ = r.post("GetOrderStatuses", "responsetype", "nvp"); !strings.HasPrefix(body, "result=success;totalresults=4;statuses[status][0][title]=Pending;") {
		t.Error(body)
	}
}

func TestJSONIsWrittenAsPHPDoes(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{FirstName: `Zoë "Z" 😀`})
	r.order("1", "181")
	_, body, err := r.post("GetOrders")
	for _, want := range []string{`"name":"Zo\u00eb \u0022Z\u0022 \ud83d\ude00"`, `"producttype":"Other Product\/Service"`, `"currencyprefix":"\u00a5"`} {
		if err != nil || !strings.Contains(body, want) {
			t.Errorf("%s is not in %s (%v)", want, body, err)
		}
	}
}

func TestMoneyAndDuration(t *testing.T) {
	for in, want := range map[string]string{"12.5": "12.50", "-1": "-1.00", "0": "0.00", "x": "0.00", "3000": "3000.00"} {
		equal(t, ParseMoney(in).String(), want)
	}
	for in, want := range map[string]string{`"1.5s"`: `"1.5s"`, `2`: `"2s"`, `"1h"`: `"1h0m0s"`} {
		var d Duration
		if err := json.Unmarshal([]byte(in), &d); err != nil {
			t.Fatal(err)
		}
		out, _ := json.Marshal(d)
		equal(t, string(out), want)
	}
	var d Duration
	for _, bad := range []string{`"x"`, `{}`, `true`} {
		if json.Unmarshal([]byte(bad), &d) == nil {
			t.Errorf("%s was read as %v", bad, d)
		}
	}
}

func TestOrderNumbersHaveTenDigits(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	for range 50 {
		o, err := r.PlaceOrder(1, 181, "")
		if err != nil || len(strconv.FormatInt(o.OrderNum, 10)) != 10 {
			t.Fatalf("%+v %v", o, err)
		}
	}
}
