package controllers

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// The model explores every interleaving of two workers, the clock, crashes and lost answers around decideOrder, the
// function that production uses. Time is in ticks. A call may be sent until callTicks after its claim, and WHMCS may
// commit it until settleTicks after that.
const (
	callTicks   = 1
	settleTicks = 2
	lastTick    = 6
	mostCrashes = 2
	mostClaims  = 3
)

// flaws are bugs planted on purpose. The exploration must find each.
type flaws struct {
	callBeforeClaim   bool // the call leaves before the claim is stored
	noSettleTime      bool // an empty look at an open claim counts at once
	staleReadAccepted bool // a claim is stored whatever changed since it was read
	markerNotChecked  bool // the look does not see the key
	answerUnrecorded  bool // the claim is settled, the order it made is forgotten
	deadlineUnchecked bool // a call leaves however late
	timeoutMeansNo    bool // a lost answer is taken for a refusal
	lookTimedLate     bool // a look that began before the settle time ended counts if it ends after
}

type modelClaim struct {
	at      int8
	settled bool
	outcome int8 // index into modelOutcomes
}

var modelOutcomes = [...]v1alpha1.CallOutcome{"", v1alpha1.SucceededOutcome, v1alpha1.FoundOutcome, v1alpha1.NotFoundOutcome, v1alpha1.NotSentOutcome}

const (
	modelSucceeded int8 = iota + 1
	modelFound
	modelNotFound
	modelNotSent
)

// modelStatus is the stored object.
type modelStatus struct {
	version int8
	claims  [mostClaims]modelClaim
	count   int8
	ordered bool
}

// The places at which a worker can be. Between any two of them everything else may happen.
const (
	atRead int8 = iota
	atLook
	atDecide
	atClaim
	atSend
	atRecord
	atEnd
)

type modelWorker struct {
	at     int8
	own    modelStatus
	orders int8
	looked int8 // when
	// answered is true if the call's answer arrived.
	answered, sent bool
}

// modelWorld is everything there is. It is comparable, so that a state is explored once.
type modelWorld struct {
	now     int8
	status  modelStatus
	before  modelStatus // what a stale cache shows
	orders  int8        // orders in WHMCS
	late    [2]int8     // instants before which WHMCS commits a call that it still works on
	workers [2]modelWorker
	crashes int8
}

type exploration struct {
	flaws   flaws
	keyed   bool // WHMCS stores the key
	seen    map[modelWorld]struct{}
	worst   int8
	ordered bool
}

var modelEpoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func tick(n int8) time.Time { return modelEpoch.Add(time.Duration(n) * time.Minute) }

func (e *exploration) explore(start modelWorld) {
	stack := []modelWorld{start}
	for len(stack) > 0 && e.worst < 2 {
		w := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if _, known := e.seen[w]; known {
			continue
		}
		e.seen[w] = struct{}{}
		e.worst = max(e.worst, w.orders)
		e.ordered = e.ordered || w.status.ordered
		stack = e.clockMoves(stack, w)
		for i := range w.workers {
			stack = e.workerMoves(stack, w, i)
		}
	}
}

// clockMoves are a tick of the clock and the commits of calls that WHMCS still works on. A commit whose time is over
// does not happen.
func (e *exploration) clockMoves(next []modelWorld, w modelWorld) []modelWorld {
	for i, until := range w.late {
		if until > 0 {
			committed := w
			committed.late[i], committed.orders = 0, w.orders+1
			next = append(next, committed)
		}
	}
	if w.now < lastTick {
		later := w
		later.now++
		for i, until := range later.late {
			if until > 0 && later.now >= until {
				later.late[i] = 0
			}
		}
		next = append(next, later)
	}
	return next
}

