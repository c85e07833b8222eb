package mapping

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"
)

const (
	// costLimit bounds one run of one expression. Ordinary expressions cost less than a hundred.
	costLimit = 20_000
	// memoryLimit bounds what one run can hold, in CEL's own units.
	memoryLimit = 1 << 20
	// maxExpression bounds the length of an expression in characters.
	maxExpression = 4096
)

// celEnvs are the two environments: for entries about a line, and for entries about the whole order.
type celEnvs struct {
	line, order *cel.Env
}

// newEnvs declares the records. CEL itself has no clock, no random numbers and no way out, and none is added.
func newEnvs(f fields) (celEnvs, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return celEnvs{}, err
	}
	provider := &celProvider{Provider: registry, fields: f.types()}
	order, err := cel.NewEnv(
		cel.CustomTypeProvider(provider),
		cel.CustomTypeAdapter(celAdapter{registry}),
		cel.Variable(rootOrder, cel.ObjectType(orderTypeName)),
		cel.Variable(rootAccount, cel.ObjectType(accountTypeName)),
		cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(100),
		ext.Strings(),
	)
	if err != nil {
		return celEnvs{}, err
	}
	line, err := order.Extend(
		cel.Variable(rootItem, cel.ObjectType(itemTypeName)),
		cel.Variable(rootProduct, cel.ObjectType(productTypeName)),
	)
	return celEnvs{line: line, order: order}, err
}

// expression is a compiled CEL expression.
type expression struct {
	program cel.Program
	checked *cel.Ast
	refs    []fieldPath
	roots   []string // records it looks at
	where   string   // position and path, for errors at run time
}

// ResolveName implements cel.Activation.
func (s *scope) ResolveName(name string) (any, bool) {
	switch name {
	case rootOrder:
		return s.order, true
	case rootItem:
		return s.item, true
	case rootProduct:
		return s.product, true
	case rootAccount:
		return s.account, true
	}
	return nil, false
}

// Parent implements cel.Activation.
func (s *scope) Parent() cel.Activation { return nil }

// run evaluates the expression. null is nil.
func (e *expression) run(s *scope) (any, error) {
	out, _, err := e.program.Eval(s)
	if err != nil {
		return nil, miss(MappingInvalid, "", "The expression at %s fails: %s.", e.where, celMessage(err.Error()))
	}
	v, ok := goValue(out)
	if !ok {
		return nil, miss(MappingInvalid, "", "The expression at %s gives %s, and a single value is needed.", e.where, typeWords(out.Type().TypeName()))
	}
	return v, nil
}

func goValue(v ref.Val) (any, bool) {
	switch t := v.(type) {
	case types.Null:
		return nil, true
	case types.Bool:
		return bool(t), true
	case types.Int:
		return int64(t), true
	case types.Uint:
		return uint64(t), true
	case types.Double:
		return float64(t), true
	case types.String:
		return string(t), true
	}
	return nil, false
}

// celProblem is one complaint about an expression. Line counts from 1, column from 0.
type celProblem struct {
	line, column  int
	message, hint string
}

// compileCEL parses and type-checks an expression and finds the fields it looks at. lines is the name under which an order
// has its lines.
func compileCEL(env *cel.Env, src string, want target, lines string) (*expression, []celProblem) {
	checked, issues := env.Compile(src)
	if issues.Err() != nil {
		var ps []celProblem
		for _, e := range issues.Errors() {
			if len(ps) > 0 && strings.Contains(e.Message, "Syntax error") {
				continue // it follows from the first
			}
			p := celProblem{e.Location.Line(), e.Location.Column(), celMessage(e.Message), celHint(e.Message)}
			if p.line < 1 {
				p.line, p.column = 1, 0
			}
			ps = append(ps, p)
		}
		return nil, ps
	}
	out := checked.OutputType()
	if !want.accepts(out) {
		return nil, []celProblem{{1, 0, fmt.Sprintf("the expression gives %s, and %s is needed", typeWords(out.String()), want.name), want.celHint}}
	}
	refs, err := fieldRefs(checked.NativeRep(), lines)
	if err != nil {
		return nil, []celProblem{{1, 0, err.Error(), "write the field in full where it is used, as in order.Parent__r.Name"}}
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if !alwaysCheap(env, checked) {
		options = append(options, cel.CostLimit(costLimit), cel.MemoryLimit(memoryLimit))
	}
	program, err := env.Program(checked, options...)
	if err != nil {
		return nil, []celProblem{{1, 0, celMessage(err.Error()), "correct the constant in the expression"}}
	}
	return &expression{program: program, checked: checked, refs: refs, roots: rootsOf(checked.NativeRep())}, nil
}

var rootOfType = map[string]string{
	orderTypeName: rootOrder, itemTypeName: rootItem, productTypeName: rootProduct, accountTypeName: rootAccount,
}

// fieldRefs finds the fields of Salesforce records that a checked expression selects, also inside macros.
func fieldRefs(a *ast.AST, lines string) ([]fieldPath, error) {
	var refs []fieldPath
	selects := ast.MatchDescendants(ast.NavigateAST(a), ast.KindMatcher(ast.SelectKind))
	for _, e := range selects {
		if parent, ok := e.Parent(); ok && parent.Kind() == ast.SelectKind {
			continue // the outermost select has the whole path
		}
		path, err := selectPath(a, e, lines)
		if err != nil {
			return nil, err
		}
		if path != nil {
			refs = append(refs, *path)
		}
	}
	return refs, nil
}

// rootsOf names the records that an expression looks at.
func rootsOf(a *ast.AST) []string {
	var roots []string
	for _, e := range ast.MatchDescendants(ast.NavigateAST(a), ast.KindMatcher(ast.IdentKind)) {
		switch name := e.AsIdent(); name {
		case rootOrder, rootItem, rootProduct, rootAccount:
			roots = append(roots, name)
		}
	}
	return roots
}

// selectPath returns the field that a select reads, or nil if it reads none of a Salesforce record. Of a related record
// as a whole it is the Id: all that can be asked is whether there is one.
func selectPath(a *ast.AST, e ast.Expr, lines string) (*fieldPath, error) {
	var names []string
	base := e
	for base.Kind() == ast.SelectKind {
		names = append([]string{base.AsSelect().FieldName()}, names...)
		base = base.AsSelect().Operand()
	}
	t := a.GetType(base.ID())
	root, ok := rootOfType[t.TypeName()]
	switch {
	case t.TypeName() == relatedTypeName:
		return nil, errors.New("the expression reads " + strings.Join(names, ".") + " of a record that it did not name")
	case !ok:
		return nil, nil
	}
	switch last := names[len(names)-1]; {
	case strings.EqualFold(last, lines) && root == rootOrder && len(names) == 1:
		return nil, nil // the lines are always read
	case isRelationship(last):
		names = append(names, "Id")
	}
	return &fieldPath{root, names}, nil
}

// isRelationship reports whether a name leads to another record.
func isRelationship(name string) bool {
	if isCustomRelationship(name) {
		return true
	}
	for _, fields := range standardFields {
		if t := typeIn(fields, name); t != nil && t.Kind() == types.StructKind {
			return true
		}
	}
	return false
}
