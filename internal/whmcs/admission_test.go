package whmcs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	errDown    = &Error{Action: actionGetOrders, Class: Unknown, Code: HTTPStatus, HTTPStatus: 502}
	errRefused = &Error{Action: actionAddOrder, Class: Refused, Code: ClientNotFound, Answered: true}
)

// journal keeps what happened in order.
type journal struct {
	mu   sync.Mutex
	rows []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rows = append(j.rows, fmt.Sprintf(format, args...))
}

func (j *journal) want(t *testing.T, want ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if diff := cmp.Diff(want, j.rows); diff != "" {
		t.Errorf("what happened (-want +got):\n%s", diff)
	}
}

// pass lets time pass on the clock of the bubble.
func pass(d time.Duration) { <-time.After(d) }

func mustAcquire(t *testing.T, a *Admission) func(error) {
	t.Helper()
	release, err := a.Acquire(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return release
}

// endWith makes n calls end with err.
func endWith(t *testing.T, a *Admission, err error, n int) {
	t.Helper()
	for range n {
		mustAcquire(t, a)(err)
	}
}

func unlimited(cfg AdmissionConfig) *Admission {
	cfg.PerSecond = math.Inf(1)
	return NewAdmission(cfg)
}

func TestAdmissionServesTheOldestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := unlimited(AdmissionConfig{MaxConcurrent: 1})
		first := mustAcquire(t, a)
		born := time.Now()
		var j journal
		for _, age := range []int{5, 1, 9, 3, 7} {
			go func() {
				release, err := a.Acquire(t.Context(), born.Add(time.Duration(age)*time.Minute))
				if err != nil {
					t.Error(err)
					return
				}
				j.add("age %d", age)
				release(nil)
			}()
			synctest.Wait()
		}
		first(nil)
		synctest.Wait()
		j.want(t, "age 1", "age 3", "age 5", "age 7", "age 9")
	})
}

func TestAdmissionBoundsConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := unlimited(AdmissionConfig{MaxConcurrent: 3})
		var j journal
		var under, most int
		for range 10 {
			go func() {
				release, err := a.Acquire(t.Context(), time.Time{})
				if err != nil {
					t.Error(err)
					return
				}
				j.mu.Lock()
				under++
				most = max(most, under)
				j.mu.Unlock()
				pass(time.Second)
				j.mu.Lock()
				under--
				j.mu.Unlock()
				release(nil)
				release(nil) // a second time changes nothing
			}()
		}
		begin := time.Now()
		pass(time.Minute)
		synctest.Wait()
		if most != 3 || under != 0 {
			t.Errorf("at most %d calls were under way, %d still are; want 3, 0", most, under)
		}
		if got := time.Since(begin); got != time.Minute {
			t.Errorf("took %s", got)
		}
	})
}

func TestAdmissionBoundsTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAdmission(AdmissionConfig{MaxConcurrent: 2, PerSecond: 10})
		begin := time.Now()
		var got []time.Duration
		for range 6 {
			mustAcquire(t, a)(nil)
			got = append(got, time.Since(begin).Round(time.Millisecond))
		}
		ms := time.Millisecond
		if diff := cmp.Diff([]time.Duration{0, 0, 100 * ms, 200 * ms, 300 * ms, 400 * ms}, got); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
	})
}

func TestAdmissionSetLimitsLetsWaitersGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := unlimited(AdmissionConfig{MaxConcurrent: 1})
		release := mustAcquire(t, a)
		var j journal
		for range 3 {
			go func() {
				r, err := a.Acquire(t.Context(), time.Time{})
				j.add("passed: %v", err)
				if err == nil {
					defer r(nil)
				}
			}()
		}
		synctest.Wait()
		j.want(t)
		a.SetLimits(2, math.Inf(1))
		synctest.Wait()
		j.want(t, "passed: <nil>", "passed: <nil>", "passed: <nil>")
		release(nil)
	})
}

func TestAdmissionOpensAndHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var j journal
		var a *Admission
		a = unlimited(AdmissionConfig{MaxConcurrent: 2, OpenFor: 10 * time.Second, FailuresToOpen: 3, OnChange: func(open bool) {
			j.add("open: %t, state %s", open, a.State()) // it may call back
		}})
		endWith(t, a, errDown, 2)
		endWith(t, a, nil, 1) // a success in between starts the count anew
		endWith(t, a, errDown, 3)
		j.want(t, "open: true, state Open")
		_, err := a.Acquire(t.Context(), time.Time{})
		if !errors.Is(err, ErrOpen) {
			t.Errorf("got %v, want ErrOpen at once", err)
		}
		if last := LastFailure(err); !errors.Is(last, errDown) {
			t.Errorf("the last failure is %v, want %v", last, errDown)
		}

		pass(10*time.Second + 1)
		if got := a.State(); got != AdmissionHalfOpen {
			t.Errorf("state %s, want HalfOpen", got)
		}
		probe := mustAcquire(t, a)
		if _, err := a.Acquire(t.Context(), time.Time{}); !errors.Is(err, ErrOpen) {
			t.Errorf("a second call beside the probe: got %v, want ErrOpen", err)
		}
		probe(errDown)
		j.want(t, "open: true, state Open") // told once, not with every probe

		pass(10*time.Second + 1)
		mustAcquire(t, a)(&Error{Class: NotSent, Code: DeadlinePassed}) // says nothing, the next may try
		mustAcquire(t, a)(errRefused)                                   // a refusal is an answer of a healthy WHMCS
		j.want(t, "open: true, state Open", "open: false, state Closed")
		if got := a.State(); got != AdmissionClosed {
			t.Errorf("state %s, want Closed", got)
		}
	})
}

