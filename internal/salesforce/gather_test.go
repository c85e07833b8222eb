package salesforce

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/time/rate"
)

// sent is a batch that went: when, after the start, and with how many calls.
type sent struct {
	After time.Duration
	Calls int
}

// TestGathererGoesAtAPaceUnderLoad has calls come to a far side that answers at once.
func TestGathererGoesAtAPaceUnderLoad(t *testing.T) {
	every := func(pause time.Duration, calls int) []time.Duration {
		var at []time.Duration
		for n := range calls {
			at = append(at, time.Duration(n)*pause)
		}
		return at
	}
	tests := map[string]struct {
		calls  []time.Duration
		weight int
		want   []sent
	}{
		"lone calls never wait": {every(2*time.Second, 4), 1, []sent{{0, 1}, {2 * time.Second, 1}, {4 * time.Second, 1}, {6 * time.Second, 1}}},
		"a few at once go at once, then the others together": {
			every(10*time.Millisecond, 50), 1, []sent{{0, 1}, {10 * time.Millisecond, 1}, {time.Second, 48}},
		},
		"a full batch does not wait": {
			every(time.Millisecond, 400), 1, []sent{{0, 1}, {time.Millisecond, 1}, {201 * time.Millisecond, 200}, {time.Second, 198}},
		},
		"heavy calls fill a batch sooner": {
			every(time.Millisecond, 42), 10, []sent{{0, 1}, {time.Millisecond, 1}, {21 * time.Millisecond, 20}, {41 * time.Millisecond, 20}},
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
					pace:    rate.NewLimiter(rate.Every(time.Second), 2),
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
