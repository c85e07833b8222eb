package whmcs

import (
	"maps"
	"slices"
	"time"
)

// Entry is one mutating call that reached the books, in the order in which they changed.
type Entry struct {
	Seq       int       `json:"seq"`
	At        time.Time `json:"at"`
	Action    string    `json:"action"`
	ClientID  int64     `json:"clientID,omitempty"`
	OrderID   int64     `json:"orderID,omitempty"`
	ServiceID int64     `json:"serviceID,omitempty"`
	Notes     string    `json:"notes,omitempty"`
	// Result is "success" or "error", Message the error text.
	Result  string `json:"result"`
	Message string `json:"message,omitempty"`
	// Ended is how the request ended for the caller: success, error, or the kind of the fault that took the answer.
	Ended string `json:"ended"`
}

// Counters are what the server has seen since the start or the last reset.
type Counters struct {
	// Calls counts requests by action and by how they ended: success, error, denied, or the kind of a fault.
	Calls map[string]map[string]int `json:"calls"`
	// MaxConcurrent is the largest number of requests in work at once, in all and by action.
	MaxConcurrent         int            `json:"maxConcurrent"`
	MaxConcurrentByAction map[string]int `json:"maxConcurrentByAction"`
	// MaxConcurrentAddOrderPerClient is the largest number of AddOrder requests in work at once for one client.
	MaxConcurrentAddOrderPerClient int `json:"maxConcurrentAddOrderPerClient"`
	// Busy is the time spent in requests, by action.
	Busy map[string]Duration `json:"busy"`
	// Warnings are what PHP had to say about requests, such as input variables past the limit.
	Warnings []string `json:"warnings,omitempty"`
	// FirstAt and LastAt are the wall-clock times of the first and the last request.
	FirstAt time.Time `json:"firstAt,omitzero"`
	LastAt  time.Time `json:"lastAt,omitzero"`
}

// Total is the number of requests of an action, or of all with an empty name.
func (c Counters) Total(action string) int {
	total := 0
	for name, byEnd := range c.Calls {
		if action == "" || action == name {
			for _, n := range byEnd {
				total += n
			}
		}
	}
	return total
}

type stats struct {
	Counters
	running      map[string]int
	runningTotal int
	addOrders    map[int64]int
}

func newStats() stats {
	return stats{
		Counters: Counters{Calls: map[string]map[string]int{}, MaxConcurrentByAction: map[string]int{}, Busy: map[string]Duration{}},
		running:  map[string]int{}, addOrders: map[int64]int{},
	}
}

// begin notes that a request is in work; the result notes its end.
func (s *Server) begin(action string, clientID int64, start time.Time) func() {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.stats
	st.running[action]++
	st.runningTotal++
	st.MaxConcurrent = max(st.MaxConcurrent, st.runningTotal)
	st.MaxConcurrentByAction[action] = max(st.MaxConcurrentByAction[action], st.running[action])
	if action == "AddOrder" {
		st.addOrders[clientID]++
		st.MaxConcurrentAddOrderPerClient = max(st.MaxConcurrentAddOrderPerClient, st.addOrders[clientID])
	}
	if st.FirstAt.IsZero() {
		st.FirstAt = start
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		st.LastAt = time.Now()
		st.Busy[action] += Duration(st.LastAt.Sub(start))
		st.running[action]--
		st.runningTotal--
		if action == "AddOrder" {
			if st.addOrders[clientID]--; st.addOrders[clientID] == 0 {
				delete(st.addOrders, clientID)
			}
		}
	}
}

// finish counts how a request ended.
func (s *Server) finish(c *call, ended string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.ended = ended
	name := c.name()
	if s.stats.Calls[name] == nil {
		s.stats.Calls[name] = map[string]int{}
	}
	s.stats.Calls[name][ended]++
	if c.entry != nil {
		c.entry.Ended = ended
	}
}

// warn keeps the first of PHP's warnings.
func (s *Server) warn(warnings []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.stats.Warnings) < 20 {
		s.stats.Warnings = append(s.stats.Warnings, warnings...)
	}
}

// Counters returns a copy of the counters.
func (s *Server) Counters() Counters {
	s.enter()
	defer s.mu.Unlock()
	out := s.stats.Counters
	out.Calls = map[string]map[string]int{}
	for name, byEnd := range s.stats.Calls {
		out.Calls[name] = maps.Clone(byEnd)
	}
	out.MaxConcurrentByAction = maps.Clone(out.MaxConcurrentByAction)
	out.Busy = maps.Clone(out.Busy)
	out.Warnings = slices.Clone(out.Warnings)
	return out
}

// ResetCounters sets the counters to zero; requests in work go on counting as concurrent.
func (s *Server) ResetCounters() {
	s.enter()
	defer s.mu.Unlock()
	fresh := newStats()
	fresh.running, fresh.runningTotal, fresh.addOrders = s.stats.running, s.stats.runningTotal, s.stats.addOrders
	s.stats = fresh
}

// Journal returns the mutating calls in the order in which they changed the books. Late commits stand where they landed;
// calls that ended before any work was done are not in it.
func (s *Server) Journal() []Entry {
	s.enter()
	defer s.mu.Unlock()
	out := make([]Entry, len(s.journal))
	for i, e := range s.journal {
		out[i] = *e
	}
	return slices.Clip(out)
}
