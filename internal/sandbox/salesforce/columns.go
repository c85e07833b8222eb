package salesforce

import (
	"net/http"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce/soql"
)

// queryColumns answers a query with columns=true: what its columns are, without
// rows. The Salesforce CLI asks for it to lay out its tables.
func (s *Server) queryColumns(text string, all bool) *response {
	q, _, err := s.compileQuery(text, all)
	if err != nil {
		return queryFailure(err)
	}
	columns := q.columns()
	out := &record{}
	out.set("columnMetadata", columns)
	out.set("entityName", q.object.Name)
	out.set("groupBy", q.groupBy != nil)
	out.set("idSelected", q.shape != nil && slices.ContainsFunc(q.shape.items, func(i shapeItem) bool { return i.key == "Id" }))
	out.set("keyPrefix", q.object.KeyPrefix)
	return answer(http.StatusOK, out)
}

func (q *compiled) columns() []any {
	if q.shape != nil {
		return q.shape.columns()
	}
	out := []any{}
	for _, item := range q.query.Select {
		col := q.aliases[aggregateKey(item.Operand)]
		display := col.key
		if soql.IsAggregate(item.Operand.Func) {
			display = strings.ToLower(item.Operand.Func) + "(" + strings.Join(item.Operand.Path, ".") + ")"
		}
		out = append(out, describeColumn(col.key, display, &Field{Type: col.resultType(), ReadOnly: true}, item.Operand.Func != "", nil))
	}
	return out
}

// columns of parents and children stand in joinColumns; a child query counts
// as an aggregate.
func (s *shape) columns() []any {
	out := []any{}
	for _, item := range s.items {
		switch {
		case item.child != nil:
			out = append(out, describeColumn(item.key, item.key, nil, true, item.child.columns()))
		case item.parent != nil:
			out = append(out, describeColumn(item.key, item.key, nil, false, item.parent.columns()))
		default:
			out = append(out, describeColumn(item.key, item.key, item.column.field, false, nil))
		}
	}
	return out
}

// describeColumn describes a column that holds f, or rows if f is nil.
func describeColumn(name, display string, f *Field, aggregate bool, joins []any) *record {
	if joins == nil {
		joins = []any{}
	}
	holds := func(test func(FieldType) bool) bool { return f != nil && test(f.Type) }
	out := &record{}
	for _, entry := range []struct {
		key   string
		value any
	}{
		{"aggregate", aggregate}, {"apexType", nil}, {"booleanType", holds(func(t FieldType) bool { return t == TypeBoolean })},
		{"columnName", name}, {"custom", f != nil && f.custom()}, {"displayName", display}, {"foreignKeyName", nil},
		{"insertable", f != nil && !f.ReadOnly}, {"joinColumns", joins}, {"numberType", holds(FieldType.isNumber)},
		{"textType", holds(FieldType.isText)}, {"updatable", f != nil && !f.ReadOnly && !f.CreateOnly},
	} {
		out.set(entry.key, entry.value)
	}
	return out
}
