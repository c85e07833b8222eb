package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	kubeyaml "sigs.k8s.io/yaml"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/mapping/file"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// casesVersion is the version of the file format.
const casesVersion = 1

// casesFile is a file of cases: orders, and what a mapping must make of them. docs/kubectl-orderbridge.md describes it.
type casesFile struct {
	Version int `json:"version"`
	// Pipeline has the settings of the pipeline that show in a form.
	Pipeline casesPipeline `json:"pipeline,omitzero"`
	Cases    []mappingCase `json:"cases"`

	name  string
	lines []string
}

// casesPipeline are settings of spec.whmcs of the pipeline, with the same defaults.
type casesPipeline struct {
	PaymentMethod string            `json:"paymentMethod,omitempty"`
	Markers       []v1alpha1.Marker `json:"markers,omitempty"`
}

// mappingCase is an order and what must become of it: either a form or a miss.
type mappingCase struct {
	Name string `json:"name"`
	// Order is the order as the REST API of Salesforce returns it, with its lines. OrderFile names a file with it instead.
	Order     map[string]any `json:"order,omitempty"`
	OrderFile string         `json:"orderFile,omitempty"`
	// Expect is the AddOrder form, one field on a line.
	Expect string `json:"expect,omitempty"`
	// NotBefore is the time of a scheduled order.
	NotBefore string `json:"notBefore,omitempty"`
	// Miss is the reason for which there is no form, Message a part of the sentence that says why.
	Miss    string `json:"miss,omitempty"`
	Message string `json:"message,omitempty"`

	// keys are the keys of the case with their places in the file.
	keys []caseKey
	id   salesforce.ID
}

// caseKey is a key of a case. Both count from 1.
type caseKey struct {
	name         string
	line, column int
}

// outcomeKeys are the keys that say what must become of an order.
var outcomeKeys = []string{"expect", "notBefore", "miss", "message"}

// casesSuffixes are how the names of case files end.
var casesSuffixes = []string{".test.yaml", ".test.yml"}

// caseFiles are the files of cases that the user means: the one that is named, all in a folder, or the one beside the mapping.
func caseFiles(mappingName, cases string) ([]string, error) {
	if cases == "" {
		if mappingName == "-" {
			return nil, fmt.Errorf("the standard input has no cases beside it: name them with --cases")
		}
		extension := filepath.Ext(mappingName)
		cases = strings.TrimSuffix(mappingName, extension) + ".test" + extension
		if _, err := os.Stat(cases); err != nil {
			return nil, fmt.Errorf("there are no cases beside the mapping: write %s, or name a file or folder with --cases", cases)
		}
	}
	info, err := os.Stat(cases)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{cases}, nil
	}
	var names []string
	err = filepath.WalkDir(cases, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && slices.ContainsFunc(casesSuffixes, func(s string) bool { return strings.HasSuffix(path, s) }) {
			names = append(names, path)
		}
		return err
	})
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("folder %s has no cases: their files end in %s", cases, strings.Join(casesSuffixes, " or "))
	}
	return names, err
}

// readCases reads a file of cases with the orders that it names.
func readCases(name string) (*casesFile, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return parseCases(name, data)
}

func parseCases(name string, data []byte) (*casesFile, error) {
	f := &casesFile{name: name, lines: strings.Split(string(data), "\n")}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("%s has not the form of cases: %w", name, err)
	}
	for _, root := range doc.Content {
		if err := plainKeys(root); err != nil {
			return nil, fmt.Errorf("%s:%w", name, err)
		}
	}
	if err := kubeyaml.UnmarshalStrict(data, f); err != nil {
		return nil, fmt.Errorf("%s has not the form of cases: %s", name, withoutDecoder(err))
	}
	if f.Version != casesVersion {
		return nil, fmt.Errorf("%s: version is %d: write version: %d", name, f.Version, casesVersion)
	}
	if len(f.Cases) == 0 {
		return nil, fmt.Errorf("%s has no cases", name)
	}
	if err := f.Pipeline.complete(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	seen := map[string]bool{}
	for i := range f.Cases {
		c := &f.Cases[i]
		c.locate(entry(doc.Content[0], "cases").Content[i])
		if err := c.complete(filepath.Dir(name)); err != nil {
			return nil, fmt.Errorf("%s:%d: case %q: %w", name, c.keys[0].line, c.Name, err)
		}
		if seen[c.Name] {
			return nil, fmt.Errorf("%s:%d: there are two cases %q: give each its own name", name, c.keys[0].line, c.Name)
		}
		seen[c.Name] = true
	}
	return f, nil
}

