package whmcs

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"
)

// ErrOpen says that WHMCS is taken to be out of order and is left alone for now.
var ErrOpen = errors.New("WHMCS keeps failing and is given a rest")

// openError is ErrOpen with what WHMCS failed at last: who is turned away has to be told what to mend.
type openError struct{ last error }

func (e *openError) Error() string        { return ErrOpen.Error() + ". " + e.last.Error() }
func (e *openError) Is(target error) bool { return target == ErrOpen }
func (e *openError) Unwrap() error        { return e.last }

// LastFailure returns what WHMCS failed at last before a call was turned away
// with err, or nil if err does not say.
func LastFailure(err error) error {
	if e, ok := errors.AsType[*openError](err); ok {
		return e.last
	}
	return nil
}

// AdmissionState is what an Admission thinks of its WHMCS.
type AdmissionState string

// States of an Admission.
const (
	AdmissionClosed   AdmissionState = "Closed"   // calls pass
	AdmissionOpen     AdmissionState = "Open"     // calls fail at once with ErrOpen
	AdmissionHalfOpen AdmissionState = "HalfOpen" // one call at a time passes, to see
)

// AdmissionConfig holds the limits of an Admission; zero fields take the defaults.
type AdmissionConfig struct {
	// MaxConcurrent is how many calls may be under way; 4 by default.
	MaxConcurrent int
	// PerSecond is how many calls may start per second; 10 by default,
	// math.Inf(1) for no limit.
	PerSecond float64
	// OpenFor is how long calls are turned away before one is let through to
	// see; 15 s by default.
	OpenFor time.Duration
	// FailuresToOpen is how many calls in a row must fail; 5 by default.
	FailuresToOpen uint32
	// OnChange is told when calls begin to be turned away, and when they pass
	// again. It is called one at a time, in order, and may call the Admission.
	OnChange func(open bool)
}

// Admission is the gate in front of one WHMCS, shared by all who call it: it
// bounds calls at the same time and calls per second, and turns calls away while
// WHMCS is out of order. Who waits longest by the age given is served first.
type Admission struct {
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]

	mu       sync.Mutex
	limit    *rate.Limiter
	max      int
	inFlight int
	waiters  []*waiter // sorted by their turn
	arrivals uint64
	timer    *time.Timer
	failure  error // the last that speaks of WHMCS being out of order

	onChange  func(open bool)
	noteMu    sync.Mutex
	notes     []bool // changes that onChange has yet to be told
	told      bool   // what it was told last
	reporting bool
}

// NewAdmission returns a gate that lets calls pass.
func NewAdmission(cfg AdmissionConfig) *Admission {
	failures := cfg.FailuresToOpen
	if failures == 0 {
		failures = 5
	}
	a := &Admission{onChange: cfg.OnChange}
	a.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		MaxRequests:   1,
		Timeout:       withDefault(cfg.OpenFor, 15*time.Second),
		ReadyToTrip:   func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= failures },
		IsSuccessful:  func(err error) bool { return !unhealthy(err) },
		IsExcluded:    unrelated,
		OnStateChange: a.stateChanged,
	})
	a.SetLimits(cfg.MaxConcurrent, cfg.PerSecond)
	return a
}

// SetLimits changes how many calls may be under way and how many may start per
// second. Calls under way are not touched. Zero or less takes the default.
func (a *Admission) SetLimits(maxConcurrent int, perSecond float64) {
	if maxConcurrent <= 0 {
		maxConcurrent = 4
	}
	if perSecond <= 0 {
		perSecond = 10
	}
	// A burst as large as the calls at the same time keeps an idle gate from
	// delaying the few calls of a single order.
	burst := max(1, min(maxConcurrent, int(math.Ceil(min(perSecond, 1e6)))))
	a.mu.Lock()
	a.max = maxConcurrent
	if a.limit == nil {
		a.limit = rate.NewLimiter(rate.Limit(perSecond), burst)
	}
	a.limit.SetLimit(rate.Limit(perSecond))
	a.limit.SetBurst(burst)
	a.dispatch()
	a.mu.Unlock()
	a.report()
}

