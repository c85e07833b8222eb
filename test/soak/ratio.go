package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// ratioSettings are the flags of the ratio.
type ratioSettings struct {
	orders, kills int
	latency       time.Duration
	most          float64
	root, dir     string
	within        time.Duration
}

const (
	// ratioConcurrency is how many calls WHMCS takes at once.
	ratioConcurrency = 32
	// atOnce is how long a killed leader stays away: a kubelet starts a container that ended again without a pause, the first time.
	atOnce = 100 * time.Millisecond
	// approveAtOnce is how many orders are approved in one request.
	approveAtOnce = 200
)

func ratioMain(ctx context.Context, arguments []string) error {
	o := ratioSettings{root: "."}
	flags := flag.NewFlagSet("soak ratio", flag.ContinueOnError)
	flags.IntVar(&o.orders, "orders", 2000, "orders to provision in each round")
	flags.IntVar(&o.kills, "kills", 10, "how often the leading manager is killed in the second of three rounds")
	flags.DurationVar(&o.latency, "latency", 100*time.Millisecond, "how long WHMCS takes for each call")
	flags.Float64Var(&o.most, "most", 1.5, "the most that the round with kills may take, as a multiple of the faster one without")
	flags.StringVar(&o.dir, "dir", filepath.Join(".dev", "ratio"), "folder for data and logs; emptied at the start")
	flags.DurationVar(&o.within, "within", 20*time.Minute, "how long everything may take")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	result, err := runRatio(ctx, o)
	if err != nil {
		return fmt.Errorf("%w (logs are in %s)", err, o.dir)
	}
	return lastWord(len(result.wrong) == 0, result.wrong, result.summary(), "kills cost too much", o.dir)
}

// round is one run of orders.
type round struct {
	began   time.Time
	took    time.Duration
	kills   []time.Time
	objects []v1alpha1.ProvisioningOrder
}

func runRatio(ctx context.Context, o ratioSettings) (compared, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.within, fmt.Errorf("not done within %s", o.within))
	defer cancel()
	var result compared
	err := onStage(ctx, o.root, o.dir, ratioPipeline, func(s *stage.Stage) error {
		w := &world{stage: s, dir: o.dir, began: time.Now()}
		defer w.startReplicas(ctx)()
		if _, err := s.Control.SetWhmcsFault(ctx, whmcs.Fault{Kind: whmcs.Latency, Delay: whmcs.Duration(o.latency)}); err != nil {
			return err
		}
		// One order first, so that both rounds find the managers at work and the markers known.
		if _, err := w.round(ctx, 1, 0); err != nil {
			return err
		}
		calm, err := w.round(ctx, o.orders, 0)
		if err != nil {
			return err
		}
		killed, err := w.round(ctx, o.orders, o.kills)
		if err != nil {
			return err
		}
		// Once more without: on a machine with other work the faster of the two is the fairer measure.
		again, err := w.round(ctx, o.orders, 0)
		if err != nil {
			return err
		}
		if again.took < calm.took {
			calm = again
		}
		audit, err := s.Control.Audit(ctx)
		if err != nil {
			return err
		}
		result = compareRounds(o, calm, killed, audit)
		return nil
	})
	return result, err
}

// ratioPipeline lets WHMCS be the bound. The settle time is as far above what a call takes as the default is in use.
func ratioPipeline(pipeline *v1alpha1.ProvisioningPipeline) {
	quick(pipeline)
	timeouts := &pipeline.Spec.Whmcs.Timeouts
	timeouts.AddOrder.Duration, timeouts.AcceptOrder.Duration, timeouts.Settle.Duration = 5*time.Second, 5*time.Second, 5*time.Second
	pipeline.Spec.Whmcs.MaxConcurrentRequests = ratioConcurrency
	pipeline.Spec.Whmcs.RequestsPerSecond = 10000
}

