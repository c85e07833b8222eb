package salesforce

import (
	"encoding"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// The names of faults. SetFault switches one on.
const (
	FaultLatency          = "latency"          // answer after Delay
	FaultDropBefore       = "dropBefore"       // close the connection, nothing was done
	FaultDropAfter        = "dropAfter"        // do it, then close the connection without an answer
	FaultTruncate         = "truncate"         // do it, then break off in the middle of the body
	FaultUnavailable      = "unavailable"      // HTML page with Status (default 503), nothing was done
	FaultUnavailableAfter = "unavailableAfter" // do it, then the HTML page
	FaultError            = "error"            // answer Status, Code, Message; nothing was done
	FaultUnauthorized     = "unauthorized"     // 401 INVALID_SESSION_ID although the token is good
	FaultRevokeToken      = "revokeToken"      // the token that is used dies, then 401
	FaultRequestLimit     = "requestLimit"     // 403 REQUEST_LIMIT_EXCEEDED
	FaultNearLimit        = "nearLimit"        // only Remaining calls of the day are left in Sforce-Limit-Info and limits
	FaultLoginError       = "loginError"       // the token endpoint answers 400 with Code, Message
	FaultLockRow          = "lockRow"          // UNABLE_TO_LOCK_ROW on writes of RecordID
	FaultRejectRow        = "rejectRow"        // writes of RecordID or Object fail with Code, Message
	FaultMissingField     = "missingField"     // Field of Object cannot be seen
	FaultFlowOff          = "flowOff"          // approval has no effect
	FaultLoseEvent        = "loseEvent"        // the Flow runs, its event never reaches the bus
	FaultDoubleEvent      = "doubleEvent"      // the Flow publishes two events
	FaultHideOrder        = "hideOrder"        // an approved order is not found for Delay, while its event is out
	FaultStaleOrder       = "staleOrder"       // an approved order is read as before approval for Delay
	FaultChangeEventsOff  = "changeEventsOff"  // no change events
)

var faultNames = []string{
	FaultLatency, FaultDropBefore, FaultDropAfter, FaultTruncate, FaultUnavailable, FaultUnavailableAfter, FaultError,
	FaultUnauthorized, FaultRevokeToken, FaultRequestLimit, FaultNearLimit, FaultLoginError, FaultLockRow, FaultRejectRow,
	FaultMissingField, FaultFlowOff, FaultLoseEvent, FaultDoubleEvent, FaultHideOrder, FaultStaleOrder, FaultChangeEventsOff,
}

// FaultNames lists every fault that SetFault knows.
func FaultNames() []string { return slices.Clone(faultNames) }

// Duration is a time.Duration that reads and writes as "1.5s" in JSON.
type Duration time.Duration

var _ encoding.TextMarshaler = Duration(0)

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	*d = Duration(parsed)
	return err
}

// Fault is one fault that is switched on. Endpoint, Method, Path, Object and
// RecordID narrow it down; empty matches everything.
type Fault struct {
	ID        int      `json:"id,omitzero"` // given by SetFault
	Name      string   `json:"name"`
	Endpoint  string   `json:"endpoint,omitzero"` // a name as in Counters: query, row.update, collections.update, login ...
	Method    string   `json:"method,omitzero"`
	Path      string   `json:"path,omitzero"` // part of the request path
	Object    string   `json:"object,omitzero"`
	Field     string   `json:"field,omitzero"`
	RecordID  string   `json:"recordID,omitzero"`
	After     int      `json:"after,omitzero"` // let so many matches pass first
	Times     int      `json:"times,omitzero"` // then strike so often; 0 = until cleared
	Delay     Duration `json:"delay,omitzero"`
	Status    int      `json:"status,omitzero"`
	Code      string   `json:"code,omitzero"`
	Message   string   `json:"message,omitzero"`
	Remaining int64    `json:"remaining,omitzero"`
	Used      int      `json:"used,omitzero"` // how often it struck
}

type faultSet struct {
	mu     sync.Mutex
	active []*Fault
	lastID int
}