// State returns what the gate thinks of WHMCS now.
func (a *Admission) State() AdmissionState {
	state := a.breaker.State()
	a.report()
	switch state {
	case gobreaker.StateOpen:
		return AdmissionOpen
	case gobreaker.StateHalfOpen:
		return AdmissionHalfOpen
	default:
		return AdmissionClosed
	}
}

// Acquire waits for its turn and returns a function that must be called with
// the outcome of the call. Among those who wait, the smallest age goes first:
// pass the instant at which the order was created. Acquire fails with ErrOpen
// (LastFailure says more) while WHMCS is out of order, and with the context's error when that ends first.
func (a *Admission) Acquire(ctx context.Context, age time.Time) (release func(err error), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &waiter{age: age, turn: make(chan verdict, 1)}
	a.mu.Lock()
	if a.breaker.State() == gobreaker.StateOpen {
		err := a.open()
		a.mu.Unlock()
		a.report()
		return nil, err
	}
	a.enqueue(w)
	a.dispatch()
	a.mu.Unlock()
	a.report()

	select {
	case v := <-w.turn:
		return v.release, v.err
	case <-ctx.Done():
	}
	a.mu.Lock()
	a.leave(w)
	a.mu.Unlock()
	a.report()
	select {
	case v := <-w.turn: // its turn came at the same moment
		if v.release != nil {
			v.release(&Error{Class: NotSent, Code: Canceled, Err: ctx.Err()})
		}
	default:
	}
	return nil, ctx.Err()
}

// dispatch lets as many waiters pass as the limits allow. It needs mu.
func (a *Admission) dispatch() {
	for len(a.waiters) > 0 && a.inFlight < a.max {
		if wait := a.untilNext(); wait > 0 {
			a.wakeAfter(wait)
			return
		}
		done, err := a.breaker.Allow()
		if err != nil {
			a.turnAway()
			return
		}
		a.inFlight++
		w := a.waiters[0]
		a.waiters = slices.Delete(a.waiters, 0, 1)
		w.turn <- verdict{release: a.releaser(done)}
	}
}

// untilNext takes a token and returns 0, or returns how long to wait for one.
// It takes none while the breaker is open, when no call follows.
func (a *Admission) untilNext() time.Duration {
	if a.breaker.State() == gobreaker.StateOpen {
		return 0
	}
	now := time.Now()
	if a.limit.AllowN(now, 1) {
		return 0
	}
	r := a.limit.ReserveN(now, 1)
	defer r.CancelAt(now)
	return max(r.DelayFrom(now), time.Nanosecond)
}

func (a *Admission) wakeAfter(d time.Duration) {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer = time.AfterFunc(d, func() {
		a.mu.Lock()
		a.dispatch()
		a.mu.Unlock()
		a.report()
	})
}

// turnAway sends all waiters home: WHMCS is out of order, or somebody is just
// finding out.
func (a *Admission) turnAway() {
	for _, w := range a.waiters {
		w.turn <- verdict{err: a.open()}
	}
	a.waiters = nil
}

// open is the error of calls that are turned away. It needs mu.
func (a *Admission) open() error {
	if a.failure == nil {
		return ErrOpen
	}
	return &openError{a.failure}
}

func (a *Admission) releaser(done func(error)) func(error) {
	var once sync.Once
	return func(err error) {
		once.Do(func() {
			a.mu.Lock()
			if unhealthy(err) && !unrelated(err) {
				a.failure = err
			}
			done(err)
			a.inFlight--
			if a.breaker.State() == gobreaker.StateOpen {
				a.turnAway()
			}
			a.dispatch()
			a.mu.Unlock()
			a.report()
		})
	}
}
