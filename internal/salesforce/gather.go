package salesforce

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// call is one caller's part of a batch. Its result fields are written before done is closed and read after.
type call[Q, R any] struct {
	ctx    context.Context //nolint:containedctx // a queue of callers, each of whom may leave at any time
	ask    Q
	answer R
	err    error
	done   chan struct{}
}

// gatherer runs one batch at a time. Calls that arrive meanwhile wait together and go with the next. Under load a far side
// that answers at once would still be asked for nearly every call alone, so then a batch that is not full waits for more.
// Where few calls come, none waits. There is no goroutine while nobody asks.
type gatherer[Q, R any] struct {
	// take splits off the calls of the next batch, at least one.
	take func(waiting []*call[Q, R]) (batch, rest []*call[Q, R])
	// run sets answer and err of every call of the batch.
	run     func(ctx context.Context, batch []*call[Q, R])
	timeout time.Duration
	// pause is the least time between two batches under load, unless the second is full.
	pause time.Duration
	// weight is what an ask takes of a batch, which is full at mostIDs.
	weight func(ask Q) int

	mu      sync.Mutex
	waiting []*call[Q, R]
	running bool
	// arrivals are when the latest calls came, from next on around.
	arrivals [loadCalls]time.Time
	next     int
	// last is when the latest batch went.
	last time.Time
	// full is told when those who wait fill a batch. It holds one message.
	full chan struct{}
}

// do adds a call and waits for its result, or until its own context ends.
func (g *gatherer[Q, R]) do(ctx context.Context, ask Q) (R, error) {
	c := &call[Q, R]{ctx: ctx, ask: ask, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, c)
	g.arrivals[g.next] = time.Now()
	g.next = (g.next + 1) % loadCalls
	g.tellFull()
	if !g.running {
		g.running = true
		go g.loop() //nolint:contextcheck // the loop serves many callers and makes a context of all of theirs
	}
	g.mu.Unlock()
	select {
	case <-c.done:
		return c.answer, c.err
	case <-ctx.Done():
	}
	select {
	case <-c.done:
		// The result came at the same moment: it is worth more than the news that the caller is in a hurry.
		return c.answer, c.err
	default:
		var none R
		return none, ctx.Err()
	}
}

// tellFull ends the wait for more calls if a batch is full. It needs mu.
func (g *gatherer[Q, R]) tellFull() {
	weight := 0
	for _, c := range g.waiting {
		weight += g.weight(c.ask)
	}
	if weight < mostIDs {
		return
	}
	select {
	case g.full <- struct{}{}:
	default:
	}
}

// It is load if so many calls come within a time.
const (
	loadCalls  = 10
	loadWithin = time.Second
)

// gather waits until the next batch may go.
func (g *gatherer[Q, R]) gather() {
	g.mu.Lock()
	load := time.Since(g.arrivals[g.next]) < loadWithin
	wait := g.pause - time.Since(g.last)
	g.mu.Unlock()
	if !load || wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.full:
	}
}

func (g *gatherer[Q, R]) loop() {
	for g.wanted() {
		g.gather()
		batch := g.begin()
		if len(batch) == 0 {
			continue
		}
		ctx, cancel := untilAllLeave(batch, g.timeout)
		g.run(ctx, batch)
		cancel()
		for _, c := range batch {
			close(c.done)
		}
	}
}

// wanted tells whether anybody still waits. The loop is over if nobody does.
func (g *gatherer[Q, R]) wanted() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = slices.DeleteFunc(g.waiting, func(c *call[Q, R]) bool { return c.ctx.Err() != nil })
	g.running = len(g.waiting) > 0
	return g.running
}

// begin takes a batch of those still waiting. It is empty if all have left.
func (g *gatherer[Q, R]) begin() []*call[Q, R] {
	g.mu.Lock()
	defer g.mu.Unlock()
	present := slices.DeleteFunc(g.waiting, func(c *call[Q, R]) bool { return c.ctx.Err() != nil })
	if g.waiting = nil; len(present) == 0 {
		return nil
	}
	var batch []*call[Q, R]
	batch, g.waiting = g.take(present)
	g.last = time.Now()
	select {
	case <-g.full: // of the batch that goes now
	default:
	}
	g.tellFull()
	return batch
}

// untilAllLeave makes the context of a batch: it outlives each caller, but not all of them.
func untilAllLeave[Q, R any](batch []*call[Q, R], timeout time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	var left atomic.Int64
	left.Store(int64(len(batch)))
	stops := make([]func() bool, len(batch))
	for i, c := range batch {
		stops[i] = context.AfterFunc(c.ctx, func() {
			if left.Add(-1) == 0 {
				cancel()
			}
		})
	}
	return ctx, func() {
		for _, stop := range stops {
			stop()
		}
		cancel()
	}
}
