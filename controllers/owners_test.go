package controllers

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
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
