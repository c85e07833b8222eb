package intake

import (
	"context"
	"math/rand/v2"
	"time"

	"k8s.io/utils/clock"
)

const (
	shortestWait = 100 * time.Millisecond
	longestWait  = 5 * time.Second
)

// backoff is the wait before the next attempt of something that must succeed in the end.
type backoff struct {
	next, longest time.Duration
}

func newBackoff() *backoff {
	return &backoff{next: shortestWait, longest: longestWait}
}

// sleep waits, longer each time and never quite the same; the error is that ctx ended.
func (b *backoff) sleep(ctx context.Context, c clock.Clock) error {
	return sleep(ctx, c, b.draw())
}

// draw returns the next wait.
func (b *backoff) draw() time.Duration {
	wait := b.next/2 + rand.N(b.next)
	b.next = min(2*b.next, b.longest)
	return wait
}

// sleep waits for a time, or until ctx ends.
func sleep(ctx context.Context, c clock.Clock, d time.Duration) error {
	timer := c.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
