package file

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// structFields is what the decoder needs to know about a type of the file.
type structFields struct {
	index    map[string]int
	names    []string
	required []string
}

var fieldCache sync.Map // reflect.Type to *structFields

func fieldsOf(t reflect.Type) *structFields {
	if cached, ok := fieldCache.Load(t); ok {
		if f, ok := cached.(*structFields); ok {
			return f
		}
	}
	f := &structFields{index: map[string]int{}}
	for i := range t.NumField() {
		sf := t.Field(i)
		name := jsonName(sf)
		if name == "-" {
			continue
		}
		f.index[name] = i
		f.names = append(f.names, name)
		if !strings.Contains(sf.Tag.Get("json"), ",omitzero") {
			f.required = append(f.required, name)
		}
	}
	fieldCache.Store(t, f)
	return f
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// Suggest names what was probably meant, else everything that is possible after the introduction.
func Suggest(key string, names []string, introduction string) string {
	if name := nearest(key, names); name != "" {
		return fmt.Sprintf("did you mean %s?", name)
	}
	return introduction + strings.Join(names, ", ")
}

// nearest is the name that was probably meant, or "".
func nearest(key string, names []string) string {
	best, least := "", 3
	for _, name := range names {
		if dist := distance(strings.ToLower(key), strings.ToLower(name)); dist < least && dist < len(name) {
			best, least = name, dist
		}
	}
	for _, name := range names {
		if best == "" && len(name) > 3 && strings.Contains(strings.ToLower(key), strings.ToLower(name)) {
			best = name
		}
	}
	return best
}

// distance counts the edits that turn one text into the other.
func distance(a, b string) int {
	if len(a) > 40 || len(b) > 40 {
		return 40
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost = 1 + min(diagonal, row[j], row[j-1])
			}
			diagonal, row[j] = row[j], cost
		}
	}
	return row[len(b)]
}