// SetFault switches a fault on and returns its number.
func (s *Server) SetFault(f Fault) (int, error) {
	if !slices.Contains(faultNames, f.Name) {
		return 0, fmt.Errorf("set fault %q: not known; known are %s", f.Name, strings.Join(faultNames, ", "))
	}
	if err := s.checkFault(f); err != nil {
		return 0, fmt.Errorf("set fault %s: %w", f.Name, err)
	}
	f.Method = strings.ToUpper(f.Method)
	if f.RecordID != "" {
		id, ok := parseID(f.RecordID)
		if !ok {
			return 0, fmt.Errorf("set fault %s: %q is no record id", f.Name, f.RecordID)
		}
		f.RecordID = id
	}
	if f.Name == FaultMissingField {
		if err := s.HideField(f.Object, f.Field, true); err != nil {
			return 0, err
		}
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.lastID++
	f.ID, f.Used = s.faults.lastID, 0
	s.faults.active = append(s.faults.active, &f)
	return f.ID, nil
}

// checkFault refuses what could never strike, or not be answered.
func (s *Server) checkFault(f Fault) error {
	switch {
	case f.Endpoint != "" && !slices.Contains(endpoints(), f.Endpoint):
		return fmt.Errorf("there is no endpoint %q; known are %s", f.Endpoint, strings.Join(endpoints(), ", "))
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("%d is no status of an answer", f.Status)
	case f.After < 0 || f.Times < 0 || f.Delay < 0 || f.Remaining < 0:
		return errors.New("after, times, delay and remaining must not be negative")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Object != "" && s.schema.object(f.Object) == nil {
		return fmt.Errorf("there is no object %q", f.Object)
	}
	return nil
}

// ClearFaults switches off the faults with the given names, or all.
func (s *Server) ClearFaults(names ...string) {
	s.clearFaults(func(f *Fault) bool { return len(names) == 0 || slices.Contains(names, f.Name) })
}

// ClearFault switches off one fault by the number that SetFault returned.
func (s *Server) ClearFault(id int) { s.clearFaults(func(f *Fault) bool { return f.ID == id }) }

func (s *Server) clearFaults(which func(*Fault) bool) {
	s.faults.mu.Lock()
	var gone []*Fault
	s.faults.active = slices.DeleteFunc(s.faults.active, func(f *Fault) bool {
		if which(f) {
			gone = append(gone, f)
			return true
		}
		return false
	})
	s.faults.mu.Unlock()
	for _, f := range gone {
		if f.Name == FaultMissingField {
			// The field existed when the fault was set, and definitions are never taken back.
			_ = s.HideField(f.Object, f.Field, false)
		}
	}
}

// Faults lists the faults that are on.
func (s *Server) Faults() []Fault {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	out := make([]Fault, 0, len(s.faults.active))
	for _, f := range s.faults.active {
		out = append(out, *f)
	}
	return out
}

// strike finds an active fault of that name that matches, and counts the
// match; it reports a strike only within After and Times.
func (fs *faultSet) strike(name string, matches func(*Fault) bool) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.active {
		if f.Name != name || f.Times > 0 && f.Used >= f.Times || !matches(f) {
			continue
		}
		if f.After > 0 {
			f.After--
			continue
		}
		f.Used++
		return *f, true
	}
	return Fault{}, false
}

func (fs *faultSet) request(name string, r *call) (Fault, bool) {
	return fs.strike(name, func(f *Fault) bool {
		return (f.Endpoint == "" || f.Endpoint == r.endpoint) && (f.Method == "" || f.Method == r.method) &&
			(f.Path == "" || strings.Contains(r.path, f.Path))
	})
}

func (fs *faultSet) record(name, object string, ids ...string) (Fault, bool) {
	return fs.strike(name, func(f *Fault) bool {
		return (f.RecordID == "" || slices.Contains(ids, f.RecordID)) && (f.Object == "" || strings.EqualFold(f.Object, object))
	})
}

// rowError is the refusal of a write by a fault.
func (fs *faultSet) rowError(object string, ids []string) *recordError {
	if _, struck := fs.record(FaultLockRow, object, ids...); struck {
		return refuse("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records: "+ids[len(ids)-1])
	}
	if f, struck := fs.record(FaultRejectRow, object, ids...); struck {
		code := f.Code
		if code == "" {
			code = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
		}
		if f.Field != "" {
			return refuse(code, f.Message, f.Field)
		}
		return refuse(code, f.Message)
	}
	return nil
}

// remaining is the number of calls left by FaultNearLimit. It only looks.
func (fs *faultSet) remaining() (int64, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.active {
		if f.Name == FaultNearLimit {
			return f.Remaining, true
		}
	}
	return 0, false
}

type counters struct {
	mu sync.Mutex
	n  map[string]int64
}

func (c *counters) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int64{}
	}
	c.n[name]++
}

func (c *counters) get(name string) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[name]
}

// Counters returns how often each thing happened since the start or the last
// ResetCounters: "rest" for all REST calls, one name per endpoint (query,
// queryMore, row.get, row.update, collections.update, composite, login ...),
// and login.refused, flow.runs, events.published, changeEvents.published.
func (s *Server) Counters() map[string]int64 {
	s.counters.mu.Lock()
	defer s.counters.mu.Unlock()
	out := maps.Clone(s.counters.n)
	if out == nil {
		out = map[string]int64{}
	}
	return out
}

// ResetCounters sets all counters to zero, but not the day's usage of calls.
func (s *Server) ResetCounters() {
	s.counters.mu.Lock()
	defer s.counters.mu.Unlock()
	clear(s.counters.n)
}
