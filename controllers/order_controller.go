package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// +kubebuilder:rbac:groups=orderbridge.dev,resources=provisioningorders,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=orderbridge.dev,resources=provisioningorders/status,verbs=update
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// OrderReconciler takes each ProvisioningOrder through its steps.
type OrderReconciler struct {
	client.Client
	// Reader reads from the API server, not from the cache.
	Reader   client.Reader
	Recorder events.EventRecorder
	Clock    clock.Clock
	Backends *Backends
	// Namespace limits it to one namespace; empty means all.
	Namespace string
	// Wake receives orders that should be looked at now, because what they wait for may have come.
	Wake chan event.GenericEvent
	// Learnt is told of a pipeline for which something was found out about the markers.
	Learnt func(pipeline types.NamespacedName)

	pace   *pacer
	gate   *clientGate
	others owners
}

// backendPending is how soon an order is looked at again whose pipeline is not ready to work yet.
const backendPending = 500 * time.Millisecond

// prepare fills what is not given.
func (r *OrderReconciler) prepare() {
	if r.pace == nil {
		r.pace, r.gate = newPacer(), newClientGate()
	}
	if r.others == nil {
		r.others = clusterOwners{cache: r.Client, reader: r.Reader, namespace: r.Namespace, backends: r.Backends}
	}
}

// SetupWithManager registers the reconciler with at most concurrency orders at a time.
func (r *OrderReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, concurrency int) error {
	r.prepare()
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.ProvisioningOrder{}, openClientIndex, indexOpenClient); err != nil {
		return fmt.Errorf("indexing orders by open client: %w", err)
	}
	if err := metrics.Registry.Register(orderCollector{cache: r.Client}); err != nil {
		return fmt.Errorf("registering the metrics of orders: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("provisioningorder").
		For(&v1alpha1.ProvisioningOrder{}, builder.WithPredicates(asksForWork(), notCreated())).
		Watches(&v1alpha1.ProvisioningOrder{}, byUrgency(r.gone)).
		WatchesRawSource(source.Channel(r.Wake, byUrgency(r.gone))).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrency,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, 5*time.Minute),
		}).
		Complete(r.byName())
}

// byName reconciles orders by their names.
func (r *OrderReconciler) byName() reconcile.Reconciler {
	return reconcile.AsReconciler(finishedToo{r.Client, r.Reader, r.found}, urgent{r})
}

// asksForWork passes what an order must be looked at for. Changes of the status are our own, and an object that leaves
// the cache because it is finished is no work.
func asksForWork() predicate.Predicate {
	changed := predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{})
	return predicate.Funcs{
		DeleteFunc: func(event.DeleteEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			return changed.Update(e) || e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
		},
	}
}

// finishedToo reads an object that is not in the cache from the API server: finished orders are not cached.
type finishedToo struct {
	client.Client
	reader client.Reader
	// found is told which object has the name now; the UID is empty if none has.
	found func(name types.NamespacedName, order types.UID)
}

// Get reads an object from the cache or, if it is not there, from the API server.
func (f finishedToo) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	err := f.Client.Get(ctx, key, obj, opts...)
	if apierrors.IsNotFound(err) {
		err = f.reader.Get(ctx, key, obj, opts...)
	}
	if client.IgnoreNotFound(err) == nil {
		f.found(key, obj.GetUID())
	}
	return err
}

// Reconcile takes an order as far as it goes now.
func (r *OrderReconciler) Reconcile(ctx context.Context, order *v1alpha1.ProvisioningOrder) (ctrl.Result, error) {
	name := types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.PipelineRef.Name}
	backend := r.Backends.Get(name)
	if !order.DeletionTimestamp.IsZero() {
		return r.letGo(ctx, order, backend)
	}
	w := &worker{
		clock: r.Clock, reader: r.Reader, writer: r.Status(), backend: backend, backends: r.Backends, pace: r.pace, gate: r.gate, others: r.others, learnt: r.Learnt,
		began: *order.Status.DeepCopy(), stored: *order.Status.DeepCopy(), waitedFor: r.Backends.waiting.reason(client.ObjectKeyFromObject(order)),
	}
	if order.Status.State == v1alpha1.ProvisionedState && !asks(order) {
		return ctrl.Result{}, nil
	}
	if backend == nil {
		return r.withoutBackend(ctx, w, order, name)
	}
	if added, err := r.guard(ctx, order); !added {
		return ctrl.Result{RequeueAfter: time.Second}, err
	}
	asked := takeRequest(order, backend, r.Clock.Now())
	if asked.request != "" {
		w.asked = true
		r.pace.forget(order.UID)
	}
	at, out := r.walk(ctx, w, order)
	defer r.leave(order)
	return r.finish(ctx, w, order, at, out, asked)
}

