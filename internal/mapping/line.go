package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// planLine plans one Salesforce line: none if it is left out, several if its quantity is repeated.
func (m *Mapping) planLine(s *scope, it orderedItem) ([]Line, *Miss) {
	sku := ""
	if m.fields.sku != "" {
		sku = strings.TrimSpace(text(field(s.product, m.fields.sku)))
	}
	l := lineMaker{m: m, s: s, item: it, sku: sku}
	r, err := m.rules.find(sku, s)
	if err != nil {
		return nil, l.miss(err, "cannot be matched", "Correct the rule in the mapping.")
	}
	if r == nil {
		r = &rule{}
	}
	if r.skip {
		return nil, nil
	}
	return l.make(&r.lineRule)
}

// lineMaker plans one line and words what is wrong with it.
type lineMaker struct {
	m    *Mapping
	s    *scope
	item orderedItem
	sku  string
}

func (l *lineMaker) make(r *lineRule) ([]Line, *Miss) {
	line := Line{OrderItemID: l.item.id, SKU: l.sku}
	var problem *Miss
	if line.PID, problem = pick(l, &r.pid, &l.m.line.pid, "WHMCS product id", "Fill in the field on the product in Salesforce, or add the product to the mapping."); problem != nil {
		return nil, problem
	}
	if line.BillingCycle, problem = pick(l, &r.cycle, &l.m.line.cycle, "billing cycle", "Fill in the field in Salesforce, or add the word to cycles in the mapping."); problem != nil {
		return nil, problem
	}
	domain := &r.domain
	if !domain.set() {
		domain = &l.m.line.domain
	}
	if err := fillOne(domain, l.s, &line.Domain); err != nil {
		return nil, l.miss(err, "has no usable domain", "Correct the domain entry of the mapping, or the field.")
	}
	if line.ConfigOptions, problem = l.configOptions(r); problem != nil {
		return nil, problem
	}
	if line.CustomFields, problem = byID(l, l.m.line.customFields, r.customFields, nil, "custom field"); problem != nil {
		return nil, problem
	}
	return l.multiply(line, r)
}

// pick computes a part that every line must have.
func pick[T any](l *lineMaker, own, general *value[T], what, do string) (out T, problem *Miss) {
	v := own
	if !v.set() {
		v = general
	}
	out, ok, err := v.eval(l.s)
	if err != nil {
		return out, l.miss(err, "has no usable "+what, do)
	}
	if !ok {
		why := "the mapping has no entry for it"
		if v.set() {
			why = v.nothing(l.s)
		}
		return out, l.say(v.firstField(), "has no %s: %s. %s", what, why, do)
	}
	return out, nil
}

// say words a Miss about this line.
func (l *lineMaker) say(field, format string, args ...any) *Miss {
	who := "A line without SKU"
	switch {
	case l.sku != "" && l.item.number != "":
		who = fmt.Sprintf("Line %s (SKU %s)", l.item.number, l.sku)
	case l.sku != "":
		who = "The line with SKU " + l.sku
	case l.item.number != "":
		who = "Line " + l.item.number
	}
	p := miss(ProductUnmapped, field, "%s %s", who, fmt.Sprintf(format, args...))
	p.OrderItemID = l.item.id
	return p
}

// miss turns an error of a value into a Miss about this line.
func (l *lineMaker) miss(err error, what, do string) *Miss {
	if m, ok := errors.AsType[*Miss](err); ok {
		m.OrderItemID = l.item.id
		return m
	}
	field := ""
	if v, ok := errors.AsType[*valueError](err); ok {
		field = v.field
	}
	return l.say(field, "%s: %s. %s", what, err, do)
}

// multiply applies the quantity.
func (l *lineMaker) multiply(line Line, r *lineRule) ([]Line, *Miss) {
	at := "item." + l.m.fields.quantity
	n, err := toInt(field(l.s.item, l.m.fields.quantity))
	switch {
	case err != nil:
		return nil, l.say(at, "has no usable quantity: %s: %s. WHMCS counts in whole units: correct the quantity in Salesforce.", at, err)
	case n < 1:
		return nil, l.say(at, "has the quantity %d. Correct it in Salesforce: WHMCS needs at least 1.", n)
	}
	mode := r.quantity
	if mode == "" {
		mode = l.m.line.quantity
	}
	if mode != "repeat" {
		line.Quantity = n
		return []Line{line}, nil
	}
	if n > MaxLines {
		return nil, l.say(at, "has the quantity %d, and repeating it would make more than the %d lines that arrive safely. Split the order, or use quantity: qty.", n, MaxLines)
	}
	line.Quantity = 1
	lines := make([]Line, n)
	for i := range lines {
		lines[i] = line
	}
	return lines, nil
}

// configOptions merges the options of the product's JSON field, of line and of the rule; the later win.
func (l *lineMaker) configOptions(r *lineRule) (map[int64]int64, *Miss) {
	var base map[int64]int64
	if name := l.m.fields.configOptions; name != "" {
		if v := field(l.s.product, name); !isEmpty(v) {
			var err error
			if base, err = parseOptions(v); err != nil {
				return nil, l.say("product."+name, `has config options that cannot be read: product.%s: %s. Write a JSON object of option id and value, such as {"12": 34}.`, name, err)
			}
		}
	}
	return byID(l, l.m.line.configOptions, r.configOptions, base, "config option")
}

// byID computes options or custom fields by id. Those without a value are left out.
func byID[T any](l *lineMaker, general, own []idValue[T], out map[int64]T, what string) (map[int64]T, *Miss) {
	for _, list := range [][]idValue[T]{general, own} {
		for i := range list {
			v, ok, err := list[i].value.eval(l.s)
			if err != nil {
				return nil, l.miss(err, fmt.Sprintf("has no usable value for %s %d", what, list[i].id), "Correct the field in Salesforce, or the entry of the mapping.")
			}
			if !ok {
				continue
			}
			if out == nil {
				out = make(map[int64]T, len(general)+len(own))
			}
			out[list[i].id] = v
		}
	}
	return out, nil
}

// parseOptions reads a JSON object of option ids and values.
func parseOptions(v any) (map[int64]int64, error) {
	s, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("%s is not text", describe(v))
	}
	var raw map[string]json.RawMessage
	dec := json.NewDecoder(strings.NewReader(s))
	if err := dec.Decode(&raw); err != nil || raw == nil {
		return nil, errors.New("this is not a JSON object")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text follows the JSON object")
	}
	out := make(map[int64]int64, len(raw))
	// Entry by entry, because a map would keep one of several for the same option, and not always the same one.
	dec = json.NewDecoder(strings.NewReader(s))
	dec.UseNumber()
	for _, _ = dec.Token(); dec.More(); {
		id, option, err := nextOption(dec)
		if err != nil {
			return nil, err
		}
		if _, twice := out[id]; twice {
			return nil, fmt.Errorf("option %d stands here twice", id)
		}
		out[id] = option
	}
	return out, nil
}

// nextOption reads the next entry of an object that is known to be JSON.
func nextOption(dec *json.Decoder) (id, option int64, err error) {
	token, err := dec.Token()
	if err != nil {
		return 0, 0, err
	}
	key, _ := token.(string)
	if id, err = strconv.ParseInt(strings.TrimSpace(key), 10, 64); err != nil || id <= 0 {
		return 0, 0, fmt.Errorf("%s is not the id of an option", quote(key))
	}
	var value any
	if err := dec.Decode(&value); err != nil {
		return 0, 0, err
	}
	if option, err = toOption(value); err != nil {
		return 0, 0, fmt.Errorf("option %d: %w", id, err)
	}
	return id, option, nil
}
