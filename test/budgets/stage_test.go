package budgets

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	watchtools "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// patience is how long orders may take.
const patience = 10 * time.Minute

// onStage starts a control plane and the far sides for the rest of the benchmark.
func onStage(b *testing.B, pipeline func(*v1alpha1.ProvisioningPipeline)) *stage.Stage {
	b.Helper()
	s, err := stage.Start(b.Context(), stage.Options{Repository: "../..", Dir: b.TempDir(), Pipeline: pipeline})
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// manage starts a manager, which ends with the benchmark at the latest.
func manage(b *testing.B, s *stage.Stage, arguments ...string) *stage.Process {
	b.Helper()
	p, err := s.StartManager(b.Context(), arguments...)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func seed(b *testing.B, s *stage.Stage, count int) []sandbox.SeededOrder {
	b.Helper()
	seeded, err := s.Control.Seed(b.Context(), sandbox.SeedRequest{Orders: count, Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	return seeded.Orders
}

// objectName is the name of the object of a Salesforce order.
func objectName(orderID string) string {
	return "portal-" + strings.ToLower(orderID)
}

// cost is what orders took.
type cost struct {
	// took is the time from their approval to the last one being provisioned, farSides what of it WHMCS spent on calls that
	// had to be waited for, firstClaim when the first call was claimed.
	took, farSides, firstClaim time.Duration
	// versions are the versions that the API server stored, mostVersions those of the order with the most.
	versions, mostVersions int
	// whmcs are the calls to WHMCS; reads and writes the requests to Salesforce.
	whmcs, reads, writes int
}

func (c *cost) add(other cost) {
	c.took += other.took
	c.farSides += other.farSides
	c.versions += other.versions
	c.mostVersions = max(c.mostVersions, other.mostVersions)
	c.whmcs += other.whmcs
	c.reads += other.reads
	c.writes += other.writes
}

// per is a figure for each order.
func (c *cost) per(figure, orders int) float64 {
	return float64(figure) / float64(orders)
}

// provision approves orders, waits until all are provisioned, and counts what that took.
func provision(b *testing.B, s *stage.Stage, orders []sandbox.SeededOrder) cost {
	b.Helper()
	ctx, cancel := context.WithTimeoutCause(b.Context(), patience, errors.New("the orders took too long"))
	defer cancel()
	var none v1alpha1.ProvisioningOrderList
	check(b, s.Client.List(ctx, &none, client.InNamespace(stage.Namespace), client.Limit(1)))
	check(b, s.Control.ResetCounters(ctx))
	watcher, err := watchtools.NewRetryWatcherWithContext(ctx, none.ResourceVersion, orderWatch{s.Client})
	check(b, err)
	defer watcher.Stop()

	names := map[string]bool{}
	var ids []string
	for _, order := range orders {
		names[objectName(order.ID)] = true
		ids = append(ids, order.ID)
	}
	began := time.Now()
	for some := range slices.Chunk(ids, 200) {
		check(b, s.Control.Approve(ctx, some...))
	}
	c := follow(ctx, b, watcher, names, began)
	c.count(ctx, b, s)
	return c
}

// orderWatch watches the orders.
type orderWatch struct{ client client.WithWatch }

// WatchWithContext watches the orders from a version on.
func (w orderWatch) WatchWithContext(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	return w.client.Watch(ctx, &v1alpha1.ProvisioningOrderList{}, client.InNamespace(stage.Namespace), &client.ListOptions{Raw: &options})
}

// follow watches orders until all are provisioned.
func follow(ctx context.Context, b *testing.B, watcher watch.Interface, names map[string]bool, began time.Time) cost {
	b.Helper()
	var c cost
	versions := map[string]int{}
	open := maps.Clone(names)
	for len(open) > 0 {
		select {
		case <-ctx.Done():
			b.Fatalf("%d of %d orders are provisioned: %v", len(names)-len(open), len(names), context.Cause(ctx))
		case e := <-watcher.ResultChan():
			order, ok := e.Object.(*v1alpha1.ProvisioningOrder)
			if !ok {
				b.Fatalf("the watch ended: %+v", e)
			}
			if !names[order.Name] {
				continue
			}
			versions[order.Name]++
			if len(order.Status.Calls) > 0 && c.firstClaim == 0 {
				c.firstClaim = time.Since(began)
			}
			if order.Status.State == v1alpha1.ProvisionedState {
				delete(open, order.Name)
			}
		}
	}
	c.took = time.Since(began)
	for _, n := range versions {
		c.versions += n
		c.mostVersions = max(c.mostVersions, n)
	}
	return c
}

// count adds what the far sides saw.
func (c *cost) count(ctx context.Context, b *testing.B, s *stage.Stage) {
	b.Helper()
	counters, err := s.Control.Counters(ctx)
	check(b, err)
	for action := range counters.Whmcs.Calls {
		if action != "WhmcsDetails" { // the pipeline's own look whether WHMCS is there
			c.whmcs += counters.Whmcs.Total(action)
			c.farSides += time.Duration(counters.Whmcs.Busy[action])
		}
	}
	// These two run side by side: only the longer one is waited for.
	c.farSides -= time.Duration(min(counters.Whmcs.Busy["GetPayMethods"], counters.Whmcs.Busy["GetOrders"]))
	c.reads, c.writes = int(counters.Salesforce["query"]), int(counters.Salesforce["collections.update"])
}

// events is the largest number of events that an order has.
func events(b *testing.B, s *stage.Stage) int {
	b.Helper()
	var list eventsv1.EventList
	check(b, s.Client.List(b.Context(), &list, client.InNamespace(stage.Namespace)))
	most, of := 0, map[string]int{}
	for _, event := range list.Items {
		if event.Regarding.Kind == "ProvisioningOrder" {
			of[event.Regarding.Name]++
			most = max(most, of[event.Regarding.Name])
		}
	}
	return most
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}
