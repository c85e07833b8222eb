package mapping

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
func (src *source) knowable() bool {
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
	for i := range v.sources {
		src := &v.sources[i]
		if !src.knowable() {
			o.open = true
			for _, each := range src.table {
				o.values = append(o.values, each.(T))
			}
			continue
		}
		one := value[T]{sources: v.sources[i : i+1], convert: v.convert}
		got, ok, err := one.eval(s)
		if err != nil {
			return o, err
		}
		if ok {
			o.values = append(o.values, got)
			return o, nil
		}
	}
	o.dry = true
	return o, nil
}

// candidates returns the rules that can decide about a product, in the order of the file. certain is false if none of
// them need match, so that the line section may decide.
func (b *ruleBook) candidates(sku string, s *scope) (rules []*rule, certain bool, err error) {
	for r := range b.matching(sku) {
		switch {
		case r.when == nil:
			return append(rules, r), true, nil
		case !r.when.knowable():
			rules = append(rules, r)
			continue
		}
		holds, err := r.when.holds(s)
		if err != nil {
			return rules, true, err
		}
		if holds {
			return append(rules, r), true, nil
		}
	}
	return rules, false, nil
}
