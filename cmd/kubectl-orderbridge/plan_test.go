package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	billing "github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// TestPlanSendsNothing plans orders in every situation and looks at what the far sides and the API server were asked to
// do.
func TestPlanSendsNothing(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	line := sandbox.OrderLine{SKU: "INT-HOME-10G"}
	draft := w.order(t, true, false, line).ID
	approved := w.order(t, true, true, line).ID
	unpaid := w.order(t, false, true, line).ID
	done := w.provisioned(t, namespace, line)
	before := w.dump(t, namespace)
	w.far.Whmcs.ResetCounters()
	w.far.Salesforce.ResetCounters()
	tests := map[string]struct {
		id     string
		code   int
		action controllers.Action
		reason string
	}{
		"not approved yet":   {draft, exitFinding, controllers.WaitAction, "GateClosed"},
		"ready":              {approved, exitOK, controllers.SendAction, "Ordered"},
		"no pay method":      {unpaid, exitFinding, controllers.WaitAction, "PaymentMethodMissing"},
		"already there":      {done.Spec.SalesforceOrderID, exitFinding, controllers.KnownAction, "Provisioned"},
		"no such order":      {"8018b0000000000AAA", exitFinding, controllers.WaitAction, "OrderNotFound"},
		"with 15 characters": {approved[:15], exitOK, controllers.SendAction, "Ordered"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := w.run(t, call{namespace: namespace}, "plan", "--pipeline", "portal", "--order", test.id, "-o", "json")
			var plan orderPlan
			if err := json.Unmarshal([]byte(got.out), &plan); err != nil || got.code != test.code {
				t.Fatalf("exit %d, %v, want %d\n%s%s", got.code, err, test.code, got.out, got.errOut)
			}
			if plan.Kind != "OrderPlan" || plan.Sent || plan.Next.Action != test.action || plan.Next.Reason != test.reason {
				t.Errorf("kind %s, sent %t, next %+v, want an OrderPlan that was not sent, %s, %s", plan.Kind, plan.Sent, plan.Next, test.action, test.reason)
			}
			if !strings.Contains(got.out, `"sent": false`) {
				t.Errorf("the output does not say that nothing was sent:\n%s", got.out)
			}
			text := w.run(t, call{namespace: namespace}, "plan", "--order", test.id)
			lines := strings.Split(strings.TrimSpace(text.out), "\n")
			if lines[0] != notSent || lines[len(lines)-1] != notSent {
				t.Errorf("the first and the last line do not say that nothing was sent:\n%s", text.out)
			}
		})
	}
	counters := w.far.Whmcs.Counters()
	for action := range counters.Calls {
		if !strings.HasPrefix(action, "Get") {
			t.Errorf("%s was called %d times", action, counters.Total(action))
		}
	}
	if counters.Total("GetOrders") == 0 || counters.Total("GetPayMethods") == 0 || counters.Total("GetProducts") == 0 {
		t.Errorf("calls %v, want the checks to have been made", counters.Calls)
	}
	for request, n := range w.far.Salesforce.Counters() {
		if !slices.Contains([]string{"rest", "query", "row.get", "login", "userinfo"}, request) {
			t.Errorf("Salesforce was asked for %s %d times", request, n)
		}
	}
	if diff := cmp.Diff(before, w.dump(t, namespace)); diff != "" {
		t.Errorf("objects changed (-before +after):\n%s", diff)
	}
}

