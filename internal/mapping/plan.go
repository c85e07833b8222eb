package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Plan is what is to be ordered in WHMCS for one Salesforce order.
type Plan struct {
	// ClientID is the WHMCS client who is billed.
	ClientID int64
	// PaymentMethod is the WHMCS name of the gateway. Empty means that of the pipeline.
	PaymentMethod string
	// PromoCode is a WHMCS promotion code, or "".
	PromoCode string
	// NoInvoice, NoInvoiceEmail and NoEmail suppress what WHMCS would otherwise send.
	NoInvoice, NoInvoiceEmail, NoEmail bool
	// ScheduledFor is the time before which nothing is to be ordered. Zero means at once.
	ScheduledFor time.Time
	// Lines are the lines of the WHMCS order, in the order of the Salesforce lines.
	Lines []Line
}

// Line is one line of the WHMCS order.
type Line struct {
	// OrderItemID is the Salesforce line. With quantity repeat, several lines have the same.
	OrderItemID string
	// SKU is the stock keeping unit of the product.
	SKU string
	// PID is the WHMCS product id.
	PID int64
	// BillingCycle is the cycle in the spelling of AddOrder.
	BillingCycle string
	// Quantity is the number of units, at least 1.
	Quantity int64
	// ConfigOptions maps option ids to values.
	ConfigOptions map[int64]int64
	// CustomFields maps field ids to texts.
	CustomFields map[int64]string
	// Domain is the domain of the service, or "".
	Domain string
}

// MaxLines is how many lines a WHMCS order may have. With six form fields to a line it stays below the thousand that
// PHP reads by default before it drops the rest without an error.
const MaxLines = 150

// Plan applies the mapping to an order as Salesforce returns it, with its lines. The error is a *Miss.
// own are activation statuses that Orderbridge itself has written to this order; see Gate.
func (m *Mapping) Plan(order map[string]any, own ...string) (Plan, error) {
	if err := m.Gate(order, own...); err != nil {
		return Plan{}, err
	}
	return m.PlanUngated(order)
}

// PlanUngated is Plan for an order that the gate need not let through, such as a preview before approval.
func (m *Mapping) PlanUngated(order map[string]any) (Plan, error) {
	s := m.scope(order)
	var p Plan
	var err error
	if p.ClientID, err = m.clientID(&s); err != nil {
		return Plan{}, err
	}
	if err := m.header.fill(&s, &p); err != nil {
		return Plan{}, err
	}
	if p.ScheduledFor, err = m.scheduledFor(order); err != nil {
		return Plan{}, err
	}
	if p.Lines, err = m.lines(s); err != nil {
		return Plan{}, err
	}
	return p, nil
}

func (m *Mapping) clientID(s *scope) (int64, error) {
	id, ok, err := m.client.eval(s)
	if err != nil {
		return 0, asMiss(err, AccountUnmapped, "The account has no usable WHMCS client id", "Correct the field in Salesforce, or the client entry of the mapping.")
	}
	if !ok {
		return 0, miss(AccountUnmapped, m.client.firstField(),
			"No WHMCS client is known for the account: %s. Fill in the field in Salesforce, or add the account to the mapping.", m.client.nothing(s))
	}
	return id, nil
}

// asMiss turns the error of a value into a Miss; that of a failed expression is one already.
func asMiss(err error, reason, what, do string) *Miss {
	if m, ok := errors.AsType[*Miss](err); ok {
		return m
	}
	field := ""
	if v, ok := errors.AsType[*valueError](err); ok {
		field = v.field
	}
	return miss(reason, field, "%s: %s. %s", what, err, do)
}

func (h *header) fill(s *scope, p *Plan) error {
	for _, err := range []error{
		fillOne(&h.paymentMethod, s, &p.PaymentMethod), fillOne(&h.promoCode, s, &p.PromoCode),
		fillOne(&h.noInvoice, s, &p.NoInvoice), fillOne(&h.noInvoiceEmail, s, &p.NoInvoiceEmail), fillOne(&h.noEmail, s, &p.NoEmail),
	} {
		if err != nil {
			return asMiss(err, MappingInvalid, "The order has a value that cannot be used", "Correct the field in Salesforce, or the addOrder entry of the mapping.")
		}
	}
	return nil
}

func fillOne[T any](v *value[T], s *scope, into *T) error {
	out, ok, err := v.eval(s)
	if ok {
		*into = out
	}
	return err
}

// orderedItem is a line of the Salesforce order with the keys it is sorted by.
type orderedItem struct {
	number, id string
	record     map[string]any
}

// items returns the lines in an order that does not depend on how they were read.
func (m *Mapping) items(order map[string]any) []orderedItem {
	records := asRecords(field(order, m.fields.objects.Lines))
	out := make([]orderedItem, len(records))
	for i, r := range records {
		out[i] = orderedItem{text(field(r, m.fields.itemNumber)), text(r["Id"]), r}
	}
	slices.SortStableFunc(out, func(a, b orderedItem) int {
		return cmp.Or(cmp.Compare(len(a.number), len(b.number)), strings.Compare(a.number, b.number), strings.Compare(a.id, b.id))
	})
	return out
}

// lines plans every line and reports all lines that have no plan at once.
func (m *Mapping) lines(s scope) ([]Line, error) {
	list := m.items(s.order)
	if len(list) == 0 {
		return nil, miss(ProductUnmapped, "", "The order has no lines. Add products to the order in Salesforce.")
	}
	lines := make([]Line, 0, len(list))
	var misses []*Miss
	for _, it := range list {
		s.item, s.product = it.record, m.product(it.record)
		made, err := m.planLine(&s, it)
		if err != nil {
			misses = append(misses, err)
			continue
		}
		lines = append(lines, made...)
	}
	switch {
	case len(misses) > 0:
		return nil, joinMisses(misses)
	case len(lines) == 0:
		return nil, miss(ProductUnmapped, "", "The mapping leaves out every line of the order, so there is nothing to provision.")
	case len(lines) > MaxLines:
		return nil, miss(ProductUnmapped, "", "The order would have %d lines in WHMCS, and at most %d arrive there safely. Split the order.", len(lines), MaxLines)
	}
	return lines, nil
}

// product finds the product of a line where the mapping says, else where Salesforce has it by default.
func (m *Mapping) product(item map[string]any) map[string]any {
	if p := asRecord(lookup(item, m.fields.productPath)); p != nil {
		return p
	}
	if p := asRecord(lookup(item, []string{"PricebookEntry", "Product2"})); p != nil {
		return p
	}
	return asRecord(item["Product2"])
}

// joinMisses makes one Miss of those of several lines. Staff should not find mistakes one at a time.
func joinMisses(misses []*Miss) *Miss {
	const most = 5
	first := *misses[0]
	if i := slices.IndexFunc(misses, func(m *Miss) bool { return m.Reason == MappingInvalid }); i >= 0 {
		first = *misses[i]
	}
	var messages []string
	for _, m := range misses {
		if !slices.Contains(messages, m.Message) {
			messages = append(messages, m.Message)
		}
	}
	if left := len(messages) - most; left > 0 {
		messages = append(messages[:most], fmt.Sprintf("Further such mistakes: %d.", left))
	}
	first.Message = strings.Join(messages, " ")
	return &first
}
