package mapping

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// lineRule computes the parts of a WHMCS line.
type lineRule struct {
	pid           value[int64]
	cycle         value[string]
	quantity      string // qty, repeat, or "" when left open
	domain        value[string]
	configOptions []idValue[int64]
	customFields  []idValue[string]
}

// idValue computes the value of one config option or custom field.
type idValue[T any] struct {
	id    int64
	value value[T]
}

// rule is one entry of products.
type rule struct {
	path  string
	index int
	skus  []*glob
	when  *expression
	skip  bool
	lineRule
}

// ruleBook finds the first rule for a line. Rules for exact SKUs are found by table, the others one after the other.
type ruleBook struct {
	rules   []rule
	exact   map[string][]int
	general []int
}

// compileLine compiles the line section and puts the defaults under it.
func (c *compiler) compileLine(l file.Line) lineRule {
	f := c.fields
	if l.PID.IsZero() {
		l.PID = fieldSources("product", f.pid)
	}
	if l.Cycle.IsZero() {
		l.Cycle = file.Value{Sources: slices.Concat(
			fieldSources("item", f.itemCycle).Sources,
			fieldSources("product", f.productCycle).Sources,
			fieldSources("product", f.class).Sources,
		)}
	}
	if l.Quantity == "" {
		l.Quantity = "qty"
	}
	return c.compileLineRule(l, "line")
}

func fieldSources(root, name string) file.Value {
	if name == "" {
		return file.Value{}
	}
	return file.Value{Sources: []file.Source{{Field: root + "." + name}}}
}

func (c *compiler) compileLineRule(l file.Line, path string) lineRule {
	return lineRule{
		pid:           compileValue(c, l.PID, path+".pid", idTarget, true, toID),
		cycle:         compileValue(c, l.Cycle, path+".cycle", cycleTarget, true, toCycle(c.cycles)),
		quantity:      l.Quantity,
		domain:        compileValue(c, l.Domain, path+".domain", textTarget, true, toText),
		configOptions: compileByID(c, l.ConfigOptions, path+".configOptions", optionTarget, toOption),
		customFields:  compileByID(c, l.CustomFields, path+".customFields", textTarget, toText),
	}
}

func compileByID[T any](c *compiler, b *file.ByID, path string, t target, convert func(any) (T, error)) []idValue[T] {
	if b == nil {
		return nil
	}
	var out []idValue[T]
	for _, e := range b.Entries {
		at := file.Join(path, fmt.Sprint(e.ID))
		out = append(out, idValue[T]{e.ID, compileValue(c, e.Value, at, t, true, convert)})
	}
	return out
}

// compileRules compiles the products section.
func (c *compiler) compileRules(products []file.Product) ruleBook {
	book := ruleBook{exact: map[string][]int{}}
	for i, p := range products {
		r := c.compileRule(p, fmt.Sprintf("products[%d]", i))
		r.index = i
		book.rules = append(book.rules, r)
		if len(r.skus) == 0 || slices.ContainsFunc(r.skus, func(g *glob) bool { return !g.isExact }) {
			book.general = append(book.general, i)
			continue
		}
		for _, g := range r.skus {
			book.exact[g.exact] = append(book.exact[g.exact], i)
		}
	}
	return book
}

func (c *compiler) compileRule(p file.Product, path string) rule {
	r := rule{path: path, skip: p.Skip}
	for i, s := range p.SKU {
		at := path + ".sku"
		if c.doc.Has(fmt.Sprintf("%s[%d]", at, i)) {
			at = fmt.Sprintf("%s[%d]", at, i)
		}
		if s == "" {
			c.problem(at, "the SKU is empty", "name a SKU, or use * for any")
			continue
		}
		if s != strings.TrimSpace(s) {
			c.problem(at, quote(s)+" begins or ends with a blank, and so does no SKU: blanks around it do not count", "delete the blank")
			continue
		}
		c.visible(at, s)
		g, err := parseGlob(s)
		if err != nil {
			c.problem(at, fmt.Sprintf("%s is not a pattern: %s", quote(s), err), `write \[ or \* for the character itself`)
			continue
		}
		if slices.ContainsFunc(r.skus, func(o *glob) bool { return o.source == s }) {
			c.problem(at, fmt.Sprintf("%s stands here twice", quote(s)), "delete one of them")
		}
		r.skus = append(r.skus, g)
	}
	if p.When != "" {
		r.when = c.expression(path+".when", p.When, whenTarget, true)
		if r.when != nil {
			tryConstant(c, r.when, path+".when", whenTarget, toCondition)
		}
	}
	has := func(keys ...string) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return c.doc.Has(path + "." + k) })
	}
	if !has("sku", "when") {
		c.problem(path, "the rule has neither sku nor when, so it would match every line", "add one of them, or move its entries to line")
	}
	if len(p.SKU) > 0 && c.fields.sku == "" {
		c.problem(path+".sku", "the file says that products have no SKU field", "name the field in salesforce.product.sku, or use when")
	}
	l := file.Line{PID: p.PID, Cycle: p.Cycle, Quantity: p.Quantity, Domain: p.Domain, ConfigOptions: p.ConfigOptions, CustomFields: p.CustomFields}
	effect := has("pid", "cycle", "quantity", "domain", "configOptions", "customFields")
	switch {
	case p.Skip && effect:
		c.problem(path+".skip", "a line that is left out needs nothing else", "delete skip, or the other entries of this rule")
	case !has("skip") && !effect:
		c.problem(path, "the rule says nothing about the line", "add pid, cycle, quantity, domain, configOptions, customFields or skip: true, or delete the rule")
	}
	r.lineRule = c.compileLineRule(l, path)
	return r
}

// matching iterates over the rules whose sku fits, in the order of the file.
func (b *ruleBook) matching(sku string) iter.Seq[*rule] {
	return func(yield func(*rule) bool) {
		exact, general := b.exact[sku], b.general
		for len(exact)+len(general) > 0 {
			var i int
			if len(general) == 0 || len(exact) > 0 && exact[0] < general[0] {
				i, exact = exact[0], exact[1:]
			} else {
				i, general = general[0], general[1:]
			}
			if r := &b.rules[i]; r.matchesSKU(sku) && !yield(r) {
				return
			}
		}
	}
}

// find returns the first rule that matches the line, or nil. The error is the *Miss of a condition that failed.
func (b *ruleBook) find(sku string, s *scope) (*rule, error) {
	for r := range b.matching(sku) {
		if r.when == nil {
			return r, nil
		}
		if holds, err := r.when.holds(s); err != nil || holds {
			return r, err
		}
	}
	return nil, nil
}

func (r *rule) matchesSKU(sku string) bool {
	if len(r.skus) == 0 {
		return true
	}
	return slices.ContainsFunc(r.skus, func(g *glob) bool { return g.match(sku) })
}

// toCondition takes what a condition gives.
func toCondition(v any) (bool, error) {
	b, ok := v.(bool)
	if !ok {
		return false, fmt.Errorf("the condition gives %s, and true or false is needed", describe(v))
	}
	return b, nil
}

// holds evaluates a condition. null does not hold.
func (e *expression) holds(s *scope) (bool, error) {
	v, err := e.run(s)
	if err != nil || v == nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, miss(MappingInvalid, "", "The condition at %s gives %s, and true or false is needed.", e.where, describe(v))
	}
	return b, nil
}
