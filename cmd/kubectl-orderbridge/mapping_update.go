package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/internal/mapping"
)

// This file writes outcomes into a file of cases. Only the lines about the outcome change: the rest stays as somebody
// wrote it, comments and all.

// updated is the text of the file with the outcomes of the cases that failed, or "" if all hold.
func (f *casesFile) updated(m *mapping.Mapping, list []caseResult) (string, error) {
	lines := slices.Clone(f.lines)
	changed := false
	for i, r := range slices.Backward(list) {
		if r.Result != caseFailed {
			continue
		}
		var err error
		if lines, err = f.Cases[i].rewrite(lines, &r.outcome); err != nil {
			return "", fmt.Errorf("%s:%d: case %q cannot be updated: %w", f.name, r.Line, r.Name, err)
		}
		changed = true
	}
	if !changed {
		return "", nil
	}
	text := strings.Join(lines, "\n")
	// A file that this made worse must not replace one that somebody wrote.
	again, err := parseCases(f.name, []byte(text))
	if err != nil {
		return "", fmt.Errorf("the file would not be readable after the update, so it was left as it is: %w", err)
	}
	results, err := again.run(m)
	if err != nil {
		return "", err
	}
	for _, r := range results {
		if r.Result != caseOK {
			return "", fmt.Errorf("%s:%d: case %q would not hold after the update, so the file was left as it is: correct it by hand", r.File, r.Line, r.Name)
		}
	}
	return text, nil
}

// rewrite replaces the lines of a case that say what must become of its order.
func (c *mappingCase) rewrite(lines []string, o *outcome) ([]string, error) {
	first := c.keys[0]
	if slices.Contains(outcomeKeys, first.name) {
		return nil, fmt.Errorf("it begins with %s: begin with its name", first.name)
	}
	for _, key := range c.keys {
		if key.column != first.column {
			return nil, fmt.Errorf("its keys do not stand one under the other: write each on a line of its own")
		}
	}
	indent := first.column - 1
	at := blockEnd(lines, first.line-1, indent-1)
	for _, key := range slices.Backward(c.keys) {
		if !slices.Contains(outcomeKeys, key.name) {
			continue
		}
		begin := key.line - 1
		end := blockEnd(lines, begin, indent)
		lines = slices.Delete(lines, begin, end)
		at = begin
	}
	return slices.Insert(lines, at, o.yaml(strings.Repeat(" ", indent))...), nil
}

// blockEnd is the line after the block that begins at the line begin: up to the next line that is indented by no more
// than indent, without the empty lines before that.
func blockEnd(lines []string, begin, indent int) int {
	end := begin + 1
	for i := begin + 1; i < len(lines); i++ {
		text := strings.TrimLeft(lines[i], " ")
		if strings.TrimSpace(text) == "" {
			continue
		}
		if len(lines[i])-len(text) <= indent {
			break
		}
		end = i + 1
	}
	return end
}

// yaml writes the outcome as keys of a case.
func (o *outcome) yaml(indent string) []string {
	if o.miss != nil {
		return []string{indent + "miss: " + o.miss.Reason}
	}
	var lines []string
	if o.notBefore != "" {
		lines = append(lines, indent+"notBefore: "+o.notBefore)
	}
	lines = append(lines, indent+"expect: |")
	for _, field := range o.form {
		lines = append(lines, indent+"  "+field)
	}
	return lines
}
