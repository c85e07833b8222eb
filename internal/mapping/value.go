package mapping

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// target is a kind of value that an entry needs.
type target struct {
	name    string
	hint    string // what to write as a constant
	celHint string // what an expression should give
	kinds   []types.Kind
}

var (
	idTarget = target{"a WHMCS id", "give the whole number that WHMCS shows", "let it give the number that WHMCS shows",
		[]types.Kind{types.IntKind, types.UintKind, types.DoubleKind, types.StringKind}}
	optionTarget = target{"a number", "give the sub-option id, a quantity, true or false", "let it give the sub-option id, a quantity, true or false",
		[]types.Kind{types.IntKind, types.UintKind, types.DoubleKind, types.StringKind, types.BoolKind}}
	textTarget = target{"text", "give a text", "choose a field of it, or use string()",
		[]types.Kind{types.StringKind, types.IntKind, types.UintKind, types.DoubleKind, types.BoolKind}}
	cycleTarget = target{"a billing cycle", "use one of the WHMCS names, or add the word to cycles", "let it give a word such as 'monthly'",
		[]types.Kind{types.StringKind}}
	boolTarget = target{"true or false", "write true or false", "compare with ==, or use a checkbox field",
		[]types.Kind{types.BoolKind, types.StringKind}}
	whenTarget = target{"true or false", "", "compare with ==, or use has() or a checkbox field",
		[]types.Kind{types.BoolKind}}
)

func (t target) accepts(out *cel.Type) bool {
	kind := out.Kind()
	if kind == types.AnyKind || kind == types.DynKind || kind == types.NullTypeKind {
		return true
	}
	for _, k := range t.kinds {
		if kind == k || out.IsAssignableType(wrapperOf[k]) {
			return true
		}
	}
	return false
}

var wrapperOf = map[types.Kind]*cel.Type{
	types.BoolKind: yesNoType, types.StringKind: textType, types.DoubleKind: numberType,
	types.IntKind: cel.NullableType(cel.IntType), types.UintKind: cel.NullableType(cel.UintType),
}

// value is an entry that is computed for each order or line: sources tried in order.
type value[T any] struct {
	sources []source[T]
	convert func(any) (T, error)
}

// source is one compiled source. Exactly one of constant, field, template and expr is set.
type source[T any] struct {
	constant *T
	field    *fieldPath
	pattern  *regexp.Regexp
	table    map[string]T
	template []segment
	expr     *expression
	required bool
}

// segment is a piece of a template: a field, or text.
type segment struct {
	text  string
	field *fieldPath
}

// valueError is a value in Salesforce that cannot be used.
type valueError struct {
	field, message string
}

func (e *valueError) Error() string { return e.message }

// set reports whether the file says anything.
func (v *value[T]) set() bool { return len(v.sources) > 0 }

// eval returns the first value that a source gives. ok is false if none gives anything. The error is a *Miss of an
// expression that failed, or a *valueError.
func (v *value[T]) eval(s *scope) (out T, ok bool, err error) {
	for i := range v.sources {
		src := &v.sources[i]
		out, ok, err = src.eval(s, v.convert)
		if err == nil && !ok && src.required {
			err = &valueError{src.name(), src.nothing(s)}
		}
		if ok || err != nil {
			return out, ok, err
		}
	}
	return out, false, nil
}

// eval returns what the source gives. ok is false if it gives nothing.
func (src *source[T]) eval(s *scope, convert func(any) (T, error)) (out T, ok bool, err error) {
	if src.constant != nil {
		return *src.constant, true, nil
	}
	raw, err := src.get(s)
	if err != nil || isEmpty(raw) {
		return out, false, err
	}
	if src.table != nil {
		out, ok = src.table[strings.TrimSpace(text(raw))]
		return out, ok, nil
	}
	out, err = convert(raw)
	if err != nil {
		return out, false, &valueError{src.name(), fmt.Sprintf("%s: %s", src.label(), err)}
	}
	return out, true, nil
}

// nothing says for every source why it gives nothing.
func (v *value[T]) nothing(s *scope) string {
	var parts []string
	for i := range v.sources {
		// Two patterns for one field are two sources, and an empty field says it once.
		if part := v.sources[i].nothing(s); !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "; ")
}

// firstField names the first field looked at, for the Field of a Miss.
func (v *value[T]) firstField() string {
	for i := range v.sources {
		if n := v.sources[i].name(); n != "" {
			return n
		}
	}
	return ""
}

// get reads the source, before any table.
func (src *source[T]) get(s *scope) (any, error) {
	switch {
	case src.expr != nil:
		return src.expr.run(s)
	case src.template != nil:
		return src.fill(s), nil
	}
	raw := src.field.get(s)
	if src.pattern == nil || isEmpty(raw) {
		return raw, nil
	}
	m := src.pattern.FindStringSubmatch(strings.TrimSpace(text(raw)))
	if m == nil {
		return nil, nil
	}
	return m[1], nil
}

func (src *source[T]) fill(s *scope) any {
	var b strings.Builder
	for _, seg := range src.template {
		if seg.field == nil {
			b.WriteString(seg.text)
			continue
		}
		v := seg.field.get(s)
		if isEmpty(v) {
			return nil
		}
		b.WriteString(strings.TrimSpace(text(v)))
	}
	return b.String()
}

// name is the field the source reads, or "".
func (src *source[T]) name() string {
	if src.field != nil {
		return src.field.String()
	}
	return ""
}

// label names the source in a sentence.
func (src *source[T]) label() string {
	switch {
	case src.field != nil:
		return src.field.String()
	case src.expr != nil:
		return "the expression at " + src.expr.where
	}
	return "the template"
}

// nothing says why the source gives nothing. Values are not repeated: they may be personal.
func (src *source[T]) nothing(s *scope) string {
	switch {
	case src.field != nil && isEmpty(src.field.get(s)):
		return src.field.String() + " is empty"
	case src.pattern != nil && !src.pattern.MatchString(strings.TrimSpace(text(src.field.get(s)))):
		return src.field.String() + " does not match " + src.pattern.String()
	case src.table != nil:
		return src.field.String() + " is not in the table"
	case src.expr != nil:
		return "the expression at " + src.expr.where + " gives nothing"
	case src.template != nil:
		for _, seg := range src.template {
			if seg.field != nil && isEmpty(seg.field.get(s)) {
				return seg.field.String() + " is empty"
			}
		}
	}
	return src.label() + " gives nothing"
}

// templateField finds the fields of a template.
var templateField = regexp.MustCompile(`\{([^{}]*)\}`)
