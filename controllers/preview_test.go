package controllers

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

const (
	previewOrder   = "8018b0000EjXuY1AQK"
	previewMapping = "version: 1\nclient: {field: account.Client__c}\naddOrder: {noEmail: true}\n"
)

// shelf is a Salesforce with one order.
type shelf struct {
	record salesforce.Record
	err    error
	asked  int
}

func (s *shelf) Order(context.Context, string) (salesforce.Record, error) {
	s.asked++
	return s.record, s.err
}

// till is a WHMCS that can only be read.
type till struct {
	methods []whmcs.PayMethod
	orders  []whmcs.Order
	err     error
	asked   []string
}

func (t *till) GetPayMethods(context.Context, int64) ([]whmcs.PayMethod, error) {
	return t.methods, t.err
}

func (t *till) GetOrders(context.Context, whmcs.OrderFilter) ([]whmcs.Order, error) {
	t.asked = append(t.asked, "GetOrders")
	return t.orders, t.err
}

func (t *till) GetClientsProducts(context.Context, whmcs.ServiceFilter) ([]whmcs.Service, error) {
	return nil, t.err
}

func (t *till) GetProducts(context.Context, whmcs.ProductFilter) ([]whmcs.Product, error) {
	return nil, t.err
}

func (t *till) GetModuleQueue(context.Context, int64) ([]whmcs.ModuleQueueEntry, error) {
	return nil, t.err
}

func approved(changes map[string]any) salesforce.Record {
	record := salesforce.Record{
		"Id": previewOrder, "OrderNumber": "00000100", "Status": "Approved", "Activation_Status__c": "Activating",
		"WHMCS_Order_ID__c": nil, "Activation_Type__c": nil, "Activation_Scheduled_At__c": nil, "AccountId": "001",
		"Account": salesforce.Record{"Client__c": "5"},
		"OrderItems": []salesforce.Record{{
			"Id": "802A", "OrderItemNumber": "1", "Quantity": 2.0, "Billing_Cycle__c": nil, "WHMCS_Service_ID__c": nil,
			"PricebookEntry": salesforce.Record{"Product2": salesforce.Record{
				"StockKeepingUnit": "INT", "WHMCS_Product_Id__c": 188.0, "Billing_Cycle__c": "Monthly", "Item_Class__c": nil, "Portal_ConfigOptions_JSON__c": nil,
			}},
		}},
	}
	maps.Copy(record, changes)
	return record
}

func parseMapping(t *testing.T, text string) *mapping.Mapping {
	t.Helper()
	m, err := mapping.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func previewPipeline() *v1alpha1.ProvisioningPipeline {
	pipeline := &v1alpha1.ProvisioningPipeline{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "portal"}}
	pipeline.Spec.Whmcs.URL = "https://billing.example.com/includes/api.php"
	pipeline.Spec.Whmcs.PaymentMethod = "mailin"
	pipeline.Spec.Whmcs.Markers = []v1alpha1.Marker{v1alpha1.NotesMarker}
	pipeline.Spec.Whmcs.Timeouts.Settle.Duration = testSettle
	return pipeline
}

func previewed(status v1alpha1.ProvisioningOrderStatus) *v1alpha1.ProvisioningOrder {
	order := &v1alpha1.ProvisioningOrder{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "portal-" + strings.ToLower(previewOrder)}}
	order.Spec = v1alpha1.ProvisioningOrderSpec{PipelineRef: v1alpha1.PipelineReference{Name: "portal"}, SalesforceOrderID: previewOrder}
	order.Status = status
	return order
}

func previewer(t *testing.T, book *shelf, billing *till, others ...client.Object) Previewer {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	pipeline := previewPipeline()
	cluster := fake.NewClientBuilder().WithScheme(scheme).WithObjects(append(others, pipeline)...).
		WithIndex(&v1alpha1.ProvisioningOrder{}, "status.state", func(client.Object) []string { return []string{"Progressing"} }).
		WithIndex(&v1alpha1.ProvisioningOrder{}, "status.whmcs.orderID", func(client.Object) []string { return nil }).Build()
	return Previewer{
		Pipeline: pipeline, Book: book, Whmcs: billing, Mapping: parseMapping(t, previewMapping),
		Version: v1alpha1.MappingVersion{Name: "m", ResourceVersion: "1", SHA256: "x"}, Cluster: unequal{cluster}, Clock: clocktesting.NewFakeClock(duringSettle),
	}
}

