package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// TestOrders lists orders by what can be asked for.
func TestOrders(t *testing.T) {
	w := inWorld(t)
	namespace, other := w.namespace(t), w.namespace(t)
	line := sandbox.OrderLine{SKU: "SIM-5GB"}
	done := w.provisioned(t, namespace, line)
	unpaid := w.object(t, namespace, w.order(t, false, true, line).ID)
	w.reconcile(t, unpaid)
	refused := w.stalled(t, namespace, v1alpha1.OrderRefusedReason, nil)
	elsewhere := w.stalled(t, other, v1alpha1.OrderRefusedReason, nil)
	tests := map[string]struct {
		args []string
		want []*v1alpha1.ProvisioningOrder
		code int
	}{
		"not done":          {nil, []*v1alpha1.ProvisioningOrder{unpaid, refused}, exitOK},
		"all":               {[]string{"--all"}, []*v1alpha1.ProvisioningOrder{done, unpaid, refused}, exitOK},
		"stalled":           {[]string{"--state", "stalled"}, []*v1alpha1.ProvisioningOrder{refused}, exitOK},
		"provisioned":       {[]string{"--state", "Provisioned"}, []*v1alpha1.ProvisioningOrder{done}, exitOK},
		"by reason":         {[]string{"--reason", "PaymentMethodMissing"}, []*v1alpha1.ProvisioningOrder{unpaid}, exitOK},
		"done by reason":    {[]string{"--reason", "Provisioned"}, []*v1alpha1.ProvisioningOrder{done}, exitOK},
		"of the pipeline":   {[]string{"--pipeline", "portal", "--state", "Waiting"}, []*v1alpha1.ProvisioningOrder{unpaid}, exitOK},
		"of another":        {[]string{"--pipeline", "other"}, nil, exitOK},
		"older":             {[]string{"--older-than", "1h"}, nil, exitOK},
		"old enough":        {[]string{"--older-than", "0s", "--state", "Stalled"}, []*v1alpha1.ProvisioningOrder{refused}, exitOK},
		"everywhere":        {[]string{"-A", "--reason", "OrderRefused"}, []*v1alpha1.ProvisioningOrder{refused, elsewhere}, exitOK},
		"an unknown state":  {[]string{"--state", "Tired"}, nil, exitFailure},
		"an unknown reason": {[]string{"--reason", "Tired"}, nil, exitFailure},
		"an unknown length": {[]string{"--older-than", "long"}, nil, exitFailure},
		"an argument":       {[]string{"portal"}, nil, exitFailure},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := w.run(t, call{namespace: namespace}, append([]string{"orders", "-o", "json"}, test.args...)...)
			if got.code != test.code {
				t.Fatalf("exit %d, want %d\n%s%s", got.code, test.code, got.out, got.errOut)
			}
			if test.code == exitFailure {
				return
			}
			var list orderList
			if err := json.Unmarshal([]byte(got.out), &list); err != nil || list.Kind != "OrderSummaryList" {
				t.Fatalf("%v\n%s", err, got.out)
			}
			var names, want []string
			for _, o := range list.Orders {
				if o.Namespace == namespace || o.Namespace == other {
					names = append(names, o.Name)
				}
			}
			for _, o := range test.want {
				want = append(want, o.Name)
			}
			slices.Sort(names)
			slices.Sort(want)
			if !slices.Equal(names, want) {
				t.Errorf("orders %v, want %v", names, want)
			}
		})
	}
}

// TestOrdersText compares the text for people.
func TestOrdersText(t *testing.T) {
	list := &orderList{}
	b := newPhrasebook(none{})
	for i, order := range []*v1alpha1.ProvisioningOrder{
		at(sampleOrder(), v1alpha1.WaitingState, 0, v1alpha1.PaymentMethodMissingReason, "WHMCS client 1007 has no pay method", 55),
		at(sampleOrder(), v1alpha1.StalledState, 1, v1alpha1.OrderRefusedReason, "AddOrder: refused", 30),
		at(sampleOrder(), v1alpha1.WaitingState, 1, v1alpha1.SettlingReason, "the answer to AddOrder was lost", 3),
		at(sampleOrder(), v1alpha1.ProvisionedState, 4, v1alpha1.ProvisionedReason, "WHMCS order 4711 is active and Salesforce knows", 50),
	} {
		order.Name = fmt.Sprintf("portal-8014x000000abc%caa4", 'd'+i)
		order.Status.Salesforce.OrderNumber = fmt.Sprintf("%08d", 107+i)
		order.CreationTimestamp = metav1.NewTime(before(60 - i))
		if order.Status.State == v1alpha1.ProvisionedState {
			order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 4711}
		}
		list.Orders = append(list.Orders, summaryOf(order, b.sentence(t.Context(), order)))
	}
	list.Orders = append(list.Orders, summaryOf(&v1alpha1.ProvisioningOrder{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "portal-new", CreationTimestamp: metav1.NewTime(statusNow)}}, "Nobody has looked at the order yet"))
	var text bytes.Buffer
	for _, namespaces := range []bool{false, true} {
		if err := list.writeText(&text, statusNow, namespaces); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&text)
	}
	if err := (&orderList{}).writeText(&text, statusNow, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "orders.txt", text.String())
}

// none is a cluster that lets nothing be read.
type none struct{ client.Reader }

func (none) Get(context.Context, client.ObjectKey, client.Object, ...client.GetOption) error {
	return os.ErrPermission
}

