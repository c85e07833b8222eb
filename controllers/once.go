package controllers

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// This file decides what a call that must happen once needs next. It is pure: facts in, verdict out. The rules are
// docs/decisions/0002-claims.md; controllers/model_test.go explores them exhaustively.

// verdictKind is what to do about a call that must happen once.
type verdictKind int

const (
	// claimVerdict: nothing was done and nothing can still be under way: claim and call.
	claimVerdict verdictKind = iota
	// adoptVerdict: the effect is there.
	adoptVerdict
	// settleVerdict: the open claim came to nothing: settle it as NotFound, then decide again.
	settleVerdict
	// waitVerdict: the open claim may still take effect.
	waitVerdict
	// stallVerdict: only a person can tell.
	stallVerdict
)

// verdict is what to do about a call that must happen once, and why.
type verdict struct {
	kind     verdictKind
	orderID  int64
	after    time.Duration
	reason   string
	evidence string
	forced   bool
}

// match is an order in WHMCS that carries the key of our order.
type match struct {
	orderID int64
	status  string
	where   string
}

// live tells whether the order was not withdrawn in WHMCS.
func (m match) live() bool {
	return !strings.EqualFold(m.status, whmcsCancelled) && !strings.EqualFold(m.status, whmcsFraud)
}

// sight is what a look at the client's orders in WHMCS showed.
type sight struct {
	// at is when the look began. What was not there then may have come since, so this is the time that counts.
	at time.Time
	// key is what is looked for.
	key string
	// matches are the orders that carry the key.
	matches []match
	// highest is the highest order id of the client.
	highest int64
	// keyless are the client's orders that carry no key at all and were not withdrawn.
	keyless []int64
	// lookalikes are keyless orders above the baseline with exactly the plan's lines that no other object has. They are
	// looked for only when an open claim has outlived its settle time.
	lookalikes []int64
	// similar are such orders with some of the plan's products, but not exactly its lines: WHMCS may have left out a line,
	// or taken another billing cycle or quantity.
	similar []int64
	// keyReliable is true if this WHMCS is known to store a marker that was sent: then an order with all lines but without
	// the key is not ours.
	keyReliable bool
	// notesReliable is true if it is known to store the key in the notes of an order. The other markers hang on lines, and so
	// can be missing together with them.
	notesReliable bool
}

// permission is what a person asked for, as far as it bears on a call.
type permission struct {
	// request is the last handled requestedAt.
	request string
	// forced is true if that request came with a valid force.
	forced bool
}

// lastCall returns the newest claim of a step, or nil.
func lastCall(calls []v1alpha1.Call, step v1alpha1.CallStep) *v1alpha1.Call {
	for i := range slices.Backward(calls) {
		if calls[i].Step == step {
			return &calls[i]
		}
	}
	return nil
}

// isOpen tells whether a claim's outcome is not known.
func isOpen(call *v1alpha1.Call) bool {
	return call != nil && call.SettledAt == nil
}

// settledFrom is the instant from which an empty look at an open claim counts.
func settledFrom(call *v1alpha1.Call, settle time.Duration) time.Time {
	return call.NotAfter.Add(settle)
}

// decideOrder decides about AddOrder.
func decideOrder(calls []v1alpha1.Call, seen sight, allowed permission, settle time.Duration) verdict {
	if v, ok := decideMatches(seen.matches); ok {
		return v
	}
	last := lastCall(calls, v1alpha1.AddOrderCall)
	switch {
	case last == nil:
		return verdict{kind: claimVerdict}
	case isOpen(last):
		return decideOpenOrder(last, seen, allowed, settle)
	case last.Outcome == v1alpha1.RefusedOutcome && last.Request == allowed.request:
		return verdict{kind: stallVerdict, reason: v1alpha1.OrderRefusedReason, evidence: last.Evidence}
	default:
		return verdict{kind: claimVerdict}
	}
}

// decideMatches decides if orders carry the key: one is adopted, of several none is chosen.
func decideMatches(matches []match) (verdict, bool) {
	if len(matches) == 0 {
		return verdict{}, false
	}
	live := slices.DeleteFunc(slices.Clone(matches), func(m match) bool { return !m.live() })
	if len(live) == 1 {
		matches = live
	}
	if len(matches) == 1 {
		return verdict{
			kind: adoptVerdict, orderID: matches[0].orderID,
			evidence: fmt.Sprintf("order %d carries the key in its %s", matches[0].orderID, matches[0].where),
		}, true
	}
	ids := make([]string, len(matches))
	for i, m := range matches {
		ids[i] = fmt.Sprintf("%d (%s)", m.orderID, m.status)
	}
	return verdict{
		kind: stallVerdict, reason: v1alpha1.OutcomeUnknownReason,
		evidence: "several WHMCS orders carry the key of this order: " + strings.Join(ids, ", ") +
			". Cancel all but one in WHMCS, then set orderbridge.dev/requestedAt",
	}, true
}

