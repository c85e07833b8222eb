package sandbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// FindingKind is what is wrong with an order.
type FindingKind string

// The kinds of findings. Those that Damage reports are never right, not even for an order that waits or has stalled.
const (
	Missing        FindingKind = "missing"        // approved, and WHMCS has no order for it
	Duplicate      FindingKind = "duplicate"      // more than one WHMCS order
	Stray          FindingKind = "stray"          // a WHMCS order that belongs to no Salesforce order
	MixedKeys      FindingKind = "mixedKeys"      // a WHMCS order that carries the keys of several Salesforce orders
	Unapproved     FindingKind = "unapproved"     // ordered although Salesforce never approved it
	TooEarly       FindingKind = "tooEarly"       // ordered before its scheduled time
	WrongClient    FindingKind = "wrongClient"    // ordered for another client
	WrongLines     FindingKind = "wrongLines"     // wrong product, cycle, quantity or options
	NotAccepted    FindingKind = "notAccepted"    // ordered, not Active
	AcceptedTwice  FindingKind = "acceptedTwice"  // accepted more than once
	ServiceStatus  FindingKind = "serviceStatus"  // a service is not Active
	Deployments    FindingKind = "deployments"    // a service was not deployed
	DeployedTwice  FindingKind = "deployedTwice"  // a service was deployed more than once, or although it has no module
	NotActivated   FindingKind = "notActivated"   // Salesforce does not show Activated
	WrongOrderID   FindingKind = "wrongOrderID"   // Salesforce does not show the WHMCS order's id
	WrongServiceID FindingKind = "wrongServiceID" // a line of Salesforce does not show its service's id
	ErrorLeft      FindingKind = "errorLeft"      // Salesforce still shows an error
)

// Damage reports whether a finding of this kind is wrong in every state of an order: something was done that must not be.
func (k FindingKind) Damage() bool {
	return slices.Contains([]FindingKind{Duplicate, Stray, MixedKeys, Unapproved, TooEarly, WrongClient, WrongLines,
		AcceptedTwice, DeployedTwice}, k)
}

// Finding is one thing that is wrong, in one line.
type Finding struct {
	Kind         FindingKind `json:"kind"`
	Order        string      `json:"order,omitempty"` // Salesforce order id
	WhmcsOrderID int64       `json:"whmcsOrderID,omitempty"`
	Text         string      `json:"text"`
}

// String is the finding as one line.
func (f Finding) String() string {
	var b strings.Builder
	b.WriteString(string(f.Kind) + ":")
	if f.Order != "" {
		b.WriteString(" Salesforce order " + f.Order + ":")
	}
	if f.WhmcsOrderID != 0 {
		fmt.Fprintf(&b, " WHMCS order %d:", f.WhmcsOrderID)
	}
	return b.String() + " " + f.Text
}

// OrderState sums up what has become of a Salesforce order.
type OrderState string

// The states of an order in the audit.
const (
	StateNotWanted   OrderState = "notWanted"   // a draft, in review, rejected: nothing may happen
	StateScheduled   OrderState = "scheduled"   // its time has not come
	StateMissing     OrderState = "missing"     // wanted, and not ordered
	StateIncomplete  OrderState = "incomplete"  // ordered, and something is not as it must be
	StateDuplicate   OrderState = "duplicate"   // ordered more than once
	StateProvisioned OrderState = "provisioned" // everything is right on both sides
)

// OrderAudit is what has become of one Salesforce order.
type OrderAudit struct {
	ID            string     `json:"id"`
	Number        string     `json:"number"`
	State         OrderState `json:"state"`
	WhmcsOrderIDs []int64    `json:"whmcsOrderIDs,omitempty"`
}

// Audit is the comparison of the books of both sides.
type Audit struct {
	// Wanted counts the Salesforce orders that must be provisioned by now.
	Wanted int `json:"wanted"`
	// Provisioned counts those of them that are right on both sides in every detail.
	Provisioned int `json:"provisioned"`
	// WhmcsOrders counts the orders that came in over the WHMCS API, also cancelled and deleted ones.
	WhmcsOrders int `json:"whmcsOrders"`
	// Duplicates counts the WHMCS orders that are too many, stray ones included.
	Duplicates int `json:"duplicates"`
	// Missing counts the wanted orders without any WHMCS order.
	Missing int `json:"missing"`

	Orders   []OrderAudit `json:"orders"`
	Findings []Finding    `json:"findings"`
}