// unequal answers the one selector that the fake client does not know: all orders of these tests are unfinished.
type unequal struct{ client.Client }

func (u unequal) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	var asked client.ListOptions
	asked.ApplyOptions(opts)
	if asked.FieldSelector != nil && asked.FieldSelector.String() == "status.state!=Provisioned" {
		return u.Client.List(ctx, list, client.InNamespace(asked.Namespace))
	}
	return u.Client.List(ctx, list, opts...)
}

func TestPreview(t *testing.T) {
	card := []whmcs.PayMethod{{ID: 1}}
	ours := []whmcs.Order{{ID: 9, UserID: 5, Status: "Pending", Notes: "sfOrderId=" + previewOrder}}
	open := v1alpha1.Call{Step: v1alpha1.AddOrderCall, Attempt: 1, NotAfter: metav1.NewMicroTime(modelEpoch)}
	busy := previewed(v1alpha1.ProvisioningOrderStatus{Plan: &v1alpha1.Plan{ClientID: 5}, Calls: []v1alpha1.Call{open}})
	busy.Name, busy.UID = "portal-8018b0000ejxuy2aqk", "another"
	refused := v1alpha1.Call{Step: v1alpha1.AddOrderCall, SettledAt: new(metav1.NewMicroTime(modelEpoch)), Outcome: v1alpha1.RefusedOutcome, Evidence: "no"}
	tests := map[string]struct {
		record map[string]any
		till   till
		status v1alpha1.ProvisioningOrderStatus
		others []client.Object
		action Action
		reason string
		plan   bool
		gate   bool
	}{
		"approved":           {till: till{methods: card}, action: SendAction, reason: "Ordered", plan: true, gate: true},
		"not approved yet":   {record: map[string]any{"Status": "Draft"}, till: till{methods: card}, action: WaitAction, reason: "GateClosed", plan: true},
		"no pay method":      {action: WaitAction, reason: "PaymentMethodMissing", plan: true, gate: true},
		"no client":          {record: map[string]any{"Account": nil}, till: till{methods: card}, action: WaitAction, reason: "AccountUnmapped", gate: true},
		"the order is there": {till: till{methods: card, orders: ours}, action: AdoptAction, reason: "Adopted", plan: true, gate: true},
		"WHMCS is away":      {till: till{err: errors.New("away")}, action: WaitAction, reason: "WhmcsUnavailable", plan: true, gate: true},
		"another is under way": {till: till{methods: card}, others: []client.Object{busy}, action: WaitAction, reason: "ClientBusy",
			plan: true, gate: true},
		"named by Salesforce": {record: map[string]any{"WHMCS_Order_ID__c": "9"}, till: till{methods: card, orders: ours}, action: KnownAction, reason: "Ordered", plan: true, gate: true},
		"provisioned":         {till: till{methods: card, orders: ours}, status: v1alpha1.ProvisioningOrderStatus{State: v1alpha1.ProvisionedState}, action: KnownAction, reason: "Provisioned", plan: true, gate: true},
		"refused before": {till: till{methods: card}, status: v1alpha1.ProvisioningOrderStatus{State: v1alpha1.StalledState,
			Plan: &v1alpha1.Plan{ClientID: 5}, Calls: []v1alpha1.Call{refused}}, action: SendAction, reason: "Ordered", plan: true, gate: true},
		"own status": {record: map[string]any{"Activation_Status__c": "Failed"}, till: till{methods: card},
			status: v1alpha1.ProvisioningOrderStatus{Salesforce: &v1alpha1.SalesforceOrder{ReportedState: "Failed"}}, action: SendAction, reason: "Ordered", plan: true, gate: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			book := &shelf{record: approved(test.record)}
			order := previewed(test.status)
			before := order.DeepCopy()
			got, err := previewer(t, book, &test.till, test.others...).Preview(t.Context(), order)
			if err != nil {
				t.Fatal(err)
			}
			if got.Next.Action != test.action || got.Next.Reason != test.reason {
				t.Errorf("next %+v, want %s, %s", got.Next, test.action, test.reason)
			}
			if (got.Plan != nil) != test.plan || (got.Request != nil) != test.plan || (got.Gate == nil) != test.gate {
				t.Errorf("plan %v, request %v, gate %v, want plan %t, gate open %t", got.Plan, got.Request, got.Gate, test.plan, test.gate)
			}
			if diff := cmp.Diff(before, order); diff != "" {
				t.Errorf("the order was changed:\n%s", diff)
			}
			if book.asked != 1 || len(test.till.asked) > 1 && test.till.err == nil && test.action != KnownAction {
				t.Errorf("asked Salesforce %d times and WHMCS for %v, want each once", book.asked, test.till.asked)
			}
		})
	}
}

