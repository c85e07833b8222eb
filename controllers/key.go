package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// Statuses of orders and services in WHMCS (facts of the API reference; installations may add others).
const (
	whmcsPending   = "Pending"
	whmcsActive    = "Active"
	whmcsCompleted = "Completed"
	whmcsCancelled = "Cancelled"
	whmcsFraud     = "Fraud"
)

// keyPrefix starts the key of an order wherever it is stored in WHMCS.
const keyPrefix = "sfOrderId="

// orderKey is the key of an order in notes and custom fields.
func orderKey(order *v1alpha1.ProvisioningOrder) string {
	return keyPrefix + order.Spec.SalesforceOrderID
}

// lineDomain is the key of an order in the domain of its line number i, counted from 0. The top-level domain is one
// that can never exist.
func lineDomain(order *v1alpha1.ProvisioningOrder, i int) string {
	return fmt.Sprintf("%s%d.orderbridge.invalid", lineDomainPrefix(order), i+1)
}

func lineDomainPrefix(order *v1alpha1.ProvisioningOrder) string {
	return "sf-" + strings.ToLower(order.Spec.SalesforceOrderID) + "-"
}

// inNotes tells whether notes carry the key as a whole word: staff may have written around it.
func inNotes(notes, key string) bool {
	for rest := notes; ; {
		at := strings.Index(rest, key)
		if at < 0 {
			return false
		}
		rest = rest[at+len(key):]
		if rest == "" || !isWord(rest[0]) {
			return true
		}
	}
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
}

// inDomains tells whether a line's domain carries the key.
func inDomains(items []whmcs.LineItem, order *v1alpha1.ProvisioningOrder) bool {
	prefix := lineDomainPrefix(order)
	return slices.ContainsFunc(items, func(item whmcs.LineItem) bool {
		return strings.HasPrefix(strings.ToLower(item.Domain), prefix)
	})
}

// inFields tells whether a custom field of a service carries the key.
func inFields(fields []whmcs.CustomFieldValue, key string) bool {
	return slices.ContainsFunc(fields, func(field whmcs.CustomFieldValue) bool { return inNotes(field.Value, key) })
}

// carriesKey tells whether a WHMCS order itself carries the key of an order.
func carriesKey(order *v1alpha1.ProvisioningOrder, theirs *whmcs.Order) bool {
	return inNotes(theirs.Notes, orderKey(order)) || inDomains(theirs.LineItems, order)
}

// stranger says why a WHMCS order cannot be that of an order, whatever its id, or "".
func stranger(order *v1alpha1.ProvisioningOrder, theirs *whmcs.Order) string {
	plan := order.Status.Plan
	switch {
	case plan != nil && theirs.UserID != 0 && theirs.UserID != plan.ClientID:
		return fmt.Sprintf("it belongs to client %d and not to client %d", theirs.UserID, plan.ClientID)
	case carriesAnyKey(*theirs) && !carriesKey(order, theirs):
		return "it carries the key of another Salesforce order"
	}
	return ""
}

// fieldMemory finds the custom field of a product that holds the key, and remembers it for a while.
type fieldMemory struct {
	name string

	mu   sync.Mutex
	ids  map[int64]int64
	till map[int64]time.Time
}

// fieldMemoryFor is how long a product's field id is remembered.
const fieldMemoryFor = 10 * time.Minute

func newFieldMemory(name string) *fieldMemory {
	return &fieldMemory{name: name, ids: map[int64]int64{}, till: map[int64]time.Time{}}
}

// missing returns the products whose field is not remembered.
func (m *fieldMemory) missing(pids []int64, now time.Time) []int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(pids), func(pid int64) bool { return now.Before(m.till[pid]) })
}

// learn remembers the fields of products; a product that was asked for and has no such field is remembered too.
func (m *fieldMemory) learn(asked []int64, products []whmcs.Product, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, pid := range asked {
		m.ids[pid] = 0
		m.till[pid] = now.Add(fieldMemoryFor)
	}
	for _, product := range products {
		for _, field := range product.CustomFields {
			if strings.EqualFold(field.Name, m.name) {
				m.ids[product.PID] = field.ID
			}
		}
	}
}

// id returns the field of a product, or 0.
func (m *fieldMemory) id(pid int64) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ids[pid]
}

// sentMarkers are the markers that the order's AddOrder carries: the domain only on lines that have none of their own, the
// custom field only on products that have it.
func sentMarkers(order *v1alpha1.ProvisioningOrder, fields *fieldMemory) []v1alpha1.Marker {
	lines := order.Status.Plan.Lines
	sent := []v1alpha1.Marker{v1alpha1.NotesMarker}
	if slices.ContainsFunc(lines, func(line v1alpha1.PlanLine) bool { return line.Domain == "" }) {
		sent = append(sent, v1alpha1.LineDomainMarker)
	}
	if slices.ContainsFunc(lines, func(line v1alpha1.PlanLine) bool { return fields.id(line.PID) != 0 }) {
		sent = append(sent, v1alpha1.CustomFieldMarker)
	}
	return sent
}

