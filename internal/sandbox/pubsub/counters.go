package pubsub

import "maps"

// Counters tell what clients did and got, for tests and for the control API.
type Counters struct {
	Subscribes     int64 `json:"subscribes"`
	Fetches        int64 `json:"fetches"`
	Topics         int64 `json:"topics"`
	Schemas        int64 `json:"schemas"`
	PublishCalls   int64 `json:"publishCalls"`
	Published      int64 `json:"published"`
	Delivered      int64 `json:"delivered"`
	KeepAlives     int64 `json:"keepAlives"`
	AuthErrors     int64 `json:"authErrors"`
	ReplayRejected int64 `json:"replayRejected"`
	ZeroCreditEnds int64 `json:"zeroCreditEnds"`
	// MaxOutstanding is the largest credit that any stream asked to have at once, before it was cut to MaxCredit.
	MaxOutstanding int32 `json:"maxOutstanding"`
	// LiveStreams are the subscriptions open now.
	LiveStreams int `json:"liveStreams"`
	// DeliveredIn24h is what counts against the allowance.
	DeliveredIn24h int64 `json:"deliveredIn24h"`
	// FaultsFired counts faults by kind.
	FaultsFired map[string]int64 `json:"faultsFired"`
}

func (s *Server) count(change func(*Counters)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.counters)
}

// Counters returns a copy of the counters.
func (s *Server) Counters() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	result := s.counters
	result.LiveStreams = len(s.streams)
	result.DeliveredIn24h = s.deliveredIn24h()
	result.FaultsFired = map[string]int64{}
	maps.Copy(result.FaultsFired, s.counters.FaultsFired)
	return result
}
