package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
)

// Check holds the mapping against a catalogue: is every product mapped, does WHMCS have what the mapping asks for, is
// every rule of use. Findings about the same entry are one finding with several products. They come in the order of
// the file.
func (m *Mapping) Check(cat Catalogue) []Finding {
	c := checker{
		m: m, found: map[findingKey]*Finding{}, used: make([]bool, len(m.rules.rules)),
		ahead: foresight{env: m.env, programs: map[*expression]cel.Program{}},
	}
	if cat.WHMCS != nil {
		c.whmcs = make(map[int64]*WHMCSProduct, len(cat.WHMCS))
		for i := range cat.WHMCS {
			c.whmcs[cat.WHMCS[i].PID] = &cat.WHMCS[i]
		}
	}
	for _, p := range cat.Products {
		c.product(p)
	}
	if len(cat.Products) > 0 {
		c.unused()
	}
	return c.findings()
}

type findingKey struct {
	path, message string
}

type checker struct {
	m     *Mapping
	whmcs map[int64]*WHMCSProduct // nil: not to be checked
	found map[findingKey]*Finding
	ahead foresight
	used  []bool // rules that can decide about a product
	label string // the product being checked
}

func (c *checker) add(sev Severity, path, message, hint string) {
	key := findingKey{path, message}
	f := c.found[key]
	if f == nil {
		at := c.m.doc.At(path)
		f = &Finding{Severity: sev, Line: at.Line, Column: at.Column, Path: path, Message: message, Hint: hint}
		c.found[key] = f
	}
	if n := len(f.Products); c.label != "" && (n == 0 || f.Products[n-1] != c.label) {
		f.Products = append(f.Products, c.label)
	}
}

func (c *checker) findings() []Finding {
	out := make([]Finding, 0, len(c.found))
	for _, f := range c.found {
		slices.Sort(f.Products)
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b Finding) int {
		return cmp.Or(a.Line-b.Line, a.Column-b.Column, strings.Compare(a.Path, b.Path), strings.Compare(a.Message, b.Message))
	})
	return out
}

// product checks every rule that can decide about a product.
func (c *checker) product(p map[string]any) {
	m := c.m
	sku := ""
	if m.fields.sku != "" {
		sku = strings.TrimSpace(text(field(p, m.fields.sku)))
	}
	c.label = cmp.Or(sku, text(field(p, "Id")))
	s := &scope{product: p}
	rules, certain, err := m.rules.candidates(sku, s, &c.ahead)
	if err != nil {
		r := rules[len(rules)-1]
		c.used[r.index] = true
		c.failed(r.path+".when", err)
		return
	}
	for _, r := range rules {
		c.used[r.index] = true
		if !r.skip {
			c.rule(s, &r.lineRule, r.path)
		}
	}
	if !certain {
		c.rule(s, &lineRule{}, "line")
	}
}

// rule checks what one rule, over the line section, makes of a product.
func (c *checker) rule(s *scope, own *lineRule, path string) {
	general := &c.m.line
	pids, at := check(c, s, &own.pid, &general.pid, path, "pid", "WHMCS product id",
		"fill in the field on the product, or add the product to the mapping")
	cycles, cycleAt := check(c, s, &own.cycle, &general.cycle, path, "cycle", "billing cycle",
		"fill in the field on the product, or add the word to cycles")
	c.domain(s, own, path)
	options := c.options(s, own, path)
	customFields := foreseeByID(c, s, general.customFields, own.customFields, path, "customFields")
	if c.whmcs == nil {
		return
	}
	for _, pid := range pids {
		w := c.whmcs[pid]
		if w == nil {
			c.add(Error, at, fmt.Sprintf("WHMCS has no product %d", pid), "correct the id, or create the product in WHMCS")
			continue
		}
		for _, cycle := range cycles {
			c.cycle(w, cycle, cycleAt)
		}
		for _, o := range options {
			c.option(w, o)
		}
		c.customFields(w, customFields, path)
	}
}

