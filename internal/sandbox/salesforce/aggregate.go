package salesforce

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce/soql"
)

// group is the rows that agree in all GROUP BY fields.
type group struct {
	rows   []seenRow
	values map[string]any // by aggregateKey
}

func aggregateKey(op soql.Operand) string {
	return strings.ToLower(op.Func + "(" + strings.Join(op.Path, ".") + ")")
}

// aggregate compiles a query with GROUP BY or aggregate functions.
func (c *compiler) aggregate(out *compiled) error {
	q, o := out.query, out.object
	if q.IsCount() && q.GroupBy == nil {
		out.shape = &shape{object: o}
		return nil
	}
	for _, op := range q.GroupBy {
		col, err := c.filterable(o, q, op)
		if err != nil {
			return err
		}
		out.groupBy = append(out.groupBy, col)
		out.aliases[aggregateKey(op)] = col
	}
	unnamed := 0
	for _, item := range q.Select {
		if item.Subquery != nil {
			return c.fail("MALFORMED_QUERY", item.Subquery.From.Pos, "an aggregate query takes no child query")
		}
		if err := c.aggregateItem(out, item, &unnamed); err != nil {
			return err
		}
	}
	if q.Having == nil {
		return nil
	}
	having, err := c.having(out, q.Having)
	out.having = having
	return err
}

func (c *compiler) aggregateItem(out *compiled, item soql.SelectItem, unnamed *int) error {
	op, key := item.Operand, aggregateKey(item.Operand)
	col, grouped := out.aliases[key]
	if !grouped && !soql.IsAggregate(op.Func) {
		return c.fail("MALFORMED_QUERY", op.Pos, "Field must be grouped or aggregated: %s", strings.Join(op.Path, "."))
	}
	if !grouped {
		var err error
		if col, err = c.aggregateColumn(out, op); err != nil {
			return err
		}
	}
	col.key = item.Alias
	if col.key == "" && op.Func != "" {
		col.key = fmt.Sprintf("expr%d", *unnamed)
		*unnamed++
	} else if col.key == "" {
		col.key = col.field.Name
	}
	out.aliases[key] = col
	if item.Alias != "" {
		out.aliases["("+strings.ToLower(item.Alias)+")"] = col
	}
	return nil
}

func (c *compiler) aggregateColumn(out *compiled, op soql.Operand) (column, error) {
	if op.Path == nil {
		if op.Func != "COUNT" {
			return column{}, c.fail("MALFORMED_QUERY", op.Pos, "unexpected token: ')'")
		}
		op.Path = []string{"Id"}
	}
	col, err := c.filterable(out.object, out.query, soql.Operand{Path: op.Path, Pos: op.Pos})
	if err != nil {
		return col, err
	}
	if (op.Func == "SUM" || op.Func == "AVG") && !col.field.Type.isNumber() {
		return col, c.fail("MALFORMED_QUERY", op.Pos, "field %s does not support aggregate operator %s", col.field.Name, op.Func)
	}
	col.fn = op.Func
	return col, nil
}

// groups runs a compiled aggregate query.
func (c *compiler) groups(q *compiled) []any {
	all := c.collect(q)
	if q.having != nil {
		all = slices.DeleteFunc(all, func(g *group) bool { return !q.having(g) })
	}
	slices.SortStableFunc(all, func(a, b *group) int {
		for _, term := range q.orderBy {
			if order := term.compare(a.values[term.alias], b.values[term.alias], q.aliases[term.alias].resultType()); order != 0 {
				return order
			}
		}
		return 0
	})
	all = all[min(q.offset, len(all)):]
	if q.limit >= 0 {
		all = all[:min(q.limit, len(all))]
	}
	var out []any
	for _, g := range all {
		r := &record{}
		a := &record{}
		a.set("type", "AggregateResult")
		r.set("attributes", a)
		for _, item := range q.query.Select {
			key := aggregateKey(item.Operand)
			col := q.aliases[key]
			r.set(col.key, col.render(g.values[key]))
		}
		out = append(out, r)
	}
	return out
}

