package controllers

import (
	"testing"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// TestFrozen keeps a plan while an order may exist that was made from it, and gives it up when none can or a person asks.
func TestFrozen(t *testing.T) {
	asked := func(c *v1alpha1.Call) { c.Request = "first" }
	add := v1alpha1.AddOrderCall
	tests := map[string]struct {
		calls   []v1alpha1.Call
		request string
		ordered bool
		noPlan  bool
		want    bool
	}{
		"not planned":                     {noPlan: true},
		"planned, not claimed":            {},
		"claimed, not answered":           {calls: []v1alpha1.Call{call(add)}, want: true},
		"claimed, not answered, asked":    {calls: []v1alpha1.Call{call(add)}, request: "again", want: true},
		"ordered":                         {calls: []v1alpha1.Call{call(add, settled(v1alpha1.SucceededOutcome))}, ordered: true, want: true},
		"adopted without a call":          {ordered: true, want: true},
		"came to nothing":                 {calls: []v1alpha1.Call{call(add, settled(v1alpha1.NotFoundOutcome), asked)}, request: "first", want: true},
		"came to nothing, asked since":    {calls: []v1alpha1.Call{call(add, settled(v1alpha1.NotFoundOutcome), asked)}, request: "again"},
		"refused":                         {calls: []v1alpha1.Call{call(add, settled(v1alpha1.RefusedOutcome))}},
		"not sent":                        {calls: []v1alpha1.Call{call(add, settled(v1alpha1.NotSentOutcome))}},
		"came to nothing, then not known": {calls: []v1alpha1.Call{call(add, settled(v1alpha1.NotFoundOutcome)), call(add)}, want: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			order := testOrder()
			order.Status.Calls, order.Status.LastHandledRequest = test.calls, test.request
			if test.noPlan {
				order.Status.Plan = nil
			}
			if test.ordered {
				order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 7}
			}
			if got := frozen(order); got != test.want {
				t.Errorf("frozen() = %t, want %t", got, test.want)
			}
		})
	}
}
