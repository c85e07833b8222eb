package whmcs

import (
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
	index   int // in the heap, -1 when it is no longer in it
	turn    chan verdict
}

// waiterHeap is a heap of waiters, the oldest on top; among equals, who came first.
type waiterHeap []*waiter

func (h waiterHeap) Len() int { return len(h) }

func (h waiterHeap) Less(i, j int) bool {
	if !h[i].age.Equal(h[j].age) {
		return h[i].age.Before(h[j].age)
	}
	return h[i].arrival < h[j].arrival
}

func (h waiterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push implements heap.Interface.
func (h *waiterHeap) Push(x any) {
	w := x.(*waiter)
	w.index = len(*h)
	*h = append(*h, w)
}

// Pop implements heap.Interface.
func (h *waiterHeap) Pop() any {
	last := len(*h) - 1
	w := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	w.index = -1
	return w
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
