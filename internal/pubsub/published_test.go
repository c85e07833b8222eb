package pubsub_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/orderbridge/orderbridge/internal/pubsub"
	sandbox "github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
)

func TestPublishedAt(t *testing.T) {
	arrived := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct{ created, want time.Time }{
		"a while ago":            {arrived.Add(-time.Hour), arrived.Add(-time.Hour)},
		"no date":                {time.Time{}, arrived},
		"a date to come":         {arrived.Add(time.Hour), arrived},
		"longer than it is kept": {arrived.AddDate(-50, 0, 0), arrived.Add(-72 * time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			e := pubsub.Event{CreatedDate: tc.created}
			if got := e.PublishedAt(arrived); !got.Equal(tc.want) {
				t.Errorf("published at %s, want %s", got, tc.want)
			}
		})
	}
}

// TestWhatWaitsIsBounded: large events that come one by one are not gathered beyond what one message may have.
func TestWhatWaitsIsBounded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const most = 8 << 20
		r := newRig(t, sandbox.Options{MaxBatch: 1}, nil)
		run := r.start(pubsub.Position{}, func(run *follower) {
			run.onHandle = func(_ context.Context, batch pubsub.Batch) error {
				size := 0
				for _, e := range batch.Events {
					size += len(e.Payload)
				}
				if size > most {
					t.Errorf("%d events of %d bytes were handed over at once", len(batch.Events), size)
				}
				<-time.After(time.Second)
				return nil
			}
		})
		var want []string
		for range 30 {
			want = append(want, r.publish(map[string]any{"OrderId__c": strings.Repeat("x", 900_000)}))
		}
		pass(time.Hour)
		run.same(want)
	})
}
