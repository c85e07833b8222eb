package file

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says which rule of the file a Problem breaks.
type Kind string

const (
	// Syntax is text that is not YAML, or YAML of a kind that a mapping must not use: aliases, tags, repeated keys.
	Syntax Kind = "syntax"
	// Shape is a key or a type that the file format does not have. The JSON Schema refuses it too.
	Shape Kind = "shape"
	// Meaning is a well-formed entry that cannot work: a bad expression, an unknown time zone, a rule that repeats another.
	Meaning Kind = "meaning"
)

// Problem is one thing wrong with a mapping file.
type Problem struct {
	// Line and Column count from 1. Column counts characters.
	Line, Column int
	// Path is the place in the document, such as products[3].pid.
	Path string
	// Message says what is wrong.
	Message string
	// Hint says what to do about it.
	Hint string
	// Kind says which rule is broken.
	Kind Kind
}

// String writes the problem on one line: position, path, what is wrong, what to do.
func (p Problem) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d:%d: ", p.Line, p.Column)
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Hint != "" {
		b.WriteString("; " + p.Hint)
	}
	return b.String()
}

// Problems is everything wrong with a mapping file, in the order of the file.
type Problems []Problem

// Error lists every problem on a line of its own.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Sort puts the problems into the order of the file.
func (ps Problems) Sort() {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
}
