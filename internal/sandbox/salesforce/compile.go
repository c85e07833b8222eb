package salesforce

import (
	"slices"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce/soql"
)

// compiled is a query that was checked against the schema.
type compiled struct {
	object  *object
	query   *soql.Query
	shape   *shape
	where   predicate
	having  func(*group) bool
	orderBy []ordering
	groupBy []column
	aliases map[string]column // of an aggregate query, lower case
	limit   int
	offset  int
	all     bool // deleted rows too
}

type predicate func(values map[string]any) bool

// shape is how a row is written out: fields, parents and children in the
// order of the select list.
type shape struct {
	object *object
	items  []shapeItem
}

type shapeItem struct {
	key    string
	column column
	hop    *Field // of a parent
	parent *shape
	child  *compiled
	field  *Field // of a child: what points up
}

// column is a field reached over zero or more parents, maybe in a function.
type column struct {
	key   string
	hops  []*Field
	field *Field
	fn    string
}

type compiler struct {
	s    *Server
	text string
	now  time.Time
	all  bool
}

// Limits of the query language that clients run into.
const (
	maxParentLevels = 5
	maxOffset       = 2000
	maxSubqueries   = 20
)

func (c *compiler) fail(code string, pos int, format string, args ...any) error {
	return soql.Errorf(code, c.text, pos, format, args...)
}

// compile checks a query. For a child query, parent is the object above.
func (c *compiler) compile(q *soql.Query, parent *object) (*compiled, *Field, error) {
	o, via, err := c.source(q, parent)
	if err != nil {
		return nil, nil, err
	}
	out := &compiled{object: o, query: q, limit: -1, all: c.all, aliases: map[string]column{}}
	if err := c.limits(q, out); err != nil {
		return nil, nil, err
	}
	if q.Where != nil {
		if out.where, err = c.condition(o, q, q.Where); err != nil {
			return nil, nil, err
		}
	}
	if q.HasAggregates() || q.GroupBy != nil {
		err = c.aggregate(out)
	} else {
		out.shape, err = c.selectList(o, q, parent != nil)
	}
	if err != nil {
		return nil, nil, err
	}
	return out, via, c.orderBy(out)
}

func (c *compiler) source(q *soql.Query, parent *object) (*object, *Field, error) {
	if parent == nil {
		o := c.s.schema.object(q.From.Text)
		if o == nil || o.isEvent() {
			return nil, nil, c.fail("INVALID_TYPE", q.From.Pos, "sObject type '%s' is not supported. If you are attempting to use a custom object, be sure to "+
				"append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate names.", q.From.Text)
		}
		return o, nil, nil
	}
	child, ok := c.s.schema.childRelation(parent, q.From.Text)
	if !ok {
		return nil, nil, c.fail("INVALID_TYPE", q.From.Pos, "Didn't understand relationship '%s' in FROM part of query call. If you are attempting to use a custom "+
			"relationship, be sure to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.", q.From.Text)
	}
	return child.child, child.field, nil
}

func (c *compiler) limits(q *soql.Query, out *compiled) error {
	if q.Limit != nil {
		out.limit = *q.Limit
	}
	if q.Offset != nil {
		out.offset = *q.Offset
		if out.offset > maxOffset {
			return c.fail("NUMBER_OUTSIDE_VALID_RANGE", q.LimitPos, "Maximum SOQL offset allowed is %d", maxOffset)
		}
	}
	return nil
}

// column resolves a path from o. Alias and name of the object may lead it.
func (c *compiler) column(o *object, q *soql.Query, op soql.Operand) (column, error) {
	path := op.Path
	if len(path) > 1 && (strings.EqualFold(path[0], q.Alias) || strings.EqualFold(path[0], o.Name) && o.parentField(path[0]) == nil) {
		path = path[1:]
	}
	if len(path) == 0 {
		return column{}, c.fail("MALFORMED_QUERY", op.Pos, "unexpected token: ')'")
	}
	out := column{fn: op.Func}
	at := o
	for _, name := range path[:len(path)-1] {
		hop := at.parentField(name)
		if hop == nil {
			return out, c.fail("INVALID_FIELD", op.Pos, "Didn't understand relationship '%s' in field path. If you are attempting to use a custom relationship, be sure "+
				"to append the '__r' after the custom relationship name. Please reference your WSDL or the describe call for the appropriate names.", name)
		}
		out.hops = append(out.hops, hop)
		at = c.s.schema.object(hop.References[0])
	}
	if len(out.hops) > maxParentLevels {
		return out, c.fail("INVALID_FIELD", op.Pos, "maximum 5 parent levels allowed in field path: %s", strings.Join(path, "."))
	}
	out.field = at.field(path[len(path)-1])
	if out.field == nil {
		return out, c.fail("INVALID_FIELD", op.Pos, "No such column '%s' on entity '%s'. If you are attempting to use a custom field, be sure to append the '__c' after the "+
			"custom field name. Please reference your WSDL or the describe call for the appropriate names.", path[len(path)-1], at.Name)
	}
	return out, nil
}