// TestOrdersSpeakTheCompanysWords takes the sentences from the mapping of the pipeline.
func TestOrdersSpeakTheCompanysWords(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	var config corev1.ConfigMap
	if err := w.cluster.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "portal-mapping"}, &config); err != nil {
		t.Fatal(err)
	}
	config.Data["mapping.yaml"] += "\nreport:\n  reasons:\n    OrderRefused: {message: 'Call extension 42. {detail}'}\n"
	if err := w.cluster.Update(t.Context(), &config); err != nil {
		t.Fatal(err)
	}
	w.stalled(t, namespace, v1alpha1.OrderRefusedReason, nil)
	if got := w.run(t, call{namespace: namespace}, "orders"); !strings.Contains(got.out, "Call extension 42.") {
		t.Errorf("the sentence of the mapping is missing:\n%s%s", got.out, got.errOut)
	}
}

// small reads pages of two.
type small struct {
	client.Reader
	pages int
}

func (s *small) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	s.pages++
	return s.Reader.List(ctx, list, append(opts, client.Limit(2))...)
}

// TestListOrdersByPages reads more orders than a page has, oldest first.
func TestListOrdersByPages(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	for i := range 5 {
		order := &v1alpha1.ProvisioningOrder{}
		order.Namespace, order.Name = namespace, fmt.Sprintf("portal-event-%d", 5-i)
		order.Spec = v1alpha1.ProvisioningOrderSpec{PipelineRef: v1alpha1.PipelineReference{Name: "portal"}, Origin: v1alpha1.EventOrigin, Event: &v1alpha1.Event{ID: fmt.Sprint(i)}}
		if err := w.cluster.Create(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	reader := &small{Reader: w.cluster}
	orders, err := listOrders(t.Context(), reader, orderFilter{namespace: namespace, pipeline: "portal"})
	if err != nil || len(orders) != 5 || reader.pages != 3 {
		t.Fatalf("%d orders from %d pages, %v, want 5 from 3", len(orders), reader.pages, err)
	}
	if !slices.IsSortedFunc(orders, func(a, b v1alpha1.ProvisioningOrder) int {
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	}) {
		t.Errorf("orders are not oldest first: %s", nameList(orders))
	}
}

func TestParseSpan(t *testing.T) {
	tests := map[string]time.Duration{"90m": 90 * time.Minute, "2h": 2 * time.Hour, "30d": 720 * time.Hour, "1.5d": 36 * time.Hour, "0s": 0, "d": -1, "-1h": -1, "-2d": -1, "x": -1, "": -1}
	for text, want := range tests {
		got, err := parseSpan(text)
		if (err != nil) != (want < 0) || err == nil && got != want {
			t.Errorf("%q: %s, %v, want %s", text, got, err, want)
		}
	}
}

// TestRights gives people the roles that come with the operator, and no more, and looks what they can do.
func TestRights(t *testing.T) {
	w := inWorld(t)
	namespace := w.namespace(t)
	order := w.stalled(t, namespace, v1alpha1.OrderRefusedReason, nil)
	viewer, editor := role(t, "viewer"), role(t, "editor")
	planner := append(slices.Clone(viewer), rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets", "configmaps"}, Verbs: []string{"get"}})
	w.allow(t, namespace, "viewer", viewer)
	w.allow(t, namespace, "editor", editor)
	w.allow(t, namespace, "planner", planner)
	mapping := t.TempDir() + "/mapping.yaml"
	if err := os.WriteFile(mapping, []byte(sandbox.DefaultMapping()), 0o600); err != nil {
		t.Fatal(err)
	}
	plan := []string{"plan", "--order", order.Spec.SalesforceOrderID}
	tests := map[string]struct {
		user string
		args []string
		code int
		says string
	}{
		"a stranger sees nothing":    {"stranger", []string{"status", order.Name}, exitFailure, "your own rights"},
		"a viewer sees status":       {"viewer", []string{"status", order.Name}, exitFinding, "Not shown: listing the events"},
		"a viewer lists":             {"viewer", []string{"orders"}, exitOK, "OrderRefused"},
		"a viewer tries mappings":    {"viewer", []string{"mapping", "what-if", "--against", mapping}, exitOK, "0 orders"},
		"a viewer sees a dry run":    {"viewer", []string{"retry", order.Name, "--dry-run"}, exitOK, "would be asked"},
		"a viewer cannot retry":      {"viewer", []string{"retry", order.Name}, exitFailure, "your own rights"},
		"a viewer cannot plan":       {"viewer", plan, exitFailure, "secrets"},
		"an editor retries":          {"editor", []string{"retry", order.Name}, exitOK, "asked"},
		"who may read Secrets plans": {"planner", plan, exitOK, "PLAN ONLY"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := w.run(t, call{namespace: namespace}, append(test.args, "--as", test.user)...)
			if got.code != test.code || !strings.Contains(got.out+got.errOut, test.says) {
				t.Errorf("exit %d, want %d and %q\n%s%s", got.code, test.code, test.says, got.out, got.errOut)
			}
		})
	}
}

// role is a role that comes with the operator.
func role(t *testing.T, name string) []rbacv1.PolicyRule {
	t.Helper()
	text, err := os.ReadFile("../../config/rbac/" + name + "_role.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var r rbacv1.ClusterRole
	if err := yaml.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r.Rules
}

func (w *world) allow(t *testing.T, namespace, user string, rules []rbacv1.PolicyRule) {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: namespace, Name: user}
	for _, object := range []client.Object{
		&rbacv1.Role{ObjectMeta: meta, Rules: rules},
		&rbacv1.RoleBinding{ObjectMeta: meta, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: user},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: user}}},
	} {
		if err := w.cluster.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
}
