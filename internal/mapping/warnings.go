package mapping

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// warn notes entries of a valid file that are probably not meant so.
func (c *compiler) warn(m *Mapping) {
	i := slices.IndexFunc(m.gate, func(f gateField) bool { return strings.EqualFold(f.soql, m.fields.activationStatus) })
	if i < 0 {
		c.warning(m, "gate", "the gate does not look at "+m.fields.activationStatus+", so it stays open for orders that are provisioned or have failed",
			"add order."+m.fields.activationStatus+" with the status that asks for provisioning")
		return
	}
	passes := func(status string) bool {
		return slices.ContainsFunc(m.gate[i].values, func(v any) bool { return sameValue(v, status) })
	}
	for _, reason := range sortedKeys(maps.Keys(m.reports.reasons)) {
		e := m.reports.reasons[reason]
		if e.silent || e.status == "" {
			continue
		}
		at := file.Join("report.reasons", reason) + ".status"
		class := reasonDefaults[reason].class
		switch open := passes(e.status); {
		case open && class != waiting && class != quiet:
			c.warning(m, at, fmt.Sprintf("the status %s, written for %s, still passes the gate, so the sweep finds the order again", quote(e.status), reason),
				"use a status that is not in the gate")
		case !open && (class == waiting || class == quiet):
			c.warning(m, at, fmt.Sprintf("the status %s, written while the order waits for %s, does not pass the gate, so the sweep would not find the order if it were lost", quote(e.status), reason),
				"leave status empty, or add it to the gate")
		}
	}
}

func (c *compiler) warning(m *Mapping, path, message, hint string) {
	at := c.doc.At(path)
	m.warnings = append(m.warnings, Problem{Line: at.Line, Column: at.Column, Path: path, Kind: file.Meaning, Message: message, Hint: hint})
}