// round approves orders and waits until they are done, killing the leader each time another share of them is.
func (w *world) round(ctx context.Context, orders, kills int) (round, error) {
	seeded, err := w.stage.Control.Seed(ctx, sandbox.SeedRequest{Orders: orders, Seed: 1})
	if err != nil {
		return round{}, fmt.Errorf("seeding: %w", err)
	}
	var now v1alpha1.ProvisioningOrderList
	if err := w.stage.Client.List(ctx, &now, client.InNamespace(stage.Namespace), client.Limit(1)); err != nil {
		return round{}, err
	}
	r := round{began: time.Now()}
	names := map[string]bool{}
	var ids []string
	for _, order := range seeded.Orders {
		names[order.ID] = true
		ids = append(ids, order.ID)
	}
	for some := range slices.Chunk(ids, approveAtOnce) {
		if err := w.stage.Control.Approve(ctx, some...); err != nil {
			return r, err
		}
	}
	if err := w.untilDone(ctx, &r, now.ResourceVersion, names, kills); err != nil {
		return r, err
	}
	r.took = time.Since(r.began)
	fmt.Printf("%7.1fs %d orders and %d kills took %.1fs\n", time.Since(w.began).Seconds(), orders, len(r.kills), r.took.Seconds())
	return r, nil
}

// ended selects orders that are provisioned or stalled.
var ended = fields.AndSelectors(
	fields.OneTermNotEqualSelector("status.state", ""),
	fields.OneTermNotEqualSelector("status.state", string(v1alpha1.ProgressingState)),
	fields.OneTermNotEqualSelector("status.state", string(v1alpha1.WaitingState)),
)

// untilDone follows the orders until all are done, and kills the leader on the way. It watches for the end of each from a
// version on: to read thousands of orders again and again would take the processor from those who are measured.
func (w *world) untilDone(ctx context.Context, r *round, from string, names map[string]bool, kills int) error {
	done := map[string]v1alpha1.ProvisioningOrder{}
	for len(done) < len(names) {
		watcher, err := w.stage.Client.Watch(ctx, &v1alpha1.ProvisioningOrderList{}, client.InNamespace(stage.Namespace),
			client.MatchingFieldsSelector{Selector: ended}, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: from}})
		if err != nil {
			return err
		}
		for event := range watcher.ResultChan() {
			order, ok := event.Object.(*v1alpha1.ProvisioningOrder)
			if !ok {
				watcher.Stop()
				return fmt.Errorf("watching the orders: %+v", event.Object)
			}
			// A watch that ended is begun again from here.
			from = order.ResourceVersion
			if !names[order.Spec.SalesforceOrderID] || event.Type == watch.Deleted {
				continue
			}
			done[order.Name] = *order
			if len(r.kills) < kills && len(done) >= len(names)*(len(r.kills)+1)/(kills+1) {
				if err := w.killLeader(ctx, r, len(done)); err != nil {
					return err
				}
			}
			if len(done) == len(names) {
				break
			}
		}
		watcher.Stop()
		if ctx.Err() != nil {
			return fmt.Errorf("%d of %d orders are done: %w", len(done), len(names), context.Cause(ctx))
		}
	}
	r.objects = slices.Collect(maps.Values(done))
	return nil
}

// killLeader kills the manager that works.
func (w *world) killLeader(ctx context.Context, r *round, done int) error {
	var leader *stage.Process
	err := stage.Eventually(ctx, killPatience, "a manager leads", func() error {
		for i := range w.replicas {
			if p := w.replicas[i].current(); p != nil && p.Running() && leads(p) {
				leader = p
				w.replicas[i].goFor(atOnce)
				return nil
			}
		}
		return errors.New("none says that it does")
	})
	if err != nil {
		return err
	}
	if err := leader.Kill(); err != nil {
		return err
	}
	r.kills = append(r.kills, time.Now())
	fmt.Printf("%7.1fs kill %d, with %d orders done\n", time.Since(w.began).Seconds(), len(r.kills), done)
	return nil
}

// leads tells whether a manager got the lease.
func leads(p *stage.Process) bool {
	output, err := os.ReadFile(p.Log)
	return err == nil && bytes.Contains(output, []byte("uccessfully acquired lease"))
}
