package salesforce

import (
	"encoding/json"
	"net/http"
	"slices"
)

// describeGlobal serves /sobjects.
func (s *Server) describeGlobal(c *call) *response {
	objects := []any{}
	for _, o := range s.schema.objects {
		objects = append(objects, c.objectSummary(o))
	}
	out := &record{}
	out.set("encoding", "UTF-8")
	out.set("maxBatchSize", 200)
	out.set("sobjects", objects)
	return answer(http.StatusOK, out)
}

func (c *call) objectSummary(o *object) *record {
	rows := !o.isEvent()
	writable := !o.ReadOnly
	out := &record{}
	for _, entry := range []struct {
		key   string
		value any
	}{
		{"activateable", false}, {"createable", writable}, {"custom", o.custom()}, {"customSetting", false},
		{"deletable", writable && rows}, {"deprecatedAndHidden", false}, {"feedEnabled", false}, {"hasSubtypes", false},
		{"isSubtype", false}, {"keyPrefix", o.KeyPrefix}, {"label", o.Label}, {"labelPlural", o.Plural}, {"layoutable", rows},
		{"mergeable", false}, {"mruEnabled", rows}, {"name", o.Name}, {"queryable", rows}, {"replicateable", rows},
		{"retrieveable", rows}, {"searchable", rows}, {"triggerable", true}, {"undeletable", false},
		{"updateable", writable && rows},
	} {
		out.set(entry.key, entry.value)
	}
	at := c.prefix + "/sobjects/" + o.Name
	urls := &record{}
	urls.set("sobject", at)
	urls.set("describe", at+"/describe")
	if rows {
		urls.set("rowTemplate", at+"/{ID}")
	} else {
		urls.set("eventSchema", at+"/eventSchema")
	}
	out.set("urls", urls)
	return out
}

// describeBasic serves /sobjects/{object}.
func (*Server) describeBasic(c *call) *response {
	o, refused := c.target(c.args[0])
	if refused != nil {
		return refused
	}
	out := &record{}
	out.set("objectDescribe", c.objectSummary(o))
	out.set("recentItems", []any{})
	return answer(http.StatusOK, out)
}

// describe serves /sobjects/{object}/describe.
func (s *Server) describe(c *call) *response {
	o, refused := c.target(c.args[0])
	if refused != nil {
		return refused
	}
	out := c.objectSummary(o)
	fields := []any{}
	for _, f := range o.visible() {
		fields = append(fields, describeField(f))
	}
	children := []any{}
	for _, down := range s.schema.children(o) {
		child := &record{}
		child.set("cascadeDelete", down.field.Cascade)
		child.set("childSObject", down.child.Name)
		child.set("deprecatedAndHidden", false)
		child.set("field", down.field.Name)
		child.set("junctionIdListNames", []any{})
		child.set("junctionReferenceTo", []any{})
		child.set("relationshipName", orNull(down.field.ChildRelation))
		child.set("restrictedDelete", down.field.Required && !down.field.Cascade)
		children = append(children, child)
	}
	out.set("fields", fields)
	out.set("childRelationships", children)
	out.set("recordTypeInfos", []any{})
	out.set("namedLayoutInfos", []any{})
	out.set("supportedScopes", []any{map[string]any{"label": "All", "name": "everything"}})
	out.set("actionOverrides", []any{})
	return answer(http.StatusOK, out)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// sizes are the length of texts, the precision of decimals and the digits of
// integers; 0 where they do not apply.
func (f *Field) sizes() (length, precision, digits int) {
	switch {
	case f.Type == TypeInt:
		return 0, 0, 8
	case f.Type.isNumber() && f.Precision == 0:
		return 0, 18, 0
	case f.Type.isNumber():
		return 0, f.Precision, 0
	}
	return f.maxLength(), 0, 0
}

func describeField(f *Field) *record {
	filterable := f.filterable()
	writable := !f.ReadOnly
	length, precision, digits := f.sizes()
	out := &record{}
	for _, entry := range []struct {
		key   string
		value any
	}{
		{"aggregatable", filterable}, {"aiPredictionField", false}, {"autoNumber", f.ReadOnly && f.NameField && f.Name != "Name"},
		{"byteLength", length * 3}, {"calculated", false}, {"calculatedFormula", nil}, {"cascadeDelete", f.Cascade}, {"caseSensitive", false},
		{"compoundFieldName", nil}, {"controllerName", nil}, {"createable", writable}, {"custom", f.custom()},
		{"defaultValue", f.Default}, {"defaultedOnCreate", f.Default != nil}, {"dependentPicklist", false},
		{"deprecatedAndHidden", false}, {"digits", digits}, {"externalId", f.ExternalID}, {"extraTypeInfo", nil},
		{"filterable", filterable}, {"groupable", filterable && f.Type != TypeDateTime}, {"htmlFormatted", false},
		{"idLookup", f.ExternalID || f.Type == TypeID}, {"inlineHelpText", nil}, {"label", f.Label}, {"length", length},
		{"name", f.Name}, {"nameField", f.NameField}, {"namePointing", false}, {"nillable", !f.Required && f.Type != TypeID && f.Type != TypeBoolean},
		{"permissionable", f.custom()}, {"picklistValues", picklistValues(f)}, {"polymorphicForeignKey", false},
		{"precision", precision}, {"referenceTo", list(slices.Clone(f.References))}, {"relationshipName", orNull(f.Relationship)},
		{"restrictedDelete", false}, {"restrictedPicklist", f.Restricted}, {"scale", f.Scale}, {"soapType", f.Type.soapType()},
		{"sortable", filterable}, {"type", string(f.Type)}, {"unique", f.Unique}, {"updateable", writable && !f.CreateOnly},
		{"writeRequiresMasterRead", false},
	} {
		out.set(entry.key, entry.value)
	}
	return out
}

func picklistValues(f *Field) []any {
	out := []any{}
	for _, value := range f.Values {
		v := &record{}
		v.set("active", true)
		v.set("defaultValue", f.Default == value)
		v.set("label", value)
		v.set("validFor", nil)
		v.set("value", value)
		out = append(out, v)
	}
	return out
}

func (s *Server) eventSchemaByTopic(c *call) *response {
	o, refused := c.target(c.args[0])
	if refused != nil {
		return refused
	}
	return s.eventSchema("", "/event/"+o.Name)
}

func (s *Server) eventSchemaByID(c *call) *response { return s.eventSchema(c.args[0], "") }

func (s *Server) eventSchema(id, topic string) *response {
	if s.options.EventSchema == nil {
		return notFound()
	}
	text, ok := s.options.EventSchema(id, topic)
	if !ok || !json.Valid([]byte(text)) {
		return notFound()
	}
	return answer(http.StatusOK, json.RawMessage(text))
}
