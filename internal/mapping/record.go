package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// asRecord views a JSON object of Salesforce, whatever named map type holds it.
func asRecord(v any) map[string]any {
	switch r := v.(type) {
	case map[string]any:
		return r
	case nil:
		return nil
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() == reflect.Map && rv.Type().ConvertibleTo(recordType) {
		r, _ := reflect.TypeAssert[map[string]any](rv.Convert(recordType))
		return r
	}
	return nil
}

var recordType = reflect.TypeFor[map[string]any]()

// asRecords views a list of children: a slice of records, or a query result with its records inside.
func asRecords(v any) []map[string]any {
	switch l := v.(type) {
	case []map[string]any:
		return l
	case nil:
		return nil
	}
	if r := asRecord(v); r != nil {
		return asRecords(r["records"])
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Slice {
		return nil
	}
	records := make([]map[string]any, 0, rv.Len())
	for i := range rv.Len() {
		if r := asRecord(rv.Index(i).Interface()); r != nil {
			records = append(records, r)
		}
	}
	return records
}

// lookup follows relationship names to a field. What is missing on the way is nil.
func lookup(r map[string]any, names []string) any {
	for _, name := range names[:len(names)-1] {
		if r = asRecord(field(r, name)); r == nil {
			return nil
		}
	}
	return field(r, names[len(names)-1])
}

// field is the value of a field, or nil.
func field(r map[string]any, name string) any {
	v, _ := find(r, name)
	return v
}

// find is the value of a field, and whether the record has it. Salesforce takes a name in any case and answers in its own. Names
// are ASCII, so those of another length need not be compared.
func find(r map[string]any, name string) (any, bool) {
	if v, ok := r[name]; ok {
		return v, true
	}
	for key, v := range r {
		if len(key) == len(name) && strings.EqualFold(key, name) {
			return v, true
		}
	}
	return nil, false
}

// number turns the forms in which Salesforce numbers arrive into int64 or float64. Other values stay as they are.
func number(v any) any {
	switch n := v.(type) {
	case json.Number:
		if i, err := n.Int64(); err == nil {
			return i
		}
		if f, err := n.Float64(); err == nil {
			return whole(f)
		}
		return n.String()
	case float64:
		return whole(n)
	case float32:
		return whole(float64(n))
	case int:
		return int64(n)
	case int32:
		return int64(n)
	case uint64:
		if n <= math.MaxInt64 {
			return int64(n)
		}
		return float64(n)
	}
	return v
}

// whole makes an integer of a number without fraction, as far as a float64 is exact.
func whole(f float64) any {
	const exact = 1 << 53
	if f == math.Trunc(f) && math.Abs(f) <= exact {
		return int64(f)
	}
	return f
}

// isEmpty reports whether a value gives nothing: null, or text without a visible character.
func isEmpty(v any) bool {
	if s, ok := v.(string); ok {
		return strings.TrimSpace(s) == ""
	}
	return v == nil
}

// wholeNumber is a whole number as people and formulas write it. Go would also take 12e5, 0x1p4 and 1_0, which are no
// numbers for those who fill in text fields.
var wholeNumber = regexp.MustCompile(`^([+-]?[0-9]+)(\.0*)?$`)

// toInt converts to a whole number.
func toInt(v any) (int64, error) {
	switch n := number(v).(type) {
	case int64:
		return n, nil
	case float64:
		return 0, fmt.Errorf("%s is not a whole number", text(n))
	case string:
		if m := wholeNumber.FindStringSubmatch(strings.TrimSpace(n)); m != nil {
			if i, err := strconv.ParseInt(m[1], 10, 64); err == nil {
				return i, nil
			}
		}
		return 0, fmt.Errorf("%s is not a whole number", quote(n))
	case nil:
		return 0, errors.New("it is empty")
	}
	return 0, fmt.Errorf("%s is not a whole number", describe(v))
}

// toID converts to the id of something in WHMCS.
func toID(v any) (int64, error) {
	i, err := toInt(v)
	if err == nil && i <= 0 {
		return 0, fmt.Errorf("%d is not an id: WHMCS ids begin at 1", i)
	}
	return i, err
}

// toOption converts to the value of a config option: a sub-option id, a quantity, or yes and no.
func toOption(v any) (int64, error) {
	if b, ok := v.(bool); ok {
		if b {
			return 1, nil
		}
		return 0, nil
	}
	i, err := toInt(v)
	if err == nil && i < 0 {
		return 0, fmt.Errorf("%d is negative", i)
	}
	return i, err
}

// toText converts to text.
func toText(v any) (string, error) {
	switch t := number(v).(type) {
	case string:
		return strings.TrimSpace(t), nil
	case bool, int64, float64:
		return text(t), nil
	}
	return "", fmt.Errorf("%s is not text", describe(v))
}

// toBool converts to yes or no.
func toBool(v any) (bool, error) {
	switch b := number(v).(type) {
	case bool:
		return b, nil
	case string:
		switch strings.ToLower(strings.TrimSpace(b)) {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return false, fmt.Errorf("%s is neither true nor false", quote(b))
	}
	return false, fmt.Errorf("%s is neither true nor false", describe(v))
}

// text writes a scalar as Salesforce shows it: whole numbers without fraction, never with an exponent.
func text(v any) string {
	switch t := number(v).(type) {
	case string:
		return t
	case bool:
		return strconv.FormatBool(t)
	case int64:
		return strconv.FormatInt(t, 10)
	case float64:
		return strconv.FormatFloat(t, 'f', -1, 64)
	}
	return ""
}

// describe names a value in a message without printing what could be large or private.
func describe(v any) string {
	switch t := number(v).(type) {
	case nil:
		return "nothing"
	case string:
		return quote(t)
	case bool, int64, float64:
		return text(t)
	}
	if reflect.ValueOf(v).Kind() == reflect.Slice {
		return "a list"
	}
	return "an object"
}

// quote quotes a text for a message and cuts what is too long to read.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return strconv.Quote(s)
}
