package soql

import (
	"strconv"
	"strings"
)

// MaxLength is the longest query text the service takes.
const MaxLength = 100_000

const maxNesting = 200 // of parentheses: a guard for the stack

type parser struct {
	text   string
	tokens []token
	at     int
	depth  int
}

// Parse reads one query. The error is an *Error.
func Parse(text string) (*Query, error) {
	if len(text) > MaxLength {
		return nil, &Error{Code: "QUERY_TOO_COMPLICATED", Message: "the query is longer than " + strconv.Itoa(MaxLength) + " characters"}
	}
	tokens, err := lex(text)
	if err != nil {
		return nil, err
	}
	p := &parser{text: text, tokens: tokens}
	query, err := p.query()
	if err != nil {
		return nil, err
	}
	if p.peek().kind != tokenEOF {
		return nil, p.unexpected()
	}
	return query, nil
}

func (p *parser) peek() token { return p.tokens[p.at] }

func (p *parser) peekAt(n int) token { return p.tokens[min(p.at+n, len(p.tokens)-1)] }

func (p *parser) next() token {
	t := p.peek()
	if t.kind != tokenEOF {
		p.at++
	}
	return t
}

func (p *parser) unexpected() error {
	t := p.peek()
	return malformed(p.text, t.pos, "unexpected token: "+t.display())
}

func (t token) is(word string) bool { return t.kind == tokenWord && strings.EqualFold(t.text, word) }

func (t token) isSymbol(s string) bool { return t.kind == tokenSymbol && t.text == s }

// words consumes the words if all of them come next.
func (p *parser) words(words ...string) bool {
	for i, word := range words {
		if !p.peekAt(i).is(word) {
			return false
		}
	}
	p.at += len(words)
	return true
}

func (p *parser) symbol(s string) bool {
	if !p.peek().isSymbol(s) {
		return false
	}
	p.at++
	return true
}

func (p *parser) expect(s string) error {
	if p.symbol(s) {
		return nil
	}
	t := p.peek()
	return malformed(p.text, t.pos, "expecting '"+s+"', found "+t.display())
}

