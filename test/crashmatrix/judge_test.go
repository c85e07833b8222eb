package crashmatrix

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	whmcsbox "github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// outcome is what has become of a cell's order.
type outcome int

const (
	unexplained outcome = iota
	provisioned
	stalled
)

// result is what the books say of a cell.
type result struct {
	outcome   outcome
	duplicate bool
	problems  []string
}

// judge compares the books of both sides and reads the journal of WHMCS for each cell.
func judge(t *testing.T, cells []*cell) []result {
	t.Helper()
	audit := far.Audit()
	findings := map[string][]sandbox.Finding{}
	for _, f := range audit.Findings {
		findings[f.Order] = append(findings[f.Order], f)
	}
	for _, f := range findings[""] {
		t.Errorf("belongs to no cell: %s", f)
	}
	journal := map[int64][]whmcsbox.Entry{}
	owner := map[int64]int64{}
	for _, e := range far.Whmcs.Journal() {
		if e.Action == addOrder && e.Result == "success" {
			owner[e.OrderID] = e.ClientID
		}
		client := e.ClientID
		if client == 0 {
			client = owner[e.OrderID]
		}
		journal[client] = append(journal[client], e)
	}
	results := make([]result, len(cells))
	for i, c := range cells {
		results[i] = c.judge(findings[c.order.ID], journal[c.customer.ClientID])
	}
	return results
}

func (c *cell) judge(findings []sandbox.Finding, journal []whmcsbox.Entry) result {
	var r result
	problem := func(format string, args ...any) { r.problems = append(r.problems, fmt.Sprintf(format, args...)) }
	if c.err != nil {
		problem("the cell could not be run to its end: %v", c.err)
	}
	if why := c.asPlanned(); why != "" && !c.spoilt {
		problem("the cell was not interrupted as planned in %d tries: %s", mostTries, why)
	}
	orders, accepts, again := effects(journal)
	r.duplicate = orders > 1 || accepts > 1 || again > 0
	if r.duplicate {
		problem("the journal shows %d orders and %d accepts", orders, accepts)
	}
	if again > 0 {
		problem("AcceptOrder arrived %d times after it had taken effect", again)
	}
	for _, f := range findings {
		r.duplicate = r.duplicate || f.Kind == sandbox.Duplicate || f.Kind == sandbox.AcceptedTwice || f.Kind == sandbox.DeployedTwice
		if c.last.Status.State != v1alpha1.StalledState || f.Kind.Damage() {
			problem("%s", f)
		}
	}
	state := unexplained
	switch c.last.Status.State {
	case v1alpha1.ProvisionedState:
		state = provisioned
		if orders != 1 || accepts != 1 {
			problem("the journal shows %d orders and %d accepts", orders, accepts)
		}
	case v1alpha1.StalledState:
		state = stalled
		if why := c.lacksEvidence(); why != "" {
			problem("%s", why)
		}
	default:
		problem("the order is %s after %s", c.last.Status.State, cellTime)
	}
	if len(r.problems) == 0 {
		r.outcome = state
	}
	return r
}

// effects counts what took effect in WHMCS for one client, and accepts that came once more.
func effects(journal []whmcsbox.Entry) (orders, accepts, again int) {
	for _, e := range journal {
		switch {
		case e.Action == addOrder && e.Result == "success":
			orders++
		case e.Action == acceptOrder && accepts > 0:
			again++
		}
		if e.Action == acceptOrder && e.Result == "success" {
			accepts++
		}
	}
	return orders, accepts, again
}

// lacksEvidence says what is missing for a stalled order to be left to a person.
func (c *cell) lacksEvidence() string {
	condition := meta.FindStatusCondition(c.last.Status.Conditions, v1alpha1.StalledCondition)
	if condition == nil || condition.Reason != v1alpha1.OutcomeUnknownReason {
		return "the order is stalled for another reason than OutcomeUnknown"
	}
	for _, call := range c.last.Status.Calls {
		if call.SettledAt == nil && strings.TrimSpace(call.Evidence) != "" && strings.TrimSpace(condition.Message) != "" {
			return ""
		}
	}
	return "the order is stalled without evidence of a call"
}
