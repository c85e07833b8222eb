package salesforce

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
)

const attributesKey = "attributes"

// Record is one record. Values are what JSON gives: string, float64, bool, nil. A parent is a Record under the name of
// its relationship, children are a []Record under theirs (nil if there are none), a compound field is a map[string]any.
// Numbers are float64, exact for integers up to 2^53. The key "attributes" holds the type and nothing else.
type Record map[string]any

// NewRecord makes a record for Update: its type, its id, and the fields to set to absolute values.
func NewRecord(objectType string, id ID, fields map[string]any) Record {
	r := make(Record, len(fields)+2)
	maps.Copy(r, fields)
	r[attributesKey] = map[string]any{"type": objectType}
	r["Id"] = id.String()
	return r
}

// Type returns the object's type, such as Order, or "".
func (r Record) Type() string {
	attributes, _ := r[attributesKey].(map[string]any)
	t, _ := attributes["type"].(string)
	return t
}

// ID returns the record's id, or "" if it has none that is valid.
func (r Record) ID() ID {
	s, _ := r["Id"].(string)
	id, err := ParseID(s)
	if err != nil {
		return ""
	}
	return id
}

// Text returns a field that holds text, or "".
func (r Record) Text(field string) string {
	s, _ := r[field].(string)
	return s
}

// Parent returns the record at the other end of a relationship, or nil.
func (r Record) Parent(relationship string) Record {
	p, _ := r[relationship].(Record)
	return p
}

// Children returns the records of a child relationship, or nil.
func (r Record) Children(relationship string) []Record {
	c, _ := r[relationship].([]Record)
	return c
}

// Plain returns a deep copy made of map[string]any and []map[string]any only, without "attributes".
func (r Record) Plain() map[string]any {
	if r == nil {
		return nil
	}
	out := make(map[string]any, len(r))
	for name, value := range r {
		if name != attributesKey {
			out[name] = plainValue(value)
		}
	}
	return out
}

func plainValue(value any) any {
	switch v := value.(type) {
	case Record:
		return v.Plain()
	case []Record:
		children := make([]map[string]any, len(v))
		for i, child := range v {
			children[i] = child.Plain()
		}
		return children
	case map[string]any:
		return maps.Clone(v)
	case []any:
		return slices.Clone(v)
	default:
		return value
	}
}

// page is a query result, of the query itself or of a child relationship.
type page struct {
	Records        []json.RawMessage `json:"records"`
	Done           *bool             `json:"done"`
	NextRecordsURL string            `json:"nextRecordsUrl"`
}

var errCutShort = errors.New("a result that is not done names no next page")

// next returns where the result goes on, or "" if it is complete. Rows must not go missing in silence.
func (p page) next() (string, error) {
	if p.Done != nil && !*p.Done && p.NextRecordsURL == "" {
		return "", errCutShort
	}
	if p.Done != nil && *p.Done {
		return "", nil
	}
	return p.NextRecordsURL, nil
}

// childPage is a child result that goes on at another URL.
type childPage struct {
	parent       Record
	relationship string
	next         string
}

// decodeRecord reads a record and lists the child results that are not complete.
func decodeRecord(data json.RawMessage) (Record, []childPage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, nil, err
	}
	r := make(Record, len(fields))
	var open []childPage
	for name, raw := range fields {
		if name == attributesKey {
			r[name] = typeOnly(raw)
			continue
		}
		value, more, err := decodeValue(r, name, raw)
		if err != nil {
			return nil, nil, err
		}
		r[name] = value
		open = append(open, more...)
	}
	return r, open, nil
}

func typeOnly(raw json.RawMessage) map[string]any {
	var attributes struct {
		Type string `json:"type"`
	}
	// Attributes of another shape leave the type empty; the record's fields are still good.
	_ = json.Unmarshal(raw, &attributes)
	return map[string]any{"type": attributes.Type}
}

func decodeValue(owner Record, name string, raw json.RawMessage) (any, []childPage, error) {
	if !strings.HasPrefix(string(raw), "{") {
		var value any
		err := json.Unmarshal(raw, &value)
		return value, nil, err
	}
	var shape map[string]json.RawMessage
	if err := json.Unmarshal(raw, &shape); err != nil {
		return nil, nil, err
	}
	if _, ok := shape[attributesKey]; ok {
		return noTypedNil(decodeRecord(raw))
	}
	if _, ok := shape["records"]; ok {
		return decodeChildren(owner, name, raw)
	}
	var compound map[string]any
	err := json.Unmarshal(raw, &compound)
	return compound, nil, err
}

func noTypedNil(r Record, open []childPage, err error) (any, []childPage, error) {
	return r, open, err
}

func decodeChildren(owner Record, name string, raw json.RawMessage) (any, []childPage, error) {
	var p page
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, nil, err
	}
	children, open, err := decodeRecords(p.Records)
	if err != nil {
		return nil, nil, err
	}
	next, err := p.next()
	if err != nil {
		return nil, nil, err
	}
	if next != "" {
		open = append(open, childPage{parent: owner, relationship: name, next: next})
	}
	return children, open, nil
}

func decodeRecords(raws []json.RawMessage) ([]Record, []childPage, error) {
	records := make([]Record, 0, len(raws))
	var open []childPage
	for _, raw := range raws {
		r, more, err := decodeRecord(raw)
		if err != nil {
			return nil, nil, err
		}
		records = append(records, r)
		open = append(open, more...)
	}
	return records, open, nil
}