func (p *parser) enter() error {
	if p.depth++; p.depth > maxNesting {
		return malformed(p.text, p.peek().pos, "the query is nested too deeply")
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

func (p *parser) query() (*Query, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	if !p.words("SELECT") {
		return nil, p.unexpected()
	}
	q := new(Query)
	for _, clause := range []func(*Query) error{p.selectList, p.from, p.where, p.groupBy, p.orderBy, p.limits, p.trailer} {
		if err := clause(q); err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (p *parser) selectList(q *Query) error {
	for {
		item, err := p.selectItem()
		if err != nil {
			return err
		}
		q.Select = append(q.Select, item)
		if !p.symbol(",") {
			return nil
		}
	}
}

func (p *parser) selectItem() (SelectItem, error) {
	if p.peek().isSymbol("(") && p.peekAt(1).is("SELECT") {
		p.at++
		sub, err := p.query()
		if err != nil {
			return SelectItem{}, err
		}
		return SelectItem{Subquery: sub}, p.expect(")")
	}
	operand, err := p.operand()
	if err != nil {
		return SelectItem{}, err
	}
	item := SelectItem{Operand: operand}
	if t := p.peek(); t.kind == tokenWord && !t.is("FROM") {
		item.Alias = p.next().text
	}
	return item, nil
}

// operand is a path or FUNC(path) or FUNC(); functions of functions are not
// part of the language except for format, which changes nothing here.
func (p *parser) operand() (Operand, error) {
	first := p.peek()
	if first.kind != tokenWord || isReserved(first.text) {
		return Operand{}, p.unexpected()
	}
	if !p.peekAt(1).isSymbol("(") {
		path, err := p.path()
		return Operand{Path: path, Pos: first.pos}, err
	}
	p.at += 2
	if err := p.enter(); err != nil {
		return Operand{}, err
	}
	defer p.leave()
	operand := Operand{Func: strings.ToUpper(first.text), Pos: first.pos}
	if p.symbol(")") {
		return operand, nil
	}
	inner, err := p.operand()
	if err != nil {
		return Operand{}, err
	}
	operand.Path = inner.Path
	if inner.Func != "" && operand.Func == "FORMAT" {
		operand.Func = inner.Func
	} else if inner.Func != "" {
		return Operand{}, malformed(p.text, inner.Pos, "unexpected token: '('")
	}
	return operand, p.expect(")")
}

func (p *parser) path() ([]string, error) {
	var path []string
	for {
		t := p.peek()
		if t.kind != tokenWord {
			return nil, p.unexpected()
		}
		p.at++
		path = append(path, t.text)
		if !p.symbol(".") {
			return path, nil
		}
	}
}

func (p *parser) from(q *Query) error {
	if !p.words("FROM") {
		return p.unexpected()
	}
	t := p.peek()
	if t.kind != tokenWord || isReserved(t.text) {
		return p.unexpected()
	}
	path, err := p.path()
	if err != nil {
		return err
	}
	q.From = Name{Text: path[len(path)-1], Pos: t.pos}
	p.words("AS")
	if t := p.peek(); t.kind == tokenWord && !isClause(t.text) {
		q.Alias = p.next().text
	}
	if p.words("USING") {
		if !p.words("SCOPE") || p.peek().kind != tokenWord {
			return p.unexpected()
		}
		p.at++
	}
	return nil
}

func (p *parser) where(q *Query) (err error) {
	if p.words("WHERE") {
		q.Where, err = p.condition()
		if err != nil {
			return err
		}
	}
	if p.words("WITH") {
		for _, mode := range []string{"SECURITY_ENFORCED", "USER_MODE", "SYSTEM_MODE"} {
			if p.words(mode) {
				return nil
			}
		}
		return p.unexpected()
	}
	return nil
}

func (p *parser) groupBy(q *Query) (err error) {
	if !p.words("GROUP", "BY") {
		return nil
	}
	for {
		operand, err := p.operand()
		if err != nil {
			return err
		}
		q.GroupBy = append(q.GroupBy, operand)
		if !p.symbol(",") {
			break
		}
	}
	if p.words("HAVING") {
		q.Having, err = p.condition()
	}
	return err
}

func (p *parser) orderBy(q *Query) error {
	if !p.words("ORDER", "BY") {
		return nil
	}
	for {
		operand, err := p.operand()
		if err != nil {
			return err
		}
		term := OrderTerm{Operand: operand}
		if !p.words("ASC") {
			term.Desc = p.words("DESC")
		}
		if p.words("NULLS", "LAST") {
			term.NullsLast = true
		} else {
			p.words("NULLS", "FIRST")
		}
		q.OrderBy = append(q.OrderBy, term)
		if !p.symbol(",") {
			return nil
		}
	}
}

func (p *parser) limits(q *Query) (err error) {
	q.LimitPos = p.peek().pos
	if p.words("LIMIT") {
		if q.Limit, err = p.count(); err != nil {
			return err
		}
	}
	if p.words("OFFSET") {
		q.LimitPos = p.peek().pos
		q.Offset, err = p.count()
	}
	return err
}

func (p *parser) count() (*int, error) {
	n, err := strconv.Atoi(p.peek().text)
	if p.peek().kind != tokenNumber || err != nil || n < 0 {
		return nil, p.unexpected()
	}
	p.at++
	return &n, nil
}

// trailer reads FOR VIEW, FOR REFERENCE and FOR UPDATE, which change nothing
// here, and UPDATE TRACKING, UPDATE VIEWSTAT.
func (p *parser) trailer(*Query) error {
	for p.words("FOR") {
		if !p.words("VIEW") && !p.words("REFERENCE") && !p.words("UPDATE") {
			return p.unexpected()
		}
		p.symbol(",")
	}
	if p.words("UPDATE") && !p.words("TRACKING") && !p.words("VIEWSTAT") {
		return p.unexpected()
	}
	return nil
}

func isReserved(word string) bool {
	switch strings.ToUpper(word) {
	case "SELECT", "FROM", "WHERE", "AND", "OR", "NOT", "LIKE", "IN", "INCLUDES", "EXCLUDES", "LIMIT", "HAVING", "NULL", "TRUE", "FALSE":
		return true
	}
	return false
}

func isClause(word string) bool {
	switch strings.ToUpper(word) {
	case "USING", "WHERE", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "UPDATE":
		return true
	}
	return false
}
