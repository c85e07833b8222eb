package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/mapping"
)

// whatIf is what another mapping would have made of past orders.
type whatIf struct {
	APIVersion string      `json:"apiVersion"`
	Kind       string      `json:"kind"`
	Namespace  string      `json:"namespace"`
	Pipeline   string      `json:"pipeline"`
	Against    planMapping `json:"against"`
	Since      string      `json:"since,omitempty"`
	// Orders is how many have a plan; Unchanged, Changed, Waiting and Unknown are the parts of it. Unplanned have none yet.
	Orders    int            `json:"orders"`
	Unchanged int            `json:"unchanged"`
	Changed   int            `json:"changed"`
	Waiting   int            `json:"waiting"`
	Unknown   int            `json:"unknown"`
	Unplanned int            `json:"unplanned"`
	Results   []whatIfResult `json:"results"`
}

// whatIfVerdict is what would become of one order.
type whatIfVerdict string

// The verdicts. Unchanged orders are only counted.
const (
	unchangedVerdict whatIfVerdict = "unchanged"
	// changedVerdict: another request would have been sent.
	changedVerdict whatIfVerdict = "changed"
	// waitingVerdict: the order would have waited instead of being planned.
	waitingVerdict whatIfVerdict = "waiting"
	// unknownVerdict: its inputs do not tell.
	unknownVerdict whatIfVerdict = "unknown"
)

// whatIfResult is an order for which something is different, or that cannot be told.
type whatIfResult struct {
	Name        string        `json:"name"`
	OrderNumber string        `json:"orderNumber,omitempty"`
	State       string        `json:"state"`
	Verdict     whatIfVerdict `json:"verdict"`
	// Reason is that for which the order would wait, Message says why it would, or why it cannot be told.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
	// Diff compares the requests.
	Diff []string `json:"diff,omitempty"`
}

// whatIfMaker tries a mapping on orders of a pipeline.
type whatIfMaker struct {
	pipeline *v1alpha1.ProvisioningPipeline
	mapping  *mapping.Mapping
	against  planMapping
}

// make tries the mapping on each order that has a plan.
func (m whatIfMaker) make(orders []v1alpha1.ProvisioningOrder) *whatIf {
	out := &whatIf{
		APIVersion: cliVersion, Kind: "MappingWhatIf", Namespace: m.pipeline.Namespace, Pipeline: m.pipeline.Name, Against: m.against,
		Results: []whatIfResult{},
	}
	for i := range orders {
		order := &orders[i]
		if order.Status.Plan == nil {
			out.Unplanned++
			continue
		}
		out.Orders++
		result := m.try(order)
		switch result.Verdict {
		case unchangedVerdict:
			out.Unchanged++
			continue
		case changedVerdict:
			out.Changed++
		case waitingVerdict:
			out.Waiting++
		case unknownVerdict:
			out.Unknown++
		}
		out.Results = append(out.Results, result)
	}
	return out
}

// try tries the mapping on one order.
func (m whatIfMaker) try(order *v1alpha1.ProvisioningOrder) whatIfResult {
	result := whatIfResult{Name: order.Name, State: stateWords(order)}
	if order.Status.Salesforce != nil {
		result.OrderNumber = order.Status.Salesforce.OrderNumber
	}
	version := v1alpha1.MappingVersion{Name: m.against.Name, SHA256: m.against.SHA256}
	plan, err := controllers.Replan(order, m.pipeline.Spec, m.mapping, version)
	if miss, ok := errors.AsType[*mapping.Miss](err); ok {
		result.Verdict, result.Reason, result.Message = waitingVerdict, miss.Reason, miss.Message
		return result
	}
	if err != nil {
		result.Verdict, result.Message = unknownVerdict, err.Error()
		return result
	}
	before, err := m.form(order, order.Status.Plan)
	if err == nil {
		var after []string
		after, err = m.form(order, plan)
		result.Diff = unifiedDiff("as planned, "+mappingWords(order.Status.Plan.Mapping), "with "+m.against.Name, before, after)
	}
	switch {
	case err != nil:
		result.Verdict, result.Message = unknownVerdict, err.Error()
	case len(result.Diff) > 0:
		result.Verdict = changedVerdict
	default:
		result.Verdict = unchangedVerdict
	}
	return result
}

// form is the readable request of a plan. A time to wait for is not part of the request, but it is of what changes.
func (m whatIfMaker) form(order *v1alpha1.ProvisioningOrder, plan *v1alpha1.Plan) ([]string, error) {
	request, err := controllers.RequestOf(order, plan, m.pipeline.Spec)
	if err != nil {
		return nil, err
	}
	form := readableForm(plan, request)
	if plan.ScheduledFor != nil {
		form = append([]string{"not before " + stamp(plan.ScheduledFor.Time)}, form...)
	}
	return form, nil
}

// mappingWords names a mapping version.
func mappingWords(v v1alpha1.MappingVersion) string {
	return fmt.Sprintf("%s (sha256 %.12s)", v.Name, v.SHA256)
}

// summary is the result in one line.
func (w *whatIf) summary() string {
	text := fmt.Sprintf("%s: %d changed, %d unchanged, %d would now wait", count(w.Orders, "order", "orders"), w.Changed, w.Unchanged, w.Waiting)
	if w.Waiting > 0 {
		text += " (" + w.reasons() + ")"
	}
	if w.Unknown > 0 {
		text += fmt.Sprintf(", %d cannot be told", w.Unknown)
	}
	if w.Unplanned > 0 {
		text += fmt.Sprintf("; %d have no plan yet and are not counted", w.Unplanned)
	}
	return text
}

// reasons counts the reasons for which orders would wait, the most frequent first.
func (w *whatIf) reasons() string {
	times := map[string]int{}
	var names []string
	for _, r := range w.Results {
		if r.Verdict != waitingVerdict {
			continue
		}
		if times[r.Reason]++; times[r.Reason] == 1 {
			names = append(names, r.Reason)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(times[b]-times[a], cmp.Compare(a, b)) })
	if len(names) == 1 {
		return names[0]
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, times[name])
	}
	return strings.Join(names, ", ")
}
