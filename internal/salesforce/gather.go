package salesforce

import (
	"context"
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

// gatherer runs one batch at a time. Calls that arrive meanwhile wait together and go with the next: under load batches
// grow by themselves, and a lone call never waits. No timer, and no goroutine while nobody asks.
type gatherer[Q, R any] struct {
	// take splits off the calls of the next batch, at least one.
	take func(waiting []*call[Q, R]) (batch, rest []*call[Q, R])
	// run sets answer and err of every call of the batch.
	run     func(ctx context.Context, batch []*call[Q, R])
	timeout time.Duration

	mu      sync.Mutex
	waiting []*call[Q, R]
	running bool
}

// do adds a call and waits for its result, or until its own context ends.
func (g *gatherer[Q, R]) do(ctx context.Context, ask Q) (R, error) {
	c := &call[Q, R]{ctx: ctx, ask: ask, done: make(chan struct{})}
	g.mu.Lock()
	g.waiting = append(g.waiting, c)
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

func (g *gatherer[Q, R]) loop() {
	for {
		batch := g.next()
		if batch == nil {
			return
		}
		ctx, cancel := untilAllLeave(batch, g.timeout)
		g.run(ctx, batch)
		cancel()
		for _, c := range batch {
			close(c.done)
		}
	}
}

// next takes a batch of those still waiting; nil, and the loop is over, if nobody is.
func (g *gatherer[Q, R]) next() []*call[Q, R] {
	g.mu.Lock()
	defer g.mu.Unlock()
	var present []*call[Q, R]
	for _, c := range g.waiting {
		if c.ctx.Err() == nil {
			present = append(present, c)
		}
	}
	if len(present) == 0 {
		g.waiting, g.running = nil, false
		return nil
	}
	batch, rest := g.take(present)
	g.waiting = rest
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
