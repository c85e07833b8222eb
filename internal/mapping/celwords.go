package mapping

import (
	"regexp"
	"strings"
)

var (
	wrapped  = regexp.MustCompile(`wrapper\((\w+)\)`)
	operator = regexp.MustCompile(`'_([^_']+)_'`)
	noise    = regexp.MustCompile(`(?s)^(ERROR: )?<input>:\d+:\d+: |\n.*$`)
	expected = regexp.MustCompile(`expecting \{.*\}`)
)

// celMessage turns a message of CEL into words for people who write mappings.
func celMessage(s string) string {
	s = noise.ReplaceAllString(s, "")
	s = wrapped.ReplaceAllString(s, "$1")
	s = operator.ReplaceAllString(s, "$1")
	s = expected.ReplaceAllString(s, "which does not belong here")
	s = strings.NewReplacer(
		"found no matching overload for ", "there is no ",
		"applied to '(", "for (",
		")'", ")",
		" (in container '')", "",
		"Syntax error: ", "",
		"mismatched input '<EOF>' which does not belong here", "the expression ends too early",
		"undeclared reference to", "there is nothing called",
		"operation cancelled: actual cost limit exceeded", "it takes too long",
		"salesforce.", "",
	).Replace(s)
	return strings.TrimRight(strings.TrimSpace(s), ".")
}

// celHint says what to do about a message of CEL.
func celHint(s string) string {
	switch {
	case strings.Contains(s, "undeclared reference to 'item'"), strings.Contains(s, "undeclared reference to 'product'"):
		return "this entry is about the whole order: use order and account only"
	case strings.Contains(s, "undeclared reference"):
		return "use order, item, product, account and the functions of CEL"
	case strings.Contains(s, "wrapper(double), int"), strings.Contains(s, "int, wrapper(double)"),
		strings.Contains(s, "double, int"), strings.Contains(s, "int, double"):
		return "numbers of Salesforce are decimal: write 1.0 instead of 1, or int(item.Quantity)"
	case strings.Contains(s, "no matching overload"):
		return "make both sides the same type, with string(), int() or double()"
	case strings.Contains(s, "Syntax error"):
		return "check quotes, brackets and operators of the expression"
	case strings.Contains(s, "size exceeds"), strings.Contains(s, "recursion"):
		return "split it into several rules"
	}
	return "correct the expression"
}

// typeWords names a CEL type.
func typeWords(t string) string {
	t = wrapped.ReplaceAllString(t, "$1")
	switch t {
	case "string":
		return "text"
	case "int", "uint", "double":
		return "a number"
	case "bool":
		return "true or false"
	case "null_type":
		return "nothing"
	case "timestamp", "google.protobuf.Timestamp":
		return "a time"
	}
	switch {
	case strings.HasPrefix(t, "list"):
		return "a list"
	case strings.HasPrefix(t, "map"):
		return "a map"
	case strings.HasPrefix(t, "salesforce."):
		return "a whole record"
	}
	return t
}
