package pubsub_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/orderbridge/orderbridge/internal/pubsub"
	sandbox "github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

// TestNothingIsLostWhileEverythingBreaks publishes ten thousand events while streams break in every way after a few
// hundred, tokens are revoked, storing fails and events are duplicated.
func TestNothingIsLostWhileEverythingBreaks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const count, each = 10_000, 8
		r := newRig(t, sandbox.Options{MaxBatch: 40}, nil)
		kinds := []sandbox.FaultKind{sandbox.FaultReset, sandbox.FaultEnd, sandbox.FaultToken, sandbox.FaultStall, sandbox.FaultError}
		for _, kind := range kinds {
			r.inject(sandbox.Fault{Kind: kind, ErrorCode: "service.unavailable", AfterEvents: 100, Spread: 300, Times: each})
		}
		calls := 0
		run := r.start(pubsub.Position{}, func(run *follower) {
			run.onHandle = func(context.Context, pubsub.Batch) error {
				if calls++; calls%97 == 0 {
					return context.DeadlineExceeded
				}
				return nil
			}
		})
		published := map[string]bool{}
		for len(published) < count {
			if rand.IntN(50) == 0 {
				r.inject(sandbox.Fault{Kind: sandbox.FaultDuplicate})
			}
			for _, id := range r.publishOrders(rand.IntN(20)) {
				published[id] = true
			}
			pass(time.Duration(rand.IntN(200)) * time.Millisecond)
		}
		pass(6 * time.Hour) // eight times silence, and rests in between
		// Each stream meets one fault, those of the last kind last, after a number of events that chance decides.
		for r.bus.Counters().FaultsFired[string(kinds[len(kinds)-1])] < each {
			for _, id := range r.publishOrders(100) {
				published[id] = true
			}
			pass(time.Hour)
		}
		seen, repeated := map[string]bool{}, 0
		for _, id := range run.ids() {
			if seen[id] {
				repeated++
			}
			seen[id] = true
		}
		if len(seen) != len(published) {
			t.Errorf("%d events were published, %d handled", len(published), len(seen))
		}
		counters := r.bus.Counters()
		if duplicates := int(counters.FaultsFired[string(sandbox.FaultDuplicate)]); repeated != duplicates {
			t.Errorf("%d events were handled again, but only %d were duplicated", repeated, duplicates)
		}
		if run.gapCount() != 0 || counters.MaxOutstanding > 100 || counters.Subscribes < int64(each*len(kinds)) {
			t.Errorf("%d gaps, counters %+v", run.gapCount(), counters)
		}
		t.Logf("%d streams, %d requests and %d deliveries for %d events", counters.Subscribes, counters.Fetches, counters.Delivered, len(published))
	})
}

// BenchmarkReceive measures one event from the bus to Handle, over TLS on the loopback.
func BenchmarkReceive(b *testing.B) {
	handled := make(chan int, 1)
	r := newRigOn(b, listen(b), sandbox.Options{}, fast)
	r.publishOrders(b.N)
	b.ResetTimer()
	ctx, cancel := context.WithCancel(b.Context())
	done := make(chan error, 1)
	go func() {
		got := 0
		done <- r.client.Run(ctx, pubsub.Subscription{
			Topic: topic,
			Handle: func(_ context.Context, batch pubsub.Batch) error {
				if got += len(batch.Events); got == b.N {
					handled <- got
				}
				return nil
			},
			OnGap: func(context.Context, string) error { return nil },
		})
	}()
	<-handled
	b.StopTimer()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		b.Error(err)
	}
}