// check evaluates a part that every line must have, and returns the values it can have and the entry that decides.
func check[T comparable](c *checker, s *scope, own, general *value[T], path, key, what, hint string) ([]T, string) {
	v, at := own, path+"."+key
	if !v.set() {
		v, at = general, "line."+key
	}
	o, err := v.outlook(s)
	switch {
	case err != nil:
		c.failed(at, err)
	case o.dry && !o.open && v.set():
		c.add(Error, at, "there is no "+what+": "+v.nothing(s), hint)
	case o.dry && !o.open:
		c.add(Error, at, "there is no "+what, hint)
	case o.dry && len(o.values) == 0:
		c.add(Warning, at, "the product has no "+what+", so every order must bring one: "+v.nothing(s), hint)
	}
	slices.SortFunc(o.values, func(a, b T) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return slices.Compact(o.values), at
}

// failed reports a value that cannot be used, or an expression that fails.
func (c *checker) failed(path string, err error) {
	hint := "correct the field on the product"
	if _, ok := errors.AsType[*Miss](err); ok {
		hint = "correct the expression"
	}
	c.add(Error, path, strings.TrimRight(err.Error(), "."), hint)
}

func (c *checker) cycle(w *WHMCSProduct, cycle, path string) {
	offered := w.Offered()
	if slices.Contains(offered, cycle) {
		return
	}
	hint := "set a price for it in WHMCS, or choose another cycle"
	if len(offered) > 0 {
		hint = "WHMCS offers " + strings.Join(offered, ", ") + ": choose one of them, or set a price in WHMCS"
	}
	c.add(Error, path, fmt.Sprintf("WHMCS product %d has no price for %s", w.PID, cycle), hint)
}

// domain checks the domain in effect.
func (c *checker) domain(s *scope, own *lineRule, path string) {
	v, at := &own.domain, path+".domain"
	if !v.set() {
		v, at = &c.m.line.domain, "line.domain"
	}
	if _, err := v.outlook(s); err != nil {
		c.failed(at, err)
	}
}

// foreseen is a config option or a custom field that a line may be ordered with.
type foreseen[T any] struct {
	id     int64
	values []T
	// dry says that it may give nothing, so that what it would replace may stay.
	dry  bool
	path string
}

// foreseeByID evaluates the entries of line and of a rule, in the order in which Plan does. Those that certainly give
// nothing are left out.
func foreseeByID[T any](c *checker, s *scope, general, own []idValue[T], path, key string) []foreseen[T] {
	var out []foreseen[T]
	for _, part := range []struct {
		list []idValue[T]
		path string
	}{{general, "line"}, {own, path}} {
		for i := range part.list {
			id := part.list[i].id
			at := fmt.Sprintf("%s.%s.%d", part.path, key, id)
			o, err := part.list[i].value.outlook(s)
			switch {
			case err != nil:
				c.failed(at, err)
			case len(o.values) > 0 || o.open:
				out = append(out, foreseen[T]{id, o.values, o.dry, at})
			}
		}
	}
	return out
}

// options returns the config options that a rule makes of a product. Several with the same id are possible if it depends
// on the order which of them it gets.
func (c *checker) options(s *scope, own *lineRule, path string) []foreseen[int64] {
	var out []foreseen[int64]
	if name := c.m.fields.configOptions; name != "" && !isEmpty(field(s.product, name)) {
		options, err := parseOptions(field(s.product, name))
		if err != nil {
			c.add(Error, "salesforce.product.configOptions", fmt.Sprintf("product.%s: %s", name, err), `write a JSON object of option id and value, such as {"12": 34}`)
		}
		for id, v := range options {
			out = append(out, foreseen[int64]{id: id, values: []int64{v}, path: "salesforce.product.configOptions"})
		}
	}
	for _, f := range foreseeByID(c, s, c.m.line.configOptions, own.configOptions, path, "configOptions") {
		if !f.dry {
			out = slices.DeleteFunc(out, func(before foreseen[int64]) bool { return before.id == f.id })
		}
		out = append(out, f)
	}
	return out
}

func (c *checker) option(w *WHMCSProduct, o foreseen[int64]) {
	i := slices.IndexFunc(w.ConfigOptions, func(x WHMCSConfigOption) bool { return x.ID == o.id })
	if i < 0 {
		c.add(Error, o.path, fmt.Sprintf("WHMCS product %d has no config option %d", w.PID, o.id), "correct the id, or assign the option group to the product in WHMCS")
		return
	}
	x := w.ConfigOptions[i]
	for _, v := range o.values {
		switch x.Type {
		case "3", "yesno":
			if v > 1 {
				c.add(Error, o.path, fmt.Sprintf("config option %d is yes or no, and %d is neither", o.id, v), "use true or false")
			}
		case "4", "quantity":
		default:
			if len(x.Choices) > 0 && !slices.Contains(x.Choices, v) {
				c.add(Error, o.path, fmt.Sprintf("config option %d has no choice %d", o.id, v), "use the id of one of its choices: "+joinInts(x.Choices))
			}
		}
	}
}

func (c *checker) customFields(w *WHMCSProduct, list []foreseen[string], path string) {
	set := map[int64]bool{}
	for _, f := range list {
		set[f.id] = true
		if !slices.ContainsFunc(w.CustomFields, func(x WHMCSCustomField) bool { return x.ID == f.id }) {
			c.add(Warning, f.path, fmt.Sprintf("the order form of WHMCS product %d shows no custom field %d", w.PID, f.id),
				"correct the id, or tick Show on Order Form for the field in WHMCS")
		}
	}
	for _, x := range w.CustomFields {
		if x.Required && !set[x.ID] {
			c.add(Warning, path, fmt.Sprintf("WHMCS product %d requires the custom field %d, and the mapping does not set it", w.PID, x.ID), "add it to customFields")
		}
	}
}

// unused reports rules that decide about no product of the catalogue.
func (c *checker) unused() {
	c.label = ""
	for i, used := range c.used {
		if !used {
			c.add(Warning, c.m.rules.rules[i].path, "this rule matches no product of the price book", "delete it, or correct its sku or when")
		}
	}
}

func joinInts(list []int64) string {
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = fmt.Sprint(n)
	}
	return strings.Join(words, ", ")
}
