package salesforce

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// record is a JSON object that keeps the order of its keys.
type record struct {
	keys   []string
	values []any
}

func (r *record) set(key string, value any) {
	r.keys = append(r.keys, key)
	r.values = append(r.values, value)
}

// MarshalJSON implements json.Marshaler.
func (r *record) MarshalJSON() ([]byte, error) { return appendJSON(nil, r) }

// encode is json.Marshal that leaves & < > as they are.
func encode(v any) ([]byte, error) { return appendJSON(nil, v) }

// appendJSON writes the bulk of an answer, rows and lists of rows, in one
// pass: json.Marshal would go over nested rows once per level.
func appendJSON(out []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case *record:
		if v == nil {
			return append(out, "null"...), nil
		}
		return appendRecord(out, v)
	case []any:
		return appendList(out, v)
	case page:
		return appendPage(out, v)
	case json.RawMessage:
		return append(out, v...), nil
	case string:
		if isPlain(v) {
			return append(append(append(out, '"'), v...), '"'), nil
		}
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return append(out, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...), nil
}

func appendRecord(out []byte, r *record) ([]byte, error) {
	var err error
	out = append(out, '{')
	for i, key := range r.keys {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(strconv.AppendQuote(out, key), ':')
		if out, err = appendJSON(out, r.values[i]); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func appendList(out []byte, values []any) ([]byte, error) {
	var err error
	out = append(out, '[')
	for i, v := range values {
		if i > 0 {
			out = append(out, ',')
		}
		if out, err = appendJSON(out, v); err != nil {
			return nil, err
		}
	}
	return append(out, ']'), nil
}

func appendPage(out []byte, p page) ([]byte, error) {
	r := &record{}
	r.set("totalSize", p.TotalSize)
	r.set("done", p.Done)
	if p.NextRecordsURL != "" {
		r.set("nextRecordsUrl", p.NextRecordsURL)
	}
	r.set("records", p.Records)
	return appendRecord(out, r)
}

// isPlain is true for texts that JSON writes as they are.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
