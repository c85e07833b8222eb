package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// orderStatus is where an order stands, for people.
type orderStatus struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`

	Namespace         string              `json:"namespace"`
	Name              string              `json:"name"`
	Pipeline          string              `json:"pipeline"`
	SalesforceOrderID string              `json:"salesforceOrderID,omitempty"`
	OrderNumber       string              `json:"orderNumber,omitempty"`
	Origin            v1alpha1.Origin     `json:"origin"`
	CreatedAt         time.Time           `json:"createdAt"`
	ClientID          int64               `json:"clientID,omitempty"`
	State             v1alpha1.OrderState `json:"state"`
	Since             time.Time           `json:"since"`
	Reason            string              `json:"reason,omitempty"`
	Message           string              `json:"message"`
	// Next is what happens by itself, NextAt when, as far as that is known, and NextWhat what happens then.
	Next     string     `json:"next"`
	NextAt   *time.Time `json:"nextAt,omitempty"`
	NextWhat string     `json:"nextWhat,omitempty"`
	// Do is what there is to do, Retry what another try does.
	Do      string `json:"do"`
	Retry   string `json:"retry"`
	Runbook string `json:"runbook,omitempty"`
	// Asked says that another try was asked for and is not taken up yet.
	Asked bool `json:"asked,omitempty"`
	// Deleting says that the object is being deleted.
	Deleting   bool                      `json:"deleting,omitempty"`
	Failures   int32                     `json:"failures,omitempty"`
	Salesforce *v1alpha1.SalesforceOrder `json:"salesforce,omitempty"`
	Whmcs      *v1alpha1.WhmcsOrder      `json:"whmcs,omitempty"`
	Force      *v1alpha1.Force           `json:"force,omitempty"`
	Steps      []statusStep              `json:"steps"`
	Lines      []statusLine              `json:"lines,omitempty"`
	Calls      []v1alpha1.Call           `json:"calls,omitempty"`
	Events     []statusEvent             `json:"events,omitempty"`
	Links      []statusLink              `json:"links,omitempty"`
	// Gaps say what could not be read.
	Gaps []string `json:"gaps,omitempty"`
}

// statusStep is a condition of the order's way.
type statusStep struct {
	Name    string                 `json:"name"`
	Status  metav1.ConditionStatus `json:"status"`
	Reason  string                 `json:"reason"`
	Message string                 `json:"message,omitempty"`
	Since   time.Time              `json:"since"`
}

// statusLine is a line of the plan with its services.
type statusLine struct {
	OrderItemID  string                  `json:"orderItemID"`
	SKU          string                  `json:"sku,omitempty"`
	PID          int64                   `json:"pid,omitempty"`
	BillingCycle string                  `json:"billingCycle,omitempty"`
	Quantity     int64                   `json:"quantity,omitempty"`
	Services     []v1alpha1.WhmcsService `json:"services,omitempty"`
}

// statusEvent is an event of the object.
type statusEvent struct {
	At      time.Time `json:"at"`
	Type    string    `json:"type"`
	Reason  string    `json:"reason"`
	Message string    `json:"message"`
	Count   int32     `json:"count,omitempty"`
}

// statusLink is where the order is seen on a far side.
type statusLink struct {
	Name string `json:"name"`
	URL  string `json:"url"`
}

// recentEvents is how many events are shown.
const recentEvents = 10

// statusOf sums an order up. pipeline is nil if it could not be read.
func statusOf(order *v1alpha1.ProvisioningOrder, pipeline *v1alpha1.ProvisioningPipeline, events []statusEvent, now time.Time) *orderStatus {
	reason, message := reasonOf(order)
	advice := adviceOf(reason)
	s := &orderStatus{
		APIVersion: cliVersion, Kind: "OrderStatus",
		Namespace: order.Namespace, Name: order.Name, Pipeline: order.Spec.PipelineRef.Name, SalesforceOrderID: order.Spec.SalesforceOrderID,
		Origin: order.Spec.Origin, CreatedAt: order.CreationTimestamp.UTC(),
		State: cmp.Or(order.Status.State, v1alpha1.ProgressingState), Since: sinceOf(order).UTC(), Reason: reason, Message: message,
		Next: advice.next, Do: advice.do, Retry: "A retry " + advice.retry + ".",
		Deleting: !order.DeletionTimestamp.IsZero(), Failures: order.Status.Failures, Salesforce: order.Status.Salesforce, Whmcs: order.Status.Whmcs,
		Force: order.Status.LastHandledForce, Calls: order.Status.Calls, Events: events, Lines: statusLines(order), Links: links(order, pipeline),
	}
	if reason != "" {
		s.Runbook = runbookOf(reason)
	}
	if order.Status.Salesforce != nil {
		s.OrderNumber = order.Status.Salesforce.OrderNumber
	}
	if order.Status.Plan != nil {
		s.ClientID = order.Status.Plan.ClientID
	}
	token := order.Annotations[v1alpha1.RequestedAtAnnotation]
	s.Asked = token != "" && token != order.Status.LastHandledRequest
	if at, what := nextOf(order, pipeline); !at.IsZero() {
		s.NextAt, s.NextWhat = new(at.UTC()), what
	}
	if canForce(order, pipeline, now) == nil {
		s.Do += " If you are sure that nothing was done, see retry --force."
	}
	for _, name := range steps {
		if c := meta.FindStatusCondition(order.Status.Conditions, name); c != nil {
			s.Steps = append(s.Steps, statusStep{name, c.Status, c.Reason, c.Message, c.LastTransitionTime.UTC()})
		}
	}
	return s
}

// statusLines joins the lines of the plan to their services. Services of no line come last.
func statusLines(order *v1alpha1.ProvisioningOrder) []statusLine {
	var lines []statusLine
	if order.Status.Plan != nil {
		for _, line := range order.Status.Plan.Lines {
			lines = append(lines, statusLine{line.OrderItemID, line.SKU, line.PID, line.BillingCycle, line.Quantity, nil})
		}
	}
	if order.Status.Whmcs == nil {
		return lines
	}
	for _, service := range order.Status.Whmcs.Services {
		at := slices.IndexFunc(lines, func(l statusLine) bool { return l.OrderItemID == service.OrderItemID && l.OrderItemID != "" })
		if at < 0 {
			lines = append(lines, statusLine{OrderItemID: service.OrderItemID})
			at = len(lines) - 1
		}
		lines[at].Services = append(lines[at].Services, service)
	}
	return lines
}

// adminPath is where WHMCS has its admin area unless it was moved.
const adminPath = "/admin/"

// links are the pages of the far sides.
func links(order *v1alpha1.ProvisioningOrder, pipeline *v1alpha1.ProvisioningPipeline) []statusLink {
	if pipeline == nil {
		return nil
	}
	var list []statusLink
	if id := order.Spec.SalesforceOrderID; id != "" {
		list = append(list, statusLink{"Salesforce order", strings.TrimRight(pipeline.Spec.Salesforce.LoginURL, "/") + "/" + id})
	}
	admin := strings.TrimSuffix(pipeline.Spec.Whmcs.URL, "/includes/api.php") + adminPath
	if order.Status.Whmcs != nil {
		list = append(list, statusLink{"WHMCS order", fmt.Sprintf("%sorders.php?action=view&id=%d", admin, order.Status.Whmcs.OrderID)})
	}
	if order.Status.Plan != nil {
		list = append(list, statusLink{"WHMCS client", fmt.Sprintf("%sclientssummary.php?userid=%d", admin, order.Status.Plan.ClientID)})
	}
	return list
}

// eventsOf are the newest events of an object, oldest first.
func eventsOf(ctx context.Context, cluster client.Reader, order *v1alpha1.ProvisioningOrder) ([]statusEvent, error) {
	var list corev1.EventList
	err := cluster.List(ctx, &list, client.InNamespace(order.Namespace), client.MatchingFieldsSelector{Selector: fields.SelectorFromSet(fields.Set{
		"involvedObject.uid": string(order.UID), "involvedObject.name": order.Name,
	})})
	if err != nil {
		return nil, fmt.Errorf("listing the events of %s: %w", order.Name, err)
	}
	var events []statusEvent
	for i := range list.Items {
		e := &list.Items[i]
		event := statusEvent{At: e.LastTimestamp.UTC(), Type: e.Type, Reason: e.Reason, Message: e.Message, Count: e.Count}
		if e.LastTimestamp.IsZero() {
			event.At = e.EventTime.UTC()
		}
		if e.Series != nil {
			event.At, event.Count = e.Series.LastObservedTime.UTC(), e.Series.Count
		}
		events = append(events, event)
	}
	slices.SortStableFunc(events, func(a, b statusEvent) int { return a.At.Compare(b.At) })
	return events[max(0, len(events)-recentEvents):], nil
}
