package lost

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

func TestTally(t *testing.T) {
	settled := func(outcome v1alpha1.CallOutcome) v1alpha1.Call {
		return v1alpha1.Call{Outcome: outcome, SettledAt: &metav1.MicroTime{}}
	}
	open := v1alpha1.Call{Evidence: "connection reset"}
	told := metav1.Condition{Type: v1alpha1.StalledCondition, Message: "Two orders look like it."}
	tests := map[string]struct {
		state      v1alpha1.OrderState
		conditions []metav1.Condition
		calls      []v1alpha1.Call
		want       Tally
	}{
		"answered":                 {calls: []v1alpha1.Call{settled(v1alpha1.SucceededOutcome), settled(v1alpha1.RefusedOutcome), settled(v1alpha1.NotSentOutcome)}},
		"found":                    {calls: []v1alpha1.Call{settled(v1alpha1.FoundOutcome)}, want: Tally{Lost: 1, Found: 1}},
		"again, and answered":      {calls: []v1alpha1.Call{settled(v1alpha1.NotFoundOutcome), settled(v1alpha1.SucceededOutcome)}, want: Tally{Lost: 1, Again: 1}},
		"open":                     {state: v1alpha1.WaitingState, calls: []v1alpha1.Call{open}, want: Tally{Lost: 1}},
		"parked":                   {state: v1alpha1.StalledState, conditions: []metav1.Condition{told}, calls: []v1alpha1.Call{open}, want: Tally{Lost: 1, Parked: 1}},
		"parked without a word":    {state: v1alpha1.StalledState, calls: []v1alpha1.Call{open}, want: Tally{Lost: 1}},
		"parked, but not the call": {state: v1alpha1.StalledState, conditions: []metav1.Condition{told}, calls: []v1alpha1.Call{{}}, want: Tally{Lost: 1}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var order v1alpha1.ProvisioningOrder
			order.Status.State, order.Status.Conditions, order.Status.Calls = test.state, test.conditions, test.calls
			var got Tally
			got.Add(&order)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("tally (-want +got):\n%s", diff)
			}
			if unresolved := test.want.Lost - test.want.Found - test.want.Again - test.want.Parked; got.Unresolved() != unresolved {
				t.Errorf("unresolved %d, want %d", got.Unresolved(), unresolved)
			}
		})
	}
}
