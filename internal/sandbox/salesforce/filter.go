package salesforce

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce/soql"
)

// condition compiles a WHERE clause.
func (c *compiler) condition(o *object, q *soql.Query, cond soql.Condition) (predicate, error) {
	switch cond := cond.(type) {
	case soql.And:
		terms, err := c.conditions(o, q, cond.Terms)
		return func(v map[string]any) bool {
			return !slices.ContainsFunc(terms, func(term predicate) bool { return !term(v) })
		}, err
	case soql.Or:
		terms, err := c.conditions(o, q, cond.Terms)
		return func(v map[string]any) bool {
			return slices.ContainsFunc(terms, func(term predicate) bool { return term(v) })
		}, err
	case soql.Not:
		term, err := c.condition(o, q, cond.Term)
		return func(v map[string]any) bool { return !term(v) }, err
	case soql.Compare:
		return c.compare(o, q, cond)
	case soql.Membership:
		return c.membership(o, q, cond)
	}
	return nil, c.fail("MALFORMED_QUERY", q.From.Pos, "the condition cannot be understood")
}

func (c *compiler) conditions(o *object, q *soql.Query, terms []soql.Condition) ([]predicate, error) {
	out := make([]predicate, len(terms))
	for i, term := range terms {
		compiled, err := c.condition(o, q, term)
		if err != nil {
			return nil, err
		}
		out[i] = compiled
	}
	return out, nil
}

// filterable resolves the left side of a comparison.
func (c *compiler) filterable(o *object, q *soql.Query, op soql.Operand) (column, error) {
	if soql.IsAggregate(op.Func) || !slices.Contains(scalarFunctions, op.Func) {
		return column{}, c.fail("MALFORMED_QUERY", op.Pos, "the function %s is not allowed in WHERE", op.Func)
	}
	col, err := c.column(o, q, op)
	if err != nil {
		return col, err
	}
	if !col.field.filterable() {
		return col, c.fail("INVALID_FIELD", op.Pos, "field '%s' can not be filtered in a query call", col.field.Name)
	}
	return col, nil
}

func (c *compiler) compare(o *object, q *soql.Query, cond soql.Compare) (predicate, error) {
	col, err := c.filterable(o, q, cond.Left)
	if err != nil {
		return nil, err
	}
	test, err := c.test(col, cond.Op, cond.Value)
	return func(v map[string]any) bool { return test(c.read(col, v)) }, err
}

// test compiles the comparison of a value of the column with a literal.
func (c *compiler) test(col column, op string, l soql.Literal) (func(any) bool, error) {
	if op == "LIKE" {
		if !col.resultType().isText() || l.Kind != soql.String {
			return nil, c.fail("INVALID_QUERY_FILTER_OPERATOR", l.Pos, "invalid operator on %s field", col.resultType().soqlName())
		}
		return func(v any) bool { s, ok := v.(string); return ok && like(fold(l.Text), fold(s)) }, nil
	}
	if l.Kind == soql.DateRange {
		return c.rangeTest(col, op, l)
	}
	want, err := c.literal(col, l)
	if err != nil {
		return nil, err
	}
	if want == nil && op != "=" && op != "!=" {
		return nil, c.fail("INVALID_FIELD", l.Pos, "invalid operator on a null value")
	}
	f := &Field{Type: col.resultType()}
	return func(v any) bool { return holds(f, op, v, want) }, nil
}

