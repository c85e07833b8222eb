package controllers

import (
	"testing"
	"time"
)

// TestBackoff grows twofold from two seconds to five minutes, spread over the half below.
func TestBackoff(t *testing.T) {
	tests := map[int32]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 5: 32 * time.Second, 8: 256 * time.Second, 9: 5 * time.Minute, retryBudget: 5 * time.Minute, 1000: 5 * time.Minute}
	for failures, full := range tests {
		seen := map[time.Duration]bool{}
		for range 50 {
			got := backoff(failures)
			if got < full/2 || got >= full {
				t.Errorf("after %d failures it waits %s, want at least %s and less than %s", failures, got, full/2, full)
			}
			seen[got] = true
		}
		if len(seen) < 2 {
			t.Errorf("after %d failures every wait is the same: orders that failed together come back together", failures)
		}
	}
}

// TestPacer waits ever longer for the same reason, and starts anew for another one.
func TestPacer(t *testing.T) {
	p := newPacer()
	for _, want := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
		if got := p.next("order", "Away", 2*time.Second, 10*time.Second); got != want {
			t.Errorf("waits %s, want %s", got, want)
		}
	}
	if got := p.next("order", "Other", time.Second, time.Minute); got != time.Second {
		t.Errorf("waits %s for another reason, want a second", got)
	}
	p.forget("order")
	if got := p.next("order", "Other", time.Second, time.Minute); got != time.Second {
		t.Errorf("waits %s after being forgotten, want a second", got)
	}
}
