package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// mappingKey is the key of the mapping in its ConfigMap.
const mappingKey = "mapping.yaml"

// mappingFile is a mapping and the file it stands in.
type mappingFile struct {
	// name is that of the file for messages.
	name string
	// configMap is the name of the ConfigMap if the file is a manifest.
	configMap string
	// text is the mapping itself.
	text []byte
	// block places the mapping in a manifest.
	block textBlock
}

// readMapping reads the file that the user named; "-" is the standard input. In a manifest with several mappings,
// configMap says which one is meant.
func (e *environment) readMapping(name, configMap string) (*mappingFile, error) {
	data, name, err := e.readFile(name)
	if err != nil {
		return nil, err
	}
	found, isManifest, err := configMapsIn(data)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: this is not YAML: %w", name, err)
	case !isManifest && configMap != "":
		return nil, fmt.Errorf("%s is no manifest, so it has no ConfigMap %s: leave out --configmap", name, configMap)
	case !isManifest:
		return &mappingFile{name: name, text: data}, nil
	}
	var fitting []mappingFile
	var names []string
	for _, f := range found {
		names = append(names, f.configMap)
		if configMap == "" || f.configMap == configMap {
			fitting = append(fitting, f)
		}
	}
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("%s has no ConfigMap with the key %s: give the mapping itself, or a manifest that holds it", name, mappingKey)
	case len(fitting) == 0:
		return nil, fmt.Errorf("%s has no ConfigMap %s with the key %s; those that have one are %s", name, configMap, mappingKey, strings.Join(names, ", "))
	case len(fitting) > 1:
		return nil, fmt.Errorf("%s has several mappings: choose one of the ConfigMaps %s with --configmap, if the command has it, else give a file with that one alone", name, strings.Join(names, ", "))
	}
	fitting[0].name = name
	return &fitting[0], nil
}

// readFile reads a file, or the standard input for "-", and returns its name for messages.
func (e *environment) readFile(name string) ([]byte, string, error) {
	if name == "-" {
		data, err := io.ReadAll(e.In)
		if err != nil {
			return nil, "", fmt.Errorf("reading the standard input: %w", err)
		}
		return data, "<stdin>", nil
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, "", err
	}
	return data, name, nil
}

// parse compiles the mapping. What is wrong with it are the problems, with positions in the file.
func (f *mappingFile) parse() (*mapping.Mapping, []mapping.Finding) {
	m, err := mapping.Parse(f.text)
	if err == nil {
		return m, f.findings(mapping.Warning, m.Warnings())
	}
	problems, ok := errors.AsType[mapping.Problems](err)
	if !ok {
		problems = mapping.Problems{{Line: 1, Column: 1, Message: err.Error()}}
	}
	return nil, f.findings(mapping.Error, problems)
}

func (f *mappingFile) findings(severity mapping.Severity, problems []mapping.Problem) []mapping.Finding {
	var list []mapping.Finding
	for _, p := range problems {
		list = append(list, mapping.Finding{Severity: severity, Line: p.Line, Column: p.Column, Path: p.Path, Message: p.Message, Hint: p.Hint})
	}
	return f.placed(list)
}

// placed turns positions in the mapping into positions in the file.
func (f *mappingFile) placed(list []mapping.Finding) []mapping.Finding {
	for i := range list {
		if f.configMap == "" {
			continue
		}
		at := &list[i]
		line, column, exact := f.block.place(at.Line, at.Column)
		if !exact {
			at.Message = fmt.Sprintf("line %d, column %d of %s: %s", at.Line, at.Column, mappingKey, at.Message)
		}
		at.Line, at.Column = line, column
	}
	return list
}

// load is parse for commands that can do nothing with a broken mapping.
func (f *mappingFile) load() (*mapping.Mapping, error) {
	m, problems := f.parse()
	if m != nil {
		return m, nil
	}
	lines := []string{f.name + " is no valid mapping:"}
	for _, p := range problems {
		lines = append(lines, f.name+":"+p.String())
	}
	return nil, errors.New(strings.Join(lines, "\n"))
}

// textBlock is a text inside a YAML file.
type textBlock struct {
	// line and column are where it begins.
	line, column int
	// indent is how far each line is indented, or -1 if the lines of the text do not stand one by one in the file.
	indent int
}

// place is where a position of the text is in the file. exact is false if it is the beginning of the text.
func (b textBlock) place(line, column int) (fileLine, fileColumn int, exact bool) {
	if b.indent < 0 {
		return b.line, b.column, false
	}
	return b.line + line, b.indent + column, true
}

// blockOf finds out how the text of a node stands in the file.
func blockOf(node *yaml.Node, lines []string) textBlock {
	block := textBlock{line: node.Line, column: node.Column, indent: -1}
	if node.Style&yaml.LiteralStyle == 0 {
		return block
	}
	for i, text := range strings.Split(node.Value, "\n") {
		if strings.TrimSpace(text) == "" || node.Line+i >= len(lines) {
			continue
		}
		if inner, ok := strings.CutSuffix(lines[node.Line+i], text); ok && strings.TrimLeft(inner, " ") == "" {
			block.indent = len(inner)
		}
		return block
	}
	return block
}

// configMapsIn returns the mappings in the ConfigMaps of a manifest. isManifest is false for anything else, such as a
// mapping, well-formed or not.
func configMapsIn(data []byte) (found []mappingFile, isManifest bool, err error) {
	lines := file.Lines(data)
	for decoder := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		err := decoder.Decode(&doc)
		switch {
		case errors.Is(err, io.EOF):
			return found, isManifest, nil
		case err != nil && !isManifest:
			return nil, false, nil // Parse says what is wrong, and where
		case err != nil:
			return nil, true, err
		}
		if len(doc.Content) == 0 {
			continue
		}
		for _, object := range objectsIn(doc.Content[0]) {
			isManifest = true
			text := entry(entry(object, "data"), mappingKey)
			if scalar(entry(object, "kind")) != "ConfigMap" || text == nil || text.Kind != yaml.ScalarNode {
				continue
			}
			found = append(found, mappingFile{
				configMap: scalar(entry(entry(object, "metadata"), "name")), text: []byte(text.Value), block: blockOf(text, lines),
			})
		}
	}
}

// objectsIn are the Kubernetes objects of a YAML document: itself, or the items of a list.
func objectsIn(node *yaml.Node) []*yaml.Node {
	if entry(node, "apiVersion") == nil || entry(node, "kind") == nil {
		return nil
	}
	if items := entry(node, "items"); items != nil && items.Kind == yaml.SequenceNode {
		return items.Content
	}
	return []*yaml.Node{node}
}

// entry is the value of a key of a YAML mapping, or nil.
func entry(node *yaml.Node, key string) *yaml.Node {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		if node.Content[i].Value == key {
			return node.Content[i+1]
		}
	}
	return nil
}

// scalar is the text of a YAML scalar, or "".
func scalar(node *yaml.Node) string {
	if node == nil || node.Kind != yaml.ScalarNode {
		return ""
	}
	return node.Value
}
