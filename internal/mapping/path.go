package mapping

import (
	"fmt"
	"regexp"
	"strings"
)

// The four records an entry of the mapping can look at.
const (
	rootOrder   = "order"
	rootItem    = "item"
	rootProduct = "product"
	rootAccount = "account"
)

// scope holds the records of one line, or of the order when item and product are nil.
type scope struct {
	order, item, product, account map[string]any
}

func (s *scope) root(name string) map[string]any {
	switch name {
	case rootOrder:
		return s.order
	case rootItem:
		return s.item
	case rootProduct:
		return s.product
	case rootAccount:
		return s.account
	}
	return nil
}

// fieldPath is a field as the mapping names it, such as account.Owner.Name.
type fieldPath struct {
	root  string
	names []string
}

func (p fieldPath) String() string { return p.root + "." + strings.Join(p.names, ".") }

func (p fieldPath) get(s *scope) any { return lookup(s.root(p.root), p.names) }

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// maxDepth is how many relationships SOQL follows from child to parent.
const maxDepth = 5

// parsePath reads a field of one of the roots.
func parsePath(s string, perLine bool) (fieldPath, *pathError) {
	root, rest, dotted := strings.Cut(s, ".")
	roots := []string{rootOrder, rootAccount}
	if perLine {
		roots = []string{rootItem, rootProduct, rootOrder, rootAccount}
	}
	known := false
	for _, r := range roots {
		known = known || r == root
	}
	switch {
	case !known && (root == rootItem || root == rootProduct) && dotted:
		return fieldPath{}, &pathError{fmt.Sprintf("%s belongs to a line, and this entry is about the whole order", s),
			"use a field of order or account"}
	case !known || !dotted:
		hint := "write it as " + strings.Join(roots, ".Field or ") + ".Field"
		if fieldName.MatchString(s) {
			hint = fmt.Sprintf("say which record it is on, as in %s.%s", roots[0], s)
		}
		if dotted && fieldName.MatchString(root) {
			return fieldPath{}, &pathError{fmt.Sprintf("there is no record called %s", root), hint}
		}
		return fieldPath{}, &pathError{fmt.Sprintf("%s is not a field", quote(s)), hint}
	}
	names, err := apiNames(rest)
	if err != nil {
		return fieldPath{}, &pathError{fmt.Sprintf("%s is not a field", quote(s)), "use the API names of Salesforce, joined by dots"}
	}
	return fieldPath{root, names}, nil
}

// isAPIName reports whether a text is one API name. They go into SOQL as they are, so nothing else may pass.
func isAPIName(s string) bool { return len(s) <= 80 && fieldName.MatchString(s) }

// apiNames reads API names joined by dots.
func apiNames(s string) ([]string, error) {
	names := strings.Split(s, ".")
	for _, n := range names {
		if !isAPIName(n) {
			return nil, fmt.Errorf("%s is not an API name", quote(n))
		}
	}
	return names, nil
}

// pathError says what is wrong with a field and what to write instead.
type pathError struct{ message, hint string }

func (e *pathError) Error() string { return e.message }
