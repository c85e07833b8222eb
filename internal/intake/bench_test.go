package intake

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// stopwatch notes when orders were announced and when their objects existed.
type stopwatch struct {
	mu         sync.Mutex
	start, end map[string]time.Time
}

func (w *stopwatch) note(times map[string]time.Time, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	times[name] = time.Now()
}

func (w *stopwatch) ended() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.end)
}

// report says how long it took: the median, the 99th percentile and the worst.
func (w *stopwatch) report(b *testing.B, what string) {
	b.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var took []float64
	for name, at := range w.end {
		took = append(took, at.Sub(w.start[name]).Seconds()*1000)
	}
	slices.Sort(took)
	if len(took) == 0 {
		b.Fatal("nothing was measured")
	}
	for _, q := range []struct {
		name string
		at   float64
	}{{"p50", .5}, {"p99", .99}, {"max", 1}} {
		b.ReportMetric(took[min(len(took)-1, int(q.at*float64(len(took))))], fmt.Sprintf("%s-%s-ms", what, q.name))
	}
}

// cachedClient reads orders from a cache, as the manager does.
func cachedClient(b *testing.B) client.WithWatch {
	b.Helper()
	informers, err := cache.New(config, cache.Options{Scheme: cluster.Scheme(), ByObject: map[client.Object]cache.ByObject{&v1alpha1.ProvisioningOrder{}: {}}})
	if err != nil {
		b.Fatalf("making a cache: %v", err)
	}
	go func() { _ = informers.Start(b.Context()) }()
	c, err := client.NewWithWatch(config, client.Options{Scheme: cluster.Scheme(), Cache: &client.CacheOptions{Reader: informers}})
	if err != nil {
		b.Fatalf("making a client: %v", err)
	}
	if _, err := informers.GetInformer(b.Context(), &v1alpha1.ProvisioningOrder{}); err != nil || !informers.WaitForCacheSync(b.Context()) {
		b.Fatalf("filling the cache: %v", err)
	}
	return c
}

// BenchmarkEventToObject publishes b.N events at a steady rate and measures the time from the publication of each to the
// existence of its object, over the wire and on a real API server; and beside it what the API server alone needs to
// create an object at that rate. For a minute of 200 events a second: -bench=/200 -benchtime=12000x.
func BenchmarkEventToObject(b *testing.B) {
	for _, perSecond := range []int{50, 200} {
		b.Run(fmt.Sprint(perSecond), func(b *testing.B) {
			w := &stopwatch{start: map[string]time.Time{}, end: map[string]time.Time{}}
			r, box := overTheWire(b, nil, eventTopic)
			r.options.CheckpointEvery = time.Second
			r.options.Client = interceptor.NewClient(cachedClient(b), interceptor.Funcs{
				Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
					err := c.Create(ctx, obj, opts...)
					if err == nil {
						w.note(w.end, obj.GetName())
					}
					return err
				},
			})
			r.start()
			r.eventually("it streams", func() bool { return r.trigger(eventTopic).Phase == PhaseStreaming })
			tick := time.NewTicker(time.Second / time.Duration(perSecond))
			defer tick.Stop()
			b.ResetTimer()
			for n := range b.N {
				<-tick.C
				w.note(w.start, orderName("portal", orderID(n)))
				publish(b, box, n)
			}
			published := time.Now()
			r.within(time.Minute, time.Millisecond, "all objects exist", func() bool { return w.ended() == b.N })
			b.StopTimer()
			b.ReportMetric(time.Since(published).Seconds()*1000, "behind-ms")
			w.report(b, "event")
			r.stop()

			bare := &stopwatch{start: map[string]time.Time{}, end: map[string]time.Time{}}
			a := announcer{pipeline: client.ObjectKeyFromObject(newPipelineObject(r.pipeline.Namespace, "bare"))}
			for n := range min(b.N, 5*perSecond) {
				<-tick.C
				order := a.swept(orderID(n))
				bare.note(bare.start, order.Name)
				if err := cluster.Create(b.Context(), order); err != nil {
					b.Fatal(err)
				}
				bare.note(bare.end, order.Name)
			}
			bare.report(b, "bare-create")
		})
	}
}
