package mapping

import (
	"slices"
	"strings"
)

// Unread lists the fields that the mapping reads and that a record does not have. A field that is null was read, and so
// was everything behind a parent that is null.
func (m *Mapping) Unread(order map[string]any) []string {
	var missing []string
	for _, f := range m.orderFields {
		if !wasRead(order, f) {
			missing = append(missing, f)
		}
	}
	if lines := m.fields.objects.Lines; !wasRead(order, lines) {
		missing = append(missing, lines)
	}
	for _, f := range m.itemFields {
		if slices.ContainsFunc(asRecords(field(order, m.fields.objects.Lines)), func(item map[string]any) bool { return !wasRead(item, f) }) {
			missing = append(missing, f)
		}
	}
	return missing
}

// UnreadOfProducts lists the fields of ProductFields that none of the products has, not even empty.
func (m *Mapping) UnreadOfProducts(products []map[string]any) []string {
	return slices.DeleteFunc(m.ProductFields(), func(f string) bool {
		return slices.ContainsFunc(products, func(p map[string]any) bool { return wasRead(p, f) })
	})
}

func wasRead(record map[string]any, path string) bool {
	for name := range strings.SplitSeq(path, ".") {
		value, ok := find(record, name)
		if !ok {
			return false
		}
		if record = asRecord(value); record == nil {
			return true
		}
	}
	return true
}

// OwnStatuses are the activation statuses that Orderbridge itself writes by this mapping.
func (m *Mapping) OwnStatuses() []string {
	var list []string
	for _, e := range m.reports.reasons {
		if e.status != "" && !e.silent && !slices.Contains(list, e.status) {
			list = append(list, e.status)
		}
	}
	slices.Sort(list)
	return list
}
