package salesforce

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce/soql"
)

const dateTimeLayout = "2006-01-02T15:04:05.000-0700"

// recordError is why a row was refused. It reads as statusCode in answers
// about single records and as errorCode at the top of an answer.
type recordError struct {
	Code    string   `json:"statusCode"`
	Message string   `json:"message"`
	Fields  []string `json:"fields"`
}

func (e *recordError) Error() string { return e.Code + ": " + e.Message }

func refuse(code, message string, fields ...string) *recordError {
	if fields == nil {
		fields = []string{}
	}
	return &recordError{Code: code, Message: message, Fields: fields}
}

// coerce turns a decoded JSON value (or a Go value of a seed) into what the
// store keeps for the field. A nil result means null.
func coerce(f *Field, value any) (any, *recordError) {
	if value == nil {
		return nil, nil
	}
	switch {
	case f.Type.isText():
		return coerceText(f, value)
	case f.Type.isNumber():
		return coerceNumber(f, value)
	case f.Type.isTime():
		return coerceTime(f, value)
	case f.Type == TypeBoolean:
		return coerceBool(f, value)
	}
	s, ok := value.(string)
	if !ok {
		return nil, cannotRead(f, value)
	}
	if s == "" {
		return nil, nil
	}
	id, ok := parseID(s)
	if !ok {
		return nil, refuse("MALFORMED_ID", f.Label+": id value of incorrect type: "+s, f.Name)
	}
	return id, nil
}

func coerceText(f *Field, value any) (any, *recordError) {
	s, ok := value.(string)
	if !ok {
		return nil, cannotRead(f, value)
	}
	// Leading and trailing white space never survives, and empty is null.
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	if utf8.RuneCountInString(s) > f.maxLength() {
		return nil, refuse("STRING_TOO_LONG", fmt.Sprintf("%s: data value too large: %s (max length=%d)", f.Label, s, f.maxLength()), f.Name)
	}
	if f.Restricted {
		for one := range strings.SplitSeq(s, ";") {
			if !slices.Contains(f.Values, one) {
				return nil, refuse("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
					fmt.Sprintf("%s: bad value for restricted picklist field: %s", f.Label, s), f.Name)
			}
		}
	}
	return s, nil
}

func coerceNumber(f *Field, value any) (any, *recordError) {
	var n float64
	var err error
	switch v := value.(type) {
	case json.Number:
		n, err = v.Float64()
	case string:
		n, err = strconv.ParseFloat(strings.TrimSpace(v), 64)
	case float64:
		n = v
	case int:
		n = float64(v)
	case int64:
		n = float64(v)
	default:
		return nil, cannotRead(f, value)
	}
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return nil, cannotRead(f, value)
	}
	precision, scale := f.Precision, f.Scale
	if precision == 0 {
		precision = 18
	}
	if f.Type == TypeInt {
		precision, scale = 8, 0
	}
	if math.Abs(n) >= math.Pow10(precision-scale) {
		return nil, refuse("NUMBER_OUTSIDE_VALID_RANGE",
			fmt.Sprintf("%s: value outside of valid range on numeric field: %v", f.Label, value), f.Name)
	}
	return math.Round(n*math.Pow10(scale)) / math.Pow10(scale), nil
}

func coerceTime(f *Field, value any) (any, *recordError) {
	switch v := value.(type) {
	case time.Time:
		return clip(f, v), nil
	case string:
		if v == "" {
			return nil, nil
		}
		if at, err := time.Parse(time.DateOnly, v); err == nil {
			return at, nil
		}
		if at, err := soql.ParseDateTime(v); err == nil {
			return clip(f, at), nil
		}
	}
	return nil, cannotRead(f, value)
}

func clip(f *Field, at time.Time) time.Time {
	if f.Type == TypeDate {
		return at.UTC().Truncate(24 * time.Hour)
	}
	return at.UTC().Truncate(time.Second)
}

func coerceBool(f *Field, value any) (any, *recordError) {
	switch v := value.(type) {
	case bool:
		return v, nil
	case string:
		if b, err := strconv.ParseBool(strings.ToLower(v)); err == nil {
			return b, nil
		}
	}
	return nil, cannotRead(f, value)
}

func cannotRead(f *Field, value any) *recordError {
	token := "VALUE_STRING"
	switch v := value.(type) {
	case json.Number:
		token = "VALUE_NUMBER_INT"
		if strings.ContainsAny(v.String(), ".eE") {
			token = "VALUE_NUMBER_FLOAT"
		}
	case bool:
		token = "VALUE_" + strings.ToUpper(strconv.FormatBool(v))
	case []any:
		token, value = "START_ARRAY", "["
	case map[string]any:
		token, value = "START_OBJECT", "{"
	}
	return refuse("JSON_PARSER_ERROR", fmt.Sprintf(
		"Cannot deserialize instance of %s from %s value %v or request may be missing a required field", f.Type, token, value), f.Name)
}

// render is the JSON form of a stored value. Numbers that are not integers by
// type carry a decimal point even when they are whole, as the service sends
// them.
func render(f *Field, value any) any {
	switch v := value.(type) {
	case float64:
		return renderNumber(f.Type, v)
	case time.Time:
		if f.Type == TypeDate {
			return v.Format(time.DateOnly)
		}
		return v.Format(dateTimeLayout)
	case nil:
		if f.Type == TypeBoolean {
			return false
		}
	}
	return value
}

func renderNumber(t FieldType, v float64) json.RawMessage {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if t != TypeInt && !strings.Contains(text, ".") {
		text += ".0"
	}
	return json.RawMessage(text)
}

// plain is the Go form of a stored value: string, bool, float64.
func plain(f *Field, value any) any {
	if at, ok := value.(time.Time); ok {
		return render(f, at)
	}
	return value
}
