package mapping

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// glob is a compiled pattern: * any text, ? one character, [a-f] one of a range, \ takes the next character as it is.
type glob struct {
	source string
	tokens []globToken
	// exact is the text that the pattern stands for if it has no special character.
	exact   string
	isExact bool
}

type globToken struct {
	kind  globKind
	char  rune
	class []charRange
}

type globKind int

const (
	globChar globKind = iota
	globAny           // ?
	globRun           // *
	globClass
)

type charRange struct{ low, high rune }

// parseGlob compiles a pattern.
func parseGlob(s string) (*glob, error) {
	g := &glob{source: s, isExact: true}
	var exact strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		i += size
		t := globToken{char: r}
		switch r {
		case '*':
			t.kind = globRun
		case '?':
			t.kind = globAny
		case '[':
			end := strings.IndexByte(s[i:], ']')
			if end < 0 {
				return nil, errors.New("a [ has no partner")
			}
			class, err := parseClass(s[i : i+end])
			if err != nil {
				return nil, err
			}
			t.kind, t.class = globClass, class
			i += end + 1
		case '\\':
			if i == len(s) {
				return nil, errors.New(`nothing follows the last \`)
			}
			t.char, size = utf8.DecodeRuneInString(s[i:])
			i += size
		}
		if t.kind == globChar {
			exact.WriteRune(t.char)
		} else {
			g.isExact = false
		}
		if n := len(g.tokens); t.kind == globRun && n > 0 && g.tokens[n-1].kind == globRun {
			continue
		}
		g.tokens = append(g.tokens, t)
	}
	g.exact = exact.String()
	return g, nil
}

func parseClass(s string) ([]charRange, error) {
	if s == "" {
		return nil, errors.New("[] stands for no character")
	}
	if len(s) > 1 && (s[0] == '^' || s[0] == '!') {
		return nil, errors.New("[" + s[:1] + " cannot stand for all characters but these (a condition in when can say it)")
	}
	runes := []rune(s)
	var class []charRange
	for i := 0; i < len(runes); i++ {
		r := charRange{runes[i], runes[i]}
		if i+2 < len(runes) && runes[i+1] == '-' {
			r.high = runes[i+2]
			i += 2
		}
		if r.high < r.low {
			return nil, errors.New("the range [" + string(r.low) + "-" + string(r.high) + "] runs backwards")
		}
		class = append(class, r)
	}
	return class, nil
}

func (t globToken) matches(r rune) bool {
	switch t.kind {
	case globChar:
		return r == t.char
	case globAny, globRun:
		return true
	case globClass:
		for _, c := range t.class {
			if c.low <= r && r <= c.high {
				return true
			}
		}
	}
	return false
}

// match reports whether the pattern stands for the whole text. After a * it goes back at most to the latest one, so it
// takes no more than pattern times text steps.
func (g *glob) match(s string) bool {
	if g.isExact {
		return s == g.exact
	}
	ti, si := 0, 0
	star, resume := -1, 0
	for si < len(s) {
		r, size := utf8.DecodeRuneInString(s[si:])
		switch {
		case ti < len(g.tokens) && g.tokens[ti].kind == globRun:
			star, resume = ti, si
			ti++
		case ti < len(g.tokens) && g.tokens[ti].matches(r):
			ti++
			si += size
		case star >= 0:
			_, size = utf8.DecodeRuneInString(s[resume:])
			resume += size
			ti, si = star+1, resume
		default:
			return false
		}
	}
	for ti < len(g.tokens) && g.tokens[ti].kind == globRun {
		ti++
	}
	return ti == len(g.tokens)
}

// covers reports whether every text that other stands for is certainly one of g as well. It knows equal patterns,
// exact texts, and patterns of which g is a prefix ending in *; of other pairs it reports false.
func (g *glob) covers(other *glob) bool {
	switch {
	case g.source == other.source:
		return true
	case other.isExact:
		return g.match(other.exact)
	case g.isExact || len(g.tokens) == 0:
		return false
	}
	last := len(g.tokens) - 1
	if g.tokens[last].kind != globRun || last > len(other.tokens) {
		return false
	}
	for i, t := range g.tokens[:last] {
		o := other.tokens[i]
		if t.kind != globChar || o.kind != globChar || t.char != o.char {
			return false
		}
	}
	return true
}
