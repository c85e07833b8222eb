package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/intake"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// +kubebuilder:rbac:groups=orderbridge.dev,resources=provisioningpipelines,verbs=get;list;watch
// +kubebuilder:rbac:groups=orderbridge.dev,resources=provisioningpipelines/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch

// PipelineReconciler keeps the clients, the mapping and the streams of each ProvisioningPipeline up to date, and says in
// conditions what is wrong with them.
type PipelineReconciler struct {
	client.Client
	// Reader reads from the API server, not from the cache: Secrets must not lie in the manager's memory.
	Reader   client.Reader
	Recorder events.EventRecorder
	Clock    clock.Clock
	Backends *Backends
	// Wake takes the orders that should be looked at now.
	Wake chan event.GenericEvent
	// Intake runs the streams and the sweep.
	Intake Intake

	again      chan event.GenericEvent
	admissions *admissions

	mu sync.Mutex
	// pipelines has what is built for each pipeline. What it points to is used by one worker at a time.
	pipelines map[types.NamespacedName]*pipelineLinks
}

// Intake runs the streams and sweeps of pipelines.
type Intake interface {
	Apply(intake.Wanted)
	Remove(types.NamespacedName)
	Snapshot(types.NamespacedName) intake.Snapshot
	Changes() <-chan event.GenericEvent
}

// pipelineLinks is what is built for a pipeline.
type pipelineLinks struct {
	salesforce link[*salesforce.Client]
	whmcs      link[*whmcs.Client]
	mapping    mappingLink
	markers    *markerMemory
	fields     *fieldMemory
	suspended  bool
	orgID      string
	version    string
}

// lookInterval is how often a pipeline is looked at without a cause: Secrets are not watched, so that the manager needs
// no right to list them.
const lookInterval = 5 * time.Second

// pipelineWorkers is how many pipelines are looked at side by side: one whose far sides do not answer takes its time.
const pipelineWorkers = 8

// mappingIndex finds the pipelines that use a ConfigMap.
const mappingIndex = "mappingRef"

func (r *PipelineReconciler) prepare() {
	r.again = make(chan event.GenericEvent, 64)
	r.pipelines = map[types.NamespacedName]*pipelineLinks{}
	r.admissions = newAdmissions(r.breakerChanged)
}

// SetupWithManager registers the reconciler.
func (r *PipelineReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager) error {
	r.prepare()
	byMapping := func(obj client.Object) []string {
		pipeline, ok := obj.(*v1alpha1.ProvisioningPipeline)
		if !ok {
			return nil
		}
		return []string{pipeline.Spec.MappingRef.Name}
	}
	if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.ProvisioningPipeline{}, mappingIndex, byMapping); err != nil {
		return fmt.Errorf("indexing pipelines by mapping: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("provisioningpipeline").
		For(&v1alpha1.ProvisioningPipeline{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		WatchesMetadata(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.pipelinesOfMapping)).
		WatchesRawSource(source.Channel(r.Intake.Changes(), &handler.EnqueueRequestForObject{})).
		WatchesRawSource(source.Channel(r.again, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: pipelineWorkers}).
		Complete(r)
}

func (r *PipelineReconciler) pipelinesOfMapping(ctx context.Context, config client.Object) []reconcile.Request {
	var list v1alpha1.ProvisioningPipelineList
	err := r.List(ctx, &list, client.InNamespace(config.GetNamespace()), client.MatchingFields{mappingIndex: config.GetName()})
	if err != nil {
		log.FromContext(ctx).Error(err, "Listing the pipelines of a mapping")
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])})
	}
	return requests
}

// breakerChanged looks at the pipelines of a WHMCS whose circuit breaker opened or closed.
func (r *PipelineReconciler) breakerChanged(endpoint string, open bool) {
	value := 0.0
	if open {
		value = 1
	}
	breakerOpen.WithLabelValues(endpoint).Set(value)
	for _, name := range r.admissions.pipelines(endpoint) {
		r.lookAgain(name)
	}
}

