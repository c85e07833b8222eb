package controllers

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	sandbox "github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
)

const ownObjects = `version: 1
salesforce:
  order: {object: Provision__c}
  item: {object: Line__c, path: Lines__r, quantity: Units__c}
  product: {object: Service__c, path: Service__r, sku: Name}
  account: {path: Customer__r}
gate: {order.Activation_Status__c: Activating}
client: {field: account.WH_Account__c, pattern: '^#(\d+)\b'}
`

// orgOf starts an org and gives a client of it.
func orgOf(t *testing.T) (*sandbox.Server, *salesforce.Client) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	org := sandbox.New(sandbox.Options{ClientID: "consumer", Username: "integration@example.com", PublicKey: &key.PublicKey})
	server := httptest.NewUnstartedServer(org.Handler())
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.StartTLS()
	t.Cleanup(server.Close)
	client, err := salesforce.New(salesforce.Config{
		LoginURL: server.URL, ClientID: "consumer", Username: "integration@example.com",
		PrivateKey: pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		CABundle:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
	})
	if err != nil {
		t.Fatal(err)
	}
	return org, client
}

// provisions defines custom objects in place of Order, OrderItem and Product2, and makes an order of two lines.
func provisions(t *testing.T, org *sandbox.Server) (order string, lines []string) {
	t.Helper()
	text := func(name string) sandbox.Field {
		return sandbox.Field{Name: name, Type: sandbox.TypeString, Length: 255}
	}
	link := func(name, to, up, down string) sandbox.Field {
		return sandbox.Field{Name: name, Type: sandbox.TypeReference, References: []string{to}, Relationship: up, ChildRelation: down}
	}
	for _, object := range []sandbox.Object{
		{Name: "Service__c", KeyPrefix: "a00", Fields: []sandbox.Field{
			text("Name"), {Name: "WHMCS_Product_Id__c", Type: sandbox.TypeDouble, Precision: 18}, text("Billing_Cycle__c"), text("Item_Class__c"), text("Portal_ConfigOptions_JSON__c"),
		}},
		{Name: "Provision__c", KeyPrefix: "a01", Fields: []sandbox.Field{
			text("Name"), link("Customer__c", "Account", "Customer__r", ""), text("Activation_Status__c"), text("WHMCS_Order_ID__c"), text("Activation_Error_Code__c"),
			text("Activation_Error_Message__c"), text("Activation_Type__c"), {Name: "Activation_Scheduled_At__c", Type: sandbox.TypeDateTime},
		}},
		{Name: "Line__c", KeyPrefix: "a02", Fields: []sandbox.Field{
			text("Name"), link("Provision__c", "Provision__c", "Provision__r", "Lines__r"), link("Service__c", "Service__c", "Service__r", ""),
			{Name: "Units__c", Type: sandbox.TypeDouble, Precision: 18, Scale: 2}, text("Billing_Cycle__c"), text("WHMCS_Service_ID__c"),
		}},
	} {
		if err := org.DefineObject(object); err != nil {
			t.Fatal(err)
		}
	}
	create := func(object string, fields map[string]any) string {
		id, err := org.Create(object, fields)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	account := create("Account", map[string]any{"Name": "ACME", "WH_Account__c": "#4711 - ACME"})
	vpn := create("Service__c", map[string]any{"Name": "VPN", "WHMCS_Product_Id__c": 220.0, "Billing_Cycle__c": "Monthly"})
	order = create("Provision__c", map[string]any{"Name": "PO-7", "Customer__c": account, "Activation_Status__c": "Activating"})
	for _, name := range []string{"L-1", "L-2"} {
		lines = append(lines, create("Line__c", map[string]any{"Name": name, "Provision__c": order, "Service__c": vpn, "Units__c": 3.0}))
	}
	return order, lines
}

// TestAnOrderOfCustomObjects takes an order that is no Order from the record to the written result, over the wire.
func TestAnOrderOfCustomObjects(t *testing.T) {
	org, client := orgOf(t)
	id, lines := provisions(t, org)
	rules, err := mapping.Parse([]byte(ownObjects))
	if err != nil {
		t.Fatal(err)
	}
	book := salesforce.NewBatcher(client, Selection(rules))
	order := testOrder()
	order.Spec.SalesforceOrderID = id
	w := workerWith(&books{}, neighbours{}, modelEpoch)
	w.backend.Book, w.backend.Mapping, w.backend.Reporting = book, rules, rules

	record, out, ok := w.readRecord(t.Context(), order, salesforce.ID(id))
	if !ok {
		t.Fatalf("reading: %+v", out)
	}
	if seen := order.Status.Salesforce; seen.OrderNumber != "PO-7" || !strings.HasPrefix(seen.AccountID, "001") {
		t.Errorf("what is known of the order: %+v", seen)
	}
	if out, ok := w.plan(t.Context(), order, record); !ok {
		t.Fatalf("planning: %+v", out)
	}
	line := v1alpha1.PlanLine{SKU: "VPN", PID: 220, BillingCycle: "monthly", Quantity: 3}
	first, second := line, line
	first.OrderItemID, second.OrderItemID = lines[0], lines[1]
	if diff := cmp.Diff([]v1alpha1.PlanLine{first, second}, order.Status.Plan.Lines); diff != "" || order.Status.Plan.ClientID != 4711 {
		t.Errorf("client %d, lines (-want +got):\n%s", order.Status.Plan.ClientID, diff)
	}

	order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 5, Services: []v1alpha1.WhmcsService{{OrderItemID: lines[0], ServiceID: 11}, {OrderItemID: lines[1], ServiceID: 12}}}
	if out := w.sync(t.Context(), order); out.kind != doneKind {
		t.Fatalf("writing: %+v", out)
	}
	written, _ := org.Record(id)
	last, _ := org.Record(lines[1])
	if written["WHMCS_Order_ID__c"] != "5" || written["Activation_Status__c"] != "Activated" || last["WHMCS_Service_ID__c"] != "12" {
		t.Errorf("Salesforce has the order %v and the line %v", written, last)
	}
}

// TestAbsentOrdersOfCustomObjects asks the right object for an order that no query finds, and takes no record of Order for one.
func TestAbsentOrdersOfCustomObjects(t *testing.T) {
	org, client := orgOf(t)
	id, _ := provisions(t, org)
	rules, err := mapping.Parse([]byte(ownObjects))
	if err != nil {
		t.Fatal(err)
	}
	if err := org.Delete(id); err != nil {
		t.Fatal(err)
	}
	for wanted, id := range map[error]string{salesforce.ErrDeleted: id, salesforce.ErrNotFound: "a01000000000009AAA"} {
		if _, err := salesforce.NewBatcher(client, Selection(rules)).Order(t.Context(), id); !errors.Is(err, wanted) {
			t.Errorf("%s: %v, want %v", id, err, wanted)
		}
	}
	_, err = salesforce.NewBatcher(client, Selection(rules)).Order(t.Context(), "801000000000009AAA")
	if salesforce.ClassOf(err) != salesforce.Rejected || !strings.Contains(err.Error(), "not that of a record of Provision__c") {
		t.Errorf("an id of Order: %v", err)
	}
	standard, err := mapping.Parse([]byte("version: 1\nclient: 9\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = salesforce.NewBatcher(client, Selection(standard)).Order(t.Context(), id)
	if salesforce.ClassOf(err) != salesforce.Rejected || !strings.Contains(err.Error(), "ids of orders begin with") {
		t.Errorf("an Order with the id of another object: %v", err)
	}
}
