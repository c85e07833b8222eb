package whmcs

import (
	"encoding/xml"
	"strconv"
	"strings"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

// id is a record id in an answer. Which of them are JSON strings differs between actions and versions; text is what the
// documentation shows for this one.
type id struct {
	n    int64
	text bool
}

func number(n int64) id { return id{n: n} }

func text(n int64) id { return id{n: n, text: true} }

// list is a list in an answer: WHMCS wraps most of them twice, orders → order → […].
type list struct {
	inner string // empty: the list stands by itself
	rows  []any
}

// settings are the shapes of one answer, from the faults of its request.
type settings struct {
	ids    Kind
	empty  string
	single bool
}

func settingsOf(h hits) settings {
	out := settings{empty: h[EmptyList].Text, single: h.has(SingleObject)}
	for _, k := range []Kind{IDsAsStrings, IDsAsInts} {
		if h.has(k) {
			out.ids = k
		}
	}
	return out
}

// omitted stands for an element that is left out.
type omitted struct{}

// plain turns the ids and lists of an answer into the values that PHP would have.
func (o settings) plain(v any) any {
	switch v := v.(type) {
	case id:
		if o.ids == IDsAsStrings || o.ids != IDsAsInts && v.text {
			return strconv.FormatInt(v.n, 10)
		}
		return v.n
	case Money:
		return v.String()
	case list:
		return o.list(v)
	case *php.Array:
		out := php.NewArray()
		for k, e := range v.All() {
			if e = o.plain(e); e != (omitted{}) {
				out.Set(k, e)
			}
		}
		return out
	}
	return v
}

func (o settings) list(v list) any {
	if len(v.rows) == 0 {
		return o.emptyList(v)
	}
	rows := make([]any, len(v.rows))
	for i, row := range v.rows {
		rows[i] = o.plain(row)
	}
	var out any = php.List(rows...)
	if o.single && len(rows) == 1 {
		out = rows[0]
	}
	if v.inner == "" {
		return out
	}
	return php.Map(v.inner, out)
}

func (o settings) emptyList(v list) any {
	switch o.empty {
	case "missing":
		return omitted{}
	case "null":
		return nil
	case "string":
		return ""
	case "array":
		return php.List()
	case "object":
		return php.EmptyObject{}
	}
	if v.inner == "" {
		return php.List()
	}
	return php.Map(v.inner, php.List())
}

func success(pairs ...any) *php.Array {
	return php.Map(append([]any{"result", "success"}, pairs...)...)
}

func fail(message string) *php.Array { return php.Map("result", "error", "message", message) }

// encodeXML writes an answer under the root whmcsapi, list entries as repeated elements.
func encodeXML(version, action string, answer *php.Array) string {
	var b strings.Builder
	b.WriteString("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<whmcsapi version=\"" + version + "\">\n")
	writeElement(&b, "action", action)
	for k, v := range answer.All() {
		writeElement(&b, k.String(), v)
	}
	b.WriteString("</whmcsapi>\n")
	return b.String()
}

func writeElement(b *strings.Builder, name string, v any) {
	a, isArray := v.(*php.Array)
	if isArray && a.Len() > 0 && a.IsList() {
		for _, e := range a.All() {
			writeElement(b, name, e)
		}
		return
	}
	name = xmlName(name)
	b.WriteString("<" + name + ">")
	if isArray {
		b.WriteByte('\n')
		for k, e := range a.All() {
			writeElement(b, k.String(), e)
		}
	} else if s := php.ToText(v); s != "" {
		_ = xml.EscapeText(b, []byte(s)) // a strings.Builder does not fail
	}
	b.WriteString("</" + name + ">\n")
}

// xmlName makes an element name out of a key; keys that start with a digit get a prefix.
func xmlName(key string) string {
	key = strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, key)
	if key == "" || key[0] >= '0' && key[0] <= '9' || key[0] == '-' {
		key = "item" + key
	}
	return key
}

// encodeNVP writes name=value pairs separated by semicolons, nested names in brackets.
func encodeNVP(answer *php.Array) string {
	var b strings.Builder
	for k, v := range answer.All() {
		writePair(&b, k.String(), v)
	}
	return b.String()
}

func writePair(b *strings.Builder, name string, v any) {
	if a, ok := v.(*php.Array); ok {
		for k, e := range a.All() {
			writePair(b, name+"["+k.String()+"]", e)
		}
		return
	}
	b.WriteString(name + "=" + php.ToText(v) + ";")
}
