package whmcs

import "strings"

// Field is one field of a form. Name carries PHP's array notation where there
// is one, for instance "pid[0]".
type Field struct {
	Name, Value string
}

// EncodeForm encodes fields as application/x-www-form-urlencoded, byte for byte
// as PHP's http_build_query does, and in the given order. PHP keeps the order of
// arrival in its arrays, so the order decides in which sequence WHMCS works
// through the lines; url.Values would sort "pid[10]" before "pid[1]".
func EncodeForm(fields []Field) string {
	var b strings.Builder
	for i, f := range fields {
		if i > 0 {
			b.WriteByte('&')
		}
		escapeForm(&b, f.Name)
		b.WriteByte('=')
		escapeForm(&b, f.Value)
	}
	return b.String()
}

func escapeForm(b *strings.Builder, s string) {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.':
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('+')
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
}