// read follows the column from a row's values.
func (c *compiler) read(col column, values map[string]any) any {
	for _, hop := range col.hops {
		id, _ := values[hop.Name].(string)
		parent := c.s.db.find(id)
		if parent == nil {
			return nil
		}
		var seen bool
		if values, seen = c.s.db.view(parent, c.now); !seen {
			return nil
		}
	}
	return applyFunction(col.fn, values[col.field.Name])
}

func applyFunction(fn string, value any) any {
	at, isTime := value.(time.Time)
	switch {
	case fn == "" || value == nil:
	case !isTime:
	case fn == "CALENDAR_YEAR":
		return float64(at.Year())
	case fn == "CALENDAR_MONTH":
		return float64(at.Month())
	case fn == "DAY_IN_MONTH":
		return float64(at.Day())
	case fn == "DAY_ONLY":
		return at.Truncate(24 * time.Hour)
	}
	return value
}

// resultType is the type of what the column yields.
func (col column) resultType() FieldType {
	switch col.fn {
	case "COUNT", "COUNT_DISTINCT", "CALENDAR_YEAR", "CALENDAR_MONTH", "DAY_IN_MONTH":
		return TypeInt
	case "DAY_ONLY":
		return TypeDate
	case "AVG":
		return TypeDouble
	}
	return col.field.Type
}

func (col column) render(value any) any { return render(&Field{Type: col.resultType()}, value) }

var scalarFunctions = []string{"", "TOLABEL", "FORMAT", "CONVERTCURRENCY", "CONVERTTIMEZONE", "CALENDAR_YEAR", "CALENDAR_MONTH", "DAY_IN_MONTH", "DAY_ONLY"}

func (c *compiler) selectList(o *object, q *soql.Query, nested bool) (*shape, error) {
	root := &shape{object: o}
	subqueries := 0
	for _, item := range q.Select {
		if item.Subquery != nil {
			if subqueries++; subqueries > maxSubqueries {
				return nil, c.fail("MALFORMED_QUERY", item.Subquery.From.Pos, "more than %d child relationships in one query", maxSubqueries)
			}
			child, via, err := c.compile(item.Subquery, o)
			if err != nil {
				return nil, err
			}
			if err := root.add(c, shapeItem{key: via.ChildRelation, child: child, field: via}, item.Subquery.From.Pos); err != nil {
				return nil, err
			}
			continue
		}
		if err := c.selectOne(root, o, q, item, nested); err != nil {
			return nil, err
		}
	}
	return root, nil
}

func (c *compiler) selectOne(root *shape, o *object, q *soql.Query, item soql.SelectItem, nested bool) error {
	op := item.Operand
	if op.Func == "COUNT" && op.Path == nil && !nested {
		return nil // the number is in totalSize
	}
	if op.Func == "FIELDS" {
		return c.selectAll(root, o, q, op)
	}
	if !slices.Contains(scalarFunctions, op.Func) {
		return c.fail("MALFORMED_QUERY", op.Pos, "Invalid function: %s", op.Func)
	}
	col, err := c.column(o, q, op)
	if err != nil {
		return err
	}
	key := item.Alias
	if key == "" && op.Func != "" && op.Func != "TOLABEL" {
		return c.fail("MALFORMED_QUERY", op.Pos, "the function %s needs an alias", op.Func)
	}
	if item.Alias != "" && op.Func == "" {
		return c.fail("MALFORMED_QUERY", op.Pos, "only aggregate expressions use field aliasing")
	}
	at := root
	for _, hop := range col.hops {
		at = at.parent(hop, c.s.schema)
	}
	leaf := column{field: col.field, fn: col.fn}
	if key == "" {
		key = col.field.Name
	}
	return at.add(c, shapeItem{key: key, column: leaf}, op.Pos)
}

// selectAll is FIELDS(ALL), FIELDS(STANDARD) and FIELDS(CUSTOM).
func (c *compiler) selectAll(root *shape, o *object, q *soql.Query, op soql.Operand) error {
	which := strings.ToUpper(strings.Join(op.Path, "."))
	if !slices.Contains([]string{"ALL", "STANDARD", "CUSTOM"}, which) {
		return c.fail("MALFORMED_QUERY", op.Pos, "FIELDS takes ALL, STANDARD or CUSTOM")
	}
	if which != "STANDARD" && (q.Limit == nil || *q.Limit > 200) {
		return c.fail("MALFORMED_QUERY", op.Pos, "The SOQL FIELDS function must have a LIMIT of at most 200")
	}
	for _, f := range o.visible() {
		if which == "ALL" || f.custom() == (which == "CUSTOM") {
			if err := root.add(c, shapeItem{key: f.Name, column: column{field: f}}, op.Pos); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *shape) add(c *compiler, item shapeItem, pos int) error {
	for _, have := range s.items {
		if strings.EqualFold(have.key, item.key) {
			return c.fail("MALFORMED_QUERY", pos, "duplicate field selected: %s", item.key)
		}
	}
	s.items = append(s.items, item)
	return nil
}

func (s *shape) parent(hop *Field, schema *schema) *shape {
	for _, have := range s.items {
		if have.hop == hop {
			return have.parent
		}
	}
	up := &shape{object: schema.object(hop.References[0])}
	s.items = append(s.items, shapeItem{key: hop.Relationship, hop: hop, parent: up})
	return up
}