func TestAdmissionTurnsWaitersAwayWhenItOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := unlimited(AdmissionConfig{MaxConcurrent: 1, FailuresToOpen: 1})
		release := mustAcquire(t, a)
		var j journal
		for range 2 {
			go func() {
				_, err := a.Acquire(t.Context(), time.Time{})
				j.add("%t", errors.Is(err, ErrOpen))
			}()
		}
		synctest.Wait()
		release(errDown)
		synctest.Wait()
		j.want(t, "true", "true")
	})
}

func TestAdmissionCountsOnlyWhatIsWHMCSFault(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		opens bool
	}{
		"success":          {nil, false},
		"refused":          {errRefused, false},
		"denied":           {&Error{Class: Denied, Answered: true}, false},
		"denied by a wall": {&Error{Class: Denied, HTTPStatus: 403}, false},
		"not sent":         {&Error{Class: NotSent}, false},
		"not trusted here": {&Error{Class: Busy, Code: Untrusted}, false}, // another pipeline may have the right CA
		"no TLS":           {&Error{Class: Busy, Code: TLSFailed}, false},
		"connection ended": {&Error{Class: Unknown, Code: TLSFailed}, true},
		"cancelled":        {&Error{Class: Unknown, Code: Canceled}, false},
		"caller cancelled": {context.Canceled, false},
		"module failed":    {&Error{Class: Unknown, Code: ModuleFailed, Answered: true}, false},
		"odd list":         {&Error{Class: Unknown, Code: Incomplete, Answered: true}, false},
		"invalid request":  {&Error{Class: Refused, Code: InvalidRequest}, false},
		"busy":             {&Error{Class: Busy, Code: ConnectFailed}, true},
		"timeout":          {&Error{Class: Unknown, Code: Timeout}, true},
		"502":              {errDown, true},
		"not JSON":         {&Error{Class: Unknown, Code: NotJSON, HTTPStatus: 200}, true},
		"wrapped":          {fmt.Errorf("reading orders: %w", errDown), true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := unlimited(AdmissionConfig{FailuresToOpen: 1})
				endWith(t, a, tc.err, 1)
				if got := a.State() == AdmissionOpen; got != tc.opens {
					t.Errorf("open: %t, want %t", got, tc.opens)
				}
			})
		})
	}
}

func TestAdmissionCancelledWaiterLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := unlimited(AdmissionConfig{MaxConcurrent: 1})
		release := mustAcquire(t, a)
		ctx, cancel := context.WithCancel(t.Context())
		var j journal
		go func() {
			_, err := a.Acquire(ctx, time.Time{})
			j.add("%v", err)
		}()
		synctest.Wait()
		cancel()
		synctest.Wait()
		j.want(t, "context canceled")
		if _, err := a.Acquire(ctx, time.Time{}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context canceled", err)
		}
		release(nil)
		mustAcquire(t, a)(nil) // the slot is free
	})
}

// Cancelling and being served may fall together; the slot must survive that.
func TestAdmissionCancelledAsItIsServed(t *testing.T) {
	a := unlimited(AdmissionConfig{MaxConcurrent: 1})
	for range 500 {
		release := mustAcquire(t, a)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if r, err := a.Acquire(ctx, time.Time{}); err == nil {
				r(nil)
			}
		})
		wg.Go(func() { release(nil) })
		wg.Go(cancel)
		wg.Wait()
	}
	mustAcquire(t, a)(nil)
	if a.inFlight != 0 || len(a.waiters) != 0 {
		t.Errorf("%d in flight, %d waiting; want none", a.inFlight, len(a.waiters))
	}
}

// After an outage the backlog drains in order and at the configured rate.
func TestAdmissionDrainsABacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := NewAdmission(AdmissionConfig{MaxConcurrent: 4, PerSecond: 20, OpenFor: time.Second, FailuresToOpen: 1})
		endWith(t, a, errDown, 1)
		pass(time.Second + 1)
		endWith(t, a, nil, 1)
		born, begin := time.Now().Add(-time.Hour), time.Now()
		hold := []func(error){mustAcquire(t, a), mustAcquire(t, a), mustAcquire(t, a)}
		hold = append(hold, mustAcquire(t, a))
		var j journal
		var want []string
		for i := range 300 {
			n := (i * 7) % 300 // arrives in no order
			want = append(want, fmt.Sprintf("order %d", i))
			go func() {
				release, err := a.Acquire(t.Context(), born.Add(time.Duration(n)*time.Second))
				if err != nil {
					t.Error(err)
					return
				}
				j.add("order %d", n)
				release(nil)
			}()
		}
		synctest.Wait()
		for _, release := range hold {
			release(nil)
		}
		for {
			j.mu.Lock()
			n := len(j.rows)
			j.mu.Unlock()
			if n == 300 {
				break
			}
			pass(50 * time.Millisecond)
			synctest.Wait()
		}
		if took := time.Since(begin); took < 14*time.Second || took > 16*time.Second {
			t.Errorf("300 calls at 20 per second took %s", took)
		}
		j.want(t, want...)
	})
}
