package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

const (
	schemaID    = "https://orderbridge.dev/schemas/mapping-v1.json"
	filePackage = "github.com/orderbridge/orderbridge/internal/mapping"
)

// build generates the schema. Descriptions are the comments of the types in dir.
func build(dir string) ([]byte, error) {
	r := jsonschema.Reflector{ExpandedStruct: true, Mapper: mapType}
	if err := r.AddGoComments(filePackage, dir, jsonschema.WithFullComment()); err != nil {
		return nil, fmt.Errorf("read comments in %s: %w", dir, err)
	}
	// Comments are filed under the path as given, which depends on where the generator runs.
	for key, comment := range r.CommentMap {
		if _, name, ok := strings.Cut(key, "file."); ok {
			r.CommentMap[filePackage+"/file."+name] = comment
		}
	}
	s := r.Reflect(&file.Mapping{})
	s.ID = schemaID
	s.Title = "Orderbridge mapping.yaml"
	s.Definitions["Value"] = valueSchema()
	s.Definitions["Source"] = sourceSchema(r)
	s.Definitions["Reason"] = reasonSchema(r)
	s.Definitions["Scalar"] = scalarSchema()
	reword(s)
	for _, d := range s.Definitions {
		reword(d)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// reword begins the description of a property with its name in the file instead of that of the Go field.
func reword(s *jsonschema.Schema) {
	s.Description = strings.ReplaceAll(s.Description, "\n", " ")
	if s.Properties == nil {
		return
	}
	for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
		text := strings.ReplaceAll(pair.Value.Description, "\n", " ")
		first, rest, _ := strings.Cut(text, " ")
		if strings.EqualFold(first, pair.Key) {
			text = pair.Key + " " + rest
		}
		pair.Value.Description = text
	}
}

func ref(name string) *jsonschema.Schema { return &jsonschema.Schema{Ref: "#/$defs/" + name} }

// mapType gives the types with a form of their own their schemas.
func mapType(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[file.Value]():
		return ref("Value")
	case reflect.TypeFor[file.Table](), reflect.TypeFor[file.Cycles](), reflect.TypeFor[file.Fixed]():
		return &jsonschema.Schema{Type: "object", AdditionalProperties: ref("Scalar"), MinProperties: new(uint64(1))}
	case reflect.TypeFor[file.Gate]():
		scalar := &jsonschema.Schema{OneOf: []*jsonschema.Schema{ref("Scalar"), {Type: "null"}}}
		list := &jsonschema.Schema{Type: "array", Items: scalar, MinItems: new(uint64(1))}
		return &jsonschema.Schema{Type: "object", MinProperties: new(uint64(1)),
			AdditionalProperties: &jsonschema.Schema{OneOf: []*jsonschema.Schema{ref("Scalar"), {Type: "null"}, list}}}
	case reflect.TypeFor[file.ByID]():
		return &jsonschema.Schema{Type: "object", AdditionalProperties: jsonschema.FalseSchema,
			PatternProperties: map[string]*jsonschema.Schema{"^[1-9][0-9]{0,17}$": ref("Value")}}
	case reflect.TypeFor[file.Strings]():
		text := &jsonschema.Schema{Type: "string"}
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, {Type: "array", Items: text, MinItems: new(uint64(1))}}}
	case reflect.TypeFor[file.Text]():
		text := &jsonschema.Schema{Type: "string"}
		return &jsonschema.Schema{OneOf: []*jsonschema.Schema{text, {Type: "object", AdditionalProperties: text}}}
	case reflect.TypeFor[map[string]file.Reason]():
		return reasonsSchema()
	}
	return nil
}

// reasonsSchema lists the reasons, so that editors can offer them.
func reasonsSchema() *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "object", AdditionalProperties: jsonschema.FalseSchema, Properties: jsonschema.NewProperties()}
	for _, reason := range mapping.Reasons() {
		s.Properties.Set(reason, ref("Reason"))
	}
	return s
}

func scalarSchema() *jsonschema.Schema {
	return &jsonschema.Schema{
		Description: "A constant.",
		OneOf:       []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}},
	}
}

func valueSchema() *jsonschema.Schema {
	one := []*jsonschema.Schema{ref("Scalar"), ref("Source")}
	return &jsonschema.Schema{
		Description: "A constant, a source, or a list of either: the first that gives something decides.",
		OneOf: append(one, &jsonschema.Schema{
			Type: "array", MinItems: new(uint64(1)), Items: &jsonschema.Schema{OneOf: []*jsonschema.Schema{one[0], one[1]}},
		}),
	}
}

func reasonSchema(r jsonschema.Reflector) *jsonschema.Schema {
	r.DoNotReference = true
	s := r.Reflect(&file.Reason{})
	s.Version, s.ID, s.Definitions = "", "", nil
	return s
}

func sourceSchema(r jsonschema.Reflector) *jsonschema.Schema {
	r.DoNotReference = true
	s := r.Reflect(&file.Source{})
	s.Version, s.ID, s.Definitions = "", "", nil
	for _, key := range []string{"field", "template", "cel"} {
		s.OneOf = append(s.OneOf, &jsonschema.Schema{Required: []string{key}})
	}
	s.DependentRequired = map[string][]string{"pattern": {"field"}, "table": {"field"}}
	return s
}
