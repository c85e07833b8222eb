package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// outageSettings are the flags of the outage.
type outageSettings struct {
	orders    int
	length    time.Duration
	perSecond int
	root, dir string
	within    time.Duration
}

// outageConcurrency is maxConcurrentRequests of the pipeline during the outage.
const outageConcurrency = 8

func outageFlags(arguments []string) (outageSettings, error) {
	o := outageSettings{root: "."}
	flags := flag.NewFlagSet("soak outage", flag.ContinueOnError)
	flags.IntVar(&o.orders, "orders", 300, "orders to provision")
	flags.DurationVar(&o.length, "outage", time.Hour, "how long WHMCS is away")
	flags.IntVar(&o.perSecond, "per-second", 20, "requestsPerSecond of the pipeline")
	flags.StringVar(&o.dir, "dir", filepath.Join(".dev", "outage"), "folder for data and logs; emptied at the start")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	if o.orders < 10 || o.perSecond < 1 || o.length < 4*time.Second {
		return o, errors.New("there must be 10 orders, 1 request per second and 4s of outage at least")
	}
	o.within = o.length + 15*time.Minute
	return o, nil
}

func outageMain(ctx context.Context, arguments []string) error {
	o, err := outageFlags(arguments)
	if err != nil {
		return err
	}
	result, err := runOutage(ctx, o)
	if err != nil {
		return fmt.Errorf("%w (logs are in %s)", err, o.dir)
	}
	bad := slices.Concat(result.wrong, result.missed)
	return lastWord(len(bad) == 0, bad, result.summary(), "the outage did harm", o.dir)
}

// outage has WHMCS go away with orders under way, approves the others while it is away, and sees how they go on.
type outage struct {
	outageSettings
	stage   *stage.Stage
	orders  []sandbox.SeededOrder
	began   time.Time
	watched watched
	// down are the calls that WHMCS saw while it was away, by action.
	down map[string]int
}

// watched is what was seen of the orders while WHMCS was away.
type watched struct {
	looks    int
	failures int32
	stalled  map[string]string
	breaker  bool
	reasons  map[string]int
}

func runOutage(ctx context.Context, o outageSettings) (drained, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.within, fmt.Errorf("not done within %s", o.within))
	defer cancel()
	var result drained
	err := onStage(ctx, o.root, o.dir, o.pipeline, func(s *stage.Stage) error {
		u := &outage{outageSettings: o, stage: s, watched: watched{stalled: map[string]string{}}, down: map[string]int{}}
		var err error
		result, err = u.run(ctx)
		return err
	})
	return result, err
}

func (o outageSettings) pipeline(pipeline *v1alpha1.ProvisioningPipeline) {
	quick(pipeline)
	spec := &pipeline.Spec.Whmcs
	spec.RequestsPerSecond, spec.MaxConcurrentRequests = int32(o.perSecond), outageConcurrency
	spec.Timeouts.Read.Duration = 5 * time.Second
}

func (u *outage) run(ctx context.Context) (drained, error) {
	seeded, err := u.stage.Control.Seed(ctx, sandbox.SeedRequest{Orders: u.outageSettings.orders, Seed: 1})
	if err != nil {
		return drained{}, fmt.Errorf("seeding: %w", err)
	}
	u.orders, u.began = seeded.Orders, time.Now()
	manager, err := u.stage.StartManager(ctx)
	if err != nil {
		return drained{}, err
	}
	before := max(3, len(u.orders)/10)
	if err := u.underWay(ctx, before); err != nil {
		return drained{}, err
	}
	if err := u.away(ctx, before); err != nil {
		return drained{}, err
	}
	if !manager.Running() {
		return drained{}, errors.New("the manager ended during the outage")
	}
	return u.heal(ctx)
}

func (u *outage) say(format string, args ...any) {
	fmt.Printf("%7.1fs %s\n", time.Since(u.began).Seconds(), fmt.Sprintf(format, args...))
}

// underWay approves some orders and returns in the middle of their work.
func (u *outage) underWay(ctx context.Context, count int) error {
	if err := u.approve(ctx, 0, count); err != nil {
		return err
	}
	u.say("approved %d orders", count)
	return stage.Eventually(ctx, time.Minute, "WHMCS made an order", func() error {
		counters, err := u.stage.Control.Counters(ctx)
		if err == nil && counters.Whmcs.Total("AddOrder") == 0 {
			err = errors.New("none yet")
		}
		return err
	})
}

func (u *outage) approve(ctx context.Context, from, to int) error {
	for _, order := range u.orders[from:to] {
		if err := u.stage.Control.Approve(ctx, order.ID); err != nil {
			return fmt.Errorf("approving %s: %w", order.ID, err)
		}
	}
	return nil
}

