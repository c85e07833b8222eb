package controllers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// Previewer finds out what the reconciler would do about an order now. It goes through the reconciler's own steps, with
// nothing in hand that could change anything: WHMCS and Salesforce can only be read, and no claim can be stored.
type Previewer struct {
	// Pipeline is the order's pipeline.
	Pipeline *v1alpha1.ProvisioningPipeline
	// Book reads Salesforce, Whmcs reads WHMCS.
	Book  OrderReader
	Whmcs WhmcsReader
	// Mapping is the mapping to plan by, Version is which one that is.
	Mapping *mapping.Mapping
	Version v1alpha1.MappingVersion
	// Cluster reads the other orders and pipelines.
	Cluster client.Reader
	Clock   clock.Clock
}

// Preview is what the reconciler would do about an order, and what it would see.
type Preview struct {
	// Record is the order as Salesforce shows it, or nil and ReadErr says why.
	Record  map[string]any
	ReadErr error
	// Gate says why the order may not be provisioned, or is nil.
	Gate error
	// Named is the WHMCS order that Salesforce names for the order, or 0. NamedErr says that it names none that can be read.
	Named    int64
	NamedErr error
	// Examination is what the mapping says about each part of the order.
	Examination mapping.Examination
	// Plan is what AddOrder would be made of, gate or no gate; nil if the mapping comes to none. Frozen says that it is
	// the recorded one, which no change of order or mapping touches.
	Plan   *v1alpha1.Plan
	Frozen bool
	// Lines are those of Plan, or without a plan what the mapping makes of single lines.
	Lines []v1alpha1.PlanLine
	// Request is the request of Plan, as it would be sent, or nil and RequestErr says why.
	Request    *whmcs.AddOrderRequest
	RequestErr error
	// PayMethods is how many pay methods the client has.
	PayMethods    int
	PayMethodsErr error
	// Found are the client's WHMCS orders that carry the order's key, as words.
	Found    []string
	FoundErr error
	// Next is what the reconciler would do now.
	Next Next
}

// Action is what the reconciler would do about an order as far as AddOrder goes.
type Action string

// The actions.
const (
	// SendAction: AddOrder would be claimed and sent.
	SendAction Action = "AddOrder"
	// AdoptAction: an order that is in WHMCS would be taken over; AddOrder would not be sent.
	AdoptAction Action = "Adopt"
	// KnownAction: the order has its WHMCS order; AddOrder would not be sent.
	KnownAction Action = "None"
	// WaitAction: the order would wait for a fact.
	WaitAction Action = "Wait"
	// StallAction: the order would wait for a person.
	StallAction Action = "Stall"
	// RetryAction: an error would be tried again.
	RetryAction Action = "Retry"
)

// Next is what the reconciler would do, with the reason and the message that the order would show.
type Next struct {
	Action          Action
	Reason, Message string
	// AfterRetry says that the order has stalled, and that this is what would happen if it were tried again.
	AfterRetry bool
}

// Preview looks at an order, which need not exist as an object. The order is not changed.
func (p Previewer) Preview(ctx context.Context, order *v1alpha1.ProvisioningOrder) (*Preview, error) {
	id, err := orderID(order)
	if err != nil {
		return nil, err
	}
	order = order.DeepCopy()
	w, claims, err := p.worker(ctx, order.Namespace)
	if err != nil {
		return nil, err
	}
	out := &Preview{Frozen: frozen(order)}
	out.Next = p.next(ctx, w, order.DeepCopy(), claims)

	record, err := w.backend.Book.Order(ctx, id.String())
	if err != nil {
		out.ReadErr = err
		return out, ctx.Err()
	}
	out.Record = record.Plain()
	p.examine(out, order)
	if out.Plan == nil {
		return out, ctx.Err()
	}
	order.Status.Plan = out.Plan
	if request, err := w.request(ctx, order); err != nil {
		out.RequestErr = err
	} else {
		out.Request = &request
	}
	methods, err := w.backend.Billing.GetPayMethods(ctx, out.Plan.ClientID)
	out.PayMethods, out.PayMethodsErr = len(methods), err
	seen, err := w.look(ctx, order, out.Plan.ClientID)
	out.FoundErr = err
	for _, m := range seen.matches {
		out.Found = append(out.Found, fmt.Sprintf("%d (%s, key in its %s)", m.orderID, m.status, m.where))
	}
	return out, ctx.Err()
}

// examine says what the mapping makes of the record, and settles which plan counts.
func (p Previewer) examine(out *Preview, order *v1alpha1.ProvisioningOrder) {
	var reported string
	if order.Status.Salesforce != nil {
		reported = order.Status.Salesforce.ReportedState
	}
	out.Gate = p.Mapping.Gate(out.Record, reported)
	out.Named, out.NamedErr = p.Mapping.AlreadyOrdered(out.Record)
	out.Examination = p.Mapping.Examine(out.Record)
	if out.Frozen {
		out.Plan = order.Status.Plan
	} else if plan, err := p.Mapping.PlanUngated(out.Record); err == nil {
		out.Plan = apiPlan(plan, &Backend{Spec: p.Pipeline.Spec, Version: p.Version})
	}
	if out.Plan != nil {
		out.Lines = out.Plan.Lines
		return
	}
	for _, line := range out.Examination.Lines {
		out.Lines = append(out.Lines, apiLines(line.Made)...)
	}
}

