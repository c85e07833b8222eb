package salesforce

import "slices"

// FieldType is the type of a field as describe calls name it.
type FieldType string

// The field types of the sandbox.
const (
	TypeID            FieldType = "id"
	TypeString        FieldType = "string"
	TypeTextArea      FieldType = "textarea"
	TypePicklist      FieldType = "picklist"
	TypeMultiPicklist FieldType = "multipicklist"
	TypeReference     FieldType = "reference"
	TypeBoolean       FieldType = "boolean"
	TypeInt           FieldType = "int"
	TypeDouble        FieldType = "double"
	TypeCurrency      FieldType = "currency"
	TypePercent       FieldType = "percent"
	TypeDate          FieldType = "date"
	TypeDateTime      FieldType = "datetime"
	TypeEmail         FieldType = "email"
	TypePhone         FieldType = "phone"
	TypeURL           FieldType = "url"
)

func (t FieldType) isText() bool {
	return slices.Contains([]FieldType{TypeString, TypeTextArea, TypePicklist, TypeMultiPicklist, TypeEmail, TypePhone, TypeURL}, t)
}

func (t FieldType) isNumber() bool {
	return slices.Contains([]FieldType{TypeInt, TypeDouble, TypeCurrency, TypePercent}, t)
}

func (t FieldType) isID() bool { return t == TypeID || t == TypeReference }

func (t FieldType) isTime() bool { return t == TypeDate || t == TypeDateTime }

// soqlName is what the query language calls the type in its error messages.
func (t FieldType) soqlName() string {
	switch t {
	case TypeReference:
		return "ID"
	case TypeDateTime:
		return "dateTime"
	default:
		return string(t)
	}
}

func (t FieldType) soapType() string {
	switch {
	case t.isID():
		return "tns:ID"
	case t == TypeBoolean:
		return "xsd:boolean"
	case t == TypeInt:
		return "xsd:int"
	case t.isNumber():
		return "xsd:double"
	case t == TypeDate:
		return "xsd:date"
	case t == TypeDateTime:
		return "xsd:dateTime"
	}
	return "xsd:string"
}

// Field is one field of an object.
type Field struct {
	Name   string    `json:"name"`
	Label  string    `json:"label,omitzero"` // default: made from Name
	Type   FieldType `json:"type"`
	Length int       `json:"length,omitzero"` // of texts; default 255, text areas 32768
	// Precision and Scale of numbers: all digits, digits behind the point.
	Precision int `json:"precision,omitzero"`
	Scale     int `json:"scale,omitzero"`

	Required   bool     `json:"required,omitzero"`
	Unique     bool     `json:"unique,omitzero"`
	ExternalID bool     `json:"externalID,omitzero"`
	ReadOnly   bool     `json:"readOnly,omitzero"`   // written by the platform only
	CreateOnly bool     `json:"createOnly,omitzero"` // cannot be changed later
	Restricted bool     `json:"restricted,omitzero"` // picklist takes its Values only
	Values     []string `json:"values,omitzero"`     // of picklists
	Default    any      `json:"default,omitzero"`

	References    []string `json:"references,omitzero"`    // objects that a reference may point to
	Relationship  string   `json:"relationship,omitzero"`  // name of the way up: Account
	ChildRelation string   `json:"childRelation,omitzero"` // name of the way down: OrderItems
	Cascade       bool     `json:"cascade,omitzero"`       // rows go when the parent goes
	NameField     bool     `json:"nameField,omitzero"`
}

func (f *Field) custom() bool { return hasSuffixFold(f.Name, "__c") }

// filterable is false for long texts: conditions and sorting cannot use them.
func (f *Field) filterable() bool { return f.Type != TypeTextArea || f.maxLength() <= 255 }

func (f *Field) maxLength() int {
	switch {
	case f.Length > 0:
		return f.Length
	case f.Type == TypeTextArea:
		return 32768
	case f.Type == TypeEmail || f.Type == TypePhone:
		return 80
	case f.Type.isID():
		return 18
	case f.Type.isText():
		return 255
	}
	return 0
}
