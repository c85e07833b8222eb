package pubsub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/internal/pubsub"
	sandbox "github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

func TestRunDeliversEveryEventInOrder(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{MaxBatch: 7}, nil)
		want := r.publishOrders(250)
		run := r.start(pubsub.Position{Preset: pubsub.Earliest})
		synctest.Wait()
		want = append(want, r.publishOrders(130)...)
		synctest.Wait()
		if diff := cmp.Diff(want, run.ids()); diff != "" {
			t.Errorf("events (-published +handled):\n%s", diff)
		}
		if got := r.bus.Counters(); got.MaxOutstanding > 100 || got.Subscribes != 1 || got.Schemas != 1 {
			t.Errorf("counters %+v, want at most 100 outstanding, one stream, one GetSchema", got)
		}
	})
}

func TestRunReplacesASilentStream(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, sandbox.Options{}, nil)
		r.inject(sandbox.Fault{Kind: sandbox.FaultStall, AfterEvents: 1})
		first := r.publishOrders(1)
		run := r.start(pubsub.Position{})
		synctest.Wait()
		second := r.publishOrders(1)
		pass(299 * time.Second)
		if diff := cmp.Diff(first, run.ids()); diff != "" {
			t.Errorf("before the watchdog (-want +got):\n%s", diff)
		}
		pass(10 * time.Second)
		if diff := cmp.Diff(append(first, second...), run.ids()); diff != "" {
			t.Errorf("after the watchdog (-want +got):\n%s", diff)
		}
		if _, ok := run.saw("StreamSilent"); !ok {
			t.Error("the silence was not reported")
		}
	})
}