// next walks the order through validation and up to the claim of AddOrder, which cannot be stored.
func (p Previewer) next(ctx context.Context, w *worker, order *v1alpha1.ProvisioningOrder, claims *noClaims) Next {
	var next Next
	switch order.Status.State {
	case v1alpha1.ProvisionedState:
		return Next{Action: KnownAction, Reason: v1alpha1.ProvisionedReason, Message: "The order is provisioned"}
	case v1alpha1.StalledState:
		next.AfterRetry = true
		if order.Annotations == nil {
			order.Annotations = map[string]string{}
		}
		order.Annotations[v1alpha1.RequestedAtAnnotation] = "preview of " + order.Status.LastHandledRequest
		delete(order.Annotations, v1alpha1.ForceAtAnnotation)
	}
	takeRequest(order, w.backend, w.now())
	out := w.validate(ctx, order)
	if out.kind == doneKind {
		out = w.order(ctx, order)
	}
	next.Reason, next.Message = out.reason, out.message
	switch {
	case claims.asked:
		next.Action, next.Reason = SendAction, v1alpha1.OrderedReason
		next.Message = "AddOrder would be claimed and sent, with " + planMessage(order)
	case out.kind == doneKind && out.reason == v1alpha1.AdoptedReason:
		next.Action = AdoptAction
	case out.kind == doneKind:
		next.Action = KnownAction
	case out.kind == waitKind:
		next.Action = WaitAction
	case out.kind == stallKind:
		next.Action = StallAction
	default:
		next.Action = RetryAction
		if out.err != nil {
			next.Message = out.err.Error()
		}
	}
	return next
}

// worker is a worker that can only look.
func (p Previewer) worker(ctx context.Context, namespace string) (*worker, *noClaims, error) {
	backends := NewBackends()
	var pipelines v1alpha1.ProvisioningPipelineList
	if err := p.Cluster.List(ctx, &pipelines, client.InNamespace(namespace)); err != nil {
		return nil, nil, fmt.Errorf("listing the pipelines of namespace %s: %w", namespace, err)
	}
	for i := range pipelines.Items {
		pipeline := &pipelines.Items[i]
		backends.Set(client.ObjectKeyFromObject(pipeline), &Backend{Spec: pipeline.Spec})
	}
	backend := NewBackend(Backend{
		Spec:      p.Pipeline.Spec,
		Book:      readOnlyBook{p.Book, newMemo[string, orderRecord]()},
		Billing:   newReadOnlyWhmcs(p.Whmcs),
		Admission: alwaysOpen{},
		Mapping:   p.Mapping,
		Version:   p.Version,
	}, knownMarkers(p.Pipeline))
	backends.Set(types.NamespacedName{Namespace: namespace, Name: p.Pipeline.Name}, backend)
	claims := &noClaims{}
	return &worker{
		clock: p.Clock, reader: p.Cluster, writer: claims, backend: backend, pace: newPacer(), gate: newClientGate(),
		others: clusterOwners{cache: openOrders{p.Cluster}, reader: p.Cluster, namespace: namespace, backends: backends},
		learnt: func(types.NamespacedName) {},
	}, claims, nil
}

// Replan is the plan that a mapping makes of the inputs that were recorded with an order's plan, by the rules of the
// validate step: an order that Salesforce said was ordered already needs no open gate, and neither does an activation
// status that Orderbridge wrote itself close it. The error is a *mapping.Miss where the order would wait.
func Replan(order *v1alpha1.ProvisioningOrder, spec v1alpha1.ProvisioningPipelineSpec, m *mapping.Mapping, version v1alpha1.MappingVersion) (*v1alpha1.Plan, error) {
	record, err := Inputs(order.Status.Plan)
	if err != nil {
		return nil, err
	}
	if missing := m.Unread(record); len(missing) > 0 {
		return nil, &UnrecordedError{Fields: missing}
	}
	plan, err := planOf(m, record, m.OwnStatuses()...)
	if err != nil {
		return nil, err
	}
	return apiPlan(plan, &Backend{Spec: spec, Version: version}), nil
}

// UnrecordedError says that a mapping reads fields that were not recorded with a plan.
type UnrecordedError struct {
	// Fields are their names, as in a query of Order or OrderItem.
	Fields []string
}

// Error names the fields.
func (e *UnrecordedError) Error() string {
	return "the mapping reads fields that were not recorded: " + words(e.Fields)
}

// RequestOf is the AddOrder request that a plan stands for. The key in custom fields is left out, since the ids of the
// fields are known to WHMCS only.
func RequestOf(order *v1alpha1.ProvisioningOrder, plan *v1alpha1.Plan, spec v1alpha1.ProvisioningPipelineSpec) (whmcs.AddOrderRequest, error) {
	if plan == nil {
		return whmcs.AddOrderRequest{}, errors.New("the order has no plan")
	}
	planned := &v1alpha1.ProvisioningOrder{Spec: order.Spec}
	planned.Status.Plan = plan
	return addOrderRequest(planned, newMarkerMemory(spec.Whmcs.Markers, nil), newFieldMemory(spec.Whmcs.MarkerCustomFieldName))
}

// WhyNotForce says why a force of an order would not be taken now, and what to do instead; "" means that it would. A
// pipeline of nil means that there is none.
func WhyNotForce(order *v1alpha1.ProvisioningOrder, pipeline *v1alpha1.ProvisioningPipeline, now time.Time) string {
	if pipeline == nil {
		return unforceable(order, nil, now)
	}
	return unforceable(order, &Backend{Spec: pipeline.Spec}, now)
}