// decideOpenOrder decides about an AddOrder whose answer is missing and whose key was not found.
func decideOpenOrder(last *v1alpha1.Call, seen sight, allowed permission, settle time.Duration) verdict {
	if from := settledFrom(last, settle); seen.at.Before(from) {
		return verdict{
			kind: waitVerdict, after: lookAgain(last, from, seen.at), reason: v1alpha1.SettlingReason,
			evidence: settling(last.Step, from),
		}
	}
	forced := allowed.forced && allowed.request != last.Request
	switch {
	case len(seen.lookalikes) == 0 && (len(seen.similar) == 0 || seen.notesReliable):
		return verdict{kind: settleVerdict, evidence: "after the settle time WHMCS shows no such order", forced: forced}
	case forced:
		return verdict{
			kind: settleVerdict, forced: true,
			evidence: fmt.Sprintf("a person said that none of the orders %s is this one: %s", numbers(slices.Concat(seen.lookalikes, seen.similar)), last.Evidence),
		}
	case len(seen.lookalikes) == 1 && !seen.keyReliable:
		return verdict{
			kind: adoptVerdict, orderID: seen.lookalikes[0],
			evidence: fmt.Sprintf("order %d is the only one of this client above %d with exactly these lines, and this WHMCS does not store the key",
				seen.lookalikes[0], last.Baseline),
		}
	default:
		return verdict{
			kind: stallVerdict, reason: v1alpha1.OutcomeUnknownReason,
			evidence: "the answer to AddOrder was lost. " + undecided(seen) + fmt.Sprintf(" Look in WHMCS: if it has this order, put %s in its notes and set "+
				"orderbridge.dev/requestedAt; if it does not, force", seen.key),
		}
	}
}

// undecided says which orders may be ours.
func undecided(seen sight) string {
	switch len(seen.lookalikes) {
	case 0:
		return fmt.Sprintf("Made after the call for this client, without the key, with some of these products but not exactly these lines: WHMCS order %s.", numbers(seen.similar))
	case 1:
		return fmt.Sprintf("WHMCS order %d of this client has exactly these lines and was made after the call, but it lacks the key, which this WHMCS stores.", seen.lookalikes[0])
	}
	return fmt.Sprintf("WHMCS orders %s of this client have exactly these lines and were made after the call, but nothing shows that one of them is this order.", numbers(seen.lookalikes))
}

// numbers lists order ids for people.
func numbers(ids []int64) string {
	var list []string
	for _, id := range ids {
		list = append(list, strconv.FormatInt(id, 10))
	}
	return words(list)
}

// settling says what is done about a lost answer, and what a person must not do.
func settling(step v1alpha1.CallStep, until time.Time) string {
	return fmt.Sprintf("the answer to %s was lost. Its effect is being looked for, and WHMCS may still do it until %s. Do nothing, above all do not enter the order by hand",
		step, until.UTC().Format(time.RFC3339))
}

// lookAgain spreads the looks at an open claim: soon at first, then ever slower until the settle time ends.
func lookAgain(call *v1alpha1.Call, from, now time.Time) time.Duration {
	pause := max(time.Second, now.Sub(call.ClaimedAt.Time)/2)
	return max(100*time.Millisecond, min(pause, from.Sub(now)))
}

// acceptance is what a look at one order in WHMCS showed.
type acceptance struct {
	// at is when the look began.
	at time.Time
	// found is false if WHMCS does not show the order.
	found bool
	// stranger says why the order of that id is not this one's, or is empty.
	stranger string
	// accepted is true if WHMCS was known to have accepted the order at some time.
	accepted bool
	// status of the order.
	status string
	// begun names a service of the order that is not Pending any more, if there is one.
	begun string
	// queued is the text of a failed module action of a service of the order, if there is one.
	queued string
}

// withdrawnOrder is what to do about an order that was withdrawn in WHMCS.
const withdrawnOrder = "If it shall go on, set it to Pending there, then set orderbridge.dev/requestedAt; if not, close it in Salesforce and delete this object"

