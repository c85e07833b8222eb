package mapping

import (
	"regexp"
	"strings"
)

// rewording turns messages of CEL into words for people who write mappings. The rules are applied in order.
var rewording = []struct {
	pattern *regexp.Regexp
	words   string
}{
	{regexp.MustCompile(`(?s)^(ERROR: )?<input>:\d+:\d+: |\n.*$|^Syntax error: `), ""},
	{regexp.MustCompile(`wrapper\((\w+)\)`), "$1"},
	{regexp.MustCompile(`salesforce\.`), ""},
	{regexp.MustCompile(` \(in container ''\)`), ""},
	{regexp.MustCompile(`found no matching overload for '_\?_:_' applied to '\(bool, (.*)\)'$`), "the results of ? : differ in type: $1"},
	{regexp.MustCompile(`found no matching overload for '_?([^']+?)_?' applied to '(.*)'$`), "there is no $1 for $2"},
	{regexp.MustCompile(`undeclared reference to`), "there is nothing called"},
	{regexp.MustCompile(`^token recognition error at: '(.).*'$`), "$1 does not belong here"},
	{regexp.MustCompile(`^mismatched input '<EOF>' expecting .*`), "the expression ends too early"},
	{regexp.MustCompile(`^missing '(.+)' at '<EOF>'$`), "the expression ends without $1"},
	{regexp.MustCompile(`^(mismatched|extraneous) input '(.+)' expecting .*`), "$2 does not belong here"},
	{regexp.MustCompile(`^no viable alternative at input '(.+)'$`), "$1 does not belong here"},
	{regexp.MustCompile(`error parsing regexp: `), "this is not a regular expression: "},
	{regexp.MustCompile(`^no such key: (.+)$`), "there is no $1 in what it looks at (has() tells whether a field is filled in)"},
	{regexp.MustCompile(`^no such overload(: .*)?$`), "it meets an empty field, or a value of another type (has() tells whether a field is filled in)"},
	{regexp.MustCompile(`^(operation cancelled: )?actual cost limit exceeded.*`), "it takes too long"},
}

// celMessage puts a message of CEL into words.
func celMessage(s string) string {
	for _, r := range rewording {
		s = r.pattern.ReplaceAllString(s, r.words)
	}
	return strings.TrimRight(strings.TrimSpace(s), ".")
}

// celHint says what to do about a message of CEL.
func celHint(s string) string {
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(s, p) {
				return true
			}
		}
		return false
	}
	switch {
	case has("undeclared reference to 'item'", "undeclared reference to 'product'"):
		return "this entry is about the whole order: use order and account only"
	case has("undeclared reference"):
		return "use order, item, product, account and the functions of CEL"
	case has("'_?_:_' applied to '(bool") && has("null"):
		return "write dyn(null) for nothing"
	case has("wrapper(double), int", "int, wrapper(double)", "double, int", "int, double"):
		return "numbers of Salesforce are decimal: write 1.0 instead of 1, or int(item.Quantity)"
	case has("no matching overload"):
		return "make both sides the same type, with string(), int() or double()"
	case has("token recognition error at: '="):
		return "compare with =="
	case has("input 'AND'", "input 'and'", "input 'OR'", "input 'or'"):
		return "write && for and, || for or"
	case has("input 'NOT'", "input 'not'", "input 'LIKE'", "input 'like'"):
		return "write ! for not, and name.startsWith('x') or name.contains('x') for like"
	case has("at: '\u2018", "at: '\u2019", "at: '\u201c", "at: '\u201d"):
		return "write texts between plain quotes: 'x'"
	case has("Syntax error"):
		return "check quotes, brackets and operators of the expression"
	case has("size exceeds", "recursion"):
		return "split it into several rules"
	}
	return "correct the expression"
}

var wrapped = regexp.MustCompile(`wrapper\((\w+)\)`)

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
	case "duration", "google.protobuf.Duration":
		return "a duration"
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
