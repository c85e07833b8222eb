package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

const published = "../" + output

func TestPublishedSchemaIsCurrent(t *testing.T) {
	want, err := build("../file")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(published)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("docs/mapping.schema.json is not current; run go generate ./internal/mapping (-want +got):\n%s", diff)
	}
}

func TestEveryPropertyIsDescribed(t *testing.T) {
	data, err := build("../file")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Properties map[string]struct{ Description string }
		Defs       map[string]struct {
			Properties map[string]struct{ Description string }
		} `json:"$defs"`
	}
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	for name, p := range schema.Properties {
		if p.Description == "" {
			t.Errorf("%s has no description", name)
		}
	}
	for def, d := range schema.Defs {
		for name, p := range d.Properties {
			if p.Description == "" {
				t.Errorf("%s.%s has no description", def, name)
			}
		}
	}
}

func compileSchema(tb testing.TB) *jsonschema.Schema {
	tb.Helper()
	data, err := build("../file")
	if err != nil {
		tb.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaID, doc); err != nil {
		tb.Fatal(err)
	}
	s, err := c.Compile(schemaID)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// corpus is every mapping file of the tests: those of the table of mistakes, and the samples.
func corpus(tb testing.TB) map[string]string {
	tb.Helper()
	files := map[string]string{}
	table, err := os.ReadFile("../testdata/mistakes.txt")
	if err != nil {
		tb.Fatal(err)
	}
	for _, entry := range strings.Split("\n"+string(table), "\n=== ")[1:] {
		name, rest, _ := strings.Cut(entry, "\n")
		text, _, _ := strings.Cut(rest, "\n---\n")
		files[name] = text + "\n"
	}
	samples, err := filepath.Glob("../testdata/*.yaml")
	if err != nil {
		tb.Fatal(err)
	}
	for _, name := range samples {
		data, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		files[name] = string(data)
	}
	return files
}

func TestSchemaAndParserAgree(t *testing.T) {
	schema := compileSchema(t)
	both, neither := 0, 0
	for name, text := range corpus(t) {
		syntax, shape := kinds(text)
		if syntax {
			continue // a JSON Schema never sees what YAML itself refuses
		}
		var doc any
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		err := schema.Validate(jsonValue(t, doc))
		if (err != nil) != shape {
			t.Errorf("%s: the parser finds a wrong shape: %t; the schema says: %v", name, shape, err)
		}
		if shape {
			neither++
		} else {
			both++
		}
	}
	if both < 20 || neither < 20 {
		t.Errorf("%d files pass and %d fail; the corpus needs at least 20 of each", both, neither)
	}
}

// kinds reports which kinds of problem the parser finds.
func kinds(text string) (syntax, shape bool) {
	_, err := mapping.Parse([]byte(text))
	if err == nil {
		return false, false
	}
	problems, _ := errors.AsType[mapping.Problems](err)
	for _, p := range problems {
		syntax = syntax || p.Kind == file.Syntax
		shape = shape || p.Kind == file.Shape
	}
	return syntax, shape
}

// jsonValue turns decoded YAML into what a JSON decoder would give: only texts are keys.
func jsonValue(tb testing.TB, v any) any {
	tb.Helper()
	data, err := json.Marshal(textKeys(v))
	if err != nil {
		tb.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func textKeys(v any) any {
	switch t := v.(type) {
	case map[any]any:
		m := map[string]any{}
		for k, e := range t {
			m[fmt.Sprint(k)] = textKeys(e)
		}
		return m
	case map[string]any:
		for k, e := range t {
			t[k] = textKeys(e)
		}
	case []any:
		for i, e := range t {
			t[i] = textKeys(e)
		}
	}
	return v
}
