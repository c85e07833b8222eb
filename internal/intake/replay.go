package intake

import (
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// replay watches how a stream catches up with what the bus has kept. Sweeps wait for it, so that an order is found by
// its event where there is one, and what a sweep finds is what no event announced.
type replay struct {
	clock clock.PassiveClock
	// quiet is how long a stream must have been silent to count as caught up, most is how long that is waited for.
	quiet, most time.Duration

	mu               sync.Mutex
	began, lastHeard time.Time
	up, busy, done   bool
}

// begin starts the watch: the stream was started, or goes back to the earliest event.
func (r *replay) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began, r.lastHeard, r.done = r.clock.Now(), r.clock.Now(), false
}

// streaming says whether the stream is open.
func (r *replay) streaming(up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if up && !r.up {
		r.lastHeard = r.clock.Now()
	}
	r.up = up
}

// handling says whether a batch is being stored.
func (r *replay) handling(busy bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.busy, r.lastHeard = busy, r.clock.Now()
}

// drained says that the bus has nothing more to deliver.
func (r *replay) drained() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
}

// remaining is how long to wait before asking again whether the stream has caught up; zero if it has.
func (r *replay) remaining() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	left := r.began.Add(r.most).Sub(now)
	silent := r.quiet
	if r.up && !r.busy {
		silent = r.lastHeard.Add(r.quiet).Sub(now)
	}
	if left <= 0 || silent <= 0 {
		r.done = true
	}
	if r.done {
		return 0
	}
	return min(left, silent)
}
