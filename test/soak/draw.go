package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// action is something that is done at a time after the start.
type action struct {
	at   time.Duration
	what string
	do   func(context.Context, *world) error
}

const (
	// pace is the mean time from one trouble to the next: a manager needs about twice this to take over and get to work.
	pace = 4 * time.Second
	// mostDelay is the longest time after which a request still takes effect; it is shorter than the settle time.
	mostDelay = 8 * time.Second
)

// draw draws the actions from the seed and nothing else. The last is a kill, if there are any.
func draw(seed uint64, orders, kills int) []action {
	r := rand.New(rand.NewPCG(seed, 0x50a4))
	var troubles []action
	add := func(count int, one func(*rand.Rand) action) {
		for range count {
			troubles = append(troubles, one(r))
		}
	}
	add(kills-1, kill)
	add((kills+4)/5, killControlPlane)
	add((kills+7)/8, pause)
	add((kills*3+4)/5, whmcsFault)
	add((kills+2)/3, salesforceFault)
	add((kills+3)/4, busFault)
	length := time.Duration(len(troubles)+2) * pace
	actions := slices.Concat(troubles, approvals(r, orders, max(1, orders/(kills+1)/2)))
	for i := range actions {
		actions[i].at = time.Duration(r.Int64N(int64(length))).Truncate(100 * time.Millisecond)
	}
	slices.SortStableFunc(actions, func(a, b action) int { return int(a.at - b.at) })
	if kills > 0 {
		last := kill(r)
		last.at = length
		actions = append(actions, last)
	}
	return actions
}

// approvals approves all orders in batches of the mean size.
func approvals(r *rand.Rand, orders, mean int) []action {
	var out []action
	for orders > 0 {
		count := min(orders, 1+r.IntN(2*mean))
		orders -= count
		out = append(out, action{
			what: fmt.Sprintf("approve %d orders", count),
			do:   func(ctx context.Context, w *world) error { return w.approve(ctx, count) },
		})
	}
	return out
}

func kill(r *rand.Rand) action {
	n, away := r.IntN(replicas), pick(r, restartPause, longPause)
	return action{
		what: fmt.Sprintf("kill manager %d for %s", n, away),
		do:   func(ctx context.Context, w *world) error { return w.kill(ctx, n, away) },
	}
}

// pause holds a manager for longer than its lease, so that it goes on when another has taken over.
func pause(r *rand.Rand) action {
	n, length := r.IntN(replicas), seconds(r, leaseDuration, 2*leaseDuration)
	return action{
		what: fmt.Sprintf("pause manager %d for %s", n, length),
		do:   func(ctx context.Context, w *world) error { return w.pause(ctx, n, length) },
	}
}

func killControlPlane(r *rand.Rand) action {
	name := pick(r, "etcd", "kube-apiserver")
	return action{
		what: "kill " + name,
		do:   func(_ context.Context, w *world) error { return w.killControlPlane(name) },
	}
}

func whmcsFault(r *rand.Rand) action {
	f := whmcs.Fault{
		Kind: pick(r, whmcs.Latency, whmcs.LatencyAfter, whmcs.DropBefore, whmcs.DropAfter, whmcs.ResetBefore, whmcs.ResetAfter,
			whmcs.HTMLBefore, whmcs.HTMLAfter, whmcs.TruncatedJSON, whmcs.Outage, whmcs.LateCommit, whmcs.HangCommit),
		Action: pick(r, "AddOrder", "AcceptOrder", ""),
		Count:  1 + r.IntN(4),
	}
	what := fmt.Sprintf("%d times", f.Count)
	switch f.Kind {
	case whmcs.Latency, whmcs.LatencyAfter:
		f.Count *= 10
		f.Delay = whmcs.Duration(seconds(r, time.Second, mostDelay))
		what = fmt.Sprintf("%d times, %s", f.Count, time.Duration(f.Delay))
	case whmcs.LateCommit, whmcs.HangCommit:
		f.Action = pick(r, "AddOrder", "AcceptOrder")
		f.Delay = whmcs.Duration(seconds(r, time.Second, mostDelay))
		what += fmt.Sprintf(", %s late", time.Duration(f.Delay))
	case whmcs.Outage:
		f.Action, f.Count, f.Text = "", 0, pick(r, "", "drop")
		f.For = whmcs.Duration(seconds(r, 2*time.Second, 12*time.Second))
		what = fmt.Sprintf("for %s %s", time.Duration(f.For), f.Text)
	}
	return action{
		what: fmt.Sprintf("WHMCS %s %s %s", f.Kind, f.Action, what),
		do: func(ctx context.Context, w *world) error {
			_, err := w.stage.Control.SetWhmcsFault(ctx, f)
			return err
		},
	}
}

func salesforceFault(r *rand.Rand) action {
	f := salesforce.Fault{
		Name: pick(r, salesforce.FaultRevokeToken, salesforce.FaultUnavailable, salesforce.FaultUnavailableAfter, salesforce.FaultLockRow,
			salesforce.FaultDropBefore, salesforce.FaultDropAfter, salesforce.FaultTruncate, salesforce.FaultLoseEvent,
			salesforce.FaultDoubleEvent, salesforce.FaultHideOrder, salesforce.FaultStaleOrder),
		Times: 1 + r.IntN(5),
		Delay: salesforce.Duration(seconds(r, time.Second, 4*time.Second)),
	}
	if f.Name == salesforce.FaultRevokeToken {
		return action{what: "Salesforce revokes all tokens", do: func(ctx context.Context, w *world) error {
			_, err := w.stage.Control.RevokeTokens(ctx)
			return err
		}}
	}
	return action{
		what: fmt.Sprintf("Salesforce %s %d times", f.Name, f.Times),
		do: func(ctx context.Context, w *world) error {
			_, err := w.stage.Control.SetSalesforceFault(ctx, f)
			return err
		},
	}
}

func busFault(r *rand.Rand) action {
	f := pubsub.Fault{
		Kind:  pick(r, pubsub.FaultEnd, pubsub.FaultReset, pubsub.FaultStall, pubsub.FaultToken, pubsub.FaultReplay, pubsub.FaultDuplicate),
		Times: 1 + r.IntN(2), AfterEvents: r.IntN(4),
	}
	return action{
		what: fmt.Sprintf("Pub/Sub %s %d times after %d events", f.Kind, f.Times, f.AfterEvents),
		do:   func(ctx context.Context, w *world) error { return w.stage.Control.InjectPubSubFault(ctx, f) },
	}
}

func pick[T any](r *rand.Rand, from ...T) T {
	return from[r.IntN(len(from))]
}

func seconds(r *rand.Rand, least, most time.Duration) time.Duration {
	return (least + time.Duration(r.Int64N(int64(most-least)))).Truncate(100 * time.Millisecond)
}
