package whmcs

import (
	"cmp"
	"slices"
	"time"

	"github.com/sony/gobreaker/v2"
)

type verdict struct {
	release func(error)
	err     error
}

// waiter is one caller of Acquire that waits for its turn.
type waiter struct {
	age     time.Time
	arrival uint64
	turn    chan verdict
}

// before orders waiters: the oldest first; among equals, who came first.
func (w *waiter) before(other *waiter) int {
	return cmp.Or(w.age.Compare(other.age), cmp.Compare(w.arrival, other.arrival))
}

// enqueue adds w to the sorted queue. It needs mu.
func (a *Admission) enqueue(w *waiter) {
	a.arrivals++
	w.arrival = a.arrivals
	i, _ := slices.BinarySearchFunc(a.waiters, w, (*waiter).before)
	a.waiters = slices.Insert(a.waiters, i, w)
}

// leave takes w out of the queue, if it is still in it. It needs mu.
func (a *Admission) leave(w *waiter) {
	if i, found := slices.BinarySearchFunc(a.waiters, w, (*waiter).before); found {
		a.waiters = slices.Delete(a.waiters, i, i+1)
	}
}

// stateChanged notes a change of the breaker. The breaker calls it under its own
// lock, so reporting has to wait until the caller has let go of it.
func (a *Admission) stateChanged(_ string, _, to gobreaker.State) {
	a.noteMu.Lock()
	defer a.noteMu.Unlock()
	if to != gobreaker.StateHalfOpen { // still turned away, except for one
		a.notes = append(a.notes, to == gobreaker.StateOpen)
	}
}

// report tells onChange what was noted, one at a time and in order. Who finds
// another one reporting leaves it to that one.
func (a *Admission) report() {
	if a.onChange == nil {
		return
	}
	a.noteMu.Lock()
	defer a.noteMu.Unlock()
	if a.reporting {
		return
	}
	a.reporting = true
	for len(a.notes) > 0 {
		open := a.notes[0]
		a.notes = a.notes[1:]
		if open == a.told {
			continue
		}
		a.told = open
		a.noteMu.Unlock()
		a.onChange(open)
		a.noteMu.Lock()
	}
	a.reporting = false
}
