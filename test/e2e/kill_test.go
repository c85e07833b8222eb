package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// slow is longer than it takes to see an effect in the sandbox's books and to kill a process.
const slow = whmcs.Duration(4500 * time.Millisecond)

func TestManagerKilledBeforeAddOrderIsRecorded(t *testing.T) {
	s := onStage(t)
	order := draft(t, s)
	faulty(t, s, order, whmcs.Fault{Kind: whmcs.LatencyAfter, Action: "AddOrder", Delay: slow, Count: 1})
	killed(t, s, order, v1alpha1.AddOrderCall, func(whmcs.Order) bool { return true })

	started := time.Now()
	manage(t, s)
	provisioned(t, s, time.Minute, order)
	call := onlyCall(t, get(t, s, order), v1alpha1.AddOrderCall, v1alpha1.FoundOutcome)
	if !strings.Contains(call.Evidence, "carries the key in its notes") {
		t.Errorf("evidence: %q, want the key in the notes", call.Evidence)
	}
	t.Logf("provisioned %s after the restart; evidence: %s", time.Since(started).Round(time.Millisecond), call.Evidence)
	once(t, s, order)
}

// A WHMCS that does not store notes leaves only the fingerprint: client, baseline and lines.
func TestManagerKilledBeforeAddOrderIsRecordedWithoutNotes(t *testing.T) {
	s := onStage(t)
	forgetMarkers(t.Context(), t, s)
	t.Cleanup(func() { forgetMarkers(context.WithoutCancel(t.Context()), t, s) })
	order := draft(t, s)
	faulty(t, s, order, whmcs.Fault{Kind: whmcs.NotesIgnored})
	faulty(t, s, order, whmcs.Fault{Kind: whmcs.LatencyAfter, Action: "AddOrder", Delay: slow, Count: 1})
	open := killed(t, s, order, v1alpha1.AddOrderCall, func(whmcs.Order) bool { return true })

	p := manage(t, s)
	provisioned(t, s, time.Minute, order)
	call := onlyCall(t, get(t, s, order), v1alpha1.AddOrderCall, v1alpha1.FoundOutcome)
	if !strings.Contains(call.Evidence, "exactly these lines") {
		t.Errorf("evidence: %q, want the fingerprint", call.Evidence)
	}
	settled := open.NotAfter.Add(10 * time.Second)
	if call.SettledAt.Time.Before(settled) {
		t.Errorf("adopted at %s, before the settle time was over at %s", call.SettledAt, settled)
	}
	t.Logf("adopted %s after the settle time; evidence: %s", call.SettledAt.Sub(settled).Round(time.Millisecond), call.Evidence)
	once(t, s, order)
	must(t, p.Stop())
}

func TestManagerKilledBeforeAcceptOrderIsRecorded(t *testing.T) {
	s := onStage(t)
	order := draft(t, s)
	faulty(t, s, order, whmcs.Fault{Kind: whmcs.LatencyAfter, Action: "AcceptOrder", Delay: slow, Count: 1})
	killed(t, s, order, v1alpha1.AcceptOrderCall, func(o whmcs.Order) bool { return o.Status == "Active" })

	manage(t, s)
	provisioned(t, s, time.Minute, order)
	call := onlyCall(t, get(t, s, order), v1alpha1.AcceptOrderCall, v1alpha1.FoundOutcome)
	t.Log("evidence:", call.Evidence)
	once(t, s, order)
}

// killed runs a manager until WHMCS shows the effect of a step whose answer is still on its way, kills it, and checks
// that the order does not know of the effect. It returns the open claim.
func killed(t *testing.T, s *stage.Stage, order sandbox.SeededOrder, step v1alpha1.CallStep, effect func(whmcs.Order) bool) v1alpha1.Call {
	t.Helper()
	p := manage(t, s)
	approve(t, s, order)
	eventually(t, time.Minute, "WHMCS shows the effect of "+string(step), func() error {
		orders := placed(t, s, order.ClientID)
		if len(orders) == 1 && effect(orders[0]) {
			return nil
		}
		return fmt.Errorf("the client's orders are %+v", orders)
	})
	must(t, p.Kill())
	object := get(t, s, order)
	calls := callsOf(object, step)
	if len(calls) != 1 || calls[0].SettledAt != nil {
		t.Fatalf("the kill came too late: calls of %s are %+v, want one that is open", step, calls)
	}
	return calls[0]
}

// once checks that the order was made and accepted once, by the journal and by the books.
func once(t *testing.T, s *stage.Stage, order sandbox.SeededOrder) {
	t.Helper()
	orders := placed(t, s, order.ClientID)
	if len(orders) != 1 || orders[0].Accepts != 1 {
		t.Errorf("WHMCS orders of the client: %+v, want one, accepted once", orders)
	}
	journal, err := s.Control.Journal(t.Context())
	must(t, err)
	calls := map[string]int{}
	for _, entry := range journal {
		if len(orders) > 0 && entry.OrderID == orders[0].ID {
			calls[entry.Action]++
		}
	}
	if calls["AddOrder"] != 1 || calls["AcceptOrder"] != 1 {
		t.Errorf("calls in WHMCS' journal: %v, want one AddOrder and one AcceptOrder", calls)
	}
	audited(t, s, order)
}
