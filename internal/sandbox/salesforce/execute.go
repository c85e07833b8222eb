package salesforce

import (
	"cmp"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce/soql"
)

type ordering struct {
	column    column
	alias     string // of an aggregate query
	desc      bool
	nullsLast bool
}

func (c *compiler) orderBy(out *compiled) error {
	for _, term := range out.query.OrderBy {
		o := ordering{desc: term.Desc, nullsLast: term.NullsLast}
		if out.shape == nil {
			key := aggregateKey(term.Operand)
			if _, known := out.aliases[key]; !known {
				return c.fail("MALFORMED_QUERY", term.Operand.Pos, "Ordered field must be grouped or aggregated: %s", strings.Join(term.Operand.Path, "."))
			}
			o.alias = key
		} else {
			col, err := c.filterable(out.object, out.query, term.Operand)
			if err != nil {
				return err
			}
			o.column = col
		}
		out.orderBy = append(out.orderBy, o)
	}
	return nil
}

// seenRow is a row with the values that this reader sees.
type seenRow struct {
	row    *row
	values map[string]any
}

// rows runs the query up to LIMIT: filtered, sorted, cut.
func (c *compiler) rows(q *compiled) []seenRow {
	candidates := c.candidates(q)
	if candidates == nil {
		candidates = c.s.db.table(q.object).sorted
	}
	return q.cut(c.sort(q, c.filter(q, candidates)))
}

func (c *compiler) filter(q *compiled, rows []*row) []seenRow {
	var out []seenRow
	for _, r := range rows {
		if r.deleted && !q.all {
			continue
		}
		values, seen := c.s.db.view(r, c.now)
		if seen && (q.where == nil || q.where(values)) {
			out = append(out, seenRow{r, values})
		}
	}
	return out
}

func (c *compiler) sort(q *compiled, rows []seenRow) []seenRow {
	if q.shape == nil || len(q.orderBy) == 0 {
		return rows
	}
	slices.SortStableFunc(rows, func(a, b seenRow) int {
		for _, term := range q.orderBy {
			if order := term.compare(c.read(term.column, a.values), c.read(term.column, b.values), term.column.resultType()); order != 0 {
				return order
			}
		}
		return 0
	})
	return rows
}

// compare puts nulls first unless told otherwise, in both directions.
func (o ordering) compare(a, b any, t FieldType) int {
	if a == nil || b == nil {
		order := cmp.Compare(rank(a), rank(b))
		if o.nullsLast {
			return -order
		}
		return order
	}
	order := compareValues(&Field{Type: t}, a, b)
	if o.desc {
		return -order
	}
	return order
}

func (q *compiled) cut(rows []seenRow) []seenRow {
	if q.shape == nil {
		return rows // groups are cut, not rows
	}
	rows = rows[min(q.offset, len(rows)):]
	if q.limit >= 0 {
		rows = rows[:min(q.limit, len(rows))]
	}
	return rows
}

// candidates uses the indexes of ids and references when the condition asks
// for some of them; nil means all rows.
func (c *compiler) candidates(q *compiled) []*row {
	terms := []soql.Condition{q.query.Where}
	if and, ok := q.query.Where.(soql.And); ok {
		terms = and.Terms
	}
	for _, term := range terms {
		left, literals := soughtValues(term)
		if len(literals) == 0 {
			continue
		}
		col, err := c.column(q.object, q.query, left)
		if err != nil || len(col.hops) > 0 || col.fn != "" || !col.field.Type.isID() {
			continue
		}
		if rows, ok := c.lookUp(q.object, col.field, literals); ok {
			return rows
		}
	}
	return nil
}

func soughtValues(term soql.Condition) (soql.Operand, []soql.Literal) {
	switch term := term.(type) {
	case soql.Compare:
		if term.Op == "=" {
			return term.Left, []soql.Literal{term.Value}
		}
	case soql.Membership:
		if term.Op == "IN" {
			return term.Left, term.Values
		}
	}
	return soql.Operand{}, nil
}

func (c *compiler) lookUp(o *object, f *Field, literals []soql.Literal) ([]*row, bool) {
	out := []*row{}
	seen := map[string]bool{}
	for _, l := range literals {
		id, ok := parseID(l.Text)
		if l.Kind != soql.String || !ok {
			return nil, false
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		if f.Type == TypeReference {
			out = append(out, c.s.db.referring(o, f.Name, id)...)
		} else if r := c.s.db.find(id); r != nil && r.obj == o {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *row) int { return cmp.Compare(a.seq, b.seq) })
	return out, true
}

// childResult is the answer of a child query, until it is cut into pages.
type childResult struct {
	records []any
}

// records runs the query and writes the rows out.
func (c *compiler) records(q *compiled, path string) []any {
	if q.shape == nil {
		return c.groups(q)
	}
	var out []any
	for _, r := range c.rows(q) {
		out = append(out, c.write(q.shape, r, path))
	}
	return out
}

func (c *compiler) write(s *shape, r seenRow, path string) *record {
	out := &record{}
	out.set("attributes", attributes(r.row, path))
	for _, item := range s.items {
		switch {
		case item.child != nil:
			out.set(item.key, c.writeChildren(item, r.row, path))
		case item.parent != nil:
			out.set(item.key, c.writeParent(item, r.values, path))
		default:
			out.set(item.key, item.column.render(applyFunction(item.column.fn, r.values[item.column.field.Name])))
		}
	}
	return out
}

func (c *compiler) writeParent(item shapeItem, values map[string]any, path string) any {
	id, _ := values[item.hop.Name].(string)
	parent := c.s.db.find(id)
	if parent == nil {
		return nil
	}
	seen, ok := c.s.db.view(parent, c.now)
	if !ok {
		return nil
	}
	return c.write(item.parent, seenRow{parent, seen}, path)
}

// writeChildren answers null, not an empty list, for a parent without
// children.
func (c *compiler) writeChildren(item shapeItem, parent *row, path string) any {
	q := item.child
	rows := q.cut(c.sort(q, c.filter(q, c.s.db.referring(q.object, item.field.Name, parent.id))))
	if len(rows) == 0 {
		return nil
	}
	result := &childResult{}
	for _, r := range rows {
		result.records = append(result.records, c.write(q.shape, r, path))
	}
	return result
}

func attributes(r *row, path string) *record {
	a := &record{}
	a.set("type", r.obj.Name)
	a.set("url", path+"/sobjects/"+r.obj.Name+"/"+r.id)
	return a
}