// dump is the version of every object of ours in a namespace.
func (w *world) dump(t *testing.T, namespace string) map[string]string {
	t.Helper()
	versions := map[string]string{}
	orders, err := listOrders(t.Context(), w.cluster, orderFilter{namespace: namespace, finished: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range orders {
		versions[orders[i].Name] = orders[i].ResourceVersion
	}
	versions["pipeline"] = w.pipeline(t, namespace).ResourceVersion
	return versions
}

// TestPlanIsWhatIsSent compares the planned request with the one that the operator sends later, with every marker.
func TestPlanIsWhatIsSent(t *testing.T) {
	w := inWorld(t)
	tests := map[string]struct {
		markers []v1alpha1.Marker
		want    string
	}{
		"notes":        {[]v1alpha1.Marker{v1alpha1.NotesMarker}, "notes=sfOrderId%3D"},
		"line domain":  {[]v1alpha1.Marker{v1alpha1.NotesMarker, v1alpha1.LineDomainMarker}, "domain%5B2%5D=sf-"},
		"custom field": {[]v1alpha1.Marker{v1alpha1.CustomFieldMarker}, "customfields%5B"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			namespace := w.namespace(t)
			pipeline := w.pipeline(t, namespace)
			pipeline.Spec.Whmcs.Markers, pipeline.Spec.Whmcs.MarkerCustomFieldName = test.markers, "EID"
			if err := w.cluster.Update(t.Context(), pipeline); err != nil {
				t.Fatal(err)
			}
			id := w.order(t, true, true, sandbox.OrderLine{SKU: "VPN-UK"}, sandbox.OrderLine{SKU: "VPN-ACTIVATION"}, sandbox.OrderLine{SKU: "SIM-5GB", Quantity: 3}).ID
			planned := w.run(t, call{namespace: namespace}, "plan", "--order", id, "-o", "yaml")
			order := w.object(t, namespace, id)
			requests := w.reconcile(t, order)
			if len(requests) != 1 || order.Status.State != v1alpha1.ProvisionedState {
				t.Fatalf("%d requests were sent and the order is %s, want one and it provisioned: %+v", len(requests), order.Status.State, order.Status.Conditions)
			}
			var plan orderPlan
			if err := yaml.Unmarshal([]byte(planned.out), &plan); err != nil || plan.Request == nil {
				t.Fatalf("%v\n%s%s", err, planned.out, planned.errOut)
			}
			if diff := cmp.Diff(formOf(requests[0]), plan.Request.Fields); diff != "" {
				t.Errorf("form (-sent +planned):\n%s", diff)
			}
			if sent := whmcs.EncodeForm(requests[0].Form()); plan.Request.Encoded != sent || !strings.Contains(sent, test.want) {
				t.Errorf("planned\n%s\nsent\n%s\nwant %s in it", plan.Request.Encoded, sent, test.want)
			}
		})
	}
}

// deny takes an action from the API role.
func (w *world) deny(action string) error {
	_, err := w.far.Whmcs.SetFault(billing.Fault{Kind: "roleDenied", Action: action})
	return err
}

func (w *world) allowAll() error {
	w.far.Whmcs.ClearFaults()
	return nil
}

// TestPlanWithLessToSee plans where the far sides do not show everything.
func TestPlanWithLessToSee(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	id := w.order(t, true, true, sandbox.OrderLine{SKU: "SIM-5GB"}).ID
	tests := map[string]struct {
		hide    func() error
		show    func() error
		code    int
		unknown []string
		price   linePrice
	}{
		"everything": {code: exitOK, price: linePrice{SalesforceUnit: "880.00", Salesforce: "880.00", Currency: "JPY", WhmcsUnit: "880.00", Whmcs: "880.00"}},
		"no prices in Salesforce": {
			hide: func() error { return w.far.Salesforce.HideField("OrderItem", "UnitPrice", true) },
			show: func() error { return w.far.Salesforce.HideField("OrderItem", "UnitPrice", false) },
			code: exitOK, price: linePrice{Currency: "JPY", WhmcsUnit: "880.00", Whmcs: "880.00"},
		},
		"the API role lacks GetClientsDetails": {
			hide: func() error { return w.deny("GetClientsDetails") }, show: w.allowAll, code: exitFinding, unknown: []string{"client"},
			price: linePrice{SalesforceUnit: "880.00", Salesforce: "880.00", Currency: "JPY", WhmcsUnit: "880.00", Whmcs: "880.00"},
		},
		"the API role lacks GetProducts": {
			hide: func() error { return w.deny("GetProducts") }, show: w.allowAll, code: exitFinding, unknown: []string{"line 1 SIM-5GB"},
			price: linePrice{SalesforceUnit: "880.00", Salesforce: "880.00"},
		},
		"WHMCS is away": {
			hide: func() error { return w.far.SetDown("whmcs", true) }, show: func() error { return w.far.SetDown("whmcs", false) },
			code: exitFinding, unknown: []string{"client", "pay method", "not in WHMCS yet", "line 1 SIM-5GB"}, price: linePrice{SalesforceUnit: "880.00", Salesforce: "880.00"},
		},
		"Salesforce is away": {
			hide: func() error { return w.far.SetDown("salesforce", true) }, show: func() error { return w.far.SetDown("salesforce", false) },
			code: exitFinding, unknown: []string{"order in Salesforce"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if test.hide != nil {
				if err := test.hide(); err != nil {
					t.Fatal(err)
				}
				defer func() {
					if err := test.show(); err != nil {
						t.Error(err)
					}
				}()
			}
			got := w.run(t, call{namespace: namespace}, "plan", "--order", id, "-o", "json")
			var plan orderPlan
			if err := json.Unmarshal([]byte(got.out), &plan); err != nil || got.code != test.code {
				t.Fatalf("exit %d, %v, want %d\n%s%s", got.code, err, test.code, got.out, got.errOut)
			}
			var unknown []string
			for _, check := range plan.Checks {
				if check.Result == unknownResult {
					unknown = append(unknown, check.Name)
				}
			}
			if !slices.Equal(unknown, test.unknown) {
				t.Errorf("unknown %v, want %v\n%s", unknown, test.unknown, got.out)
			}
			if len(plan.Lines) > 0 && plan.Lines[0].Price != test.price {
				t.Errorf("price %+v, want %+v", plan.Lines[0].Price, test.price)
			}
		})
	}
}

// TestPlanText compares the text for people.
func TestPlanText(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	if err := w.far.UpdateProduct("INT-HOME-PHONE", map[string]any{"WHMCS_Product_Id__c": 9999}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.far.UpdateProduct("INT-HOME-PHONE", map[string]any{"WHMCS_Product_Id__c": 246}); err != nil {
			t.Error(err)
		}
	})
	order := w.order(t, false, false, sandbox.OrderLine{SKU: "VPN-UK"}, sandbox.OrderLine{SKU: "SIM-5GB", Quantity: 3},
		sandbox.OrderLine{SKU: "INT-HOME-PHONE"}, sandbox.OrderLine{SKU: "INT-INSTALL", Fields: map[string]any{"UnitPrice": 20000}})
	got := w.run(t, call{namespace: namespace}, "plan", "--order", order.ID)
	if got.code != exitFinding {
		t.Errorf("exit %d, want %d: %s", got.code, exitFinding, got.errOut)
	}
	golden(t, "plan.txt", w.plain(t, namespace, order, got.out))

	broken := filepath.Join(t.TempDir(), "mapping.yaml")
	if err := os.WriteFile(broken, []byte("version: 1\nclient: {field: account.Nothing__c}\nproducts: [{sku: VPN-UK, skip: true}, {sku: 'SIM-*', cycle: {field: item.None__c}}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for object, field := range map[string]string{"Account": "Nothing__c", "OrderItem": "None__c"} {
		if err := w.far.Salesforce.DefineField(object, salesforce.Field{Name: field, Type: salesforce.TypeString}); err != nil {
			t.Fatal(err)
		}
	}
	got = w.run(t, call{namespace: namespace}, "plan", "--order", order.ID, "--mapping", broken)
	golden(t, "plan-unmapped.txt", strings.ReplaceAll(w.plain(t, namespace, order, got.out), broken, "MAPPING"))
}

// TestPlanHasNothingToSendWith looks at everything a plan is given: no method of it changes anything.
func TestPlanHasNothingToSendWith(t *testing.T) {
	allowed := map[reflect.Type][]string{
		reflect.TypeFor[planBilling]():             {"GetClientsDetails", "GetClientsProducts", "GetModuleQueue", "GetOrders", "GetPayMethods", "GetProducts"},
		reflect.TypeFor[controllers.WhmcsReader](): {"GetClientsProducts", "GetModuleQueue", "GetOrders", "GetPayMethods", "GetProducts"},
		reflect.TypeFor[controllers.OrderReader](): {"Order"},
		reflect.TypeFor[client.Reader]():           {"Get", "List"},
		reflect.TypeFor[pricedBook]():              {"Order"},
	}
	for given, want := range allowed {
		var methods []string
		for method := range given.Methods() {
			methods = append(methods, method.Name)
		}
		if !slices.Equal(methods, want) {
			t.Errorf("%s has the methods %v, want %v", given, methods, want)
		}
	}
	for _, holder := range []reflect.Type{reflect.TypeFor[planMaker](), reflect.TypeFor[controllers.Previewer]()} {
		for field := range holder.Fields() {
			_, listed := allowed[field.Type]
			if field.Type.Kind() == reflect.Interface && !listed && field.Name != "Clock" {
				t.Errorf("%s.%s is a %s, which this test does not know", holder, field.Name, field.Type)
			}
		}
	}
}
