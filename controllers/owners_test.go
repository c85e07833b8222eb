package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// Orders of one WHMCS client pass AddOrder one at a time, also when pipelines in other namespaces serve the same WHMCS:
// their lines could not be told apart by the fingerprint.
func TestAddOrderOfTheSameClientIsSeenAcrossPipelines(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	const url = "https://billing.example.com/includes/api.php"
	tests := map[string]struct {
		otherPipeline, otherURL string
		client                  int64
		claimedUntil            time.Time
		// settled and deleted are what became of the other order since the cache was filled.
		settled, deleted bool
		want             bool
	}{
		"same pipeline":                   {otherPipeline: "here", otherURL: url, client: 7, claimedUntil: now.Add(time.Second), want: true},
		"other pipeline, same WHMCS":      {otherPipeline: "there", otherURL: url, client: 7, claimedUntil: now.Add(time.Second), want: true},
		"same WHMCS, written otherwise":   {otherPipeline: "there", otherURL: "https://BILLING.example.com:443/includes/api.php", client: 7, claimedUntil: now.Add(time.Second), want: true},
		"the other one's settle time":     {otherPipeline: "there", otherURL: url, client: 7, claimedUntil: now.Add(-90 * time.Second), want: true},
		"both settle times are over":      {otherPipeline: "there", otherURL: url, client: 7, claimedUntil: now.Add(-121 * time.Second)},
		"other WHMCS":                     {otherPipeline: "there", otherURL: "https://other.example.com/includes/api.php", client: 7, claimedUntil: now.Add(time.Second)},
		"other client":                    {otherPipeline: "there", otherURL: url, client: 8, claimedUntil: now.Add(time.Second)},
		"its answer was written just now": {otherPipeline: "here", otherURL: url, client: 7, claimedUntil: now.Add(time.Second), settled: true},
		"it was deleted just now":         {otherPipeline: "here", otherURL: url, client: 7, claimedUntil: now.Add(time.Second), deleted: true},
		"pipeline not known yet":          {otherPipeline: "unknown", otherURL: "", client: 7, claimedUntil: now.Add(time.Second), want: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			mine := claimedOrder("a", "mine", "here", 7, now.Add(time.Minute))
			other := claimedOrder("b", "other", test.otherPipeline, test.client, test.claimedUntil)
			if test.otherPipeline == "here" {
				other.Namespace = "a"
			}
			backends := NewBackends()
			backends.Set(types.NamespacedName{Namespace: "a", Name: "here"}, backendOf(url, time.Minute))
			if test.otherURL != "" && test.otherPipeline != "here" {
				backends.Set(types.NamespacedName{Namespace: "b", Name: test.otherPipeline}, backendOf(test.otherURL, 2*time.Minute))
			}
			latest := []client.Object{mine}
			if !test.deleted {
				late := other.DeepCopy()
				if test.settled {
					late.Status.Calls[0].SettledAt = new(metav1.NewMicroTime(now))
				}
				latest = append(latest, late)
			}
			o := clusterOwners{cache: indexed(t, mine, other), reader: indexed(t, latest...), backends: backends}
			if got := o.inFlight(t.Context(), mine, now); got != test.want {
				t.Errorf("inFlight = %t, want %t", got, test.want)
			}
		})
	}
}

func claimedOrder(namespace, name, pipeline string, clientID int64, until time.Time) *v1alpha1.ProvisioningOrder {
	order := &v1alpha1.ProvisioningOrder{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(name)}}
	order.Spec.PipelineRef.Name = pipeline
	order.Status.Plan = &v1alpha1.Plan{ClientID: clientID}
	order.Status.Calls = []v1alpha1.Call{{Step: v1alpha1.AddOrderCall, NotAfter: metav1.NewMicroTime(until)}}
	return order
}

func backendOf(url string, settle time.Duration) *Backend {
	backend := &Backend{}
	backend.Spec.Whmcs.URL = url
	backend.Spec.Whmcs.Timeouts.Settle.Duration = settle
	return backend
}

// indexed is a cache that holds the objects.
func indexed(t *testing.T, objects ...client.Object) client.Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&v1alpha1.ProvisioningOrder{}, openClientIndex, indexOpenClient).Build()
	if err := c.List(context.Background(), &v1alpha1.ProvisioningOrderList{}); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAFailingClusterIsNotBlamedOnWhmcs: whether an order of WHMCS is free is asked of the API server. Nothing is shown when
// that fails, in Salesforce least of all, and the pass is repeated.
func TestAFailingClusterIsNotBlamedOnWhmcs(t *testing.T) {
	broken := errors.New("etcdserver: request timed out")
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithInterceptorFuncs(interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return broken },
	}).Build()
	step := (*worker).order
	tests := map[string]struct {
		notes string
		run   func(*worker, context.Context, *v1alpha1.ProvisioningOrder) outcome
	}{
		"the order carries the key": {"sfOrderId=8018b0000EjXuY1AQK", step},
		"the order looks like it":   {"", step},
		"the order is named by Salesforce": {"", func(w *worker, ctx context.Context, order *v1alpha1.ProvisioningOrder) outcome {
			return w.alreadyOrdered(ctx, order, 11)
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b := &books{
				order:    whmcs.Order{ID: 11, UserID: 5, Status: "Pending", Notes: test.notes},
				services: []whmcs.Service{{ID: 1, OrderID: 11, PID: 188, Quantity: 1, BillingCycle: "Monthly"}},
			}
			order := claimedOrder("a", "mine", "here", 5, modelEpoch)
			order.Spec.SalesforceOrderID = "8018b0000EjXuY1AQK"
			order.Status.Plan.Lines = []v1alpha1.PlanLine{{OrderItemID: "a", PID: 188, Quantity: 1, BillingCycle: "monthly"}}
			w := workerWith(b, neighbours{}, afterSettle)
			backends := NewBackends()
			backends.Set(types.NamespacedName{Namespace: "a", Name: "here"}, w.backend)
			w.others = clusterOwners{cache: indexed(t, order), reader: reader, backends: backends}
			out := test.run(w, t.Context(), order)
			if out.kind != aheadKind || !errors.Is(out.err, broken) || order.Status.Whmcs != nil {
				t.Errorf("outcome %+v, whmcs %+v, want a repeat because of %q", out, order.Status.Whmcs, broken)
			}
		})
	}
}
