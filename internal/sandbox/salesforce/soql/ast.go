// Package soql parses the Salesforce Object Query Language into a syntax
// tree. It knows the language only: which objects and fields exist, and what
// the rows hold, is the business of the caller.
package soql

// Query is one SELECT statement, at the top level or nested.
type Query struct {
	Select   []SelectItem
	From     Name
	Alias    string
	Where    Condition
	GroupBy  []Operand
	Having   Condition
	OrderBy  []OrderTerm
	Limit    *int
	Offset   *int
	LimitPos int
}

// Name is an identifier with its byte offset in the text.
type Name struct {
	Text string
	Pos  int
}

// SelectItem is one item of the select list: a field, a function of a field,
// or a child query.
type SelectItem struct {
	Operand  Operand
	Subquery *Query
	Alias    string
}

// Operand is a field path, optionally inside a function: Account.Name,
// COUNT(Id), COUNT(), FIELDS(ALL).
type Operand struct {
	Func string // upper case; empty for a plain field
	Path []string
	Pos  int
}

// OrderTerm is one item of ORDER BY.
type OrderTerm struct {
	Operand   Operand
	Desc      bool
	NullsLast bool
}

// Condition is a node of a WHERE or HAVING clause: And, Or, Not, Compare or
// Membership.
type Condition interface{ condition() }

// And holds when all its terms hold.
type And struct{ Terms []Condition }

// Or holds when one of its terms holds.
type Or struct{ Terms []Condition }

// Not holds when its term does not.
type Not struct{ Term Condition }

// Compare is a field compared with one literal.
type Compare struct {
	Left  Operand
	Op    string // = != < <= > >= LIKE
	Value Literal
}

// Membership is IN, NOT IN, INCLUDES or EXCLUDES with a list of literals, or
// IN and NOT IN with a subquery (a semi-join or anti-join).
type Membership struct {
	Left     Operand
	Op       string // IN, NOT IN, INCLUDES, EXCLUDES
	Values   []Literal
	Subquery *Query
}

func (And) condition()        {}
func (Or) condition()         {}
func (Not) condition()        {}
func (Compare) condition()    {}
func (Membership) condition() {}

// LiteralKind tells what a literal was written as.
type LiteralKind int

// The kinds of literals.
const (
	Null LiteralKind = iota
	String
	Number
	Boolean
	Date
	DateTime
	DateRange // TODAY, LAST_N_DAYS:3 and their like
)

func (k LiteralKind) String() string {
	return [...]string{"null", "string", "number", "boolean", "date", "dateTime", "date literal"}[k]
}

// Literal is a constant in a condition. Text is the value without quotes and
// escapes; for a DateRange it is the upper-case word, and N its number.
type Literal struct {
	Kind   LiteralKind
	Text   string
	Number float64
	N      int
	Pos    int
}

// HasAggregates reports whether the select list contains an aggregate
// function, which makes the whole query one of groups.
func (q *Query) HasAggregates() bool {
	for _, item := range q.Select {
		if item.Subquery == nil && IsAggregate(item.Operand.Func) {
			return true
		}
	}
	return false
}

// IsCount reports whether q is exactly SELECT COUNT() FROM ..., which
// answers with a number only.
func (q *Query) IsCount() bool {
	return len(q.Select) == 1 && q.Select[0].Operand.Func == "COUNT" && len(q.Select[0].Operand.Path) == 0
}

// IsAggregate reports whether the upper-case function name aggregates rows.
func IsAggregate(name string) bool {
	switch name {
	case "COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX":
		return true
	}
	return false
}