// lookAgain looks at a pipeline soon.
func (r *PipelineReconciler) lookAgain(name types.NamespacedName) {
	pipeline := &v1alpha1.ProvisioningPipeline{}
	pipeline.Namespace, pipeline.Name = name.Namespace, name.Name
	select {
	case r.again <- event.GenericEvent{Object: pipeline}:
	default:
		// The next look comes within lookInterval.
	}
}

// Reconcile brings one pipeline up to date.
func (r *PipelineReconciler) Reconcile(ctx context.Context, request reconcile.Request) (ctrl.Result, error) {
	var pipeline v1alpha1.ProvisioningPipeline
	err := r.Get(ctx, request.NamespacedName, &pipeline)
	if apierrors.IsNotFound(err) || err == nil && !pipeline.DeletionTimestamp.IsZero() {
		r.forget(request.NamespacedName)
		return ctrl.Result{}, nil
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	links := r.linksOf(&pipeline)
	reasons, err := r.refresh(ctx, &pipeline, links)
	if err != nil {
		return ctrl.Result{}, err
	}
	// The status can wait for the next look, if it cannot be written. Nothing would wake these orders then.
	if len(reasons) > 0 {
		woken, err := wakeWaiting(ctx, r.Backends.waiting, r.Wake, request.NamespacedName, reasons...)
		if err != nil {
			return ctrl.Result{}, err
		}
		log.FromContext(ctx).Info("Waking orders", "reasons", reasons, "orders", woken)
	}
	if err := r.patchStatus(ctx, &pipeline, links); err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: lookInterval}, nil
}

func (r *PipelineReconciler) forget(name types.NamespacedName) {
	r.Intake.Remove(name)
	r.Backends.Set(name, nil)
	r.admissions.forget(name)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pipelines, name)
}

// linksOf are the links of a pipeline, empty ones at first.
func (r *PipelineReconciler) linksOf(pipeline *v1alpha1.ProvisioningPipeline) *pipelineLinks {
	name := client.ObjectKeyFromObject(pipeline)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pipelines[name] == nil {
		r.pipelines[name] = &pipelineLinks{markers: newMarkerMemory(pipeline.Spec.Whmcs.Markers, knownMarkers(pipeline)), suspended: pipeline.Spec.Suspend}
	}
	return r.pipelines[name]
}

// refresh builds what changed, publishes it, and returns the reasons whose waiting orders should be woken.
func (r *PipelineReconciler) refresh(ctx context.Context, pipeline *v1alpha1.ProvisioningPipeline, links *pipelineLinks) ([]string, error) {
	name := client.ObjectKeyFromObject(pipeline)
	before := r.Backends.Get(name)
	// What orders were told counts: a look that failed half-way may have moved the links on already.
	was := troubles{whmcs: before != nil && before.BillingProblem != "", salesforce: before != nil && before.BookProblem != ""}
	if err := salesforceLink(ctx, r.Reader, pipeline, &links.salesforce); err != nil {
		return nil, err
	}
	if err := whmcsLink(ctx, r.Reader, pipeline, &links.whmcs); err != nil {
		return nil, err
	}
	mappingChanged, err := links.mapping.refresh(ctx, r.Reader, pipeline)
	if err != nil {
		return nil, err
	}
	if org := checkSalesforce(ctx, &links.salesforce); org != "" {
		links.orgID = org
	}
	next := r.backend(pipeline, links, before)
	if next.Admission != nil {
		if version := checkWhmcs(ctx, &links.whmcs, next.Admission, r.Clock.Now()); version != "" {
			links.version = version
		}
	}
	next.BookProblem, next.BillingProblem = text(links.salesforce.trouble()), text(links.whmcs.trouble())
	r.Backends.Set(name, next)
	r.Intake.Apply(wanted(pipeline, links))

	resumed := before == nil || links.suspended && !pipeline.Spec.Suspend
	links.suspended = pipeline.Spec.Suspend
	return links.ended(resumed, mappingChanged, was), nil
}

