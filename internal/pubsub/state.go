package pubsub

import "time"

// retention is how long the bus keeps an event.
const retention = 72 * time.Hour

// Phase is what a subscription is doing.
type Phase string

const (
	// Connecting is logging in, looking the topic up, opening a stream, for the first time or at once after an end.
	Connecting Phase = "Connecting"
	// Streaming means that a stream is open.
	Streaming Phase = "Streaming"
	// BackingOff means that the stream ended; attempts follow by themselves within about a minute. This and the phases below last
	// until a stream is accepted.
	BackingOff Phase = "BackingOff"
	// Throttled means that the bus asked for less load; the next attempt follows by itself within minutes.
	Throttled Phase = "Throttled"
	// Blocked means that somebody has to change something; attempts go on slowly.
	Blocked Phase = "Blocked"
	// LimitExceeded means that the allowance of 24 hours is used up; attempts go on very slowly.
	LimitExceeded Phase = "LimitExceeded"
	// Stopped means that Run was told to end.
	Stopped Phase = "Stopped"
)

// StreamState describes a subscription for people. It is reported on every change, from the goroutine of Run.
type StreamState struct {
	Topic string
	Phase Phase
	// Reason is PascalCase and stable, Message one or two sentences with what the admin must do, if anything.
	Reason  string
	Message string
	// Since is when Phase and Reason became what they are.
	Since time.Time
	// Attempt counts the attempts since the last message of the bus; 0 while messages arrive.
	Attempt int
	// NextAttempt is set while resting.
	NextAttempt time.Time
	// KeptUntil is set while not streaming: events published since the last sign of life are on the bus until then.
	KeptUntil time.Time
	// Code and Detail are the bus' error code and own text, for logs.
	Code, Detail string
}

// phaseOf tells how a rest after an action is called.
func phaseOf(action Action) Phase {
	switch action {
	case Block:
		return Blocked
	case Pause:
		return LimitExceeded
	case Throttle:
		return Throttled
	default:
		return BackingOff
	}
}
