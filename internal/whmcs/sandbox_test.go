package whmcs_test

import (
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	sandbox "github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// far is a sandbox behind TLS, with one customer, and a client that calls it.
type far struct {
	*sandbox.Server
	*whmcs.Client
	customer int64
}

func newFar(t *testing.T, kinds ...sandbox.Kind) far {
	t.Helper()
	// Long enough for a busy machine, except where running out of time is the point.
	patience := 20 * time.Second
	if slices.Contains(kinds, sandbox.HangCommit) {
		patience = 500 * time.Millisecond
	}
	server := sandbox.New(sandbox.Options{})
	web := httptest.NewUnstartedServer(server.Handler())
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	web.StartTLS()
	t.Cleanup(web.Close)
	client, err := whmcs.New(whmcs.Config{
		URL: web.URL + sandbox.Path, Identifier: "sandbox-identifier", Secret: "sandbox-secret",
		CABundle:        pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}),
		AddOrderTimeout: patience, AcceptOrderTimeout: patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	id, err := server.AddClient(sandbox.Client{FirstName: "Jane", LastName: "Doe", Email: "jane@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	return far{server, client, id}
}

func (f far) fault(t *testing.T, fault sandbox.Fault) {
	t.Helper()
	if _, err := f.SetFault(fault); err != nil {
		t.Fatal(err)
	}
}

func (f far) order() whmcs.AddOrderRequest {
	return whmcs.AddOrderRequest{
		ClientID: f.customer, PaymentMethod: "mailin", Notes: "sfOrderId=8014x000000ABCDIAZ", NoInvoice: true, NoEmail: true,
		NotAfter: time.Now().Add(time.Minute),
		Lines: []whmcs.OrderLine{
			{PID: 181, BillingCycle: "Monthly", Domain: "l1.example.net"},
			{PID: 220, BillingCycle: "monthly", ConfigOptions: map[int64]int64{sandbox.OptionVPNRegion: sandbox.ChoiceRegionUK},
				CustomFields: map[int64]string{sandbox.FieldOrderKey: "O'Brien Zürich €"}},
			{PID: 242, BillingCycle: "One-Time", Quantity: 3},
		},
	}
}

func TestLifeOfAnOrder(t *testing.T) {
	f := newFar(t)
	ctx := t.Context()
	methods, err := f.GetPayMethods(ctx, f.customer)
	if err != nil || len(methods) != 0 {
		t.Fatalf("pay methods %v, error %v; want none", methods, err)
	}
	if _, err := f.AddPayMethod(f.customer, sandbox.PayMethod{Type: "RemoteCreditCard", Gateway: "stripe", Expiry: "02/30", Token: "hush"}); err != nil {
		t.Fatal(err)
	}
	if methods, err = f.GetPayMethods(ctx, f.customer); err != nil || len(methods) != 1 || methods[0].GatewayName != "stripe" {
		t.Fatalf("pay methods %v, error %v; want one", methods, err)
	}
	details, err := f.GetClientsDetails(ctx, f.customer)
	if err != nil || details.Status != "Active" {
		t.Fatalf("client %+v, error %v", details, err)
	}

	result, err := f.AddOrder(ctx, f.order())
	if err != nil {
		t.Fatal(err)
	}
	if result.InvoiceID != 0 {
		t.Errorf("result %+v, want no invoice", result)
	}
	orders, err := f.GetOrders(ctx, whmcs.OrderFilter{UserID: f.customer})
	if err != nil || len(orders) != 1 || orders[0].Notes != f.order().Notes || orders[0].Status != "Pending" || len(orders[0].LineItems) != 3 {
		t.Fatalf("orders %+v, error %v", orders, err)
	}
	if err := f.AcceptOrder(ctx, whmcs.AcceptOrderRequest{OrderID: result.OrderID, AutoSetup: true}); err != nil {
		t.Fatal(err)
	}
	if err := f.AcceptOrder(ctx, whmcs.AcceptOrderRequest{OrderID: result.OrderID}); whmcs.CodeOf(err) != whmcs.OrderNotPending {
		t.Errorf("accepting again: %v, want OrderNotPending", err)
	}
	checkServices(t, f, result)
	queue, err := f.GetModuleQueue(ctx, f.Services()[0].ID)
	if err != nil || len(queue) != 0 {
		t.Errorf("module queue %v, error %v; want it empty", queue, err)
	}
	version, err := f.WhmcsDetails(ctx)
	if err != nil || version.Version != "8.13.1" {
		t.Errorf("version %+v, error %v", version, err)
	}
	products, err := f.GetProducts(ctx, whmcs.ProductFilter{PIDs: []int64{220, 242}})
	if err != nil || len(products) != 2 {
		t.Errorf("products %+v, error %v; want two", products, err)
	}
}

// checkServices reads the services back and compares them with what was ordered.
func checkServices(t *testing.T, f far, result whmcs.AddOrderResult) {
	t.Helper()
	services, err := f.GetClientsProducts(t.Context(), whmcs.ServiceFilter{ClientID: f.customer})
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		PID, Quantity                 int64
		Cycle, Domain, Status, Region string
		Key                           string
	}
	var got []row
	for _, s := range services {
		if s.OrderID != result.OrderID {
			t.Errorf("service %d belongs to order %d", s.ID, s.OrderID)
		}
		cycle, _ := whmcs.BillingCycle(s.BillingCycle)
		r := row{PID: s.PID, Quantity: s.Quantity, Cycle: cycle, Domain: s.Domain, Status: s.Status}
		for _, o := range s.ConfigOptions {
			if o.ID == sandbox.OptionVPNRegion {
				r.Region = o.Value
			}
		}
		for _, c := range s.CustomFields {
			if c.ID == sandbox.FieldOrderKey {
				r.Key = c.Value
			}
		}
		got = append(got, r)
	}
	want := []row{
		{181, 1, "monthly", "l1.example.net", "Active", "", ""},
		{220, 1, "monthly", "", "Active", "UK - London", "O'Brien Zürich €"},
		{242, 3, "onetime", "", "Active", "", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
}

func TestThirteenLinesKeepTheirOrder(t *testing.T) {
	f := newFar(t)
	r := f.order()
	r.Lines = nil
	var want []int64
	for i := range 13 {
		pid := []int64{181, 182, 201, 242}[i%4]
		want = append(want, pid)
		r.Lines = append(r.Lines, whmcs.OrderLine{PID: pid, BillingCycle: map[bool]string{true: "onetime", false: "monthly"}[pid == 242]})
	}
	if _, err := f.AddOrder(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, s := range f.Services() {
		got = append(got, s.PID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("products in the order of creation (-want +got):\n%s", diff)
	}
}

// shapesOf returns a fault of this kind with every text that the sandbox knows
// for it; kinds that take any text get none, and one.
func shapesOf(kind sandbox.Kind) []sandbox.Fault {
	const undocumented = "A text nobody has documented"
	fault := func(text string) sandbox.Fault {
		return sandbox.Fault{Kind: kind, Text: text, Delay: sandbox.Duration(10 * time.Millisecond)}
	}
	accepted := func(f sandbox.Fault) bool {
		_, err := sandbox.New(sandbox.Options{}).SetFault(f)
		return err == nil
	}
	if accepted(fault(undocumented)) {
		return []sandbox.Fault{fault(""), fault(undocumented)}
	}
	var shapes []sandbox.Fault
	for _, text := range []string{"", "drop", "missing", "null", "string", "array", "object", "wrapped", "zero", "zeroString", "empty"} {
		if f := fault(text); accepted(f) {
			shapes = append(shapes, f)
		}
	}
	return shapes
}

// Whatever goes wrong, what the client says about an order agrees with the books.
func TestWhatIsSaidAboutAddOrderIsTrue(t *testing.T) {
	for _, kind := range sandbox.KindNames() {
		for _, fault := range shapesOf(sandbox.Kind(kind)) {
			t.Run(kind+"/"+fault.Text, func(t *testing.T) {
				f := newFar(t, fault.Kind)
				f.fault(t, fault)
				result, err := f.AddOrder(t.Context(), f.order())
				f.ClearFaults()
				class := whmcs.ClassOf(err)
				orders := f.Orders()
				switch {
				case len(orders) > 1 || f.Counters().Total("AddOrder") > 1:
					t.Errorf("%d orders from %d requests", len(orders), f.Counters().Total("AddOrder"))
				case err == nil && (len(orders) != 1 || orders[0].ID != result.OrderID):
					t.Errorf("success with order %d, but the books hold %v", result.OrderID, orders)
				case err != nil && class != whmcs.Unknown && len(orders) != 0:
					t.Errorf("%v, but the books hold an order", err)
				case unsent(class) && f.Counters().Total("AddOrder") > 0:
					t.Errorf("%v, and the server saw %d requests", err, f.Counters().Total("AddOrder"))
				}
			})
		}
	}
}

// unsent reports whether a class says that nothing reached WHMCS.
func unsent(class whmcs.Class) bool { return class == whmcs.Busy || class == whmcs.NotSent }

func TestWhatIsSaidAboutAcceptOrderIsTrue(t *testing.T) {
	for _, kind := range sandbox.KindNames() {
		for _, fault := range shapesOf(sandbox.Kind(kind)) {
			t.Run(kind+"/"+fault.Text, func(t *testing.T) {
				f := newFar(t, fault.Kind)
				added, err := f.AddOrder(t.Context(), f.order())
				if err != nil {
					t.Fatal(err)
				}
				f.fault(t, fault)
				err = f.AcceptOrder(t.Context(), whmcs.AcceptOrderRequest{OrderID: added.OrderID, AutoSetup: true})
				f.ClearFaults()
				var active int
				for _, s := range f.Services() {
					if s.Status != sandbox.StatusPending {
						active++
					}
				}
				pending := f.Orders()[0].Status == sandbox.StatusPending
				switch class := whmcs.ClassOf(err); {
				case f.Counters().Total("AcceptOrder") > 1:
					t.Errorf("%d requests", f.Counters().Total("AcceptOrder"))
				case err == nil && pending:
					t.Error("success, but the order is pending")
				case err != nil && class != whmcs.Unknown && (active > 0 || !pending):
					t.Errorf("%v, but %d services are set up", err, active)
				case unsent(class) && f.Counters().Total("AcceptOrder") > 0:
					t.Errorf("%v, and the server saw %d requests", err, f.Counters().Total("AcceptOrder"))
				}
			})
		}
	}
}

// Odd shapes of the same books are read alike.
func TestReadsAgreeWhateverTheShape(t *testing.T) {
	shapes := []sandbox.Kind{
		sandbox.IDsAsStrings, sandbox.IDsAsInts, sandbox.SingleObject, sandbox.FlatKeys, sandbox.PHPNotice,
		sandbox.ByteOrderMark, sandbox.TrailingText, sandbox.HTMLType, sandbox.EmptyList, sandbox.DomainPartial,
	}
	f := newFar(t)
	if _, err := f.AddPayMethod(f.customer, sandbox.PayMethod{Type: "BankAccount"}); err != nil {
		t.Fatal(err)
	}
	added, err := f.AddOrder(t.Context(), f.order())
	if err != nil {
		t.Fatal(err)
	}
	f.fault(t, sandbox.Fault{Kind: sandbox.ModuleError, Text: "no stock"})
	err = f.AcceptOrder(t.Context(), whmcs.AcceptOrderRequest{OrderID: added.OrderID, AutoSetup: true})
	if e, ok := errors.AsType[*whmcs.Error](err); !ok || e.Code != whmcs.ModuleFailed || e.Message == "" {
		t.Fatalf("got %v, want ModuleFailed with the module's text", err)
	}
	want := readAll(t, f)
	for _, kind := range shapes {
		for _, fault := range shapesOf(kind) {
			t.Run(string(kind)+"/"+fault.Text, func(t *testing.T) {
				f.ClearFaults()
				f.fault(t, fault)
				if diff := cmp.Diff(want, readAll(t, f)); diff != "" {
					t.Errorf("what is read (-plain +odd):\n%s", diff)
				}
			})
		}
	}
}

func readAll(t *testing.T, f far) []any {
	t.Helper()
	var all []any
	keep := func(v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	ctx := t.Context()
	orders, err := f.GetOrders(ctx, whmcs.OrderFilter{UserID: f.customer})
	keep(orders, err)
	none, err := f.GetOrders(ctx, whmcs.OrderFilter{UserID: f.customer + 1})
	keep(len(none), err)
	services, err := f.GetClientsProducts(ctx, whmcs.ServiceFilter{ClientID: f.customer})
	keep(services, err)
	methods, err := f.GetPayMethods(ctx, f.customer)
	keep(methods, err)
	for _, service := range services {
		queue, err := f.GetModuleQueue(ctx, service.ID)
		keep(len(queue), err)
	}
	products, err := f.GetProducts(ctx, whmcs.ProductFilter{PIDs: []int64{220}})
	keep(products, err)
	return all
}

func TestPagingOverTheSandbox(t *testing.T) {
	for name, fault := range map[string]sandbox.Kind{"oldest first": "", "newest first": sandbox.SortDescending} {
		t.Run(name, func(t *testing.T) {
			f := newFar(t)
			for range 230 {
				if _, err := f.PlaceOrder(f.customer, 181, ""); err != nil {
					t.Fatal(err)
				}
			}
			if fault != "" {
				f.fault(t, sandbox.Fault{Kind: fault})
			}
			orders, err := f.GetOrders(t.Context(), whmcs.OrderFilter{UserID: f.customer})
			if err != nil || len(orders) != 230 {
				t.Errorf("%d orders, error %v; want 230", len(orders), err)
			}
			f.fault(t, sandbox.Fault{Kind: sandbox.PagingInserts, Count: 2})
			orders, err = f.GetOrders(t.Context(), whmcs.OrderFilter{UserID: f.customer})
			if err != nil || len(orders) != len(f.Orders()) {
				t.Errorf("%d orders, error %v; want %d", len(orders), err, len(f.Orders()))
			}
		})
	}
}

func TestAccessProblemsAreDenied(t *testing.T) {
	for kind, code := range map[sandbox.Kind]whmcs.Code{
		sandbox.IPDenied: whmcs.AddressNotAllowed, sandbox.AuthFailed: whmcs.AuthenticationFailed,
		sandbox.RoleDenied: whmcs.ActionNotAllowed, sandbox.UnknownCommand: whmcs.CommandNotFound,
	} {
		t.Run(string(kind), func(t *testing.T) {
			f := newFar(t)
			f.fault(t, sandbox.Fault{Kind: kind})
			_, err := f.WhmcsDetails(t.Context())
			if whmcs.ClassOf(err) != whmcs.Denied || whmcs.CodeOf(err) != code {
				t.Errorf("got %v (%s), want %s", err, whmcs.CodeOf(err), code)
			}
		})
	}
}