// ownerless cannot tell whose a WHMCS order is.
type ownerless struct{ client.Reader }

func (o ownerless) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	var asked client.ListOptions
	asked.ApplyOptions(opts)
	if asked.FieldSelector != nil && strings.HasPrefix(asked.FieldSelector.String(), "status.whmcs.orderID=") {
		return errors.New("the API server fails")
	}
	return o.Reader.List(ctx, list, opts...)
}

// TestPreviewOfAFailingCluster says what failed.
func TestPreviewOfAFailingCluster(t *testing.T) {
	ours := []whmcs.Order{{ID: 9, UserID: 5, Status: "Pending", Notes: "sfOrderId=" + previewOrder}}
	p := previewer(t, &shelf{record: approved(nil)}, &till{methods: []whmcs.PayMethod{{ID: 1}}, orders: ours})
	p.Cluster = ownerless{p.Cluster}
	got, err := p.Preview(t.Context(), previewed(v1alpha1.ProvisioningOrderStatus{}))
	if err != nil {
		t.Fatal(err)
	}
	if got.Next.Action != RetryAction || !strings.Contains(got.Next.Message, "the API server fails") {
		t.Errorf("next %+v, want a retry that says what failed", got.Next)
	}
}

// TestPreviewSendsThePlannedForm compares the request with what a worker sends.
func TestPreviewSendsThePlannedForm(t *testing.T) {
	got, err := previewer(t, &shelf{record: approved(nil)}, &till{methods: []whmcs.PayMethod{{ID: 1}}}).Preview(t.Context(), previewed(v1alpha1.ProvisioningOrderStatus{}))
	if err != nil {
		t.Fatal(err)
	}
	want := "clientid=5&paymentmethod=mailin&noemail=1&pid%5B0%5D=188&qty%5B0%5D=2&billingcycle%5B0%5D=monthly&notes=sfOrderId%3D8018b0000EjXuY1AQK&responsetype=json&action=AddOrder"
	if form := whmcs.EncodeForm(got.Request.Form()); form != want {
		t.Errorf("form\n%s, want\n%s", form, want)
	}
}

// TestPreviewOfAFrozenPlan shows the recorded plan, whatever the order has become.
func TestPreviewOfAFrozenPlan(t *testing.T) {
	status := v1alpha1.ProvisioningOrderStatus{
		State: v1alpha1.WaitingState,
		Plan:  &v1alpha1.Plan{ClientID: 6, PaymentMethod: "stripe", Lines: []v1alpha1.PlanLine{{PID: 1, BillingCycle: "monthly", Quantity: 1}}},
		Calls: []v1alpha1.Call{{Step: v1alpha1.AddOrderCall, Attempt: 1, ClaimedAt: metav1.NewMicroTime(modelEpoch), NotAfter: metav1.NewMicroTime(modelEpoch.Add(time.Minute))}},
	}
	got, err := previewer(t, &shelf{record: approved(nil)}, &till{}).Preview(t.Context(), previewed(status))
	if err != nil {
		t.Fatal(err)
	}
	if !got.Frozen || got.Plan.ClientID != 6 || got.Next.Action != WaitAction || got.Next.Reason != v1alpha1.SettlingReason {
		t.Errorf("frozen %t, plan %+v, next %+v, want the recorded plan, settling", got.Frozen, got.Plan, got.Next)
	}
}

