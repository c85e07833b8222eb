package stories

import (
	"fmt"
	"slices"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
)

// close tells what is in the books in the end, and fails the test if the order did damage.
func (s *stage) close(told story) {
	s.t.Helper()
	s.text.flush()
	b := &s.text.b
	b.WriteString("\nTHE BOOKS IN THE END\n")
	state := s.far.State()
	made := 0
	for _, o := range state.Whmcs.Orders {
		by := "ordered by the customer"
		if o.Source == "api" {
			by = "made by Orderbridge"
			made++
		}
		notes := ""
		if o.Notes != "" {
			notes = fmt.Sprintf(", notes %q", o.Notes)
		}
		fmt.Fprintf(b, "%-12sorder %d of client %d, %s: %s, accepted %s%s\n", "WHMCS", o.ID, o.ClientID, by, o.Status, times(o.Accepts), notes)
		for _, sv := range state.Whmcs.Services {
			if sv.OrderID == o.ID {
				fmt.Fprintf(b, "%-12s  service %d: product %d, quantity %d, %s, deployed %s\n", "", sv.ID, sv.PID, sv.Qty, sv.Status, times(sv.Deployments))
			}
		}
	}
	if len(state.Whmcs.Orders) == 0 {
		fmt.Fprintf(b, "%-12sno order\n", "WHMCS")
	}
	label := "Salesforce"
	for _, words := range changes(nil, s.told()) {
		for line := range lines(plain(words), width-12) {
			fmt.Fprintf(b, "%-12s%s\n", label, line)
			label = ""
		}
	}
	s.writeCalls()
	s.audit(told, made)
}

// writeCalls tells what the order remembers of its calls.
func (s *stage) writeCalls() {
	var order v1alpha1.ProvisioningOrder
	must(s.t, cluster.Get(s.t.Context(), s.key, &order))
	label := "calls"
	for _, c := range order.Status.Calls {
		words := fmt.Sprintf("%s %d: %s", c.Step, c.Attempt, c.Outcome)
		if c.SettledAt == nil {
			words = fmt.Sprintf("%s %d: open", c.Step, c.Attempt)
		}
		if c.Forced {
			words += ", forced"
		}
		if c.Evidence != "" {
			words += "; " + plain(c.Evidence)
		}
		for line := range lines(words, width-12) {
			fmt.Fprintf(&s.text.b, "%-12s%s\n", label, line)
			label = ""
		}
	}
	fmt.Fprintf(&s.text.b, "%-12s%d\n", "failures", order.Status.Failures)
}

// audit compares the books of both sides.
func (s *stage) audit(told story, made int) {
	s.t.Helper()
	if made > 1 {
		s.t.Errorf("Orderbridge made %d orders", made)
	}
	unfinished := 0
	for _, f := range s.far.Audit().Findings {
		switch {
		case slices.Contains(told.excused, f.Kind):
		case f.Kind.Damage():
			s.t.Errorf("damage: %s", f)
		default:
			unfinished++
		}
	}
	words := "both sides agree"
	if unfinished > 0 {
		words = "not finished, no damage"
	}
	fmt.Fprintf(&s.text.b, "%-12s%s\n", "audit", words)
}

func times(n int) string {
	switch n {
	case 0:
		return "never"
	case 1:
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// excuse is short for the kinds of findings that a story explains.
type excuse = []sandbox.FindingKind
