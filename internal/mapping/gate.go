package mapping

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// gate is the conditions an order must meet, all of them.
type gate []gateField

type gateField struct {
	path   fieldPath
	soql   string
	values []any // string, bool, int64, float64; nil stands for an empty field
}

func (c *compiler) compileGate(g *file.Gate) gate {
	if g == nil && isCustom(c.fields.objects.Order) {
		c.problem("gate", "the default gate asks for Status, which the custom object "+c.fields.objects.Order+" does not have",
			"add a gate, such as gate: {order."+c.fields.activationStatus+": Activating}")
		return nil
	}
	if g == nil {
		g = &file.Gate{Fields: []file.GateField{
			{Field: "order.Status", Values: []file.Scalar{{Value: "Approved"}, {Value: "Reactivate"}}},
			{Field: "order." + c.fields.activationStatus, Values: []file.Scalar{{Value: "Activating"}}},
		}}
	}
	var out gate
	seen := map[string]string{}
	for _, f := range g.Fields {
		at := file.Join("gate", f.Field)
		path, ok := c.field(at, f.Field, false)
		if !ok {
			continue
		}
		name := strings.Join(path.names, ".")
		if path.root == rootAccount {
			name = strings.Join(c.fields.accountPath, ".") + "." + name
		}
		if first, ok := seen[strings.ToLower(name)]; ok {
			c.problem(at, "this field is already in the gate as "+first, "put all values into one list")
			continue
		}
		seen[strings.ToLower(name)] = f.Field
		field := gateField{path: path, soql: name}
		for i, v := range f.Values {
			value := number(v.Value)
			if isEmpty(value) {
				value = nil // SOQL finds empty fields with an empty text too
			}
			if slices.ContainsFunc(field.values, func(o any) bool { return sameValue(o, value) }) {
				c.problem(fmt.Sprintf("%s[%d]", at, i), describe(value)+" stands here twice", "delete one of them")
				continue
			}
			field.values = append(field.values, value)
		}
		out = append(out, field)
	}
	return out
}

// sameValue compares as SOQL does: without regard to case.
func sameValue(a, b any) bool {
	s, ok := a.(string)
	if !ok {
		return a == b
	}
	t, ok := b.(string)
	return ok && strings.EqualFold(s, t)
}

// Gate returns nil if the order may be provisioned, else a *Miss with reason GateClosed. own are activation statuses
// that Orderbridge itself has written to this order, for instance while it waited: they do not close the gate.
func (m *Mapping) Gate(order map[string]any, own ...string) error {
	s := m.scope(order)
	for _, f := range m.gate {
		v := number(f.path.get(&s))
		if isEmpty(v) {
			v = nil
		}
		if slices.ContainsFunc(f.values, func(want any) bool { return sameValue(want, v) }) {
			continue
		}
		if f.path.root == rootOrder && len(f.path.names) == 1 && strings.EqualFold(f.path.names[0], m.fields.activationStatus) {
			if t, ok := v.(string); ok && slices.ContainsFunc(own, func(o string) bool { return o != "" && strings.EqualFold(o, t) }) {
				continue
			}
		}
		return miss(GateClosed, f.path.String(), "The order is not released: %s is %s, and the mapping lets through %s.",
			f.path, orEmpty(v), f.words())
	}
	return nil
}

func orEmpty(v any) string {
	if v == nil {
		return "empty"
	}
	return describe(v)
}

func (f gateField) words() string {
	var w []string
	for _, v := range f.values {
		w = append(w, orEmpty(v))
	}
	return strings.Join(w, " or ")
}

// GateSOQL is the gate as a SOQL condition, for a query on the object of the orders.
func (m *Mapping) GateSOQL() string {
	var conditions []string
	for _, f := range m.gate {
		conditions = append(conditions, f.condition())
	}
	return strings.Join(conditions, " AND ")
}

func (f gateField) condition() string {
	var list, parts []string
	for _, v := range f.values {
		switch v.(type) {
		case string, int64, float64:
			list = append(list, literal(v))
		default: // neither null nor a boolean can stand in a list
			parts = append(parts, f.soql+" = "+literal(v))
		}
	}
	switch {
	case len(list) == 1:
		parts = append([]string{f.soql + " = " + list[0]}, parts...)
	case len(list) > 1:
		parts = append([]string{f.soql + " IN (" + strings.Join(list, ", ") + ")"}, parts...)
	}
	if len(parts) > 1 {
		return "(" + strings.Join(parts, " OR ") + ")"
	}
	return parts[0]
}

// literal writes a constant for SOQL.
func literal(v any) string {
	s, ok := v.(string)
	switch {
	case ok:
		return "'" + soqlEscape.Replace(s) + "'"
	case v == nil:
		return "null"
	}
	return text(v)
}

var soqlEscape = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`, "\t", `\t`)

// scope views the records of an order that entries about the whole order may read.
func (m *Mapping) scope(order map[string]any) scope {
	return scope{order: order, account: asRecord(lookup(order, m.fields.accountPath))}
}

// AlreadyOrdered returns the WHMCS order id that the Salesforce order carries, or 0 if it carries none. The error says that
// the field holds something else: somebody may have noted an order there, so it is not taken for empty.
func (m *Mapping) AlreadyOrdered(order map[string]any) (whmcsOrderID int64, err error) {
	v := field(order, m.fields.whmcsOrderID)
	if isEmpty(v) {
		return 0, nil
	}
	id, err := toInt(v)
	if err == nil && id < 0 {
		err = fmt.Errorf("%d is not an id", id)
	}
	if err != nil {
		return 0, fmt.Errorf("the field %s of the Salesforce order holds no WHMCS order id: %w", m.fields.whmcsOrderID, err)
	}
	return id, nil
}
