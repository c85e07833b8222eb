package controllers

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// servicesOf are the services of one order, by id.
func servicesOf(services []whmcs.Service, orderID int64) []whmcs.Service {
	own := slices.DeleteFunc(slices.Clone(services), func(s whmcs.Service) bool { return s.OrderID != orderID })
	slices.SortFunc(own, func(a, b whmcs.Service) int { return cmp.Compare(a.ID, b.ID) })
	return own
}

// lineKind is the sort of a line: lines of one sort can only be told apart by markers.
type lineKind struct {
	pid   int64
	cycle string
}

func cycleOf(text string) string {
	if cycle, ok := whmcs.BillingCycle(text); ok {
		return cycle
	}
	return strings.ToLower(text)
}

// sameLines tells whether services are exactly what the lines ask for: products, cycles and quantities. WHMCS keeps a
// quantity on one service or makes several services, by a setting of the product.
func sameLines(lines []v1alpha1.PlanLine, services []whmcs.Service) bool {
	count := map[lineKind]int64{}
	for _, line := range lines {
		count[lineKind{line.PID, line.BillingCycle}] += line.Quantity
	}
	for _, service := range services {
		count[lineKind{service.PID, cycleOf(service.BillingCycle)}] -= max(service.Quantity, 1)
	}
	for _, left := range count {
		if left != 0 {
			return false
		}
	}
	return len(services) > 0
}

// someLines tells whether an order with these services may have come of the lines all the same: it has a product of them,
// or nothing at all because PHP died over it.
func someLines(lines []v1alpha1.PlanLine, services []whmcs.Service) bool {
	return len(services) == 0 || slices.ContainsFunc(services, func(s whmcs.Service) bool {
		return slices.ContainsFunc(lines, func(line v1alpha1.PlanLine) bool { return line.PID == s.PID })
	})
}

// join finds the services of each line: by the line's domain if it was stored, else by product and cycle, the largest
// quantities first and then in the order of the service ids. Position in the answer means nothing. The problem says what is
// missing, too many or something else.
func join(order *v1alpha1.ProvisioningOrder, services []whmcs.Service) ([]v1alpha1.WhmcsService, string) {
	var lines []v1alpha1.PlanLine
	if order.Status.Plan != nil {
		lines = order.Status.Plan.Lines
	}
	missing := make([]int64, len(lines))
	for i, line := range lines {
		missing[i] = line.Quantity
	}
	lineOf := make([]int, len(services))
	// Services with large quantities choose first: a small one fits where a large one does, but not the other way round.
	largestFirst := make([]int, len(services))
	for at := range services {
		largestFirst[at] = at
	}
	slices.SortStableFunc(largestFirst, func(a, b int) int { return cmp.Compare(services[b].Quantity, services[a].Quantity) })
	assign := func(find func(whmcs.Service) int) {
		for _, at := range largestFirst {
			if lineOf[at] != 0 {
				continue
			}
			if i := find(services[at]); i >= 0 {
				lineOf[at] = i + 1
				missing[i] -= max(services[at].Quantity, 1)
			}
		}
	}
	assign(func(service whmcs.Service) int { return lineByDomain(order, lines, missing, service) })
	assign(func(service whmcs.Service) int {
		return lineByProduct(lines, missing, service, func(*v1alpha1.PlanLine) bool { return true })
	})
	return joined(lines, services, lineOf, missing)
}

// lineByDomain is the line whose key the domain of a service is, whatever WHMCS made of the line, else that of the service's
// product and cycle which has the same domain, or -1.
func lineByDomain(order *v1alpha1.ProvisioningOrder, lines []v1alpha1.PlanLine, missing []int64, service whmcs.Service) int {
	for i := range lines {
		if strings.EqualFold(service.Domain, lineDomain(order, i)) {
			return i
		}
	}
	return lineByProduct(lines, missing, service, func(line *v1alpha1.PlanLine) bool {
		return line.Domain != "" && strings.EqualFold(line.Domain, service.Domain)
	})
}

// lineByProduct is the first of the lines in question with the service's product and cycle that still misses it, else the
// first with them at all, or -1.
func lineByProduct(lines []v1alpha1.PlanLine, missing []int64, service whmcs.Service, inQuestion func(*v1alpha1.PlanLine) bool) int {
	found := -1
	for i := range lines {
		if !isKind(&lines[i], service) || !inQuestion(&lines[i]) {
			continue
		}
		if missing[i] >= max(service.Quantity, 1) {
			return i
		}
		if found < 0 {
			found = i
		}
	}
	return found
}

