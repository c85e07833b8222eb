package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// outcome is what a mapping makes of an order.
type outcome struct {
	// form is the AddOrder form, one field on a line.
	form []string
	// notBefore is the time of a scheduled order, or "".
	notBefore string
	// miss says why there is no form.
	miss *mapping.Miss
	// unread are the fields that the mapping reads and the record of the case does not have.
	unread []string
}

// outcomeOf takes the way of the operator from the order to the request.
func outcomeOf(m *mapping.Mapping, c *mappingCase, spec v1alpha1.ProvisioningPipelineSpec) (outcome, error) {
	o := outcome{unread: m.Unread(c.Order)}
	plan, err := m.Plan(c.Order)
	if miss, ok := errors.AsType[*mapping.Miss](err); ok {
		o.miss = miss
		return o, nil
	}
	if err != nil {
		return o, err
	}
	request, err := controllers.RequestFor(c.id, plan, spec)
	if err != nil {
		return o, err
	}
	o.form = formLines(request)
	if !plan.ScheduledFor.IsZero() {
		o.notBefore = plan.ScheduledFor.Format(time.RFC3339)
	}
	return o, nil
}

// text is the outcome as lines to compare.
func (o *outcome) text() []string {
	if o.miss != nil {
		return missLines(o.miss.Reason, o.miss.Message)
	}
	return append(notBeforeLines(o.notBefore), o.form...)
}

// expected is what the case expects as lines to compare with an outcome. A message that the outcome contains is taken for
// the whole.
func (c *mappingCase) expected(o *outcome) []string {
	if c.Miss == "" {
		var form []string
		for line := range strings.Lines(c.Expect) {
			form = append(form, strings.TrimRight(line, "\r\n"))
		}
		return append(notBeforeLines(sameInstant(c.NotBefore, o.notBefore)), form...)
	}
	message := c.Message
	if o.miss != nil && strings.Contains(o.miss.Message, message) {
		message = o.miss.Message
	}
	return missLines(c.Miss, message)
}

func missLines(reason, message string) []string {
	lines := []string{"miss: " + reason}
	if message != "" {
		lines = append(lines, "message: "+message)
	}
	return lines
}

func notBeforeLines(instant string) []string {
	if instant == "" {
		return nil
	}
	return []string{"notBefore: " + instant}
}

// sameInstant is the instant as the outcome writes it if both are the same in different time zones.
func sameInstant(expected, got string) string {
	a, errA := time.Parse(time.RFC3339, expected)
	b, errB := time.Parse(time.RFC3339, got)
	if errA == nil && errB == nil && a.Equal(b) {
		return got
	}
	return expected
}

// formLines writes the form of a request as name=value, in the order in which it is sent. Serialised values are written
// as what they serialise; each such line stands for exactly one sequence of bytes.
func formLines(request whmcs.AddOrderRequest) []string {
	var lines []string
	for _, field := range request.Form() {
		value := plainText(field.Value)
		name, index, _ := strings.Cut(strings.TrimSuffix(field.Name, "]"), "[")
		if i, err := strconv.Atoi(index); err == nil && i < len(request.Lines) {
			switch name {
			case "configoptions":
				value = serialized(request.Lines[i].ConfigOptions)
			case "customfields":
				value = serialized(request.Lines[i].CustomFields)
			}
		}
		lines = append(lines, field.Name+"="+value)
	}
	return lines
}

// serialized writes what base64(serialize()) is applied to.
func serialized[V any](values map[int64]V) string {
	var parts []string
	for _, id := range slices.Sorted(maps.Keys(values)) {
		value, err := json.Marshal(values[id])
		if err != nil {
			// Numbers and texts always marshal.
			value = fmt.Append(nil, values[id])
		}
		parts = append(parts, fmt.Sprintf("%d: %s", id, value))
	}
	return "base64(serialize({" + strings.Join(parts, ", ") + "}))"
}

// plainText is a value that can stand on a line as it is, or else in quotes.
func plainText(value string) string {
	if value == "" || strings.TrimSpace(value) != value || value[0] == '"' || strings.ContainsFunc(value, unicode.IsControl) {
		return strconv.Quote(value)
	}
	return value
}
