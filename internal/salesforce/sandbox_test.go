package salesforce_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/internal/salesforce"
	sandbox "github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
)

var sandboxKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// connect starts a local org and gives a client of it.
func connect(t *testing.T, options sandbox.Options) (*sandbox.Server, *salesforce.Client) {
	t.Helper()
	key, err := sandboxKey()
	if err != nil {
		t.Fatal(err)
	}
	options.ClientID, options.Username, options.PublicKey = "consumer", "integration@example.com", &key.PublicKey
	org := sandbox.New(options)
	server := httptest.NewUnstartedServer(org.Handler())
	server.EnableHTTP2 = true
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	client, err := salesforce.New(salesforce.Config{
		LoginURL: server.URL, ClientID: options.ClientID, Username: options.Username,
		PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		CABundle:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return org, client
}

var wanted = salesforce.Select{
	OrderFields: []string{"OrderNumber", "Status", "Activation_Status__c", "WHMCS_Order_ID__c", "Account.WH_Account__c"},
	ItemFields:  []string{"Quantity", "WHMCS_Service_ID__c", "PricebookEntry.Product2.StockKeepingUnit", "PricebookEntry.Product2.WHMCS_Product_Id__c"},
}

// seed makes an approved order with lines of quantity 1, 2, 3 ...
func seed(t *testing.T, org *sandbox.Server, lines int) (orderID string, lineIDs []string) {
	t.Helper()
	account, err := org.CreateAccount(sandbox.Account{Name: "ACME", WHMCSClient: 7})
	if err != nil {
		t.Fatal(err)
	}
	product, err := org.CreateProduct(sandbox.Product{Name: "Line", SKU: "LINE-1", WHMCSProduct: 181, BillingCycle: "Monthly", Price: 4800})
	if err != nil {
		t.Fatal(err)
	}
	order := sandbox.Order{AccountID: account, Approve: true}
	for i := range lines {
		order.Lines = append(order.Lines, sandbox.Line{PricebookEntryID: product.PricebookEntryID, Quantity: float64(i + 1)})
	}
	orderID, lineIDs, err = org.CreateOrder(order)
	if err != nil {
		t.Fatal(err)
	}
	return orderID, lineIDs
}

func TestSandboxReadAndWriteBack(t *testing.T) {
	org, client := connect(t, sandbox.Options{})
	orderID, lineIDs := seed(t, org, 2)
	session, err := client.Session(t.Context())
	if err != nil || session.OrgID != org.OrgID() {
		t.Fatalf("session of org %q, %v; want %s", session.OrgID, err, org.OrgID())
	}
	batcher := salesforce.NewBatcher(client, wanted)
	order, err := batcher.Order(t.Context(), orderID)
	if err != nil {
		t.Fatal(err)
	}
	line := func(id string, quantity float64) map[string]any {
		return map[string]any{"Id": id, "Quantity": quantity, "WHMCS_Service_ID__c": nil,
			"PricebookEntry": map[string]any{"Product2": map[string]any{"StockKeepingUnit": "LINE-1", "WHMCS_Product_Id__c": 181.0}}}
	}
	want := map[string]any{"Id": orderID, "OrderNumber": order.Text("OrderNumber"), "Status": "Approved", "Activation_Status__c": "Activating",
		"WHMCS_Order_ID__c": nil, "Account": map[string]any{"WH_Account__c": "#7 - ACME"},
		"OrderItems": []map[string]any{line(lineIDs[0], 1), line(lineIDs[1], 2)}}
	if diff := cmp.Diff(want, order.Plain()); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	results, err := batcher.Write(t.Context(), []salesforce.Record{
		salesforce.NewRecord("OrderItem", salesforce.ID(lineIDs[0]), map[string]any{"WHMCS_Service_ID__c": "11"}),
		salesforce.NewRecord("OrderItem", salesforce.ID(lineIDs[1]), map[string]any{"WHMCS_Service_ID__c": "12"}),
		salesforce.NewRecord("Order", salesforce.ID(orderID), map[string]any{"WHMCS_Order_ID__c": "5", "Activation_Status__c": "Activated"}),
	})
	if err != nil || results[0].Err != nil || results[1].Err != nil || results[2].Err != nil {
		t.Fatalf("%+v, %v", results, err)
	}
	record, _ := org.Record(orderID)
	second, _ := org.Record(lineIDs[1])
	if record["WHMCS_Order_ID__c"] != "5" || record["Activation_Status__c"] != "Activated" || second["WHMCS_Service_ID__c"] != "12" {
		t.Errorf("stored: order %v, line %v", record, second)
	}
	if used, limit, ok := client.APIUsage(); !ok || used == 0 || limit == 0 {
		t.Errorf("usage %d/%d, %v", used, limit, ok)
	}
	if limits, err := client.Limits(t.Context()); err != nil || limits["DailyApiRequests"].Max == 0 {
		t.Errorf("limits %v, %v", limits, err)
	}
}

func TestSandboxPages(t *testing.T) {
	org, client := connect(t, sandbox.Options{QueryBatch: 10, MinQueryBatch: 1})
	ids := map[string]int{}
	var list []string
	for i := range 25 {
		id, _ := seed(t, org, 1+i%7)
		ids[id], list = 1+i%7, append(list, id)
	}
	big, _ := seed(t, org, 35)
	ids[big], list = 35, append(list, big)
	orders, err := client.QueryOrders(t.Context(), list, wanted)
	if err != nil || len(orders) != len(ids) {
		t.Fatalf("%d orders, %v; want %d", len(orders), err, len(ids))
	}
	for id, lines := range ids {
		if got := len(orders[id].Children(salesforce.OrderItems)); got != lines {
			t.Errorf("order %s has %d lines, want %d", id, got, lines)
		}
	}
	swept, err := client.Query(t.Context(), "SELECT Id FROM Order WHERE Activation_Status__c = "+salesforce.QuoteSOQL("Activating")+
		" AND LastModifiedDate >= "+salesforce.DateTimeSOQL(time.Now().Add(-time.Hour)))
	if err != nil || len(swept) != len(ids) {
		t.Errorf("sweep found %d orders, %v; want %d", len(swept), err, len(ids))
	}
}

func TestSandboxSessions(t *testing.T) {
	org, client := connect(t, sandbox.Options{})
	orderID, _ := seed(t, org, 1)
	for range 3 {
		if _, err := client.QueryOrders(t.Context(), []string{orderID}, wanted); err != nil {
			t.Fatal(err)
		}
		org.RevokeTokens()
	}
	if n := org.Counters()["login"]; n != 3 {
		t.Errorf("%d logins, want 3", n)
	}
}

func TestSandboxAbsentOrders(t *testing.T) {
	org, client := connect(t, sandbox.Options{})
	batcher := salesforce.NewBatcher(client, wanted)
	deleted, _ := seed(t, org, 1)
	if err := org.Delete(deleted); err != nil {
		t.Fatal(err)
	}
	if _, err := batcher.Order(t.Context(), deleted); !errors.Is(err, salesforce.ErrDeleted) || salesforce.ClassOf(err) != salesforce.Deleted {
		t.Errorf("deleted order: %v", err)
	}
	if _, err := batcher.Order(t.Context(), "801000000000001"); !errors.Is(err, salesforce.ErrNotFound) {
		t.Errorf("order that never was: %v", err)
	}
	if _, err := org.SetFault(sandbox.Fault{Name: sandbox.FaultHideOrder, Delay: sandbox.Duration(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	hidden, _ := seed(t, org, 1)
	if _, err := batcher.Order(t.Context(), hidden); !errors.Is(err, salesforce.ErrNotFound) {
		t.Errorf("order whose event overtook it: %v", err)
	}
}

func TestSandboxFaults(t *testing.T) {
	tests := map[string]struct {
		fault sandbox.Fault
		read  salesforce.Class
		write salesforce.Class
	}{
		"locked row":         {sandbox.Fault{Name: sandbox.FaultLockRow}, -1, salesforce.RowLocked},
		"validation rule":    {sandbox.Fault{Name: sandbox.FaultRejectRow, Message: "no"}, -1, salesforce.Rejected},
		"request limit":      {sandbox.Fault{Name: sandbox.FaultRequestLimit}, salesforce.LimitExceeded, salesforce.LimitExceeded},
		"503 page":           {sandbox.Fault{Name: sandbox.FaultUnavailable}, salesforce.Transient, salesforce.Transient},
		"502 page after":     {sandbox.Fault{Name: sandbox.FaultUnavailableAfter, Status: 502}, salesforce.Transient, salesforce.Transient},
		"dropped":            {sandbox.Fault{Name: sandbox.FaultDropBefore}, salesforce.Transient, salesforce.Transient},
		"dropped after":      {sandbox.Fault{Name: sandbox.FaultDropAfter}, salesforce.Transient, salesforce.Transient},
		"cut off":            {sandbox.Fault{Name: sandbox.FaultTruncate}, salesforce.Transient, salesforce.Transient},
		"never authorised":   {sandbox.Fault{Name: sandbox.FaultUnauthorized}, salesforce.Auth, salesforce.Auth},
		"login refused":      {sandbox.Fault{Name: sandbox.FaultLoginError}, salesforce.Auth, salesforce.Auth},
		"field not visible":  {sandbox.Fault{Name: sandbox.FaultMissingField, Object: "Order", Field: "WHMCS_Order_ID__c"}, salesforce.Schema, salesforce.Schema},
		"error of their own": {sandbox.Fault{Name: sandbox.FaultError, Status: 500, Code: "UNKNOWN_EXCEPTION", Message: "ErrorId: 1"}, salesforce.Transient, salesforce.Transient},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			org, client := connect(t, sandbox.Options{})
			orderID, _ := seed(t, org, 1)
			if _, err := org.SetFault(test.fault); err != nil {
				t.Fatal(err)
			}
			_, err := client.QueryOrders(t.Context(), []string{orderID}, wanted)
			checkClass(t, "read", err, test.read)
			records := []salesforce.Record{salesforce.NewRecord("Order", salesforce.ID(orderID), map[string]any{"WHMCS_Order_ID__c": "5"})}
			results, err := client.Update(t.Context(), records)
			if err == nil {
				err = results[0].Err
			}
			checkClass(t, "write", err, test.write)
			org.ClearFaults()
			results, err = client.Update(t.Context(), records)
			for ends := time.Now().Add(10 * time.Second); salesforce.ClassOf(err) == salesforce.Auth && time.Now().Before(ends); {
				<-time.After(100 * time.Millisecond) // a login that was refused is not repeated at once
				results, err = client.Update(t.Context(), records)
			}
			if err != nil || results[0].Err != nil {
				t.Errorf("after the fault: %+v, %v", results, err)
			}
		})
	}
}

// TestSandboxOrderSaysNoMoreThanItsLines has a line that cannot be written. Its order, alone or among others, must not be
// written either, and the others must.
func TestSandboxOrderSaysNoMoreThanItsLines(t *testing.T) {
	for name, others := range map[string]int{"alone": 0, "among others": 5} {
		t.Run(name, func(t *testing.T) {
			org, client := connect(t, sandbox.Options{})
			if _, err := org.SetFault(sandbox.Fault{Name: sandbox.FaultLatency, Endpoint: "collections.update", Delay: sandbox.Duration(100 * time.Millisecond)}); err != nil {
				t.Fatal(err)
			}
			batcher := salesforce.NewBatcher(client, wanted)
			var wg sync.WaitGroup
			for n := range 1 + others {
				id, lines := seed(t, org, 2)
				if bad := n == others; bad {
					if err := org.Delete(lines[1]); err != nil {
						t.Fatal(err)
					}
				}
				wg.Go(func() {
					records := []salesforce.Record{
						salesforce.NewRecord("OrderItem", salesforce.ID(lines[0]), map[string]any{"WHMCS_Service_ID__c": "7"}),
						salesforce.NewRecord("OrderItem", salesforce.ID(lines[1]), map[string]any{"WHMCS_Service_ID__c": "8"}),
						salesforce.NewRecord("Order", salesforce.ID(id), map[string]any{"Activation_Status__c": "Activated"}),
					}
					results, err := batcher.Write(t.Context(), records)
					if err != nil || len(results) != len(records) {
						t.Errorf("%d results, %v", len(results), err)
						return
					}
					bad := n == others
					if salesforce.ClassOf(results[1].Err) == salesforce.Deleted != bad || salesforce.RolledBack(results[2].Err) != bad || (results[2].Err != nil) != bad {
						t.Errorf("order %d: %+v", n, results)
					}
					row, _ := org.Record(id)
					if activated := row["Activation_Status__c"] == "Activated"; activated == bad {
						t.Errorf("order %d says Activated: %t", n, activated)
					}
				})
			}
			wg.Wait()
		})
	}
}

// checkClass compares the class of an error; -1 wants none.
func checkClass(t *testing.T, what string, err error, want salesforce.Class) {
	t.Helper()
	if (err == nil) != (want < 0) || err != nil && salesforce.ClassOf(err) != want {
		t.Errorf("%s: got %v (%v), want %v", what, err, salesforce.ClassOf(err), want)
	}
}

func TestSandboxBacklogCostsFewCalls(t *testing.T) {
	org, client := connect(t, sandbox.Options{})
	const orders = 200
	var ids []string
	lines := map[string][]string{}
	for range orders {
		id, lineIDs := seed(t, org, 2)
		ids, lines[id] = append(ids, id), lineIDs
	}
	batcher := salesforce.NewBatcher(client, wanted)
	org.ResetCounters()
	// The first answer of each kind takes as long as all others need to arrive.
	for _, endpoint := range []string{"query", "collections.update"} {
		if _, err := org.SetFault(sandbox.Fault{Name: sandbox.FaultLatency, Endpoint: endpoint, Times: 1, Delay: sandbox.Duration(time.Second)}); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			if err := process(t.Context(), batcher, id, lines[id], strconv.Itoa(i)); err != nil {
				t.Errorf("order %s: %v", id, err)
			}
		})
	}
	wg.Wait()
	counters := org.Counters()
	if reads, writes := counters["query"], counters["collections.update"]; reads > orders/20 || writes > orders/20 {
		t.Errorf("%d queries and %d updates for %d orders, want at most %d of each", reads, writes, orders, orders/20)
	}
	for i, id := range ids {
		if record, _ := org.Record(id); record["WHMCS_Order_ID__c"] != strconv.Itoa(i) {
			t.Errorf("order %s holds %v, want %d", id, record["WHMCS_Order_ID__c"], i)
		}
	}
}

func process(ctx context.Context, batcher *salesforce.Batcher, id string, lineIDs []string, value string) error {
	order, err := batcher.Order(ctx, id)
	if err != nil {
		return err
	}
	if got := len(order.Children(salesforce.OrderItems)); got != len(lineIDs) {
		return fmt.Errorf("%d lines, want %d", got, len(lineIDs))
	}
	var records []salesforce.Record
	for _, lineID := range lineIDs {
		records = append(records, salesforce.NewRecord("OrderItem", salesforce.ID(lineID), map[string]any{"WHMCS_Service_ID__c": value}))
	}
	records = append(records, salesforce.NewRecord("Order", salesforce.ID(id), map[string]any{"WHMCS_Order_ID__c": value}))
	results, err := batcher.Write(ctx, records)
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	return err
}
