package file

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder fills Go values from YAML nodes and notes what does not fit.
type decoder struct {
	doc      *Document
	problems Problems
}

// reader is a type with its own form in the file.
type reader interface {
	read(d *decoder, n *yaml.Node, path string)
}

func (d *decoder) add(n *yaml.Node, path string, kind Kind, message, hint string) {
	d.problems = append(d.problems, Problem{Line: n.Line, Column: n.Column, Path: path, Kind: kind, Message: message, Hint: hint})
}

func (d *decoder) decodeInto(root *yaml.Node, m *Mapping) {
	d.decode(root, reflect.ValueOf(m).Elem(), "")
}

func (d *decoder) note(n *yaml.Node, path string) {
	d.doc.positions[path] = Position{n.Line, n.Column}
	d.doc.nodes[path] = n
}

func (d *decoder) decode(n *yaml.Node, v reflect.Value, path string) {
	d.note(n, path)
	if r, ok := reflect.TypeAssert[reader](v.Addr()); ok {
		r.read(d, n, path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), path)
	case reflect.Struct:
		d.decodeStruct(n, v, path)
	case reflect.Map:
		d.decodeMap(n, v, path)
	case reflect.Slice:
		d.decodeSlice(n, v, path)
	case reflect.String:
		if d.want(n, path, "!!str") {
			v.SetString(n.Value)
		}
	case reflect.Int:
		if d.want(n, path, "!!int") {
			d.setInt(n, v, path)
		}
	case reflect.Bool:
		if d.want(n, path, "!!bool") {
			v.SetBool(strings.EqualFold(n.Value, "true"))
		}
	default:
		panic("mapping file types hold no " + v.Kind().String()) // a mistake in types.go that any test finds
	}
}

func (d *decoder) setInt(n *yaml.Node, v reflect.Value, path string) {
	i, err := strconv.ParseInt(n.Value, 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		d.add(n, path, Meaning, n.Value+" is out of range", "use a number with fewer digits")
	case err != nil: // a form that only YAML has
		d.add(n, path, Syntax, n.Value+" is not a plain decimal number", "write it with digits only")
	}
	v.SetInt(i)
}

func (d *decoder) decodeStruct(n *yaml.Node, v reflect.Value, path string) {
	fields := fieldsOf(v.Type())
	given := map[string]bool{}
	for key, value := range d.pairs(n, path, true) {
		at := Join(path, key.Value)
		i, ok := fields.index[key.Value]
		if !ok {
			d.add(key, at, Shape, fmt.Sprintf("unknown key %q", key.Value), Suggest(key.Value, fields.names, "the keys here are "))
			given[nearest(key.Value, fields.names)] = true // the hint names it, so it need not be called missing as well
			continue
		}
		given[key.Value] = true
		before := len(d.problems)
		d.decode(value, v.Field(i), at)
		if len(d.problems) == before {
			d.checkTags(value, v.Type().Field(i), v.Field(i), at)
		}
	}
	if n.Kind != yaml.MappingNode {
		return
	}
	for _, name := range fields.required {
		if !given[name] {
			d.add(n, Join(path, name), Shape, fmt.Sprintf("the key %q is missing", name), "add it")
		}
	}
}

// checkTags applies the constraints that the JSON Schema takes from the same tags.
func (d *decoder) checkTags(n *yaml.Node, f reflect.StructField, v reflect.Value, path string) {
	if !d.isScalar(n, tagOf(v.Kind())) {
		return // it has a form of its own
	}
	var enum []string
	for tag := range strings.SplitSeq(f.Tag.Get("jsonschema"), ",") {
		key, want, _ := strings.Cut(tag, "=")
		switch key {
		case "enum":
			enum = append(enum, want)
		case "minLength":
			if n.Value == "" {
				d.add(n, path, Shape, "the text is empty", "fill it in or delete the key")
			}
		case "minimum":
			if lowest, _ := strconv.ParseInt(want, 10, 64); v.Int() < lowest {
				d.add(n, path, Shape, n.Value+" is too small", "use at least "+want)
			}
		}
	}
	if len(enum) > 0 && !slices.Contains(enum, fmt.Sprint(v.Interface())) {
		d.add(n, path, Shape, fmt.Sprintf("%s is not possible for %s", kindOf(n), jsonName(f)), "use "+strings.Join(enum, " or "))
	}
}

func (d *decoder) isScalar(n *yaml.Node, tag string) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == tag
}

func (d *decoder) decodeMap(n *yaml.Node, v reflect.Value, path string) {
	v.Set(reflect.MakeMap(v.Type()))
	for key, value := range d.pairs(n, path, false) {
		e := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, e, Join(path, key.Value))
		v.SetMapIndex(reflect.ValueOf(key.Value), e)
	}
}

func (d *decoder) decodeSlice(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		d.add(n, path, Shape, fmt.Sprintf("a list is needed here, not %s", kindOf(n)), "start each entry with a dash")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, c := range n.Content {
		d.decode(c, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// pairs iterates over the keys of a mapping and reports what is no mapping, what is no plain key, and repeated keys.
func (d *decoder) pairs(n *yaml.Node, path string, known bool) func(func(key, value *yaml.Node) bool) {
	return func(yield func(key, value *yaml.Node) bool) {
		if n.Kind != yaml.MappingNode {
			d.add(n, path, Shape, fmt.Sprintf("keys with values are needed here, not %s", kindOf(n)), "write key: value")
			return
		}
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			if key.Kind != yaml.ScalarNode || !known && key.ShortTag() != "!!str" && key.ShortTag() != "!!int" {
				d.add(key, path, Syntax, fmt.Sprintf("%s cannot be a key", kindOf(key)), "put the key in quotes")
				continue
			}
			if first, ok := seen[key.Value]; ok {
				d.add(key, Join(path, key.Value), Syntax, fmt.Sprintf("the key %q is already on line %d", key.Value, first), "keep one of them")
				continue
			}
			seen[key.Value] = key.Line
			if !yield(key, value) {
				return
			}
		}
	}
}

func (d *decoder) want(n *yaml.Node, path, tag string) bool {
	if d.isScalar(n, tag) {
		return true
	}
	hint := map[string]string{
		"!!str":  "put the text in quotes",
		"!!int":  "write a whole number",
		"!!bool": "write true or false",
	}[tag]
	kind := Shape
	switch n.ShortTag() {
	case "!!null":
		hint = "fill it in or delete the key"
	case "!!timestamp":
		kind = Syntax // only YAML takes this for a date
	}
	d.add(n, path, kind, fmt.Sprintf("%s is needed here, not %s", nameOf[tag], kindOf(n)), hint)
	return false
}

var nameOf = map[string]string{"!!str": "a text", "!!int": "a whole number", "!!bool": "true or false"}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!str":
		return "the text " + quote(n.Value)
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!timestamp":
		return "the date " + n.Value
	}
	return n.Value
}

func tagOf(k reflect.Kind) string {
	switch k {
	case reflect.Int:
		return "!!int"
	case reflect.Bool:
		return "!!bool"
	case reflect.String:
		return "!!str"
	}
	return ""
}

// quote quotes a text for a message and cuts what is too long to read.
func quote(s string) string {
	if r := []rune(s); len(r) > 60 {
		s = string(r[:60]) + "…"
	}
	return strconv.Quote(s)
}

var plainKey = regexp.MustCompile(`^[\pL\pN_:*?-]+$`)

// Join appends a key to a path.
func Join(path, key string) string {
	if !plainKey.MatchString(key) {
		return path + "[" + quote(key) + "]"
	}
	if path == "" {
		return key
	}
	return path + "." + key
}