// troubles say which far sides are in trouble.
type troubles struct {
	whmcs, salesforce bool
}

// ended are the reasons for which no order needs to wait any more.
func (l *pipelineLinks) ended(resumed, mappingChanged bool, was troubles) []string {
	var reasons []string
	if resumed {
		reasons = append(reasons, waitingForStart...)
	}
	if mappingChanged && l.mapping.mapping != nil {
		reasons = append(reasons, waitingForMapping...)
	}
	if was.whmcs && l.whmcs.trouble() == nil {
		reasons = append(reasons, waitingForWhmcs...)
	}
	if was.salesforce && l.salesforce.trouble() == nil {
		reasons = append(reasons, waitingForBook...)
	}
	return reasons
}

func text(p *problem) string {
	if p == nil {
		return ""
	}
	return p.message
}

// backend makes what orders work with from the links.
func (r *PipelineReconciler) backend(pipeline *v1alpha1.ProvisioningPipeline, links *pipelineLinks, before *Backend) *Backend {
	spec := &pipeline.Spec.Whmcs
	// What one WHMCS said counts for no other. Ids least of all: the field of that id there is for something else.
	elsewhere := before == nil || before.Spec.Whmcs.URL != spec.URL
	if elsewhere || !equality.Semantic.DeepEqual(before.Spec.Whmcs.Markers, spec.Markers) {
		links.markers = newMarkerMemory(spec.Markers, knownMarkers(pipeline))
	}
	if elsewhere || links.fields.name != spec.MarkerCustomFieldName {
		links.fields = newFieldMemory(spec.MarkerCustomFieldName)
	}
	if elsewhere {
		links.version = ""
	}
	next := &Backend{
		Spec:           *pipeline.Spec.DeepCopy(),
		Mapping:        links.mapping.mapping,
		MappingProblem: text(links.mapping.problem),
		Reporting:      links.mapping.last,
		Version:        links.mapping.version,
		Markers:        links.markers,
		fields:         links.fields,
	}
	if c := links.salesforce.client; c != nil && links.mapping.last != nil {
		next.Book, next.bookOf = links.book(c, before), c
	}
	if c := links.whmcs.client; c != nil {
		next.Billing = c
		next.Admission = r.admissions.of(c.Endpoint(), client.ObjectKeyFromObject(pipeline),
			limits{int(spec.MaxConcurrentRequests), float64(spec.RequestsPerSecond)})
	}
	return next
}

// book keeps the batcher while client and mapping stay the same, so that requests go on gathering in it.
func (l *pipelineLinks) book(c *salesforce.Client, before *Backend) orderBook {
	if before != nil && before.bookOf == c && before.Reporting == l.mapping.last && before.Book != nil {
		return before.Book
	}
	return salesforce.NewBatcher(c, Selection(l.mapping.last))
}

// Selection is what a mapping reads of an order.
func Selection(m *mapping.Mapping) salesforce.Select {
	objects := m.Objects()
	return salesforce.Select{
		Object: objects.Order, Lines: objects.Lines,
		OrderFields: m.OrderFields(), ItemFields: m.ItemFields(),
	}
}

// knownMarkers are what the status says about the markers of the WHMCS that the pipeline points at. What was learnt of
// another one counts for nothing, also if the manager was away or restarted when the URL was changed: taking a marker for
// stored that is not leads to a second order.
func knownMarkers(pipeline *v1alpha1.ProvisioningPipeline) []v1alpha1.MarkerStatus {
	if pipeline.Status.MarkersURL != pipeline.Spec.Whmcs.URL {
		return nil
	}
	return pipeline.Status.Markers
}

// Learnt has the status say what was found out about the markers of a pipeline. That it is lost only means finding out again.
func (r *PipelineReconciler) Learnt(name types.NamespacedName) {
	r.lookAgain(name)
}
