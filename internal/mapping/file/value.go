package file

// Value says where a value comes from: a constant, one source, or a list of sources tried in order. The first source
// that gives something decides.
type Value struct {
	Sources []Source
}

// IsZero reports whether the file says nothing.
func (v *Value) IsZero() bool { return len(v.Sources) == 0 }

// Source is one place a value can come from. Exactly one of constant, field, template and cel is set.
type Source struct {
	// Constant is the value itself.
	Constant *Scalar `json:"-"`
	// Field is a Salesforce field, such as account.Customer_Number__c.
	Field string `json:"field,omitzero" jsonschema:"minLength=1"`
	// Pattern is a regular expression for the text of the field. What its one group captures is the value; without a
	// match the next source is tried.
	Pattern string `json:"pattern,omitzero" jsonschema:"minLength=1"`
	// Table translates the field. What is not in the table gives nothing, and the next source is tried.
	Table *Table `json:"table,omitzero"`
	// Template is text with fields in braces: sf-{order.OrderNumber}. An empty field makes the whole template give nothing.
	Template string `json:"template,omitzero" jsonschema:"minLength=1"`
	// CEL is an expression over order, item, product and account. null gives nothing.
	CEL string `json:"cel,omitzero" jsonschema:"minLength=1"`
	// Required makes it an error that this source gives nothing; no further source is tried.
	Required bool `json:"required,omitzero"`
}

// Scalar is a constant of the file: string, int64, float64, bool, or nil where null is allowed.
type Scalar struct {
	Value any
}

// Entry is one line of a table.
type Entry struct {
	Key   string
	Value Scalar
}

// Table translates texts to constants. It keeps the order of the file.
type Table struct {
	Entries []Entry
}

// Cycles translates words to billing cycles. It keeps the order of the file.
type Cycles struct {
	Entries []Entry
}

// Fixed sets fields to constants. It keeps the order of the file.
type Fixed struct {
	Entries []Entry
}

// GateField is the values that one field may have.
type GateField struct {
	Field  string
	Values []Scalar
}

// Gate is the fields an order must match, in the order of the file.
type Gate struct {
	Fields []GateField
}

// ByID maps ids of WHMCS config options or custom fields to values, in the order of the file.
type ByID struct {
	Entries []IDEntry
}

// IDEntry is the value for one id.
type IDEntry struct {
	ID    int64
	Value Value
}

// Strings is one text or a list of texts.
type Strings []string

// Text is one text, or a text by language. Without languages its only key is the empty string.
type Text map[string]string
