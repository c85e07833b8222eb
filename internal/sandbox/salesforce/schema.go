package salesforce

import (
	"fmt"
	"slices"
	"strings"
)

// Object is the definition of an sObject.
type Object struct {
	Name      string  `json:"name"`
	Label     string  `json:"label,omitzero"`
	Plural    string  `json:"plural,omitzero"`
	KeyPrefix string  `json:"keyPrefix"`
	Fields    []Field `json:"fields"`
	ReadOnly  bool    `json:"readOnly,omitzero"` // no create, update, delete through the API
}

type object struct {
	Object
	fields []*Field
	byName map[string]*Field // lower case
	hidden map[string]bool   // lower case; fields the user may not see
}

func newObject(def Object) *object {
	o := &object{Object: def, byName: map[string]*Field{}, hidden: map[string]bool{}}
	if o.Label == "" {
		o.Label = labelOf(def.Name)
	}
	if o.Plural == "" {
		o.Plural = o.Label + "s"
	}
	for _, f := range def.Fields {
		o.add(f)
	}
	o.Fields = nil
	return o
}

func (o *object) add(f Field) {
	if f.Label == "" {
		f.Label = labelOf(f.Name)
	}
	if old := o.byName[strings.ToLower(f.Name)]; old != nil {
		o.fields = slices.DeleteFunc(o.fields, func(x *Field) bool { return x == old })
	}
	o.fields = append(o.fields, &f)
	o.byName[strings.ToLower(f.Name)] = &f
}

// field finds a field by its name in any letter case, unless it is hidden
// from the user, which reads like a field that does not exist.
func (o *object) field(name string) *Field {
	name = strings.ToLower(name)
	if o.hidden[name] {
		return nil
	}
	return o.byName[name]
}

func (o *object) visible() []*Field {
	return slices.DeleteFunc(slices.Clone(o.fields), func(f *Field) bool { return o.hidden[strings.ToLower(f.Name)] })
}

// parentField finds the reference field behind a relationship name.
func (o *object) parentField(relationship string) *Field {
	for _, f := range o.fields {
		if f.Relationship != "" && strings.EqualFold(f.Relationship, relationship) && !o.hidden[strings.ToLower(f.Name)] {
			return f
		}
	}
	return nil
}

func (o *object) isEvent() bool { return hasSuffixFold(o.Name, "__e") }

func (o *object) custom() bool { return hasSuffixFold(o.Name, "__c") || o.isEvent() }

// schema is all objects of the org, in order of definition.
type schema struct {
	objects []*object
	byName  map[string]*object
}

func (s *schema) add(def Object) {
	o := newObject(def)
	s.objects = append(s.objects, o)
	s.byName[strings.ToLower(def.Name)] = o
}

func (s *schema) object(name string) *object { return s.byName[strings.ToLower(name)] }

func (s *schema) byPrefix(id string) *object {
	for _, o := range s.objects {
		if strings.HasPrefix(id, o.KeyPrefix) {
			return o
		}
	}
	return nil
}

type childRelation struct {
	child *object
	field *Field
}

// children lists the relationships that lead down from o.
func (s *schema) children(o *object) []childRelation {
	var out []childRelation
	for _, child := range s.objects {
		for _, f := range child.fields {
			if f.Type == TypeReference && slices.Contains(f.References, o.Name) {
				out = append(out, childRelation{child, f})
			}
		}
	}
	return out
}

func (s *schema) childRelation(o *object, name string) (childRelation, bool) {
	for _, c := range s.children(o) {
		if c.field.ChildRelation != "" && strings.EqualFold(c.field.ChildRelation, name) {
			return c, true
		}
	}
	return childRelation{}, false
}

// DefineObject adds a custom object or a platform event (name ending in __c
// or __e). The fields that every object has are added to it.
func (s *Server) DefineObject(def Object) error {
	if !hasSuffixFold(def.Name, "__c") && !hasSuffixFold(def.Name, "__e") {
		return fmt.Errorf("define object %q: the name must end in __c or __e", def.Name)
	}
	if len(def.KeyPrefix) != 3 {
		return fmt.Errorf("define object %q: the key prefix must have three characters", def.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.schema.object(def.Name) != nil {
		return fmt.Errorf("define object %q: it exists already", def.Name)
	}
	if hasSuffixFold(def.Name, "__e") {
		def.Fields = append(eventFields(), def.Fields...)
	} else {
		def.Fields = append(systemFields(), def.Fields...)
	}
	s.schema.add(def)
	return nil
}

// DefineField adds a custom field to an object, or replaces its definition.
// Rows keep the values they have.
func (s *Server) DefineField(objectName string, f Field) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.schema.object(objectName)
	if o == nil {
		return fmt.Errorf("define field %s.%s: no such object", objectName, f.Name)
	}
	if !hasSuffixFold(f.Name, "__c") {
		return fmt.Errorf("define field %s.%s: the name of a custom field must end in __c", objectName, f.Name)
	}
	o.add(f)
	return nil
}

// HideField makes a field read as if it did not exist, as missing field-level
// security does; visible true shows it again.
func (s *Server) HideField(objectName, field string, hidden bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.schema.object(objectName)
	if o == nil || o.byName[strings.ToLower(field)] == nil {
		return fmt.Errorf("hide field %s.%s: no such field", objectName, field)
	}
	if hidden {
		o.hidden[strings.ToLower(field)] = true
	} else {
		delete(o.hidden, strings.ToLower(field))
	}
	return nil
}

func hasSuffixFold(name, suffix string) bool {
	return len(name) > len(suffix) && strings.EqualFold(name[len(name)-len(suffix):], suffix)
}

// labelOf makes "Activation Status" of Activation_Status__c and "Order
// Number" of OrderNumber.
func labelOf(name string) string {
	for _, end := range []string{"__c", "__e"} {
		name = strings.TrimSuffix(name, end)
	}
	var b strings.Builder
	for i, r := range name {
		switch {
		case r == '_':
			b.WriteByte(' ')
			continue
		case i > 0 && r >= 'A' && r <= 'Z' && name[i-1] >= 'a' && name[i-1] <= 'z':
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return b.String()
}