// decideAccept decides about AcceptOrder. WHMCS answers a second accept like an unknown order, and a second accept that
// is executed can deploy twice: so everything but a plain Pending order is looked at closely.
func decideAccept(calls []v1alpha1.Call, seen acceptance, allowed permission, settle time.Duration) verdict {
	switch {
	case !seen.found:
		return verdict{kind: stallVerdict, reason: v1alpha1.OutcomeUnknownReason, evidence: "WHMCS does not show the order any more. " +
			"If somebody deleted it by mistake, restore it there, then set orderbridge.dev/requestedAt; if it is to be ordered anew, clear its WHMCS order id in Salesforce and delete this object"}
	case seen.stranger != "":
		return verdict{kind: stallVerdict, reason: v1alpha1.OutcomeUnknownReason, evidence: seen.stranger + ". Was the pipeline pointed to another WHMCS, " +
			"or WHMCS restored from a backup, or the order moved there? Mend that, then set orderbridge.dev/requestedAt; if it is to be ordered anew, clear its WHMCS order id in Salesforce and delete this object"}
	case strings.EqualFold(seen.status, whmcsActive):
		return verdict{kind: adoptVerdict, evidence: "the order is Active in WHMCS"}
	case strings.EqualFold(seen.status, whmcsCancelled):
		return verdict{kind: stallVerdict, reason: v1alpha1.OrderCancelledReason, evidence: "the order is Cancelled in WHMCS. " + withdrawnOrder}
	case strings.EqualFold(seen.status, whmcsFraud):
		return verdict{kind: stallVerdict, reason: v1alpha1.OrderFraudReason, evidence: "the order is marked as Fraud in WHMCS. " + withdrawnOrder}
	case !strings.EqualFold(seen.status, whmcsPending):
		return verdict{
			kind: stallVerdict, reason: v1alpha1.OutcomeUnknownReason,
			evidence: fmt.Sprintf("the order has the status %q in WHMCS, which is neither Pending nor Active. Set it to one of them, then set orderbridge.dev/requestedAt", seen.status),
		}
	}
	last := lastCall(calls, v1alpha1.AcceptOrderCall)
	forced := last != nil && allowed.forced && allowed.request != last.Request
	switch {
	case isOpen(last):
		return decideOpenAccept(last, seen, forced, settle)
	case forced:
		return verdict{kind: claimVerdict, forced: true}
	case last != nil && last.Outcome == v1alpha1.FailedOutcome:
		return verdict{kind: stallVerdict, reason: v1alpha1.ProvisioningFailedReason, evidence: failedAccept(last.Evidence)}
	case seen.accepted:
		return verdict{
			kind: stallVerdict, reason: v1alpha1.OutcomeUnknownReason,
			evidence: "the order is Pending in WHMCS although it was accepted before: somebody set it back. Accept it in WHMCS if it shall be set up again, then set orderbridge.dev/requestedAt",
		}
	case seen.begun != "" || seen.queued != "":
		return partlyProvisioned(seen)
	default:
		return verdict{kind: claimVerdict}
	}
}

// failedAccept says what to do after an AcceptOrder of which WHMCS says that it failed.
func failedAccept(text string) string {
	return text + ". It is not accepted again by itself: finish it in WHMCS until the order and its services are Active, then set orderbridge.dev/requestedAt; " +
		"or force, if you know that nothing was set up"
}

func decideOpenAccept(last *v1alpha1.Call, seen acceptance, forced bool, settle time.Duration) verdict {
	if from := settledFrom(last, settle); seen.at.Before(from) {
		return verdict{
			kind: waitVerdict, after: lookAgain(last, from, seen.at), reason: v1alpha1.SettlingReason,
			evidence: settling(last.Step, from),
		}
	}
	if (seen.begun != "" || seen.queued != "") && !forced {
		return partlyProvisioned(seen)
	}
	evidence := "after the settle time the order and its services are still Pending"
	if forced {
		evidence = "a person had it accepted again: " + last.Evidence
	}
	return verdict{kind: settleVerdict, evidence: evidence, forced: forced}
}

// partlyProvisioned stops in front of an order that is Pending although provisioning has begun.
func partlyProvisioned(seen acceptance) verdict {
	evidence := "the order is Pending in WHMCS although " + seen.begun
	if seen.queued != "" {
		evidence = "the order is Pending in WHMCS and a module action failed: " + seen.queued
	}
	return verdict{
		kind: stallVerdict, reason: v1alpha1.ProvisioningFailedReason,
		evidence: evidence + ". Finish it in WHMCS, then set orderbridge.dev/requestedAt",
	}
}
