package mapping

import (
	"fmt"
	"slices"
	"strings"
)

// Catalogue is what is on sale: the products of Salesforce, and those of WHMCS they become.
type Catalogue struct {
	// Products are rows of Product2 with the fields of ProductFields.
	Products []map[string]any
	// WHMCS are the products of WHMCS. If nil, only Salesforce is checked.
	WHMCS []WHMCSProduct
}

// WHMCSProduct is what GetProducts says about a product, as far as a mapping can be wrong about it.
type WHMCSProduct struct {
	PID int64
	// PayType is free, onetime or recurring.
	PayType string
	// BillingCycles are the cycles with a price in at least one currency. A one-time price stands under monthly.
	BillingCycles []string
	ConfigOptions []WHMCSConfigOption
	// CustomFields are those of the order form; WHMCS does not list others.
	CustomFields []WHMCSCustomField
}

// WHMCSConfigOption is a configurable option of a product.
type WHMCSConfigOption struct {
	ID int64
	// Type is 1 for a list, 2 for radio buttons, 3 for yes and no, 4 for a quantity.
	Type string
	// Choices are the ids of the sub-options.
	Choices []int64
}

// WHMCSCustomField is a custom field of a product.
type WHMCSCustomField struct {
	ID       int64
	Required bool
}

// Offered returns the cycles that can be ordered.
func (p *WHMCSProduct) Offered() []string {
	switch p.PayType {
	case "free":
		return []string{"free"}
	case "onetime":
		if slices.Contains(p.BillingCycles, "monthly") || slices.Contains(p.BillingCycles, "onetime") {
			return []string{"onetime"}
		}
		return nil
	}
	return p.BillingCycles
}

// Severity says whether orders fail because of a Finding.
type Severity string

const (
	// Error is a finding because of which orders fail.
	Error Severity = "error"
	// Warning is a finding because of which orders may fail, or that is probably not meant so.
	Warning Severity = "warning"
)

// Finding is one disagreement between a mapping and a catalogue.
type Finding struct {
	Severity Severity
	// Line, Column and Path are the entry of the mapping that decides.
	Line, Column int
	Path         string
	// Products are the SKUs, or else the ids, of the products it is about.
	Products []string
	// Message says what is wrong, Hint what to do.
	Message, Hint string
}

// String writes the finding on one line: where, what, what to do.
func (f Finding) String() string {
	const most = 3
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%d: %s: ", f.Line, f.Column, f.Severity)
	if f.Path != "" {
		b.WriteString(f.Path + ": ")
	}
	b.WriteString(f.Message)
	if n := len(f.Products); n > 0 {
		b.WriteString(" (" + strings.Join(f.Products[:min(n, most)], ", "))
		if n > most {
			fmt.Fprintf(&b, " and %d more", n-most)
		}
		b.WriteString(")")
	}
	if f.Hint != "" {
		b.WriteString("; " + f.Hint)
	}
	return b.String()
}

// ProductFields are the fields to select from Product2 for Check. Id is always among them.
func (m *Mapping) ProductFields() []string {
	prefix := strings.Join(m.fields.productPath, ".") + "."
	fields := []string{"Id"}
	for _, f := range m.itemFields {
		if name, ok := strings.CutPrefix(f, prefix); ok {
			fields = append(fields, name)
		}
	}
	return tidy(fields)
}