func (e *exploration) workerMoves(next []modelWorld, w modelWorld, i int) []modelWorld {
	if w.workers[i].at != atRead && w.crashes < mostCrashes {
		crashed := w
		crashed.crashes++
		crashed.workers[i] = modelWorker{}
		next = append(next, crashed)
	}
	me := &w.workers[i]
	switch me.at {
	case atRead:
		for _, status := range []modelStatus{w.status, w.before} {
			read := w
			read.workers[i] = modelWorker{at: atLook, own: status}
			next = append(next, read)
		}
	case atLook:
		me.orders, me.looked, me.at = w.orders, w.now, atDecide
		next = append(next, w)
	case atDecide:
		next = append(next, e.decide(w, i))
	case atClaim:
		next = append(next, e.claim(w, i))
	case atSend:
		next = e.send(next, w, i)
	case atRecord:
		next = append(next, e.record(w, i))
	}
	return next
}

// decide asks the production code.
func (e *exploration) decide(w modelWorld, i int) modelWorld {
	me := &w.workers[i]
	if me.own.ordered || me.own.count == mostClaims {
		me.at = atEnd
		return w
	}
	settle := settleTicks * time.Minute
	if e.flaws.noSettleTime {
		settle = -callTicks * time.Minute
	}
	v := decideOrder(apiClaims(me.own), e.sight(me, settle, w.now), permission{}, settle)
	switch v.kind {
	case claimVerdict:
		me.at = atClaim
		if e.flaws.callBeforeClaim {
			me.at = atSend
		}
	case settleVerdict:
		last := &me.own.claims[me.own.count-1]
		last.settled, last.outcome = true, modelNotFound
		// The settled claim is stored together with the next one.
	case adoptVerdict:
		me.answered, me.sent, me.at = true, true, atRecord
		if last := me.own.count - 1; last >= 0 && !me.own.claims[last].settled {
			me.own.claims[last] = modelClaim{me.own.claims[last].at, true, modelFound}
		}
	default:
		*me = modelWorker{}
	}
	return w
}

// sight is what a look shows: the matches if the key is stored, else the lookalikes.
func (e *exploration) sight(me *modelWorker, settle time.Duration, now int8) sight {
	at := tick(me.looked)
	if e.flaws.lookTimedLate {
		at = tick(now)
	}
	seen := sight{at: at, keyReliable: e.keyed, highest: int64(me.orders)}
	calls := apiClaims(me.own)
	last := lastCall(calls, v1alpha1.AddOrderCall)
	for id := int64(1); id <= int64(me.orders); id++ {
		switch {
		case e.flaws.markerNotChecked:
		case e.keyed:
			seen.matches = append(seen.matches, match{orderID: id, status: whmcsPending})
		case isOpen(last) && !at.Before(settledFrom(last, settle)):
			seen.lookalikes = append(seen.lookalikes, id)
		}
	}
	return seen
}

func apiClaims(status modelStatus) []v1alpha1.Call {
	var calls []v1alpha1.Call
	for _, claim := range status.claims[:status.count] {
		call := v1alpha1.Call{
			Step:      v1alpha1.AddOrderCall,
			ClaimedAt: metav1.NewMicroTime(tick(claim.at)),
			NotAfter:  metav1.NewMicroTime(tick(claim.at + callTicks)),
			Outcome:   modelOutcomes[claim.outcome],
		}
		if claim.settled {
			call.SettledAt = new(call.NotAfter)
		}
		calls = append(calls, call)
	}
	return calls
}

// claim stores a claim, if nothing changed since the object was read.
func (e *exploration) claim(w modelWorld, i int) modelWorld {
	me := &w.workers[i]
	if me.own.version != w.status.version && !e.flaws.staleReadAccepted {
		*me = modelWorker{}
		return w
	}
	me.own.claims[me.own.count] = modelClaim{at: w.now}
	me.own.count++
	e.store(&w, me)
	me.at = atSend
	if e.flaws.callBeforeClaim {
		me.at = atRecord
	}
	return w
}

