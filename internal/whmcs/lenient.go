package whmcs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// WHMCS answers the same id as 1 or "1", depending on action and version. The
// types here take both, and what PHP makes of nothing: null, false, "", [].

// flexInt is an integer in any of these forms.
type flexInt int64

// UnmarshalJSON takes a number, a string holding one, a boolean or nothing.
func (f *flexInt) UnmarshalJSON(data []byte) error {
	s, err := scalar(data)
	if err != nil {
		return err
	}
	if s == "" {
		*f = 0
		return nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		*f = flexInt(n)
		return nil
	}
	// Beyond 2^53 a float no longer tells one id from the next.
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n != math.Trunc(n) || math.Abs(n) > 1<<53 {
		return errors.New("a number was expected")
	}
	*f = flexInt(n)
	return nil
}

// flexString is a text in any of these forms.
type flexString string

// UnmarshalJSON takes a string, a number, a boolean or nothing.
func (f *flexString) UnmarshalJSON(data []byte) error {
	var s string
	if len(data) > 0 && data[0] == '"' {
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*f = flexString(s)
		return nil
	}
	s, err := scalar(data)
	*f = flexString(s)
	return err
}

// scalar returns data as PHP would print it.
func scalar(data []byte) (string, error) {
	data = bytes.TrimSpace(data)
	switch string(data) {
	case "", "null", "false", "[]", "{}":
		return "", nil
	case "true":
		return "1", nil
	}
	switch data[0] {
	case '"':
		var s string
		err := json.Unmarshal(data, &s)
		return strings.TrimSpace(s), err
	case '[', '{':
		return "", errors.New("a single value was expected, not a list")
	}
	return string(data), nil
}

// decodeList decodes a list of rows. WHMCS wraps lists twice, as in
// orders.order[]; inner is the name of the inner wrapper. Missing, null, false,
// "", [] and {} are the empty list; a single row may stand for itself; PHP arrays
// with gaps arrive as objects with numbers for keys.
func decodeList[T any](data json.RawMessage, inner string) ([]T, error) {
	rows, err := rawRows(data, inner)
	if err != nil {
		return nil, err
	}
	list := make([]T, 0, len(rows))
	for _, row := range rows {
		var v T
		if err := json.Unmarshal(row, &v); err != nil {
			return nil, fmt.Errorf("row %d: %w", len(list)+1, err)
		}
		list = append(list, v)
	}
	return list, nil
}

func rawRows(data json.RawMessage, inner string) ([]json.RawMessage, error) {
	data = bytes.TrimSpace(data)
	if s, err := scalar(data); err == nil && s == "" {
		return nil, nil
	}
	switch data[0] {
	case '[':
		var list []json.RawMessage
		if err := json.Unmarshal(data, &list); err != nil {
			return nil, err
		}
		return slices.DeleteFunc(list, isEmpty), nil
	case '{':
		var object map[string]json.RawMessage
		if err := json.Unmarshal(data, &object); err != nil {
			return nil, err
		}
		if wrapped, ok := object[inner]; ok && inner != "" {
			return rawRows(wrapped, "")
		}
		if list, ok := numbered(object); ok {
			return slices.DeleteFunc(list, isEmpty), nil
		}
		return []json.RawMessage{data}, nil
	}
	return nil, errors.New("a list was expected")
}

func isEmpty(data json.RawMessage) bool {
	s, err := scalar(data)
	return err == nil && s == ""
}

// numbered returns the values of a PHP array with gaps, in the order of its keys.
func numbered(object map[string]json.RawMessage) ([]json.RawMessage, bool) {
	byIndex := make(map[int]json.RawMessage, len(object))
	for key, value := range object {
		i, err := strconv.Atoi(key)
		if err != nil {
			return nil, false
		}
		byIndex[i] = value
	}
	list := make([]json.RawMessage, 0, len(object))
	for _, i := range slices.Sorted(maps.Keys(byIndex)) {
		list = append(list, byIndex[i])
	}
	return list, true
}
