package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// impatient is a clock that stands still and keeps nobody waiting.
type impatient struct{ *clocktesting.FakeClock }

// After is over at once.
func (c impatient) After(time.Duration) <-chan time.Time {
	over := make(chan time.Time, 1)
	over <- c.Now()
	return over
}

// muffled writes, and loses the answer of the first write. Then something else may happen.
type muffled struct {
	statusWriter
	meanwhile func()
	written   int
}

// Update writes the status.
func (m *muffled) Update(ctx context.Context, obj client.Object, opts ...client.SubResourceUpdateOption) error {
	m.written++
	if m.written > 1 {
		return m.statusWriter.Update(ctx, obj, opts...)
	}
	if err := m.statusWriter.Update(ctx, obj.DeepCopyObject().(client.Object), opts...); err != nil {
		return err
	}
	m.meanwhile()
	return errors.New("connection reset by peer")
}

// TestOwnWriteIsNotTakenForSomebodyElses writes the answer of AddOrder down, and the API server's answer to that is lost.
func TestOwnWriteIsNotTakenForSomebodyElses(t *testing.T) {
	tests := map[string]struct {
		meanwhile func(t *testing.T, cluster client.Client, order *v1alpha1.ProvisioningOrder)
		want      kind
	}{
		"nothing else": {func(*testing.T, client.Client, *v1alpha1.ProvisioningOrder) {}, doneKind},
		"somebody asks for it again": {func(t *testing.T, cluster client.Client, order *v1alpha1.ProvisioningOrder) {
			order.Annotations = map[string]string{v1alpha1.RequestedAtAnnotation: "now"}
			if err := cluster.Update(t.Context(), order); err != nil {
				t.Fatal(err)
			}
		}, doneKind},
		"another manager goes on": {func(t *testing.T, cluster client.Client, order *v1alpha1.ProvisioningOrder) {
			order.Status.State = v1alpha1.StalledState
			if err := cluster.Status().Update(t.Context(), order); err != nil {
				t.Fatal(err)
			}
		}, aheadKind},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder(v1alpha1.PlanLine{OrderItemID: "a", PID: 188, Quantity: 1, BillingCycle: "monthly"})
			order.Namespace, order.Name = "default", "portal-8018b0000ejxuy1aqk"
			scheme := runtime.NewScheme()
			if err := v1alpha1.AddToScheme(scheme); err != nil {
				t.Fatal(err)
			}
			cluster := fake.NewClientBuilder().WithScheme(scheme).WithObjects(order).WithStatusSubresource(order).Build()
			latest := func() *v1alpha1.ProvisioningOrder {
				var now v1alpha1.ProvisioningOrder
				if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(order), &now); err != nil {
					t.Fatal(err)
				}
				return &now
			}
			order = latest()
			w := workerWith(&books{}, neighbours{}, modelEpoch)
			// The API server keeps microseconds, and of some times only seconds.
			w.clock = impatient{clocktesting.NewFakeClock(modelEpoch.Add(123456789 * time.Nanosecond))}
			w.backend.Spec.Whmcs.Timeouts.AddOrder.Duration = time.Minute
			w.backend.Spec.Whmcs.Timeouts.AcceptOrder.Duration = time.Minute
			w.reader, w.writer, w.stored = cluster, cluster.Status(), *order.Status.DeepCopy()
			if err := w.claim(t.Context(), order, orderStep, v1alpha1.Call{Step: v1alpha1.AddOrderCall}, time.Minute); err != nil {
				t.Fatal(err)
			}
			writer := &muffled{statusWriter: cluster.Status(), meanwhile: func() { test.meanwhile(t, cluster, latest()) }}
			w.writer = writer
			if out := w.ordered(t.Context(), order, whmcs.AddOrderResult{OrderID: 11}); out.kind != test.want {
				t.Errorf("outcome %+v after %d writes, want kind %d", out, writer.written, test.want)
			}
			if test.want != doneKind {
				return
			}
			if order.ResourceVersion != latest().ResourceVersion {
				t.Error("the pass goes on with an object that is not the stored one")
			}
			order.Status.State = v1alpha1.ProvisionedState
			if err := w.record(t.Context(), order); err != nil || latest().Status.State != v1alpha1.ProvisionedState {
				t.Errorf("the next write of the pass: %v, state %s", err, latest().Status.State)
			}
		})
	}
}