func (e *exploration) store(w *modelWorld, me *modelWorker) {
	// Only a planted flaw gets to the bound, which keeps the states finite.
	me.own.version = min(w.status.version+1, 20)
	w.before, w.status = w.status, me.own
}

// send makes the call: it may take effect at once, later or never, and its answer may arrive or not.
func (e *exploration) send(next []modelWorld, w modelWorld, i int) []modelWorld {
	me := &w.workers[i]
	deadline := w.now + callTicks
	if !e.flaws.callBeforeClaim {
		deadline = me.own.claims[me.own.count-1].at + callTicks
	}
	after := atRecord
	if e.flaws.callBeforeClaim {
		after = atClaim
	}
	if w.now > deadline && !e.flaws.deadlineUnchecked {
		me.at = atRecord
		return append(next, w)
	}
	me.sent, me.at = true, after
	answered, lost, never := w, w, w
	answered.orders++
	answered.workers[i].answered = true
	lost.orders++
	next = append(next, answered, lost, never)
	for slot, until := range w.late {
		if until == 0 {
			works := w
			works.late[slot] = max(deadline, w.now) + settleTicks
			next = append(next, works)
			break
		}
	}
	return next
}

// record writes down what is known. An answer that did not arrive leaves the claim open.
func (e *exploration) record(w modelWorld, i int) modelWorld {
	me := &w.workers[i]
	fits := me.own.version == w.status.version || e.flaws.staleReadAccepted
	last := max(me.own.count-1, 0)
	switch {
	case !fits:
	case me.sent && me.answered && e.flaws.answerUnrecorded && me.own.count > 0:
		me.own.claims[last] = modelClaim{me.own.claims[last].at, true, modelNotSent}
		e.store(&w, me)
	case me.sent && me.answered:
		if me.own.count > 0 && !me.own.claims[last].settled {
			me.own.claims[last] = modelClaim{me.own.claims[last].at, true, modelSucceeded}
		}
		me.own.ordered = true
		e.store(&w, me)
	case !me.sent || e.flaws.timeoutMeansNo:
		me.own.claims[last] = modelClaim{me.own.claims[last].at, true, modelNotSent}
		e.store(&w, me)
	}
	w.workers[i] = modelWorker{}
	return w
}

func exploreWith(f flaws, keyed bool) *exploration {
	e := &exploration{flaws: f, keyed: keyed, seen: map[modelWorld]struct{}{}}
	e.explore(modelWorld{})
	return e
}

// TestModelNeverOrdersTwice explores all states of the protocol as it is.
func TestModelNeverOrdersTwice(t *testing.T) {
	for name, keyed := range map[string]bool{"key stored": true, "key ignored": false} {
		t.Run(name, func(t *testing.T) {
			e := exploreWith(flaws{}, keyed)
			t.Logf("%d states", len(e.seen))
			if e.worst != 1 {
				t.Errorf("the most WHMCS orders in any state are %d, want 1", e.worst)
			}
			if !e.ordered {
				t.Error("no state has the order recorded: the model does not get anywhere")
			}
		})
	}
}

// TestModelFindsPlantedFlaws shows that the exploration would notice.
func TestModelFindsPlantedFlaws(t *testing.T) {
	tests := map[string]struct {
		flaws flaws
		keyed bool
	}{
		"call before claim":   {flaws{callBeforeClaim: true}, true},
		"no settle time":      {flaws{noSettleTime: true}, true},
		"stale read accepted": {flaws{staleReadAccepted: true}, true},
		"marker not checked":  {flaws{markerNotChecked: true}, true},
		"answer unrecorded":   {flaws{answerUnrecorded: true}, false},
		"deadline unchecked":  {flaws{deadlineUnchecked: true}, true},
		"timeout means no":    {flaws{timeoutMeansNo: true}, true},
		"look timed late":     {flaws{lookTimedLate: true}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if e := exploreWith(test.flaws, test.keyed); e.worst < 2 {
				t.Errorf("%d states explored, and no second order found", len(e.seen))
			}
		})
	}
}
