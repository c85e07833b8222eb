package pubsub

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Limits on what a schema may make this process hold. The largest known ones, change events of wide objects, have
// a few thousand nodes.
const (
	maxSchemaBytes = 4 << 20
	maxSchemaNodes = 50_000
	maxSchemaDepth = 64
)

// avroKind is a type of the Avro specification.
type avroKind uint8

const (
	kindNull avroKind = iota
	kindBoolean
	kindInt
	kindLong
	kindFloat
	kindDouble
	kindBytes
	kindString
	kindRecord
	kindEnum
	kindArray
	kindMap
	kindUnion
	kindFixed
)

var primitives = map[string]avroKind{
	"null": kindNull, "boolean": kindBoolean, "int": kindInt, "long": kindLong,
	"float": kindFloat, "double": kindDouble, "bytes": kindBytes, "string": kindString,
}

// avroNode is one type of a schema. A recursive schema is a cycle of nodes.
type avroNode struct {
	kind     avroKind
	name     string      // record: its name
	fields   []avroField // record
	symbols  []string    // enum
	branches []*avroNode // union
	item     *avroNode   // array, map
	size     int         // fixed
}

type avroField struct {
	name string
	node *avroNode
}

// schemaParser reads the JSON form of a schema. It takes only what decoding needs and is lenient about the rest (docs,
// defaults, aliases, logical types): a schema that Salesforce accepts must not be refused here for its default values.
type schemaParser struct {
	named map[string]*avroNode
	nodes int
}

// parseSchema reads an Avro schema whose top is a record, as every event's is.
func parseSchema(text string) (*avroNode, error) {
	if len(text) > maxSchemaBytes {
		return nil, fmt.Errorf("avro schema of %d bytes is larger than %d", len(text), maxSchemaBytes)
	}
	parser := schemaParser{named: map[string]*avroNode{}}
	node, err := parser.parse(json.RawMessage(text), "", 0)
	if err != nil {
		return nil, fmt.Errorf("avro schema: %w", err)
	}
	if node.kind != kindRecord {
		return nil, errors.New("avro schema: the top type is no record")
	}
	return node, nil
}

// schemaObject holds the attributes that decoding depends on.
type schemaObject struct {
	Type      json.RawMessage   `json:"type"`
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Fields    []json.RawMessage `json:"fields"`
	Symbols   []string          `json:"symbols"`
	Items     json.RawMessage   `json:"items"`
	Values    json.RawMessage   `json:"values"`
	Size      int64             `json:"size"`
}

func (p *schemaParser) parse(raw json.RawMessage, namespace string, depth int) (*avroNode, error) {
	p.nodes++
	if p.nodes > maxSchemaNodes || depth > maxSchemaDepth {
		return nil, errors.New("too large or too deeply nested")
	}
	trimmed := strings.TrimSpace(string(raw))
	switch {
	case trimmed == "":
		return nil, errors.New("a type is missing")
	case trimmed[0] == '"':
		var name string
		if err := json.Unmarshal(raw, &name); err != nil {
			return nil, err
		}
		return p.reference(name, namespace)
	case trimmed[0] == '[':
		return p.union(raw, namespace, depth)
	default:
		var object schemaObject
		if err := json.Unmarshal(raw, &object); err != nil {
			return nil, err
		}
		return p.object(object, namespace, depth)
	}
}

func (p *schemaParser) reference(name, namespace string) (*avroNode, error) {
	if kind, ok := primitives[name]; ok {
		return &avroNode{kind: kind}, nil
	}
	for _, full := range []string{fullName(name, namespace), name} {
		if node, ok := p.named[full]; ok {
			return node, nil
		}
	}
	return nil, fmt.Errorf("unknown type %.80q", name)
}

func (p *schemaParser) union(raw json.RawMessage, namespace string, depth int) (*avroNode, error) {
	var branches []json.RawMessage
	if err := json.Unmarshal(raw, &branches); err != nil {
		return nil, err
	}
	node := &avroNode{kind: kindUnion}
	for _, branch := range branches {
		child, err := p.parse(branch, namespace, depth+1)
		if err != nil {
			return nil, err
		}
		node.branches = append(node.branches, child)
	}
	return node, nil
}

func (p *schemaParser) object(object schemaObject, namespace string, depth int) (*avroNode, error) {
	var kind string
	if err := json.Unmarshal(object.Type, &kind); err != nil {
		// {"type": {...}} and {"type": [...]} only wrap another type.
		return p.parse(object.Type, namespace, depth+1)
	}
	switch kind {
	case "array", "map":
		item := object.Items
		node := &avroNode{kind: kindArray}
		if kind == "map" {
			node.kind, item = kindMap, object.Values
		}
		var err error
		node.item, err = p.parse(item, namespace, depth+1)
		return node, err
	case "enum":
		node := &avroNode{kind: kindEnum, symbols: object.Symbols}
		return node, p.define(node, object, namespace)
	case "fixed":
		if object.Size < 0 || object.Size > maxPayload {
			return nil, fmt.Errorf("fixed type of %d bytes", object.Size)
		}
		node := &avroNode{kind: kindFixed, size: int(object.Size)}
		return node, p.define(node, object, namespace)
	case "record", "error":
		return p.record(object, namespace, depth)
	default:
		return p.reference(kind, namespace)
	}
}

func (p *schemaParser) record(object schemaObject, namespace string, depth int) (*avroNode, error) {
	node := &avroNode{kind: kindRecord, name: object.Name}
	// Defined before its fields are read: they may refer back to it.
	if err := p.define(node, object, namespace); err != nil {
		return nil, err
	}
	full := fullName(object.Name, firstOf(object.Namespace, namespace))
	inner := ""
	if dot := strings.LastIndexByte(full, '.'); dot >= 0 {
		inner = full[:dot]
	}
	for _, raw := range object.Fields {
		var field struct {
			Name string          `json:"name"`
			Type json.RawMessage `json:"type"`
		}
		if err := json.Unmarshal(raw, &field); err != nil {
			return nil, err
		}
		child, err := p.parse(field.Type, inner, depth+1)
		if err != nil {
			return nil, fmt.Errorf("field %.80q: %w", field.Name, err)
		}
		node.fields = append(node.fields, avroField{field.Name, child})
	}
	return node, nil
}

func (p *schemaParser) define(node *avroNode, object schemaObject, namespace string) error {
	full := fullName(object.Name, firstOf(object.Namespace, namespace))
	if object.Name == "" {
		return errors.New("a named type has no name")
	}
	if p.named[full] != nil {
		return fmt.Errorf("type %.80q is defined twice", full)
	}
	p.named[full] = node
	return nil
}

func fullName(name, namespace string) string {
	if namespace == "" || strings.Contains(name, ".") {
		return name
	}
	return namespace + "." + name
}

func firstOf(value, otherwise string) string {
	if value != "" {
		return value
	}
	return otherwise
}