// plainKeys refuses what the decoder of JSON reads and an update, which looks for keys in the text, would not find: keys in
// another case, merge keys, and aliases in the place of cases.
func plainKeys(root *yaml.Node) error {
	if err := keysAmong(root, keysOf[casesFile]()); err != nil {
		return err
	}
	if err := keysAmong(entry(root, "pipeline"), keysOf[casesPipeline]()); err != nil {
		return err
	}
	cases := entry(root, "cases")
	if cases == nil {
		return nil
	}
	for _, node := range append([]*yaml.Node{cases}, cases.Content...) {
		if node.Kind == yaml.AliasNode {
			return fmt.Errorf("%d: the alias *%s cannot stand here: write out what it stands for", node.Line, node.Value)
		}
		if err := keysAmong(node, keysOf[mappingCase]()); err != nil {
			return err
		}
	}
	return nil
}

// keysAmong refuses keys of a YAML mapping that are not among the names.
func keysAmong(node *yaml.Node, names []string) error {
	if node == nil || node.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		switch key := node.Content[i]; {
		case key.Kind == yaml.AliasNode:
			return fmt.Errorf("%d: the alias *%s cannot stand here: write out what it stands for", key.Line, key.Value)
		case key.Value == "<<":
			return fmt.Errorf("%d: the merge key << cannot stand here: write out what it stands for", key.Line)
		case !slices.Contains(names, key.Value):
			return fmt.Errorf("%d: unknown key %q: %s", key.Line, key.Value, file.Suggest(key.Value, names, "the keys here are "))
		}
	}
	return nil
}

// keysOf are the keys of a struct in JSON.
func keysOf[T any]() []string {
	var names []string
	for field := range reflect.TypeFor[T]().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// withoutDecoder is what a decoder complains about, without what it was doing.
func withoutDecoder(err error) string {
	text := err.Error()
	for _, prefix := range []string{"error converting YAML to JSON: ", "error unmarshaling JSON: ", "while decoding JSON: ", "json: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return text
}

func (p *casesPipeline) complete() error {
	if p.PaymentMethod == "" {
		p.PaymentMethod = "mailin"
	}
	if p.Markers == nil {
		p.Markers = []v1alpha1.Marker{v1alpha1.NotesMarker}
	}
	for _, m := range p.Markers {
		switch m {
		case v1alpha1.NotesMarker, v1alpha1.LineDomainMarker, v1alpha1.CustomFieldMarker:
		default:
			return fmt.Errorf("pipeline.markers: there is no marker %q: use Notes, LineDomain or CustomField", m)
		}
	}
	return nil
}

// spec is that of a pipeline with these settings.
func (p *casesPipeline) spec() v1alpha1.ProvisioningPipelineSpec {
	var spec v1alpha1.ProvisioningPipelineSpec
	spec.Whmcs.PaymentMethod, spec.Whmcs.Markers = p.PaymentMethod, p.Markers
	return spec
}

// locate notes where the keys of the case are.
func (c *mappingCase) locate(node *yaml.Node) {
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		c.keys = append(c.keys, caseKey{key.Value, key.Line, key.Column})
	}
	if len(c.keys) == 0 {
		c.keys = []caseKey{{"", node.Line, node.Column}}
	}
}

// complete checks the case and reads the order that it names.
func (c *mappingCase) complete(folder string) error {
	switch {
	case c.Name == "":
		return fmt.Errorf("a case has no name: give it one")
	case c.Expect != "" && c.Miss != "":
		return fmt.Errorf("it has expect and miss: keep one of them")
	case c.Message != "" && c.Miss == "":
		return fmt.Errorf("it has a message without a miss: add miss with the reason")
	case c.Order != nil && c.OrderFile != "":
		return fmt.Errorf("it has order and orderFile: keep one of them")
	case c.Order == nil && c.OrderFile == "":
		return fmt.Errorf("it has no order: write one under order, or name a file with orderFile")
	}
	if c.NotBefore != "" {
		if _, err := time.Parse(time.RFC3339, c.NotBefore); err != nil {
			return fmt.Errorf("notBefore: %w: write a time such as 2026-01-31T09:00:00+09:00", err)
		}
	}
	if c.OrderFile != "" {
		data, err := os.ReadFile(filepath.Join(folder, c.OrderFile))
		if err != nil {
			return fmt.Errorf("orderFile: %w", err)
		}
		if err := json.Unmarshal(data, &c.Order); err != nil {
			return fmt.Errorf("orderFile: %s is no JSON record of Salesforce: %w", c.OrderFile, err)
		}
	}
	return nil
}

// checkOrder refuses an order that the operator could never be given.
func (c *mappingCase) checkOrder(objects mapping.Objects) error {
	text, _ := c.Order["Id"].(string)
	id, err := salesforce.ParseID(text)
	switch {
	case text == "":
		return fmt.Errorf("the order has no Id: it goes into the request as its key")
	case err != nil:
		return fmt.Errorf("the Id of the order: %w", err)
	case !id.IsOrder(objects.Order):
		return fmt.Errorf("the Id of the order: %s is not that of an Order, which begins with %s", id, salesforce.OrderPrefix)
	}
	c.id = id
	items, _ := c.Order[objects.Lines].(map[string]any)
	if done, ok := items["done"].(bool); ok && !done {
		return fmt.Errorf("the order has more lines than its record shows (%s.done is false): read it with all of them", objects.Lines)
	}
	return nil
}
