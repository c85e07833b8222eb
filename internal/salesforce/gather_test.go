package salesforce

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sent is a batch that went: when, after the start, and with how many calls.
type sent struct {
	After time.Duration
	Calls int
}

// TestGathererGathersUnderLoad has calls come to a far side that answers at once.
func TestGathererGathersUnderLoad(t *testing.T) {
	every := func(pause time.Duration, calls int) []time.Duration {
		var at []time.Duration
		for n := range calls {
			at = append(at, time.Duration(n)*pause)
		}
		return at
	}
	alone := func(pause time.Duration, calls int) []sent {
		var all []sent
		for _, at := range every(pause, calls) {
			all = append(all, sent{at, 1})
		}
		return all
	}
	tests := map[string]struct {
		calls  []time.Duration
		weight int
		want   []sent
	}{
		"calls that come now and then do not wait": {every(200*time.Millisecond, 20), 1, alone(200*time.Millisecond, 20)},
		"of many calls the first go at once, the others together": {
			every(10*time.Millisecond, 50), 1, append(alone(10*time.Millisecond, 9), sent{1080 * time.Millisecond, 41}),
		},
		"a full batch does not wait": {
			every(time.Millisecond, 400), 1, append(alone(time.Millisecond, 9), sent{208 * time.Millisecond, 200}, sent{1208 * time.Millisecond, 191}),
		},
		"heavy calls fill a batch sooner": {
			every(time.Millisecond, 49), 10, append(alone(time.Millisecond, 9), sent{28 * time.Millisecond, 20}, sent{48 * time.Millisecond, 20}),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var got []sent
				g := gatherer[int, int]{
					take: func(waiting []*call[int, int]) (batch, rest []*call[int, int]) {
						n := min(len(waiting), mostIDs/test.weight)
						return waiting[:n], slices.Clone(waiting[n:])
					},
					run: func(_ context.Context, batch []*call[int, int]) {
						got = append(got, sent{time.Since(began), len(batch)})
						for _, c := range batch {
							c.answer = c.ask
						}
					},
					timeout: time.Minute,
					pause:   time.Second,
					weight:  func(int) int { return test.weight },
					full:    make(chan struct{}, 1),
				}
				var callers sync.WaitGroup
				for n, at := range test.calls {
					callers.Go(func() {
						time.Sleep(at) //nolint:forbidigo // in a bubble with a clock of its own
						if answer, err := g.do(t.Context(), n); err != nil || answer != n {
							t.Errorf("call %d: %d, %v", n, answer, err)
						}
					})
				}
				callers.Wait()
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("batches (-want +got):\n%s", diff)
				}
			})
		})
	}
}
