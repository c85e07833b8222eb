package pubsub

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/linkedin/goavro/v2"
)

// Types of Avro that are handled by name.
const (
	avroNull   = "null"
	avroRecord = "record"
	avroEnum   = "enum"
	avroArray  = "array"
	avroUnion  = "union"
)

// avroType is a type of a schema as the bus has to know it: the encoding itself is the library's. A named type that is
// used again is the same avroType again.
type avroType struct {
	// kind is a primitive type's name, or record, enum, array, map, fixed, union.
	kind string
	// branch is what selects the type in a union: the full name of a named type, otherwise its kind.
	branch   string
	symbols  []string
	fields   []avroField
	items    *avroType
	branches []*avroType
}

type avroField struct {
	name string
	of   *avroType
}

// schema is one version of an event's definition.
type schema struct {
	id, text string
	record   *avroType
	codec    *goavro.Codec
}

func newSchema(text string) (*schema, error) {
	var parsed any
	if err := json.Unmarshal([]byte(text), &parsed); err != nil {
		return nil, fmt.Errorf("the schema is no JSON: %w", err)
	}
	plain, err := json.Marshal(withoutAnnotations(parsed))
	if err != nil {
		return nil, err
	}
	codec, err := goavro.NewCodec(string(plain))
	if err != nil {
		return nil, err
	}
	record, err := (&avroReader{named: map[string]*avroType{}}).read(parsed, "")
	if err != nil {
		return nil, err
	}
	if record.kind != avroRecord {
		return nil, fmt.Errorf("the schema is no record but %s", record.kind)
	}
	return &schema{id: fingerprint(text), text: text, record: record, codec: codec}, nil
}

// withoutAnnotations drops what does not change the encoding. The library would want a logical type's values in Go types
// of its own, and a default for the first branch of its union.
func withoutAnnotations(schema any) any {
	switch schema := schema.(type) {
	case map[string]any:
		kept := map[string]any{}
		for key, value := range schema {
			if key != "logicalType" && key != "default" {
				kept[key] = withoutAnnotations(value)
			}
		}
		return kept
	case []any:
		kept := make([]any, 0, len(schema))
		for _, item := range schema {
			kept = append(kept, withoutAnnotations(item))
		}
		return kept
	default:
		return schema
	}
}

// avroReader turns a schema's JSON into types. The library has checked the schema before, with the rules of Avro.
type avroReader struct {
	named map[string]*avroType
}

var avroPrimitives = []string{avroNull, "boolean", "int", "long", "float", "double", "bytes", "string"}

func (r *avroReader) read(schema any, namespace string) (*avroType, error) {
	switch schema := schema.(type) {
	case string:
		return r.byName(schema, namespace)
	case []any:
		union := &avroType{kind: avroUnion, branch: avroUnion}
		for _, item := range schema {
			branch, err := r.read(item, namespace)
			if err != nil {
				return nil, err
			}
			union.branches = append(union.branches, branch)
		}
		return union, nil
	case map[string]any:
		return r.readObject(schema, namespace)
	default:
		return nil, fmt.Errorf("%v is no type", schema)
	}
}

func (r *avroReader) byName(name, namespace string) (*avroType, error) {
	if slices.Contains(avroPrimitives, name) {
		return &avroType{kind: name, branch: name}, nil
	}
	for _, full := range []string{fullName(name, namespace), name} {
		if found, ok := r.named[full]; ok {
			return found, nil
		}
	}
	return nil, fmt.Errorf("unknown type %q", name)
}

func (r *avroReader) readObject(schema map[string]any, namespace string) (*avroType, error) {
	kind, ok := schema["type"].(string)
	if !ok {
		return r.read(schema["type"], namespace)
	}
	result := &avroType{kind: kind, branch: kind}
	switch kind {
	case avroRecord, avroEnum, "fixed":
		if own, ok := schema["namespace"].(string); ok {
			namespace = own
		}
		name, _ := schema["name"].(string)
		result.branch = fullName(name, namespace)
		r.named[result.branch] = result
		return result, r.fill(result, schema, namespaceOf(result.branch))
	case avroArray, "map":
		content := schema["items"]
		if kind == "map" {
			content = schema["values"]
		}
		var err error
		result.items, err = r.read(content, namespace)
		return result, err
	default:
		return r.byName(kind, namespace)
	}
}

// fill reads what stands inside a named type.
func (r *avroReader) fill(into *avroType, schema map[string]any, namespace string) error {
	symbols, _ := schema["symbols"].([]any)
	for _, symbol := range symbols {
		text, _ := symbol.(string)
		into.symbols = append(into.symbols, text)
	}
	fields, _ := schema["fields"].([]any)
	for _, item := range fields {
		field, ok := item.(map[string]any)
		if !ok {
			return errors.New("a field is no object")
		}
		of, err := r.read(field["type"], namespace)
		if err != nil {
			return err
		}
		name, _ := field["name"].(string)
		into.fields = append(into.fields, avroField{name: name, of: of})
	}
	return nil
}

func fullName(name, namespace string) string {
	if namespace == "" || strings.Contains(name, ".") {
		return name
	}
	return namespace + "." + name
}

func namespaceOf(full string) string {
	return full[:max(0, strings.LastIndexByte(full, '.'))]
}
