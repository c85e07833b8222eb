package mapping

import (
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// outlook is what an entry can give for a product, while order, line and account are not known.
type outlook[T any] struct {
	// values are those it gives for certain, or those of tables of which one may apply.
	values []T
	// open says that an unknown field may give another value.
	open bool
	// dry says that it may give nothing at all.
	dry bool
}

// knowable reports whether the source looks at nothing but the product.
func (src *source[T]) knowable() bool {
	switch {
	case src.constant != nil:
		return true
	case src.field != nil:
		return src.field.root == rootProduct
	case src.expr != nil:
		return src.expr.knowable()
	}
	for _, seg := range src.template {
		if seg.field != nil && seg.field.root != rootProduct {
			return false
		}
	}
	return true
}

func (e *expression) knowable() bool {
	for _, r := range e.roots {
		if r != rootProduct {
			return false
		}
	}
	return true
}

// outlook evaluates the entry as far as the product decides it.
func (v *value[T]) outlook(s *scope) (o outlook[T], err error) {
	computed := false
	for i := range v.sources {
		src := &v.sources[i]
		if !src.knowable() {
			o.open = true
			computed = computed || src.expr != nil // written to give something for this very case
			for _, each := range src.table {
				o.values = append(o.values, each)
			}
			continue
		}
		got, ok, err := src.eval(s, v.convert)
		if err == nil && !ok && src.required && !o.open { // else an order may bring a value before this source is asked
			err = &valueError{src.name(), src.nothing(s)}
		}
		if err != nil {
			return o, err
		}
		if ok {
			o.values = append(o.values, got)
			return o, nil
		}
	}
	o.dry = !computed
	return o, nil
}

// foresight evaluates conditions while order, line and account are not known.
type foresight struct {
	env      *cel.Env
	programs map[*expression]cel.Program
}

// holds evaluates a condition. known is false if it depends on what is not known.
func (f *foresight) holds(e *expression, s *scope) (holds, known bool, err error) {
	if e.knowable() {
		holds, err = e.holds(s)
		return holds, true, err
	}
	if !slices.Contains(e.roots, rootProduct) {
		return false, false, nil
	}
	// What cannot be foreseen counts as a condition that may hold.
	p, ok := f.programs[e]
	if !ok {
		p, _ = f.env.Program(e.checked, cel.EvalOptions(cel.OptPartialEval), cel.CostLimit(costLimit), cel.MemoryLimit(memoryLimit))
		f.programs[e] = p
	}
	vars, _ := cel.PartialVars(s, cel.AttributePattern(rootOrder), cel.AttributePattern(rootItem), cel.AttributePattern(rootAccount))
	if p == nil || vars == nil {
		return false, false, nil
	}
	out, _, _ := p.Eval(vars)
	b, known := out.(types.Bool)
	return bool(b), known, nil
}

// candidates returns the rules that can decide about a product, in the order of the file. certain is false if none of
// them need match, so that the line section may decide. If a condition fails, its rule is the last.
func (b *ruleBook) candidates(sku string, s *scope, f *foresight) (rules []*rule, certain bool, err error) {
	for r := range b.matching(sku) {
		if r.when == nil {
			return append(rules, r), true, nil
		}
		holds, known, err := f.holds(r.when, s)
		switch {
		case err != nil:
			return append(rules, r), true, err
		case !known:
			rules = append(rules, r)
		case holds:
			return append(rules, r), true, nil
		}
	}
	return rules, false, nil
}
