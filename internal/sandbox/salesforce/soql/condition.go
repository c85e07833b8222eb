package soql

import (
	"strconv"
	"strings"
	"time"
)

// condition reads terms joined by AND or by OR. The language has no
// precedence between the two: mixing them takes parentheses.
func (p *parser) condition() (Condition, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	joiner := ""
	for _, word := range []string{"AND", "OR"} {
		if p.peek().is(word) {
			joiner = word
		}
	}
	if joiner == "" {
		return first, nil
	}
	terms := []Condition{first}
	for p.words(joiner) {
		term, err := p.term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, term)
	}
	if t := p.peek(); t.is("AND") || t.is("OR") {
		return nil, p.unexpected()
	}
	if joiner == "AND" {
		return And{terms}, nil
	}
	return Or{terms}, nil
}

func (p *parser) term() (Condition, error) {
	if p.words("NOT") {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		term, err := p.term()
		if err != nil {
			return nil, err
		}
		return Not{term}, nil
	}
	if p.symbol("(") {
		inner, err := p.condition()
		if err != nil {
			return nil, err
		}
		return inner, p.expect(")")
	}
	return p.comparison()
}

func (p *parser) comparison() (Condition, error) {
	left, err := p.operand()
	if err != nil {
		return nil, err
	}
	for _, op := range []string{"IN", "INCLUDES", "EXCLUDES"} {
		if p.words(op) {
			return p.membership(left, op)
		}
	}
	if p.words("NOT", "IN") {
		return p.membership(left, "NOT IN")
	}
	op := ""
	if p.words("LIKE") {
		op = "LIKE"
	}
	for _, symbol := range []string{"<=", ">=", "!=", "<>", "=", "<", ">"} {
		if op == "" && p.symbol(symbol) {
			op = symbol
		}
	}
	switch op {
	case "":
		return nil, p.unexpected()
	case "<>":
		op = "!="
	}
	value, err := p.literal()
	return Compare{Left: left, Op: op, Value: value}, err
}

func (p *parser) membership(left Operand, op string) (Condition, error) {
	m := Membership{Left: left, Op: op}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if p.peek().is("SELECT") && (op == "IN" || op == "NOT IN") {
		sub, err := p.query()
		if err != nil {
			return nil, err
		}
		m.Subquery = sub
		return m, p.expect(")")
	}
	for {
		value, err := p.literal()
		if err != nil {
			return nil, err
		}
		m.Values = append(m.Values, value)
		if !p.symbol(",") {
			return m, p.expect(")")
		}
	}
}

func (p *parser) literal() (Literal, error) {
	t := p.peek()
	switch t.kind {
	case tokenString:
		p.at++
		return Literal{Kind: String, Text: t.text, Pos: t.pos}, nil
	case tokenNumber:
		return p.number()
	case tokenWord:
		return p.wordLiteral()
	default:
		return Literal{}, p.unexpected()
	}
}

func (p *parser) number() (Literal, error) {
	t := p.peek()
	l := Literal{Text: t.text, Pos: t.pos}
	if n, err := strconv.ParseFloat(t.text, 64); err == nil && strings.Trim(t.text, "+-.0123456789eE") == "" {
		l.Kind, l.Number = Number, n
	} else if _, err := time.Parse(time.DateOnly, t.text); err == nil {
		l.Kind = Date
	} else if at, err := ParseDateTime(t.text); err == nil {
		l.Kind, l.Text = DateTime, at.Format(time.RFC3339Nano)
	} else {
		return l, malformed(p.text, t.pos, "line "+position(p.text, t.pos)+" no viable alternative at character '"+t.text[:1]+"'")
	}
	p.at++
	return l, nil
}

// ParseDateTime reads the spellings of a date-time that the service takes.
func ParseDateTime(text string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999Z0700", "2006-01-02T15:04Z07:00", "2006-01-02T15:04Z0700"} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at.UTC(), err
}

func (p *parser) wordLiteral() (Literal, error) {
	t := p.peek()
	word := strings.ToUpper(t.text)
	l := Literal{Text: word, Pos: t.pos}
	switch word {
	case "NULL":
		p.at++
		return l, nil
	case "TRUE", "FALSE":
		p.at++
		l.Kind = Boolean
		return l, nil
	}
	l.Kind = DateRange
	takesNumber, known := rangeWords[word]
	if !known {
		return l, p.unexpected()
	}
	p.at++
	if !takesNumber {
		return l, nil
	}
	if err := p.expect(":"); err != nil {
		return l, err
	}
	n, err := p.count()
	if err != nil || *n > maxRange {
		return l, malformed(p.text, t.pos, "the number of "+word+" must be between 0 and "+strconv.Itoa(maxRange))
	}
	l.N = *n
	return l, nil
}
