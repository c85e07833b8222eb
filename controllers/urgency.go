package controllers

import (
	"context"
	"slices"

	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// The priorities of orders in the queue. An order with an open call goes first: it must be looked for in WHMCS at once, and
// its client's other orders wait for that. All others are equal, whether they were there when the manager started or came
// since: with the library's low priority for the former, old orders would wait for as long as new ones come.
//
// Orders that are woken go before those that come of their own, and so in the order in which they are woken: an order that
// is in the queue already keeps its place unless its priority rises, and after an outage that place has nothing to do with
// its age.
const (
	openCallPriority = 10
	wokenPriority    = 1
	usualPriority    = 0
)

// priorityOf is the order's priority in the queue.
func priorityOf(order *v1alpha1.ProvisioningOrder) int {
	if slices.ContainsFunc(order.Status.Calls, func(c v1alpha1.Call) bool { return isOpen(&c) }) {
		return openCallPriority
	}
	return usualPriority
}

// byUrgency enqueues objects with their priority as they come into the cache, and as they are woken. Those that leave it
// give up what they hold.
func byUrgency(gone func(order *v1alpha1.ProvisioningOrder)) handler.EventHandler {
	return handler.Funcs{
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			if order, ok := e.Object.(*v1alpha1.ProvisioningOrder); ok {
				gone(order)
			}
		},
		CreateFunc: func(_ context.Context, e event.CreateEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			if order, ok := e.Object.(*v1alpha1.ProvisioningOrder); ok {
				enqueue(queue, order, priorityOf(order))
			}
		},
		GenericFunc: func(_ context.Context, e event.GenericEvent, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			enqueue(queue, e.Object, wokenPriority)
		},
	}
}

func enqueue(queue workqueue.TypedRateLimitingInterface[reconcile.Request], obj client.Object, priority int) {
	request := reconcile.Request{NamespacedName: client.ObjectKeyFromObject(obj)}
	if q, ok := queue.(priorityqueue.PriorityQueue[reconcile.Request]); ok {
		q.AddWithOpts(priorityqueue.AddOpts{Priority: new(priority)}, request)
		return
	}
	queue.Add(request)
}

// notCreated leaves objects that come into the cache to byUrgency.
func notCreated() predicate.Predicate {
	return predicate.Funcs{CreateFunc: func(event.CreateEvent) bool { return false }}
}

// urgent reconciles and has the order come back with its priority.
type urgent struct {
	reconcile.ObjectReconciler[*v1alpha1.ProvisioningOrder]
}

// Reconcile takes an order as far as it goes now.
func (u urgent) Reconcile(ctx context.Context, order *v1alpha1.ProvisioningOrder) (ctrl.Result, error) {
	result, err := u.ObjectReconciler.Reconcile(ctx, order)
	result.Priority = new(priorityOf(order))
	return result, err
}