// isKind tells whether a service has the product and the cycle that a line asks for.
func isKind(line *v1alpha1.PlanLine, service whmcs.Service) bool {
	return line.PID == service.PID && line.BillingCycle == cycleOf(service.BillingCycle)
}

// joined lists the services with their lines, which are counted from 1, and says what does not fit.
func joined(lines []v1alpha1.PlanLine, services []whmcs.Service, lineOf []int, missing []int64) ([]v1alpha1.WhmcsService, string) {
	var list []v1alpha1.WhmcsService
	var problems []string
	for at, service := range services {
		item := v1alpha1.WhmcsService{ServiceID: service.ID, Status: service.Status}
		switch {
		case lineOf[at] > 0:
			line := &lines[lineOf[at]-1]
			item.OrderItemID = line.OrderItemID
			if !isKind(line, service) {
				problems = append(problems, fmt.Sprintf("service %d is product %d, %s, where %s was asked for", service.ID, service.PID, service.BillingCycle, lineName(line)))
			}
		case len(lines) > 0:
			problems = append(problems, fmt.Sprintf("service %d (product %d, %s) was not asked for", service.ID, service.PID, service.BillingCycle))
		}
		list = append(list, item)
	}
	for i, line := range lines {
		switch {
		case missing[i] > 0:
			problems = append(problems, fmt.Sprintf("%s lacks %d of %d", lineName(&line), missing[i], line.Quantity))
		case missing[i] < 0:
			problems = append(problems, fmt.Sprintf("%s has %d more than %d", lineName(&line), -missing[i], line.Quantity))
		}
	}
	if len(problems) == 0 {
		return list, ""
	}
	return list, strings.Join(problems, "; ") + ". Correct the order in WHMCS, then set orderbridge.dev/requestedAt"
}

// lineName names a line for people on both sides.
func lineName(line *v1alpha1.PlanLine) string {
	name := "line " + line.OrderItemID
	if line.SKU != "" {
		name += " " + line.SKU
	}
	return fmt.Sprintf("%s (product %d, %s)", name, line.PID, line.BillingCycle)
}

// allActive tells whether there are services and all of them work.
func allActive(services []v1alpha1.WhmcsService) bool {
	return len(services) > 0 && !slices.ContainsFunc(services, func(s v1alpha1.WhmcsService) bool {
		return !strings.EqualFold(s.Status, whmcsActive) && !strings.EqualFold(s.Status, whmcsCompleted)
	})
}

// withdrawn names a service that somebody ended, or "".
func withdrawn(services []v1alpha1.WhmcsService) string {
	for _, service := range services {
		switch strings.ToLower(service.Status) {
		case "cancelled", "terminated", "fraud", "suspended":
			return fmt.Sprintf("service %d is %s", service.ServiceID, service.Status)
		}
	}
	return ""
}

// carriesAnyKey tells whether an order carries the key of some order: then it is that order's.
func carriesAnyKey(theirs whmcs.Order) bool {
	if strings.Contains(theirs.Notes, keyPrefix) {
		return true
	}
	return slices.ContainsFunc(theirs.LineItems, func(item whmcs.LineItem) bool {
		return strings.HasSuffix(strings.ToLower(item.Domain), ".orderbridge.invalid")
	})
}

// learn finds out, once, whether this WHMCS stores the markers. Only an order of which AddOrder itself told can show it: in
// another, a person may have written the key.
func (w *worker) learn(ctx context.Context, order *v1alpha1.ProvisioningOrder, services []whmcs.Service) error {
	markers := w.backend.Markers
	sent := lastCall(order.Status.Calls, v1alpha1.AddOrderCall)
	if !markers.unknown() || sent == nil || sent.Outcome != v1alpha1.SucceededOutcome {
		return nil
	}
	if err := w.findFields(ctx, order); err != nil {
		return err
	}
	theirs, err := w.readOrder(ctx, order)
	if err != nil || theirs == nil || stranger(order, theirs) != "" {
		return err
	}
	seen := map[v1alpha1.Marker]bool{
		v1alpha1.NotesMarker:      inNotes(theirs.Notes, orderKey(order)),
		v1alpha1.LineDomainMarker: inDomains(theirs.LineItems, order),
		v1alpha1.CustomFieldMarker: slices.ContainsFunc(services, func(s whmcs.Service) bool {
			return inFields(s.CustomFields, orderKey(order))
		}),
	}
	// What was not sent is not there, and teaches nothing.
	maps.DeleteFunc(seen, func(name v1alpha1.Marker, _ bool) bool {
		return !slices.Contains(sentMarkers(order, w.backend.fields), name)
	})
	if markers.learn(seen) {
		w.learnt(w.pipeline(order))
	}
	return nil
}