// holds knows what null does: it equals null only, is unequal to every other
// value, and is neither less nor greater than anything.
func holds(f *Field, op string, have, want any) bool {
	if have == nil && f.Type == TypeBoolean {
		have = false
	}
	switch {
	case op == "=":
		return (have == nil) == (want == nil) && (have == nil || compareValues(f, have, want) == 0)
	case op == "!=":
		return !holds(f, "=", have, want)
	case have == nil || want == nil:
		return false
	}
	order := compareValues(f, have, want)
	switch op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func (c *compiler) rangeTest(col column, op string, l soql.Literal) (func(any) bool, error) {
	if !col.resultType().isTime() {
		return nil, c.wrongType(col, l)
	}
	from, to := l.Range(c.now)
	return func(v any) bool {
		at, ok := v.(time.Time)
		if !ok {
			return op == "!="
		}
		return inRange(op, at, from, to)
	}, nil
}

// inRange compares an instant with the interval [from, to) as a whole.
func inRange(op string, at, from, to time.Time) bool {
	switch op {
	case "<":
		return at.Before(from)
	case "<=":
		return at.Before(to)
	case ">":
		return !at.Before(to)
	case ">=":
		return !at.Before(from)
	}
	within := !at.Before(from) && at.Before(to)
	return within == (op == "=")
}

// literal converts a literal to a stored value of the column's type.
func (c *compiler) literal(col column, l soql.Literal) (any, error) {
	t := col.resultType()
	switch {
	case l.Kind == soql.Null:
		return nil, nil
	case l.Kind == soql.String && (t.isID() || t.isText()):
		return c.textLiteral(t, l)
	case l.Kind == soql.Number && t.isNumber():
		return l.Number, nil
	case l.Kind == soql.Boolean && t == TypeBoolean:
		return l.Text == "TRUE", nil
	case l.Kind == soql.Date && t == TypeDate, l.Kind == soql.DateTime && t == TypeDateTime:
		kept, err := coerceTime(&Field{Type: t}, l.Text)
		if err == nil {
			return kept, nil
		}
	}
	return nil, c.wrongType(col, l)
}

func (c *compiler) textLiteral(t FieldType, l soql.Literal) (any, error) {
	if l.Text == "" {
		return nil, nil
	}
	if !t.isID() {
		return l.Text, nil
	}
	id, ok := parseID(l.Text)
	if !ok {
		return nil, c.fail("INVALID_QUERY_FILTER_OPERATOR", l.Pos, "invalid ID field: %s", l.Text)
	}
	return id, nil
}

func (c *compiler) wrongType(col column, l soql.Literal) error {
	t := col.resultType()
	quotes := "should not be enclosed in quotes"
	if t.isText() || t.isID() {
		quotes = "should be enclosed in quotes"
	}
	return c.fail("INVALID_FIELD", l.Pos, "value of filter criterion for field '%s' must be of type %s and %s", col.field.Name, t.soqlName(), quotes)
}

func (c *compiler) membership(o *object, q *soql.Query, m soql.Membership) (predicate, error) {
	col, err := c.filterable(o, q, m.Left)
	if err != nil {
		return nil, err
	}
	if m.Subquery != nil {
		return c.semiJoin(col, m)
	}
	multi := m.Op == "INCLUDES" || m.Op == "EXCLUDES"
	if multi != (col.field.Type == TypeMultiPicklist) && multi {
		return nil, c.fail("INVALID_QUERY_FILTER_OPERATOR", m.Left.Pos, "%s takes a multi-select picklist", m.Op)
	}
	tests := make([]func(any) bool, len(m.Values))
	for i, l := range m.Values {
		if multi {
			tests[i] = func(v any) bool { return includesAll(v, l.Text) }
		} else if tests[i], err = c.test(col, "=", l); err != nil {
			return nil, err
		}
	}
	if !multi {
		if set, ok := c.literalSet(col, m.Values); ok {
			tests = []func(any) bool{set}
		}
	}
	negative := m.Op == "NOT IN" || m.Op == "EXCLUDES"
	return func(v map[string]any) bool {
		value := c.read(col, v)
		return slices.ContainsFunc(tests, func(test func(any) bool) bool { return test(value) }) != negative
	}, nil
}

// literalSet makes one look-up of a list of ids or texts: lists of hundreds
// of ids are what bulk clients send.
func (c *compiler) literalSet(col column, values []soql.Literal) (func(any) bool, bool) {
	t := col.resultType()
	exact := t.isID()
	if !exact && !t.isText() {
		return nil, false
	}
	set := map[any]bool{}
	for _, l := range values {
		value, err := c.literal(col, l)
		if err != nil {
			return nil, false
		}
		if s, ok := value.(string); ok && !exact {
			value = fold(s)
		}
		set[value] = true
	}
	return func(v any) bool {
		if s, ok := v.(string); ok && !exact {
			v = fold(s)
		}
		return set[v]
	}, true
}

func includesAll(value any, want string) bool {
	s, _ := value.(string)
	have := strings.Split(fold(s), ";")
	for one := range strings.SplitSeq(fold(want), ";") {
		if !slices.Contains(have, one) {
			return false
		}
	}
	return true
}

// semiJoin compiles IN (SELECT one-field FROM ...).
func (c *compiler) semiJoin(col column, m soql.Membership) (predicate, error) {
	inner, _, err := c.compile(m.Subquery, nil)
	if err != nil {
		return nil, err
	}
	if len(m.Subquery.Select) != 1 || m.Subquery.Select[0].Subquery != nil || m.Subquery.Select[0].Operand.Func != "" {
		return nil, c.fail("MALFORMED_QUERY", m.Subquery.From.Pos, "a semi join sub-select must select exactly one field")
	}
	innerCol, err := c.column(inner.object, m.Subquery, m.Subquery.Select[0].Operand)
	if err != nil {
		return nil, err
	}
	if !innerCol.field.Type.isID() || !col.field.Type.isID() {
		return nil, c.fail("INVALID_QUERY_FILTER_OPERATOR", m.Left.Pos, "a semi join takes an ID field on both sides")
	}
	set := map[any]bool{}
	for _, r := range c.rows(inner) {
		if value := c.read(innerCol, r.values); value != nil {
			set[value] = true
		}
	}
	return func(v map[string]any) bool { return set[c.read(col, v)] == (m.Op == "IN") }, nil
}

// compareValues orders two values of a field: texts without regard to case,
// ids exactly, null first.
func compareValues(f *Field, a, b any) int {
	if a == nil || b == nil {
		return cmp.Compare(rank(a), rank(b))
	}
	switch a := a.(type) {
	case string:
		b, _ := b.(string)
		if f.Type.isID() {
			return strings.Compare(a, b)
		}
		return strings.Compare(fold(a), fold(b))
	case float64:
		b, _ := b.(float64)
		return cmp.Compare(a, b)
	case bool:
		return cmp.Compare(boolRank(a), boolRank(b))
	case time.Time:
		b, _ := b.(time.Time)
		return a.Compare(b)
	}
	return 0
}

func rank(v any) int {
	if v == nil {
		return 0
	}
	return 1
}

func boolRank(v any) int {
	if isTrue(v) {
		return 1
	}
	return 0
}

func isTrue(v any) bool {
	b, ok := v.(bool)
	return ok && b
}

func fold(s string) string { return strings.ToLower(s) }

// like matches a pattern of % (any text), _ (any character) and \ (the next
// % or _ as it is).
func like(pattern, text string) bool {
	steps, t := likeSteps(pattern), []rune(text)
	star, mark, i, j := -1, 0, 0, 0
	for j < len(t) {
		switch {
		case i < len(steps) && steps[i].many:
			star, mark = i, j
			i++
		case i < len(steps) && (steps[i].any || steps[i].char == t[j]):
			i, j = i+1, j+1
		case star >= 0: // let the last % take one character more
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(steps) && steps[i].many {
		i++
	}
	return i == len(steps)
}

type likeStep struct {
	char      rune
	any, many bool
}

func likeSteps(pattern string) []likeStep {
	var out []likeStep
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		switch c := runes[i]; {
		case c == '\\' && i+1 < len(runes) && (runes[i+1] == '%' || runes[i+1] == '_'):
			i++
			out = append(out, likeStep{char: runes[i]})
		case c == '%':
			out = append(out, likeStep{many: true})
		case c == '_':
			out = append(out, likeStep{any: true})
		default:
			out = append(out, likeStep{char: c})
		}
	}
	return out
}
