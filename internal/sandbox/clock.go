package sandbox

import (
	"fmt"
	"sync"
	"time"
)

// Clock is a clock that can be moved and run faster than real time. The zero value is not usable; see NewClock.
type Clock struct {
	mu    sync.Mutex
	real  func() time.Time
	start time.Time // real time at which base was set
	base  time.Time
	scale float64
}

// NewClock returns a clock that shows the real time and runs scale times as fast from now on; 0 means 1.
func NewClock(scale float64) *Clock {
	if scale <= 0 {
		scale = 1
	}
	now := time.Now()
	return &Clock{real: time.Now, start: now, base: now, scale: scale}
}

// Now is the time on the clock.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	return c.base.Add(time.Duration(float64(c.real().Sub(c.start)) * c.scale)).Round(0)
}

// Scale is how fast the clock runs.
func (c *Clock) Scale() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.scale
}

// Advance moves the clock forward. It never goes back: what has happened stays in the past.
func (c *Clock) Advance(d time.Duration) error {
	if d < 0 {
		return fmt.Errorf("advance the clock by %s: it cannot go back", d)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.start = c.now().Add(d), c.real()
	return nil
}

// Set moves the clock forward to t.
func (c *Clock) Set(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); t.Before(now) {
		return fmt.Errorf("set the clock to %s: it shows %s and cannot go back", t.Format(time.RFC3339), now.Format(time.RFC3339))
	}
	c.base, c.start = t, c.real()
	return nil
}

// SetScale changes how fast the clock runs; it does not jump.
func (c *Clock) SetScale(scale float64) error {
	if scale <= 0 || scale > 1e6 {
		return fmt.Errorf("scale the clock by %g: use a number above 0, at most 1000000", scale)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.base, c.start, c.scale = c.now(), c.real(), scale
	return nil
}
