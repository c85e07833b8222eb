package controllers

import (
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// pacer makes waits longer while an order keeps waiting for the same reason. It forgets at a restart, which only means
// that waiting orders are looked at sooner.
type pacer struct {
	mu    sync.Mutex
	waits map[types.UID]pace
}

type pace struct {
	reason string
	last   time.Duration
}

func newPacer() *pacer {
	return &pacer{waits: map[types.UID]pace{}}
}

// next returns how long to wait this time.
func (p *pacer) next(order types.UID, reason string, first, longest time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	after := first
	if was, ok := p.waits[order]; ok && was.reason == reason {
		after = min(2*was.last, longest)
	}
	p.waits[order] = pace{reason, after}
	return after
}

// forget starts an order's waits anew.
func (p *pacer) forget(order types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waits, order)
}

// backoff is the pause after a number of failures in a row: exponential, capped, and spread so that orders that failed
// together do not come back together.
func backoff(failures int32) time.Duration {
	const first, longest = 2 * time.Second, 5 * time.Minute
	full := min(first<<min(failures-1, 10), longest)
	return full/2 + rand.N(full/2)
}
