package soql

import (
	"strings"
	"unicode/utf8"
)

type tokenKind int

const (
	tokenEOF tokenKind = iota
	tokenWord
	tokenString
	tokenNumber // numbers, dates and date-times alike; the parser tells them apart
	tokenSymbol
)

type token struct {
	kind tokenKind
	text string // strings without quotes and escapes
	pos  int
	end  int
}

func (t token) display() string {
	if t.kind == tokenEOF {
		return "<EOF>"
	}
	return "'" + t.text + "'"
}

// lex cuts the text into tokens, the last of which is tokenEOF.
func lex(text string) ([]token, error) {
	var tokens []token
	for pos := 0; ; {
		for pos < len(text) && isSpace(text[pos]) {
			pos++
		}
		if pos >= len(text) {
			return append(tokens, token{kind: tokenEOF, pos: len(text), end: len(text)}), nil
		}
		t, err := lexOne(text, pos)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		pos = t.end
	}
}

func lexOne(text string, pos int) (token, error) {
	c := text[pos]
	switch {
	case isLetter(c):
		end := pos
		for end < len(text) && (isLetter(text[end]) || isDigit(text[end])) {
			end++
		}
		return token{tokenWord, text[pos:end], pos, end}, nil
	case startsNumber(text[pos:]):
		end := pos + 1
		for end < len(text) && isNumberByte(text[end]) {
			end++
		}
		return token{tokenNumber, text[pos:end], pos, end}, nil
	case c == '\'':
		return lexString(text, pos)
	}
	return lexSymbol(text, pos)
}

func lexSymbol(text string, pos int) (token, error) {
	for _, symbol := range [...]string{"<=", ">=", "!=", "<>"} {
		if strings.HasPrefix(text[pos:], symbol) {
			return token{tokenSymbol, symbol, pos, pos + 2}, nil
		}
	}
	if strings.IndexByte("=<>(),.:", text[pos]) >= 0 {
		return token{tokenSymbol, text[pos : pos+1], pos, pos + 1}, nil
	}
	_, size := utf8.DecodeRuneInString(text[pos:])
	return token{}, malformed(text, pos, "unexpected token: '"+text[pos:pos+size]+"'")
}

func startsNumber(text string) bool {
	if isDigit(text[0]) {
		return true
	}
	return strings.IndexByte("+-.", text[0]) >= 0 && len(text) > 1 && (isDigit(text[1]) || text[1] == '.')
}

// isNumberByte keeps 2026-11-23T10:00:00.000+01:00 and 1.5E-3 in one piece.
func isNumberByte(c byte) bool {
	return isDigit(c) || isLetter(c) || c == '.' || c == ':' || c == '-' || c == '+'
}

var escapes = map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 'b': '\b', 'f': '\f', '"': '"', '\'': '\'', '\\': '\\'}

// lexString keeps the backslash before % and _, which only LIKE gives a
// meaning to, and refuses unknown escapes as the service does.
func lexString(text string, start int) (token, error) {
	var b strings.Builder
	for pos := start + 1; pos < len(text); pos++ {
		switch c := text[pos]; c {
		case '\'':
			return token{tokenString, b.String(), start, pos + 1}, nil
		case '\\':
			pos++
			if pos >= len(text) {
				return token{}, malformed(text, start, "line "+position(text, start)+": unterminated string literal")
			}
			switch plain, known := escapes[lower(text[pos])]; {
			case known:
				b.WriteByte(plain)
			case text[pos] == '%' || text[pos] == '_':
				b.WriteByte('\\')
				b.WriteByte(text[pos])
			default:
				return token{}, malformed(text, pos-1, "Illegal string literal: "+text[start:pos+1])
			}
		default:
			b.WriteByte(c)
		}
	}
	return token{}, malformed(text, start, "line "+position(text, start)+": unterminated string literal")
}

func isSpace(c byte) bool  { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
