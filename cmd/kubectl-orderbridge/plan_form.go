package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// formField is one field of an AddOrder request.
type formField struct {
	// Name and Value are as they are sent, before the encoding of the form.
	Name  string `json:"name"`
	Value string `json:"value"`
	// Means is the value in words where it is encoded.
	Means string `json:"means,omitempty"`
}

// formOf is the form of a request in the order of its fields, without the credentials.
func formOf(request whmcs.AddOrderRequest) []formField {
	var form []formField
	for _, field := range request.Form() {
		f := formField{Name: field.Name, Value: field.Value}
		name, index, _ := strings.Cut(strings.TrimSuffix(field.Name, "]"), "[")
		if i, err := strconv.Atoi(index); err == nil && i < len(request.Lines) {
			switch name {
			case "configoptions":
				f.Means = optionWords(request.Lines[i].ConfigOptions)
			case "customfields":
				f.Means = fieldWords(request.Lines[i].CustomFields)
			}
		}
		form = append(form, f)
	}
	return form
}

func optionWords(options map[int64]int64) string {
	var list []string
	for _, id := range slices.Sorted(maps.Keys(options)) {
		list = append(list, fmt.Sprintf("%d=%d", id, options[id]))
	}
	return strings.Join(list, ", ")
}

func fieldWords(texts map[int64]string) string {
	var list []string
	for _, id := range slices.Sorted(maps.Keys(texts)) {
		list = append(list, fmt.Sprintf("%d=%q", id, texts[id]))
	}
	return strings.Join(list, ", ")
}

// readableForm is a request for people and for comparisons: the fields of the order first, then those of each line under
// the line's product, without numbers that change when a line is put before them.
func readableForm(plan *v1alpha1.Plan, request whmcs.AddOrderRequest) []string {
	var head []string
	lines := make([][]string, len(request.Lines))
	for _, field := range formOf(request) {
		value := field.Value
		if field.Means != "" {
			value = field.Means
		}
		name, index, _ := strings.Cut(strings.TrimSuffix(field.Name, "]"), "[")
		switch i, err := strconv.Atoi(index); {
		case name == "responsetype" || name == "action":
		case err == nil && i < len(lines):
			lines[i] = append(lines[i], "  "+name+" = "+value)
		default:
			head = append(head, field.Name+" = "+value)
		}
	}
	for i, line := range lines {
		name := "line"
		if i < len(plan.Lines) {
			name = lineName(plan.Lines[i])
		}
		head = append(append(head, name), line...)
	}
	return head
}

// lineName names a line for people.
func lineName(line v1alpha1.PlanLine) string {
	if line.SKU == "" {
		return "line of " + line.OrderItemID
	}
	return "line " + line.SKU
}
