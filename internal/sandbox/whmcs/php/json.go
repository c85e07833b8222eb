package php

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// EmptyObject is written as {} in JSON, where an empty Array is written as [].
type EmptyObject struct{}

// Raw is JSON text that is written as it stands, to play back recorded oddities.
type Raw string

// EncodeJSON writes v as PHP's json_encode does with hexadecimal quotes: "/" escaped, non-ASCII as \uXXXX.
func EncodeJSON(v any) string {
	var b strings.Builder
	encode(&b, v)
	return b.String()
}

func encode(b *strings.Builder, v any) {
	switch v := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(v))
	case int:
		b.WriteString(strconv.Itoa(v))
	case int64:
		b.WriteString(strconv.FormatInt(v, 10))
	case float64:
		b.WriteString(formatFloat(v))
	case string:
		encodeString(b, v)
	case Raw:
		b.WriteString(string(v))
	case EmptyObject:
		b.WriteString("{}")
	case *Array:
		encodeArray(b, v)
	default:
		encodeString(b, fmt.Sprint(v))
	}
}

func encodeArray(b *strings.Builder, a *Array) {
	list := a.IsList()
	open, end := byte('{'), byte('}')
	if list {
		open, end = '[', ']'
	}
	b.WriteByte(open)
	first := true
	for k, v := range a.All() {
		if !first {
			b.WriteByte(',')
		}
		first = false
		if !list {
			encodeString(b, k.String())
			b.WriteByte(':')
		}
		encode(b, v)
	}
	b.WriteByte(end)
}

var shortEscapes = map[rune]string{
	'"': `\u0022`, '\\': `\\`, '/': `\/`, '\b': `\b`, '\f': `\f`, '\n': `\n`, '\r': `\r`, '\t': `\t`,
}

func encodeString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		if esc, ok := shortEscapes[r]; ok {
			b.WriteString(esc)
			continue
		}
		switch {
		case r < 0x20, r >= utf8.RuneSelf && r <= 0xFFFF:
			fmt.Fprintf(b, `\u%04x`, r)
		case r > 0xFFFF:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(b, `\u%04x\u%04x`, hi, lo)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
}

// formatFloat prints the shortest text that reads back as f, as PHP does with serialize_precision -1.
func formatFloat(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "0"
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	out, _ := json.Marshal(f)
	return string(out)
}