func (c *compiler) collect(q *compiled) []*group {
	var order []*group
	byKey := map[string]*group{}
	for _, r := range c.rows(q) {
		var sameKey strings.Builder
		for _, col := range q.groupBy {
			value := c.read(col, r.values)
			if s, ok := value.(string); ok && col.resultType().isText() {
				value = fold(s)
			}
			fmt.Fprintf(&sameKey, "%T:%v\x00", value, value)
		}
		key := sameKey.String()
		g := byKey[key]
		if g == nil {
			g = &group{values: map[string]any{}}
			byKey[key] = g
			order = append(order, g)
		}
		g.rows = append(g.rows, r)
	}
	if len(order) == 0 && q.groupBy == nil {
		order = []*group{{values: map[string]any{}}}
	}
	for _, g := range order {
		for key, col := range q.aliases {
			g.values[key] = c.reduce(col, g.rows)
		}
	}
	return order
}

// reduce computes one column of a group; nulls do not count.
func (c *compiler) reduce(col column, rows []seenRow) any {
	if !soql.IsAggregate(col.fn) {
		return c.read(col, rows[0].values)
	}
	plainCol := column{hops: col.hops, field: col.field}
	var values []any
	for _, r := range rows {
		if v := c.read(plainCol, r.values); v != nil {
			values = append(values, v)
		}
	}
	switch col.fn {
	case "COUNT":
		return float64(len(values))
	case "COUNT_DISTINCT":
		seen := map[any]bool{}
		for _, v := range values {
			seen[v] = true
		}
		return float64(len(seen))
	}
	if len(values) == 0 {
		return nil
	}
	compare := func(a, b any) int { return compareValues(col.field, a, b) }
	switch col.fn {
	case "MIN":
		return slices.MinFunc(values, compare)
	case "MAX":
		return slices.MaxFunc(values, compare)
	}
	sum := 0.0
	for _, v := range values {
		n, _ := v.(float64)
		sum += n
	}
	if col.fn == "AVG" {
		return sum / float64(len(values))
	}
	return sum
}

// having compiles the HAVING clause over the columns of the groups.
func (c *compiler) having(out *compiled, cond soql.Condition) (func(*group) bool, error) {
	switch cond := cond.(type) {
	case soql.And:
		terms, err := c.havings(out, cond.Terms)
		return func(g *group) bool {
			return !slices.ContainsFunc(terms, func(term func(*group) bool) bool { return !term(g) })
		}, err
	case soql.Or:
		terms, err := c.havings(out, cond.Terms)
		return func(g *group) bool {
			return slices.ContainsFunc(terms, func(term func(*group) bool) bool { return term(g) })
		}, err
	case soql.Not:
		term, err := c.having(out, cond.Term)
		return func(g *group) bool { return !term(g) }, err
	case soql.Compare:
		key := aggregateKey(cond.Left)
		col, known := out.aliases[key]
		if !known {
			if !soql.IsAggregate(cond.Left.Func) {
				return nil, c.fail("MALFORMED_QUERY", cond.Left.Pos, "Field must be grouped or aggregated: %s", strings.Join(cond.Left.Path, "."))
			}
			var err error
			if col, err = c.aggregateColumn(out, cond.Left); err != nil {
				return nil, err
			}
			out.aliases[key] = col
		}
		test, err := c.test(col, cond.Op, cond.Value)
		return func(g *group) bool { return test(g.values[key]) }, err
	}
	return nil, c.fail("MALFORMED_QUERY", out.query.From.Pos, "HAVING takes comparisons only")
}

func (c *compiler) havings(out *compiled, terms []soql.Condition) ([]func(*group) bool, error) {
	compiled := make([]func(*group) bool, len(terms))
	for i, term := range terms {
		var err error
		if compiled[i], err = c.having(out, term); err != nil {
			return nil, err
		}
	}
	return compiled, nil
}
