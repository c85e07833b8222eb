package whmcs

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// SerializePHP returns base64(serialize(m)) as WHMCS expects it in customfields
// and configoptions of an order line: field or option id to text, or option id
// to sub-option id. Keys are PHP integers in ascending order; the length of a
// string counts bytes, and nothing inside a string is escaped.
func SerializePHP[V int64 | string](m map[int64]V) string {
	var b strings.Builder
	fmt.Fprintf(&b, "a:%d:{", len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "i:%d;", key)
		switch v := any(m[key]).(type) {
		case int64:
			fmt.Fprintf(&b, "i:%d;", v)
		case string:
			fmt.Fprintf(&b, "s:%d:\"%s\";", len(v), v)
		}
	}
	b.WriteByte('}')
	return base64.StdEncoding.EncodeToString([]byte(b.String()))
}