// addOrderRequest is the request that a plan stands for, with the markers.
func addOrderRequest(order *v1alpha1.ProvisioningOrder, markers *markerMemory, fields *fieldMemory) (whmcs.AddOrderRequest, error) {
	plan := order.Status.Plan
	request := whmcs.AddOrderRequest{
		ClientID:       plan.ClientID,
		PaymentMethod:  plan.PaymentMethod,
		Notes:          orderKey(order),
		PromoCode:      plan.PromoCode,
		NoInvoice:      plan.NoInvoice,
		NoInvoiceEmail: plan.NoInvoiceEmail,
		NoEmail:        plan.NoEmail,
	}
	for i, line := range plan.Lines {
		options, err := numbered(line.ConfigOptions)
		if err != nil {
			return request, fmt.Errorf("line %d: config option: %w", i+1, err)
		}
		texts, err := numbered(line.CustomFields)
		if err != nil {
			return request, fmt.Errorf("line %d: custom field: %w", i+1, err)
		}
		sent := whmcs.OrderLine{
			PID: line.PID, BillingCycle: line.BillingCycle, Quantity: line.Quantity, Domain: line.Domain,
			ConfigOptions: options, CustomFields: texts,
		}
		if markers.wants(v1alpha1.LineDomainMarker) && sent.Domain == "" {
			sent.Domain = lineDomain(order, i)
		}
		if id := fields.id(line.PID); markers.wants(v1alpha1.CustomFieldMarker) && id != 0 {
			if sent.CustomFields == nil {
				sent.CustomFields = map[int64]string{}
			}
			sent.CustomFields[id] = orderKey(order)
		}
		request.Lines = append(request.Lines, sent)
	}
	return request, nil
}

// look searches the client's orders for the key.
func (w *worker) look(ctx context.Context, order *v1alpha1.ProvisioningOrder, clientID int64) (sight, error) {
	began := w.now()
	orders, err := read(ctx, w, order, func(ctx context.Context) ([]whmcs.Order, error) {
		return w.backend.Billing.GetOrders(ctx, whmcs.OrderFilter{UserID: clientID})
	})
	if err != nil {
		return sight{}, err
	}
	key := orderKey(order)
	seen := sight{at: began, key: key}
	for _, theirs := range orders {
		if theirs.UserID != 0 && theirs.UserID != clientID {
			continue
		}
		seen.highest = max(seen.highest, theirs.ID)
		switch {
		case inNotes(theirs.Notes, key):
			seen.matches = append(seen.matches, match{theirs.ID, theirs.Status, "notes"})
		case inDomains(theirs.LineItems, order):
			seen.matches = append(seen.matches, match{theirs.ID, theirs.Status, "line domain"})
		case !carriesAnyKey(theirs) && match{status: theirs.Status}.live():
			seen.keyless = append(seen.keyless, theirs.ID)
		}
	}
	slices.Sort(seen.keyless)
	if w.backend.Markers.wants(v1alpha1.CustomFieldMarker) && len(seen.matches) == 0 {
		err = w.lookInFields(ctx, order, clientID, orders, &seen)
	}
	return seen, err
}

// lookInFields searches the client's services for the key.
func (w *worker) lookInFields(ctx context.Context, order *v1alpha1.ProvisioningOrder, clientID int64, orders []whmcs.Order, seen *sight) error {
	services, err := w.services(ctx, order, clientID)
	if err != nil {
		return err
	}
	key := orderKey(order)
	for _, service := range services {
		known := slices.ContainsFunc(seen.matches, func(m match) bool { return m.orderID == service.OrderID })
		if known || !inFields(service.CustomFields, key) {
			continue
		}
		found := match{orderID: service.OrderID, where: "custom field"}
		for _, theirs := range orders {
			if theirs.ID == service.OrderID {
				found.status = theirs.Status
			}
		}
		seen.matches = append(seen.matches, found)
	}
	return nil
}

// services reads the client's services.
func (w *worker) services(ctx context.Context, order *v1alpha1.ProvisioningOrder, clientID int64) ([]whmcs.Service, error) {
	return read(ctx, w, order, func(ctx context.Context) ([]whmcs.Service, error) {
		return w.backend.Billing.GetClientsProducts(ctx, whmcs.ServiceFilter{ClientID: clientID})
	})
}

// read makes a call that changes nothing, when the admission lets it through.
func read[T any](ctx context.Context, w *worker, order *v1alpha1.ProvisioningOrder, call func(context.Context) (T, error)) (T, error) {
	release, err := w.backend.Admission.Acquire(ctx, order.CreationTimestamp.Time)
	if err != nil {
		var none T
		return none, err
	}
	result, err := call(ctx)
	release(err)
	return result, err
}
