package file

import (
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// read accepts a constant, a source, or a list of either.
func (v *Value) read(d *decoder, n *yaml.Node, path string) {
	if n.Kind != yaml.SequenceNode {
		v.Sources = []Source{readSource(d, n, path)}
		return
	}
	if len(n.Content) == 0 {
		d.add(n, path, Shape, "the list is empty", "name at least one source")
	}
	for i, c := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.note(c, at)
		v.Sources = append(v.Sources, readSource(d, c, at))
	}
}

func readSource(d *decoder, n *yaml.Node, path string) Source {
	var s Source
	switch n.Kind {
	case yaml.MappingNode:
		before := len(d.problems)
		d.decodeStruct(n, reflect.ValueOf(&s).Elem(), path)
		if len(d.problems) == before {
			checkSource(d, n, path, s)
		}
	case yaml.ScalarNode:
		if c, ok := d.scalar(n, path, false); ok {
			s.Constant = &c
		}
	default:
		d.add(n, path, Shape, "a value or a source is needed here, not a list in a list", "write one list")
	}
	return s
}

// checkSource holds the keys of a source against each other.
func checkSource(d *decoder, n *yaml.Node, path string, s Source) {
	var kinds []string
	for _, k := range []struct {
		name string
		set  bool
	}{{"field", s.Field != ""}, {"template", s.Template != ""}, {"cel", s.CEL != ""}} {
		if k.set {
			kinds = append(kinds, k.name)
		}
	}
	switch {
	case len(kinds) == 0:
		d.add(n, path, Shape, "the source is empty", "give it one of field, template and cel")
	case len(kinds) > 1:
		d.add(n, path, Shape, strings.Join(kinds, " and ")+" exclude each other", "make them entries of a list to try one after the other")
	case s.Field == "" && (s.Pattern != "" || s.Table != nil):
		d.add(n, path, Shape, "pattern and table need a field", "add field")
	}
}

// scalar reads a constant.
func (d *decoder) scalar(n *yaml.Node, path string, null bool) (Scalar, bool) {
	if n.Kind != yaml.ScalarNode {
		d.add(n, path, Shape, fmt.Sprintf("a single value is needed here, not %s", kindOf(n)), "write text, a number, true or false")
		return Scalar{}, false
	}
	switch n.ShortTag() {
	case "!!str":
		return Scalar{n.Value}, true
	case "!!bool":
		return Scalar{strings.EqualFold(n.Value, "true")}, true
	case "!!int":
		if i, err := strconv.ParseInt(n.Value, 10, 64); err == nil && strconv.FormatInt(i, 10) == n.Value {
			return Scalar{i}, true
		}
		d.add(n, path, Syntax, fmt.Sprintf("%s is not a plain decimal number", n.Value), "write it with digits only, or in quotes if it is text")
		return Scalar{}, false
	case "!!float":
		if f, err := strconv.ParseFloat(n.Value, 64); err == nil && !strings.ContainsAny(n.Value, "eExX_") && !math.IsInf(f, 0) && !math.IsNaN(f) {
			return Scalar{f}, true
		}
		d.add(n, path, Syntax, fmt.Sprintf("%s is not a number that can be used", n.Value), "put it in quotes if it is text")
		return Scalar{}, false
	case "!!null":
		if null {
			return Scalar{}, true
		}
		d.add(n, path, Shape, "the value is empty", "fill it in or delete the key")
		return Scalar{}, false
	}
	d.add(n, path, Syntax, fmt.Sprintf("%s could be read in more than one way", n.Value), "put it in quotes")
	return Scalar{}, false
}

func (d *decoder) entries(n *yaml.Node, path string) []Entry {
	var entries []Entry
	for key, value := range d.pairs(n, path, false) {
		at := Join(path, key.Value)
		d.note(value, at)
		if s, ok := d.scalar(value, at, false); ok {
			entries = append(entries, Entry{key.Value, s})
		}
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		d.add(n, path, Shape, "the table is empty", "add an entry or delete the key")
	}
	return entries
}

func (t *Table) read(d *decoder, n *yaml.Node, path string)  { t.Entries = d.entries(n, path) }
func (f *Fixed) read(d *decoder, n *yaml.Node, path string)  { f.Entries = d.entries(n, path) }
func (c *Cycles) read(d *decoder, n *yaml.Node, path string) { c.Entries = d.entries(n, path) }

// read accepts field names with one value or a list of values.
func (g *Gate) read(d *decoder, n *yaml.Node, path string) {
	for key, value := range d.pairs(n, path, false) {
		at := Join(path, key.Value)
		d.note(value, at)
		f := GateField{Field: key.Value}
		list := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			list = value.Content
		}
		for i, c := range list {
			if s, ok := d.scalar(c, fmt.Sprintf("%s[%d]", at, i), true); ok {
				f.Values = append(f.Values, s)
			}
		}
		if len(list) == 0 {
			d.add(value, at, Shape, "the list of values is empty, so no order could ever pass", "name the values that let an order through")
		}
		g.Fields = append(g.Fields, f)
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		d.add(n, path, Shape, "the gate is empty, so every order would pass", "name a field and its values, or delete the key to use the default")
	}
}

// read accepts ids with values.
func (b *ByID) read(d *decoder, n *yaml.Node, path string) {
	for key, value := range d.pairs(n, path, false) {
		at := Join(path, key.Value)
		id, err := strconv.ParseInt(key.Value, 10, 64)
		if err != nil || id <= 0 || len(key.Value) > 18 || strconv.FormatInt(id, 10) != key.Value {
			d.add(key, at, Shape, fmt.Sprintf("%s is not an id of WHMCS", quote(key.Value)), "use the number that WHMCS shows, not the name")
			continue
		}
		e := IDEntry{ID: id}
		d.decode(value, reflect.ValueOf(&e.Value).Elem(), at)
		b.Entries = append(b.Entries, e)
	}
}

// read accepts one text or a list of texts.
func (s *Strings) read(d *decoder, n *yaml.Node, path string) {
	if n.Kind != yaml.SequenceNode {
		if d.want(n, path, "!!str") {
			*s = Strings{n.Value}
		}
		return
	}
	if len(n.Content) == 0 {
		d.add(n, path, Shape, "the list is empty", "add an entry or delete the key")
	}
	for i, c := range n.Content {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.note(c, at)
		if d.want(c, at, "!!str") {
			*s = append(*s, c.Value)
		}
	}
}

// read accepts one text, or texts by language.
func (t *Text) read(d *decoder, n *yaml.Node, path string) {
	*t = Text{}
	if n.Kind == yaml.ScalarNode {
		if d.want(n, path, "!!str") {
			(*t)[""] = n.Value
		}
		return
	}
	for key, value := range d.pairs(n, path, false) {
		at := Join(path, key.Value)
		d.note(value, at)
		if d.want(value, at, "!!str") {
			(*t)[key.Value] = value.Value
		}
	}
}
