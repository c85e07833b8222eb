package pubsub

import (
	"math/rand/v2"
	"time"
)

// Backoff is an exponential pause with full jitter: each pause is drawn from zero to a bound that doubles.
type Backoff struct {
	// Base is the first bound. Default 1 s.
	Base time.Duration
	// Max is the largest bound. Default 60 s.
	Max time.Duration
}

// bound is the longest possible pause before the given attempt, counted from 1.
func (b Backoff) bound(attempt int) time.Duration {
	bound := b.Base
	for range attempt - 1 {
		if bound >= b.Max/2 {
			return b.Max
		}
		bound *= 2
	}
	return min(bound, b.Max)
}

func (b Backoff) pause(attempt int) time.Duration { return rand.N(b.bound(attempt) + 1) }

// spread adds up to a fifth, so that many pipelines that were stopped together do not come back together.
func spread(pause time.Duration) time.Duration { return pause + rand.N(pause/5+1) }