// TestPreviewHasNothingToSendWith reaches for the calls that change something.
func TestPreviewHasNothingToSendWith(t *testing.T) {
	w, claims, err := previewer(t, &shelf{}, &till{}).worker(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	_, added := w.backend.Billing.AddOrder(t.Context(), whmcs.AddOrderRequest{})
	_, wrote := w.backend.Book.Write(t.Context(), nil)
	for _, err := range []error{added, wrote, w.backend.Billing.AcceptOrder(t.Context(), whmcs.AcceptOrderRequest{})} {
		if !errors.Is(err, errPreview) {
			t.Errorf("error %v, want that a preview changes nothing", err)
		}
	}
	if err := w.claim(t.Context(), previewed(v1alpha1.ProvisioningOrderStatus{}), orderStep, v1alpha1.Call{Step: v1alpha1.AddOrderCall}, time.Minute); !errors.Is(err, errAhead) || !claims.asked {
		t.Errorf("claim: %v, asked %t, want it refused", err, claims.asked)
	}
}

func TestInputs(t *testing.T) {
	record := approved(map[string]any{"Name": "Müller & <Sons>"}).Plain()
	text := inputsOf(record)
	if !strings.Contains(text, "Müller & <Sons>") || strings.HasSuffix(text, "\n") || text != inputsOf(approved(map[string]any{"Name": "Müller & <Sons>"}).Plain()) {
		t.Errorf("inputs %q, want readable text that is always the same", text)
	}
	back, err := Inputs(&v1alpha1.Plan{Inputs: text})
	if err != nil || inputsOf(back) != text {
		t.Errorf("read back %v, %v", back, err)
	}
	record["Description"] = strings.Repeat("x", maxInputs)
	if long := inputsOf(record); long != "" {
		t.Errorf("%d bytes were kept, want none", len(long))
	}
	if _, err := Inputs(&v1alpha1.Plan{}); !errors.Is(err, ErrNoInputs) {
		t.Errorf("error %v, want ErrNoInputs", err)
	}
}

// TestReplan tries mappings on what an order was planned from.
func TestReplan(t *testing.T) {
	order := previewed(v1alpha1.ProvisioningOrderStatus{})
	failed := approved(map[string]any{"Activation_Status__c": "Failed"})
	tests := map[string]struct {
		record  salesforce.Record
		mapping string
		pid     int64
		miss    string
		unread  []string
	}{
		"the same":          {record: approved(nil), mapping: previewMapping, pid: 188},
		"another product":   {record: approved(nil), mapping: previewMapping + "products: [{sku: INT, pid: 190}]\n", pid: 190},
		"after a failure":   {record: failed, mapping: previewMapping, pid: 188},
		"another gate":      {record: approved(nil), mapping: previewMapping + "gate: {order.Status: Released}\n", miss: mapping.GateClosed},
		"unmapped":          {record: approved(nil), mapping: previewMapping + "line: {pid: {field: item.Billing_Cycle__c}}\n", miss: mapping.ProductUnmapped},
		"not recorded":      {record: approved(nil), mapping: "version: 1\nclient: {field: account.Other__c}\n", unread: []string{"Account.Other__c"}},
		"ordered elsewhere": {record: approved(map[string]any{"WHMCS_Order_ID__c": "7", "Status": "Done"}), mapping: previewMapping, pid: 188},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order.Status.Plan = &v1alpha1.Plan{Inputs: inputsOf(test.record.Plain())}
			plan, err := Replan(order, previewPipeline().Spec, parseMapping(t, test.mapping), v1alpha1.MappingVersion{})
			miss, _ := errors.AsType[*mapping.Miss](err)
			unread, _ := errors.AsType[*UnrecordedError](err)
			switch {
			case test.miss != "":
				if miss == nil || miss.Reason != test.miss {
					t.Errorf("error %v, want %s", err, test.miss)
				}
			case test.unread != nil:
				if unread == nil || !slices.Equal(unread.Fields, test.unread) {
					t.Errorf("error %v, want %v unread", err, test.unread)
				}
			case err != nil || plan.Lines[0].PID != test.pid || plan.PaymentMethod != "mailin":
				t.Errorf("plan %+v, error %v, want product %d", plan, err, test.pid)
			}
		})
	}
}

func TestPlanMessageCountsLines(t *testing.T) {
	for lines, want := range map[int]string{1: "1 line for WHMCS client 7", 2: "2 lines for WHMCS client 7"} {
		order := &v1alpha1.ProvisioningOrder{}
		order.Status.Plan = &v1alpha1.Plan{ClientID: 7, Lines: make([]v1alpha1.PlanLine, lines)}
		if got := planMessage(order); got != want {
			t.Errorf("planMessage() = %q, want %q", got, want)
		}
	}
}
