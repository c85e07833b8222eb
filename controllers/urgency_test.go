package controllers

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

func orderNamed(name string, calls ...v1alpha1.Call) *v1alpha1.ProvisioningOrder {
	order := &v1alpha1.ProvisioningOrder{}
	order.Name, order.Status.Calls = name, calls
	return order
}

// TestUrgency shows that a manager that takes over looks first at orders whose answer is missing, and that orders which it
// found do not stand behind those that come after.
func TestUrgency(t *testing.T) {
	queue := priorityqueue.New[reconcile.Request](t.Name())
	defer queue.ShutDown()
	come := func(order *v1alpha1.ProvisioningOrder, initial bool) {
		byUrgency(func(*v1alpha1.ProvisioningOrder) {}).Create(t.Context(), event.CreateEvent{Object: order, IsInInitialList: initial}, queue)
	}
	add := v1alpha1.AddOrderCall
	come(orderNamed("old"), true)
	come(orderNamed("settled", call(add, settled(v1alpha1.SucceededOutcome))), true)
	come(orderNamed("open", call(add)), true)
	come(orderNamed("new"), false)
	come(orderNamed("accept open", call(add, settled(v1alpha1.SucceededOutcome)), call(v1alpha1.AcceptOrderCall)), true)
	if diff := cmp.Diff([]string{"open", "accept open", "old", "settled", "new"}, drain(queue, 5)); diff != "" {
		t.Errorf("order of the queue (-want +got):\n%s", diff)
	}
}

func drain(queue priorityqueue.PriorityQueue[reconcile.Request], count int) (names []string) {
	for range count {
		request, _ := queue.Get()
		queue.Done(request)
		names = append(names, request.Name)
	}
	return names
}

// TestWokenInTheirOrder shows that orders which waited for different times come in the order in which they are woken.
func TestWokenInTheirOrder(t *testing.T) {
	queue := priorityqueue.New[reconcile.Request](t.Name())
	defer queue.ShutDown()
	for _, name := range []string{"third", "first", "fourth", "second"} {
		request := reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
		queue.AddWithOpts(priorityqueue.AddOpts{After: time.Hour, Priority: new(usualPriority)}, request)
	}
	for _, name := range []string{"first", "second", "third", "fourth"} {
		byUrgency(func(*v1alpha1.ProvisioningOrder) {}).Generic(t.Context(), event.GenericEvent{Object: orderNamed(name)}, queue)
	}
	if diff := cmp.Diff([]string{"first", "second", "third", "fourth"}, drain(queue, 4)); diff != "" {
		t.Errorf("order of the queue (-want +got):\n%s", diff)
	}
}

type leavesOpen struct{ open bool }

func (l leavesOpen) Reconcile(_ context.Context, order *v1alpha1.ProvisioningOrder) (ctrl.Result, error) {
	order.Status.Calls = nil
	if l.open {
		order.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall)}
	}
	return ctrl.Result{}, nil
}

func TestUrgencyOfTheNextPass(t *testing.T) {
	for open, want := range map[bool]int{true: openCallPriority, false: usualPriority} {
		result, err := urgent{leavesOpen{open}}.Reconcile(t.Context(), orderNamed("order", call(v1alpha1.AddOrderCall)))
		if err != nil || result.Priority == nil || *result.Priority != want {
			t.Errorf("open %t: priority %v, error %v, want %d", open, result.Priority, err, want)
		}
	}
}

// TestGoneOrderGivesUpTheGate takes away the object whose claim is open, as somebody does who removes its finalizer.
func TestGoneOrderGivesUpTheGate(t *testing.T) {
	r := &OrderReconciler{Backends: NewBackends(), Wake: make(chan event.GenericEvent, 1)}
	r.Prepare()
	gone, next := orderNamed("gone", call(v1alpha1.AddOrderCall)), orderNamed("next")
	gone.UID, next.UID = "gone", "next"
	key := clientKey{"https://billing.example", 5}
	if !r.gate.enter(key, gone) || r.gate.enter(key, next) {
		t.Fatal("the gate does not hold")
	}
	byUrgency(r.gone).Delete(t.Context(), event.DeleteEvent{Object: gone}, nil)
	if len(r.Wake) != 1 || !r.gate.enter(key, next) {
		t.Errorf("%d orders woken, and the gate stays closed", len(r.Wake))
	}
}