// guard makes sure that the order has the finalizer. The intake creates orders with it; people do not.
func (r *OrderReconciler) guard(ctx context.Context, order *v1alpha1.ProvisioningOrder) (bool, error) {
	before := order.DeepCopy()
	if !controllerutil.AddFinalizer(order, v1alpha1.ClaimFinalizer) {
		return true, nil
	}
	err := r.Patch(ctx, order, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if apierrors.IsConflict(err) {
		return false, nil
	}
	return err == nil, client.IgnoreNotFound(err)
}

// walk runs the steps until one does not end with done. It returns the step that ended the pass.
func (r *OrderReconciler) walk(ctx context.Context, w *worker, order *v1alpha1.ProvisioningOrder) (int, outcome) {
	for at, s := range steps {
		out := s.run(w, ctx, order)
		if out.kind != doneKind || at == len(steps)-1 {
			return at, out
		}
		setCondition(order, s.condition, "True", out.reason, out.message)
		// The client's next order need not wait for modules and Salesforce. Not before it is stored whose the WHMCS order is,
		// or the next one could take it for its own.
		if at == orderStep && w.stored.Whmcs != nil {
			r.leave(order)
		}
	}
	return 0, ahead()
}

// finish turns the pass's outcome into status, events, the report to Salesforce and what Reconcile returns.
func (r *OrderReconciler) finish(ctx context.Context, w *worker, order *v1alpha1.ProvisioningOrder, at int, out outcome, asked ask) (ctrl.Result, error) {
	if out.kind == aheadKind && out.err != nil {
		return ctrl.Result{}, out.err
	}
	if out.kind == aheadKind && !w.called {
		return ctrl.Result{RequeueAfter: out.after}, nil
	}
	out = spend(order, out)
	changed, result, err := conclude(order, at, out, backoff, r.Clock.Now())
	if order.Status.State == v1alpha1.StalledState || out.kind == waitKind {
		if failed := w.report(ctx, order, out); failed != nil {
			log.FromContext(ctx).Info("Reporting to Salesforce later", "reason", out.reason, "problem", failed.Error())
			result, err = ctrl.Result{RequeueAfter: soonest(result.RequeueAfter, reportAgain)}, nil
		}
	}
	r.Backends.waiting.note(order, out)
	if saved := r.save(ctx, w, order); saved != nil {
		if errors.Is(saved, errAhead) {
			return ctrl.Result{RequeueAfter: time.Second}, nil
		}
		return ctrl.Result{}, saved
	}
	if out.kind == doneKind {
		r.pace.forget(order.UID)
	}
	r.tell(order, asked.answers(order, w, out, changed)...)
	if changed != nil {
		r.tell(order, *changed)
	}
	observe(order, w)
	if r.overtaken(w, order, out) {
		return ctrl.Result{RequeueAfter: time.Millisecond}, nil
	}
	return result, err
}

// overtaken tells whether what the order waits for has come since the pass saw that it lacks: those who wait were woken
// before this order was one of them.
func (r *OrderReconciler) overtaken(w *worker, order *v1alpha1.ProvisioningOrder, out outcome) bool {
	if errors.Is(out.err, whmcs.ErrOpen) {
		return w.backend.Admission.State() == whmcs.AdmissionClosed
	}
	return slices.Contains(waitingForMapping, out.reason) && r.Backends.mendedSince(w.pipeline(order), w.backend)
}

// reportAgain is how soon a report to Salesforce that failed is tried again.
const reportAgain = 30 * time.Second

func soonest(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// save writes the pass's result. After a call it must not be lost.
func (r *OrderReconciler) save(ctx context.Context, w *worker, order *v1alpha1.ProvisioningOrder) error {
	if w.called {
		return w.record(ctx, order)
	}
	return w.save(ctx, order)
}

// withoutBackend waits for the pipeline. Nothing is written while a pipeline that exists is being set up.
func (r *OrderReconciler) withoutBackend(ctx context.Context, w *worker, order *v1alpha1.ProvisioningOrder, name types.NamespacedName) (ctrl.Result, error) {
	var pipeline v1alpha1.ProvisioningPipeline
	err := r.Get(ctx, name, &pipeline)
	if !apierrors.IsNotFound(err) {
		return ctrl.Result{RequeueAfter: backendPending}, client.IgnoreNotFound(err)
	}
	if order.Status.State == v1alpha1.ProvisionedState {
		return r.decline(ctx, order, fmt.Sprintf("there is no ProvisioningPipeline %q in namespace %s through which to check the provisioned order; make it, then set orderbridge.dev/requestedAt", name.Name, name.Namespace))
	}
	out := wait(farSideLongest, v1alpha1.PipelineNotReadyReason,
		fmt.Sprintf("There is no ProvisioningPipeline %q in namespace %s; the order goes on by itself when there is", name.Name, name.Namespace))
	asked := takeRequest(order, nil, r.Clock.Now())
	return r.finish(ctx, w, order, r.reached(order), out, asked)
}

// reached is the first step that is not done by what is known.
func (r *OrderReconciler) reached(order *v1alpha1.ProvisioningOrder) int {
	switch {
	case order.Status.Whmcs != nil:
		return acceptStep
	case frozen(order):
		return orderStep
	default:
		return 0
	}
}

// leave gives up the gate of the order's client unless its AddOrder may still take effect, and wakes who waited.
func (r *OrderReconciler) leave(order *v1alpha1.ProvisioningOrder) {
	if last := lastCall(order.Status.Calls, v1alpha1.AddOrderCall); isOpen(last) && order.Status.State != v1alpha1.StalledState {
		return
	}
	r.wakeAll(r.gate.leave(order.UID))
}

// gone gives up the gate for an order that is not in the cache any more. Mostly it has none; but if somebody took the
// finalizer away while its claim was open, no pass would ever open the gate for the client's other orders.
func (r *OrderReconciler) gone(order *v1alpha1.ProvisioningOrder) {
	r.wakeAll(r.gate.leave(order.UID))
}

// found gives up the gate for an object that had the name before. It may have entered after gone was called for it, in a pass
// that had begun before; and that pass had no other one after it.
func (r *OrderReconciler) found(name types.NamespacedName, order types.UID) {
	r.wakeAll(r.gate.succeed(name, order))
}

func (r *OrderReconciler) wakeAll(names []types.NamespacedName) {
	for _, name := range names {
		wake(r.Wake, name)
	}
}

// wake asks for an order to be looked at. If the queue is full the order's own wait brings it back.
func wake(queue chan<- event.GenericEvent, name types.NamespacedName) {
	order := &v1alpha1.ProvisioningOrder{}
	order.Namespace, order.Name = name.Namespace, name.Name
	select {
	case queue <- event.GenericEvent{Object: order}:
	default:
	}
}

// unknownSettle is taken for the settle time of a pipeline that does not exist any more: the default of the field.
const unknownSettle = 5 * time.Minute

// openUntil is when the last open call of the order can no longer take effect. The settle time is read from the pipeline
// if nothing was built from it yet: a manager that has just started must not let go too soon.
func (r *OrderReconciler) openUntil(ctx context.Context, order *v1alpha1.ProvisioningOrder, backend *Backend) (time.Time, error) {
	settle := unknownSettle
	if backend != nil {
		settle = backend.Spec.Whmcs.Timeouts.Settle.Duration
	} else {
		var pipeline v1alpha1.ProvisioningPipeline
		err := r.Get(ctx, types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.PipelineRef.Name}, &pipeline)
		switch {
		case err == nil:
			settle = pipeline.Spec.Whmcs.Timeouts.Settle.Duration
		case !apierrors.IsNotFound(err):
			return time.Time{}, err
		}
	}
	var until time.Time
	for _, call := range order.Status.Calls {
		if from := settledFrom(&call, settle); isOpen(&call) && from.After(until) {
			until = from
		}
	}
	return until, nil
}

// keep waits with a deleted order, and answers what is asked of it.
func (r *OrderReconciler) keep(ctx context.Context, order *v1alpha1.ProvisioningOrder, until time.Time, left time.Duration, err error) (ctrl.Result, error) {
	if err != nil || !asks(order) {
		return ctrl.Result{RequeueAfter: left}, err
	}
	result, err := r.decline(ctx, order, fmt.Sprintf("the order is being deleted, and only kept until %s because a call to WHMCS may still take effect; "+
		"if Salesforce still wants it, the next sweep makes it again after that", until.UTC().Format(time.RFC3339)))
	if err == nil && result.RequeueAfter == 0 {
		result.RequeueAfter = left
	}
	return result, err
}

// letGo lets the object go as soon as no call of it can be under way.
func (r *OrderReconciler) letGo(ctx context.Context, order *v1alpha1.ProvisioningOrder, backend *Backend) (ctrl.Result, error) {
	if !controllerutil.ContainsFinalizer(order, v1alpha1.ClaimFinalizer) {
		return ctrl.Result{}, nil
	}
	if slices.ContainsFunc(order.Status.Calls, func(c v1alpha1.Call) bool { return isOpen(&c) }) {
		until, err := r.openUntil(ctx, order, backend)
		if left := until.Sub(r.Clock.Now()); err != nil || left > 0 {
			log.FromContext(ctx).Info("Keeping the deleted order until its call can no longer take effect", "until", until)
			return r.keep(ctx, order, until, left, err)
		}
	}
	before := order.DeepCopy()
	controllerutil.RemoveFinalizer(order, v1alpha1.ClaimFinalizer)
	err := r.Patch(ctx, order, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	r.pace.forget(order.UID)
	r.Backends.waiting.leave(client.ObjectKeyFromObject(order))
	r.gone(order)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: time.Second}, nil
	}
	return ctrl.Result{}, client.IgnoreNotFound(err)
}
