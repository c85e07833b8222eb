// Package lost counts the answers of WHMCS that were lost, and what became of them, from what orders say of their calls.
package lost

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// Tally counts lost answers to AddOrder and AcceptOrder.
type Tally struct {
	// Lost are the calls whose answer did not arrive, or was not written down.
	Lost int
	// Found are those of them whose effect was found and taken over, Again those that are known to have had none, so that
	// the call was made again. No person had a part in either.
	Found, Again int
	// Parked are those that were left to a person, with evidence.
	Parked int
}

// Add counts the calls of an order.
func (t *Tally) Add(order *v1alpha1.ProvisioningOrder) {
	stalled := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.StalledCondition)
	for _, call := range order.Status.Calls {
		switch {
		case call.Outcome == v1alpha1.FoundOutcome:
			t.Found++
		case call.Outcome == v1alpha1.NotFoundOutcome:
			t.Again++
		case call.SettledAt != nil:
			continue // it was answered
		case order.Status.State == v1alpha1.StalledState && stalled != nil && said(stalled.Message) && said(call.Evidence):
			t.Parked++
		}
		t.Lost++
	}
}

func said(text string) bool {
	return strings.TrimSpace(text) != ""
}

// Resolved is how many were resolved without a person.
func (t *Tally) Resolved() int {
	return t.Found + t.Again
}

// Unresolved is how many were neither resolved nor parked with evidence.
func (t *Tally) Unresolved() int {
	return t.Lost - t.Resolved() - t.Parked
}

// Share is the part that was resolved without a person; all of none.
func (t *Tally) Share() float64 {
	if t.Lost == 0 {
		return 1
	}
	return float64(t.Resolved()) / float64(t.Lost)
}

// String says it in words.
func (t *Tally) String() string {
	return fmt.Sprintf("%d lost, %d resolved without a person (%.2f %%: %d found, %d called again), %d parked with evidence, %d neither",
		t.Lost, t.Resolved(), 100*t.Share(), t.Found, t.Again, t.Parked, t.Unresolved())
}