// OK reports that nothing at all is wrong.
func (a Audit) OK() bool { return len(a.Findings) == 0 }

// Summary is the audit in one line.
func (a Audit) Summary() string {
	return fmt.Sprintf("%d/%d orders provisioned, %d WHMCS orders, %d duplicates", a.Provisioned, a.Wanted, a.WhmcsOrders, a.Duplicates)
}

// Excuse leaves out the findings about orders that are known to wait or to have stalled, except damage: that nothing, or
// not everything, was done for them is then no fault.
func (a Audit) Excuse(orderIDs ...string) Audit {
	a.Findings = slices.DeleteFunc(slices.Clone(a.Findings), func(f Finding) bool {
		return !f.Kind.Damage() && slices.Contains(orderIDs, f.Order)
	})
	return a
}

// Compare audits the books. It knows the catalogue and the two sides' records, and nothing of the operator.
func Compare(s State) Audit {
	c := newComparison(s)
	c.assign()
	for _, o := range c.orders {
		c.judge(o)
	}
	c.result.WhmcsOrders = len(c.placed)
	if c.result.Findings == nil {
		c.result.Findings = []Finding{}
	}
	return c.result
}

// pairing is a Salesforce order with the WHMCS orders that were made for it.
type pairing struct {
	SalesforceOrder
	clientID int64
	want     []wantedLine
	form     string
	placed   []whmcs.Order
	findings int
}

// find notes something wrong with an order.
func (c *comparison) find(o *pairing, kind FindingKind, whmcsOrderID int64, format string, args ...any) {
	f := Finding{Kind: kind, WhmcsOrderID: whmcsOrderID, Text: fmt.Sprintf(format, args...)}
	if o != nil {
		f.Order = o.ID
		o.findings++
	}
	c.result.Findings = append(c.result.Findings, f)
}

// judge decides the state of one order and finds what is wrong with it.
func (c *comparison) judge(o *pairing) {
	out := OrderAudit{ID: o.ID, Number: o.Number}
	for _, w := range o.placed {
		out.WhmcsOrderIDs = append(out.WhmcsOrderIDs, w.ID)
	}
	wanted, reason := o.wanted(c.state.Now)
	if wanted {
		c.result.Wanted++
	}
	switch {
	case !wanted && len(o.placed) > 0:
		kind := Unapproved
		if reason == StateScheduled {
			kind = TooEarly
		}
		c.find(o, kind, o.placed[0].ID, "it was ordered although its status is %s, activation %s", o.Status, o.ActivationStatus)
		out.State = StateIncomplete
	case !wanted:
		out.State = reason
	case len(o.placed) == 0:
		c.find(o, Missing, 0, "order %s was approved and WHMCS has no order for it", o.Number)
		c.result.Missing++
		out.State = StateMissing
	default:
		c.inspect(o)
		out.State = c.verdict(o)
	}
	c.result.Orders = append(c.result.Orders, out)
}

func (c *comparison) verdict(o *pairing) OrderState {
	switch {
	case len(o.placed) > 1:
		return StateDuplicate
	case o.findings > 0:
		return StateIncomplete
	}
	c.result.Provisioned++
	return StateProvisioned
}

// inspect finds everything that is wrong with an order that was ordered in WHMCS.
func (c *comparison) inspect(o *pairing) {
	if n := len(o.placed); n > 1 {
		ids := make([]string, n)
		for i, w := range o.placed {
			ids[i] = fmt.Sprint(w.ID)
		}
		c.result.Duplicates += n - 1
		c.find(o, Duplicate, o.placed[0].ID, "it was ordered %d times, as WHMCS orders %s", n, strings.Join(ids, ", "))
	}
	for _, w := range o.placed {
		c.inspectOrder(o, w)
	}
	c.inspectSalesforce(o)
}
