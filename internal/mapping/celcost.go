package mapping

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
)

// longestField is the size in bytes of the longest text field of Salesforce: 131,072 characters.
const longestField = 4 * 131_072

// alwaysCheap reports whether an expression stays below the cost limit whatever the order holds. Such an expression,
// a comparison for instance, need not be metered while it runs, which takes longer than the comparison itself.
func alwaysCheap(env *cel.Env, checked *cel.Ast) bool {
	estimate, err := env.EstimateCost(checked, fieldSizes{})
	return err == nil && estimate.Max <= costLimit
}

// fieldSizes tells the cost estimate how long the fields of Salesforce can be.
type fieldSizes struct{}

// EstimateSize implements cost.Estimator. Only fields are bounded; what is made of them is not.
func (fieldSizes) EstimateSize(n cost.AstNode) *cost.SizeEstimate {
	if n.Path() == nil || n.Type().TypeName() != textType.TypeName() && n.Type().Kind() != types.StringKind {
		return nil
	}
	return &cost.SizeEstimate{Max: longestField}
}

// EstimateCallCost implements cost.Estimator. The functions bring their own estimates.
func (fieldSizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}
