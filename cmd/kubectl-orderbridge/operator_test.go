package main

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// order makes an order in Salesforce for a new customer.
func (w *world) order(t *testing.T, payMethod, approve bool, lines ...sandbox.OrderLine) sandbox.SeededOrder {
	t.Helper()
	customer, err := w.far.NewCustomer(payMethod)
	if err != nil {
		t.Fatal(err)
	}
	order, err := w.far.NewOrder(sandbox.OrderRequest{AccountID: customer.AccountID, Lines: lines, Approve: approve})
	if err != nil {
		t.Fatal(err)
	}
	return order
}

// object makes the ProvisioningOrder of an order.
func (w *world) object(t *testing.T, namespace, id string) *v1alpha1.ProvisioningOrder {
	t.Helper()
	order := &v1alpha1.ProvisioningOrder{}
	order.Namespace, order.Name = namespace, "portal-"+strings.ToLower(id)
	order.Spec = v1alpha1.ProvisioningOrderSpec{PipelineRef: v1alpha1.PipelineReference{Name: "portal"}, SalesforceOrderID: id, Origin: v1alpha1.ManualOrigin}
	if err := w.cluster.Create(t.Context(), order); err != nil {
		t.Fatal(err)
	}
	return order
}

// pipeline is the pipeline of a namespace.
func (w *world) pipeline(t *testing.T, namespace string) *v1alpha1.ProvisioningPipeline {
	t.Helper()
	pipeline := &v1alpha1.ProvisioningPipeline{}
	if err := w.cluster.Get(t.Context(), types.NamespacedName{Namespace: namespace, Name: "portal"}, pipeline); err != nil {
		t.Fatal(err)
	}
	return pipeline
}

// overheard is a client of WHMCS that remembers what it was asked to order.
type overheard struct {
	*whmcs.Client
	sent []whmcs.AddOrderRequest
}

func (o *overheard) AddOrder(ctx context.Context, request whmcs.AddOrderRequest) (whmcs.AddOrderResult, error) {
	o.sent = append(o.sent, request)
	return o.Client.AddOrder(ctx, request)
}

// reconcile lets the operator's reconciler work on an order until it is finished or waits for something that is not to be
// had at once. It returns what was ordered.
func (w *world) reconcile(t *testing.T, order *v1alpha1.ProvisioningOrder) []whmcs.AddOrderRequest {
	t.Helper()
	ctx := t.Context()
	pipeline := w.pipeline(t, order.Namespace)
	sides, err := controllers.NewFarSides(ctx, w.cluster, pipeline)
	if err != nil {
		t.Fatal(err)
	}
	billing := &overheard{Client: sides.Whmcs}
	backends := controllers.NewBackends()
	backends.Set(client.ObjectKeyFromObject(pipeline), controllers.NewBackend(controllers.Backend{
		Spec:      pipeline.Spec,
		Book:      salesforce.NewBatcher(sides.Salesforce, controllers.Selection(sides.Mapping)),
		Billing:   billing,
		Admission: whmcs.NewAdmission(whmcs.AdmissionConfig{MaxConcurrent: 4, PerSecond: math.Inf(1), OpenFor: time.Second}),
		Mapping:   sides.Mapping, Version: sides.Version,
	}, nil))
	r := &controllers.OrderReconciler{
		Client: alone{w.cluster}, Reader: w.cluster, Recorder: &events.FakeRecorder{}, Clock: clock.RealClock{}, Backends: backends,
		Namespace: order.Namespace, Learnt: func(types.NamespacedName) {},
	}
	r.Prepare()
	for range 20 {
		if err := w.cluster.Get(ctx, client.ObjectKeyFromObject(order), order); err != nil {
			t.Fatal(err)
		}
		if order.Status.State == v1alpha1.ProvisionedState && order.Annotations[v1alpha1.RequestedAtAnnotation] == order.Status.LastHandledRequest {
			break
		}
		result, _ := r.Reconcile(ctx, order) // what an error means for the order is in its status
		if err := w.cluster.Get(ctx, client.ObjectKeyFromObject(order), order); err != nil {
			t.Fatal(err)
		}
		if order.Status.State == v1alpha1.StalledState || order.Status.State == v1alpha1.WaitingState && result.RequeueAfter > time.Second {
			break
		}
	}
	return billing.sent
}

// alone has no cache in which orders with open calls are indexed: one order at a time is worked on.
type alone struct{ client.Client }

func (a alone) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	var asked client.ListOptions
	asked.ApplyOptions(opts)
	if asked.FieldSelector != nil {
		if _, ok := asked.FieldSelector.RequiresExactMatch("openClient"); ok {
			return nil
		}
	}
	return a.Client.List(ctx, list, opts...)
}

// provisioned makes an order on both sides and lets the operator provision it.
func (w *world) provisioned(t *testing.T, namespace string, lines ...sandbox.OrderLine) *v1alpha1.ProvisioningOrder {
	t.Helper()
	order := w.object(t, namespace, w.order(t, true, true, lines...).ID)
	w.reconcile(t, order)
	if order.Status.State != v1alpha1.ProvisionedState {
		t.Fatalf("the order is %s, want it provisioned: %+v", order.Status.State, order.Status.Conditions)
	}
	return order
}

// follow notes what is written to an order from now on, until the function that it returns is called.
func (w *world) follow(t *testing.T, order *v1alpha1.ProvisioningOrder) (stop func() []v1alpha1.ProvisioningOrderStatus) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", w.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	watching, err := client.NewWithWatch(config, client.Options{Scheme: w.cluster.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	watcher, err := watching.Watch(t.Context(), &v1alpha1.ProvisioningOrderList{}, client.InNamespace(order.Namespace),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: order.ResourceVersion}})
	if err != nil {
		t.Fatal(err)
	}
	return func() []v1alpha1.ProvisioningOrderStatus {
		defer watcher.Stop()
		var writes []v1alpha1.ProvisioningOrderStatus
		for {
			select {
			case e := <-watcher.ResultChan():
				seen, ok := e.Object.(*v1alpha1.ProvisioningOrder)
				if !ok {
					t.Fatalf("the watch ended: %v", e.Object)
				}
				writes = append(writes, seen.Status)
				if seen.ResourceVersion == order.ResourceVersion {
					return writes
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("the last write of %s was not seen", order.Name)
			}
		}
	}
}

// store writes the status of an order.
func (w *world) store(t *testing.T, order *v1alpha1.ProvisioningOrder) {
	t.Helper()
	if err := w.cluster.Status().Update(t.Context(), order); err != nil {
		t.Fatal(err)
	}
}