// kinds are the ways in which WHMCS is away, one after the other.
func (u *outage) kinds() []struct {
	name  string
	begin func(context.Context) error
} {
	fault := func(faults ...whmcs.Fault) func(context.Context) error {
		return func(ctx context.Context) error {
			for _, f := range faults {
				if _, err := u.stage.Control.SetWhmcsFault(ctx, f); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return []struct {
		name  string
		begin func(context.Context) error
	}{
		{"answers 503", fault(whmcs.Fault{Kind: whmcs.Outage})},
		{"closes connections", fault(whmcs.Fault{Kind: whmcs.Outage, Text: "drop"})},
		{"gives no answer", fault(whmcs.Fault{Kind: whmcs.Outage, Text: "drop"}, whmcs.Fault{Kind: whmcs.Latency, Delay: whmcs.Duration(time.Minute)})},
		{"is off the network", func(ctx context.Context) error { return u.stage.Control.SetDown(ctx, sandbox.SystemWhmcs, true) }},
	}
}

// away has WHMCS be away in one way after the other, approves the orders that are left, and watches.
func (u *outage) away(ctx context.Context, approved int) error {
	if err := u.stage.Control.ResetCounters(ctx); err != nil {
		return err
	}
	kinds := u.kinds()
	part := u.length / time.Duration(len(kinds))
	started := time.Now()
	seen := map[string]int{}
	for n, kind := range kinds {
		// The new fault comes before the old ones go, so that no request finds WHMCS well in between.
		old, err := u.stage.Control.Faults(ctx)
		if err != nil {
			return err
		}
		if err := kind.begin(ctx); err != nil {
			return fmt.Errorf("WHMCS %s: %w", kind.name, err)
		}
		for _, f := range old.Whmcs {
			if err := u.stage.Control.ClearFault(ctx, "whmcs", f.ID); err != nil {
				return err
			}
		}
		end := started.Add(time.Duration(n+1) * part)
		if approved, err = u.watch(ctx, started, end, approved); err != nil {
			return err
		}
		counters, err := u.stage.Control.Counters(ctx)
		if err != nil {
			return err
		}
		u.say("WHMCS %s for %s: %s", kind.name, part.Round(time.Second), since(seen, counters.Whmcs))
	}
	u.down = seen
	return u.allWait(ctx)
}

// since says how many calls came since the last time, and remembers how many there are now.
func since(seen map[string]int, now whmcs.Counters) string {
	more := map[string]int{}
	for action := range now.Calls {
		if n := now.Total(action) - seen[action]; n > 0 {
			more[action] = n
		}
		seen[action] = now.Total(action)
	}
	if len(more) == 0 {
		return "no call reached it"
	}
	return "it saw " + inWords(more, nil)
}

// watch looks at everything until the end, and approves orders so that the last is approved after three quarters of the
// whole outage.
func (u *outage) watch(ctx context.Context, started, end time.Time, approved int) (int, error) {
	first, left := max(3, len(u.orders)/10), u.length*3/4
	for time.Now().Before(end) {
		due := first + int(float64(len(u.orders)-first)*min(1, time.Since(started).Seconds()/left.Seconds()))
		if err := u.approve(ctx, approved, due); err != nil {
			return approved, err
		}
		approved = max(approved, due)
		if err := u.look(ctx); err != nil {
			return approved, err
		}
		wait(ctx, min(looks, max(0, time.Until(end))))
		if ctx.Err() != nil {
			return approved, context.Cause(ctx)
		}
	}
	return approved, nil
}

// look notes what orders and pipeline say.
func (u *outage) look(ctx context.Context) error {
	var list v1alpha1.ProvisioningOrderList
	if err := u.stage.Client.List(ctx, &list, client.InNamespace(stage.Namespace)); err != nil {
		return err
	}
	u.watched.looks++
	u.watched.reasons = map[string]int{}
	for i := range list.Items {
		order := &list.Items[i]
		u.watched.failures = max(u.watched.failures, order.Status.Failures)
		ready := condition(order.Status.Conditions, v1alpha1.ReadyCondition)
		u.watched.reasons[ready.Reason]++
		if order.Status.State == v1alpha1.StalledState {
			u.watched.stalled[order.Name] = ready.Reason + ": " + ready.Message
		}
	}
	var pipeline v1alpha1.ProvisioningPipeline
	if err := u.stage.Client.Get(ctx, client.ObjectKey{Namespace: stage.Namespace, Name: "portal"}, &pipeline); err != nil {
		return err
	}
	if reachable := condition(pipeline.Status.Conditions, v1alpha1.WhmcsReachableCondition); reachable.Reason == v1alpha1.BreakerOpenReason {
		u.watched.breaker = true
	}
	return nil
}

// allWait wants every order to be there before WHMCS comes back.
func (u *outage) allWait(ctx context.Context) error {
	return stage.Eventually(ctx, time.Minute, "every order has an object that is done or waits", func() error {
		if err := u.look(ctx); err != nil {
			return err
		}
		count := 0
		for _, n := range u.watched.reasons {
			count += n
		}
		if count != len(u.orders) || u.watched.reasons[""] > 0 {
			return fmt.Errorf("%d of %d: %v", count, len(u.orders), u.watched.reasons)
		}
		u.say("before WHMCS comes back: %s", inWords(u.watched.reasons, nil))
		return nil
	})
}

// heal brings WHMCS back and waits until the orders are done.
func (u *outage) heal(ctx context.Context) (drained, error) {
	control := u.stage.Control
	if err := errors.Join(control.ResetCounters(ctx), control.ClearFaults(ctx, "whmcs"), control.SetDown(ctx, sandbox.SystemWhmcs, false)); err != nil {
		return drained{}, err
	}
	healed := time.Now()
	u.say("WHMCS is back")
	var list v1alpha1.ProvisioningOrderList
	var counters sandbox.Counters
	for ctx.Err() == nil {
		if err := u.stage.Client.List(ctx, &list, client.InNamespace(stage.Namespace)); err != nil {
			return drained{}, err
		}
		unfinished := slices.ContainsFunc(list.Items, func(o v1alpha1.ProvisioningOrder) bool {
			return o.Status.State != v1alpha1.ProvisionedState && o.Status.State != v1alpha1.StalledState
		})
		var err error
		if counters, err = control.Counters(ctx); err != nil {
			return drained{}, err
		}
		if !unfinished {
			break
		}
		wait(ctx, looks/4)
	}
	if ctx.Err() != nil {
		return drained{}, context.Cause(ctx)
	}
	u.say("all orders are done")
	journal, err := control.Journal(ctx)
	if err != nil {
		return drained{}, err
	}
	audit, err := control.Audit(ctx)
	if err != nil {
		return drained{}, err
	}
	return u.judge(list.Items, journal, counters.Whmcs, audit, healed), nil
}
