package pubsub

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Preset says where a subscription starts.
type Preset int

const (
	// Earliest starts with everything the bus still has. It is the zero value: too much is harmless, too little is not.
	Earliest Preset = iota
	// Latest starts with what is published from now on.
	Latest
	// Custom starts strictly after Position.ReplayID.
	Custom
)

// Position is a place in the stream of a topic.
type Position struct {
	Preset Preset
	// ReplayID is needed with Custom, and without meaning otherwise.
	ReplayID []byte
	// StoredAt is when a Custom position was known to be recent, for the 72-hour clock. Zero means now.
	StoredAt time.Time
}

// Subscription is what Run keeps alive. All callbacks are called from Run's goroutine, one at a time.
type Subscription struct {
	Topic    string
	Position Position
	// Handle stores a batch. The position moves on, and more events are asked for, only after it has returned nil. An
	// error ends the stream; the batch comes again.
	Handle func(ctx context.Context, batch Batch) error
	// OnGap is told the cause, a clause, when events may have been missed, before the stream starts again at Earliest.
	// The start waits until it returns nil.
	OnGap func(ctx context.Context, cause string) error
	// State hears of every change. It must not block. May be nil.
	State func(StreamState)
}

// Run keeps one subscription alive and returns only when ctx ends (with its error) or if sub is not usable.
func (c *Client) Run(ctx context.Context, sub Subscription) error {
	if sub.Topic == "" || sub.Handle == nil || sub.OnGap == nil {
		return errors.New("pubsub: Subscription needs Topic, Handle and OnGap")
	}
	if sub.Position.Preset == Custom && len(sub.Position.ReplayID) == 0 {
		return fmt.Errorf("pubsub: the position of %s is Custom without a replay id", sub.Topic)
	}
	r := &runner{client: c, sub: sub, position: sub.Position, window: maxCredit, aliveAt: sub.Position.StoredAt}
	if r.aliveAt.IsZero() {
		r.aliveAt = time.Now()
	}
	for ctx.Err() == nil {
		r.connecting()
		opened := time.Now()
		err := r.stream(ctx)
		if ctx.Err() != nil {
			break
		}
		r.rest(ctx, newError(err, nil), time.Since(opened))
	}
	r.report(StreamState{Phase: Stopped, Reason: ReasonStopped, Message: "The subscription was stopped; its position is kept."})
	return ctx.Err()
}

// runner is the memory of one Run from stream to stream.
type runner struct {
	client   *Client
	sub      Subscription
	position Position

	checked bool   // the topic was found and may be subscribed
	settled bool   // the current stream was accepted
	gap     string // what OnGap has yet to be told
	window  int32  // credit to keep outstanding; starts small after trouble

	attempt  int // ends since the last message
	refused  int // refused sessions since the last stream that lasted
	unstored int // messages in a row that were received and not stored
	lastGap  time.Time
	aliveAt  time.Time // everything that was published until then is handled
	state    StreamState
}

// rest does what the end of a stream calls for and waits until the next may be opened.
func (r *runner) rest(ctx context.Context, end *Error, lived time.Duration) {
	r.attempt++
	if lived > r.client.cfg.Backoff.Max {
		// Not a hot loop, even if nothing was received: an idle stream can be cut off before its first sign of life.
		r.attempt, r.refused = 1, 0
	}
	r.learn(end)
	state := StreamState{Phase: Connecting, Reason: end.Reason, Message: end.Error(), Code: end.Code, Detail: end.Detail}
	pause := r.pause(end.Action)
	if pause <= 0 {
		r.report(state)
		return
	}
	state.Phase, state.NextAttempt = phaseOf(end.Action), time.Now().Add(pause)
	r.report(state)
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// learn changes the runner's memory as the end of a stream demands.
func (r *runner) learn(end *Error) {
	if r.settled && r.position.Preset == Latest {
		// Another Latest would skip whatever is published until it is open.
		r.giveUpPosition("the stream ended before Salesforce had named a first position")
	}
	switch end.Action {
	case Gap:
		if r.position.Preset == Custom {
			r.giveUpPosition("Salesforce no longer knows the stored position: it is older than 72 hours, or the stream was reset")
			return
		}
		// No position was given that could have been rejected: resting is all that is left.
		end.Action = Resume
	case Slower:
		r.window = max(1, r.window/2)
	case Block, Pause:
		r.checked = false
	case Relogin:
		r.refused++
	default:
	}
}

func (r *runner) giveUpPosition(cause string) {
	r.gap, r.position = cause, Position{Preset: Earliest}
}

// pause is how long to rest. What is answered at once the first time must not become a loop: logins are limited, and
// everything that is delivered again counts against the org's allowance.
func (r *runner) pause(action Action) time.Duration {
	cfg := r.client.cfg
	switch action {
	case Block:
		return spread(cfg.BlockedRetry)
	case Throttle:
		return spread(cfg.ThrottledRetry)
	case Pause:
		return spread(cfg.LimitRetry)
	case Gap:
		again := !r.lastGap.IsZero() && time.Since(r.lastGap) < time.Hour
		r.lastGap = time.Now()
		if again {
			return spread(cfg.ThrottledRetry)
		}
		return 0
	case Relogin:
		if r.refused == 1 {
			return 0
		}
		return cfg.Backoff.pause(max(r.attempt, r.refused-1))
	default:
		return cfg.Backoff.pause(max(r.attempt, r.unstored))
	}
}

// reportGap tells of a gap before anything else is read. Until that is stored, the position given up is still the one
// that the caller has, so that nothing is forgotten if the process ends here.
func (r *runner) reportGap(ctx context.Context) error {
	if r.gap == "" {
		return nil
	}
	if err := r.sub.OnGap(ctx, r.gap); err != nil {
		return &Error{Verdict: gapNotStored, Err: err, Detail: cut(err.Error())}
	}
	r.gap = ""
	return nil
}

// connecting notes the first attempt. Later ones keep what is known to be wrong in sight until it is mended.
func (r *runner) connecting() {
	if r.state.Phase == "" {
		r.report(StreamState{Phase: Connecting, Reason: ReasonConnecting, Message: "Opening a stream to " + r.sub.Topic + "."})
	}
}

// received notes a sign of life: only now is the stream known to work.
func (r *runner) received() {
	r.attempt, r.settled = 0, true
	r.report(StreamState{Phase: Streaming, Reason: ReasonReceiving, Message: "Receiving events of " + r.sub.Topic + "."})
}

// accepted notes that a stream was not refused, which is all there is to see on a quiet topic.
func (r *runner) accepted() {
	r.settled = true
	r.report(StreamState{Phase: Streaming, Reason: ReasonSubscribed, Message: "Subscribed to " + r.sub.Topic + "; nothing has arrived yet."})
}

// report completes the state and tells of it if it changed.
func (r *runner) report(state StreamState) {
	state.Topic, state.Attempt, state.Since = r.sub.Topic, r.attempt, r.state.Since
	if state.Phase != Streaming {
		state.KeptUntil = r.aliveAt.Add(retention)
	}
	if state.Phase == LimitExceeded {
		state.Message += " Unread events are kept at least until " + state.KeptUntil.UTC().Format("2006-01-02 15:04 MST") + "."
	}
	if state.Phase != r.state.Phase || state.Reason != r.state.Reason || state.Since.IsZero() {
		state.Since = time.Now()
	}
	if state == r.state {
		return
	}
	r.state = state
	if r.sub.State != nil {
		r.sub.State(state)
	}
}
