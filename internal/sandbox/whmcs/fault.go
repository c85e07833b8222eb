package whmcs

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Duration is a time.Duration that is written as text ("1.5s") in JSON; a number is read as seconds.
type Duration time.Duration

// MarshalJSON writes the duration as text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads "1.5s", or a number of seconds.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		seconds, err := strconv.ParseFloat(string(data), 64)
		if err != nil {
			return fmt.Errorf("duration %s: want text such as \"1.5s\" or a number of seconds", data)
		}
		*d = Duration(seconds * float64(time.Second))
		return nil
	}
	parsed, err := time.ParseDuration(text)
	*d = Duration(parsed)
	return err
}

// Fault switches one misbehaviour on. Without limits it applies to every matching request until it is removed.
type Fault struct {
	// ID names the fault, to remove it. SetFault gives one if it is empty.
	ID string `json:"id,omitempty"`
	// Kind is what goes wrong; see Kinds.
	Kind Kind `json:"kind"`
	// Action limits the fault to one action, in any case.
	Action string `json:"action,omitempty"`
	// ClientID limits the fault to requests that concern this client.
	ClientID int64 `json:"clientID,omitempty"`
	// Skip lets the first matching requests pass.
	Skip int `json:"skip,omitempty"`
	// Count ends the fault after so many requests it was applied to; 0 is no limit.
	Count int `json:"count,omitempty"`
	// Probability applies the fault to a share of the requests, drawn from the seeded generator; 0 is always.
	Probability float64 `json:"probability,omitempty"`
	// For ends the fault after this time on the sandbox's clock; 0 is no limit.
	For Duration `json:"for,omitempty"`
	// Delay is the time that latency, lateCommit and module faults take.
	Delay Duration `json:"delay,omitempty"`
	// Status is the HTTP status of faults that answer one.
	Status int `json:"status,omitempty"`
	// Text is the message, shape or body that some faults take.
	Text string `json:"text,omitempty"`
	// Hits counts the requests that the fault was applied to.
	Hits int `json:"hits,omitempty"`
}

type activeFault struct {
	Fault
	until time.Time
	rand  *rand.Rand
}

// faultSet is not safe for concurrent use; the server's lock guards it.
type faultSet struct {
	seed   uint64
	nextID uint64
	list   []*activeFault
}

func (fs *faultSet) set(f Fault, now time.Time) (Fault, error) {
	row, known := kindTable[f.Kind]
	if !known {
		return Fault{}, fmt.Errorf("unknown fault kind %q: use one of %s", f.Kind, strings.Join(KindNames(), ", "))
	}
	if len(row.texts) > 0 && !slices.Contains(row.texts, f.Text) {
		return Fault{}, fmt.Errorf("fault %s: text must be one of %q", f.Kind, row.texts)
	}
	if f.Probability < 0 || f.Probability > 1 || f.Count < 0 || f.Skip < 0 || f.For < 0 || f.Delay < 0 {
		return Fault{}, fmt.Errorf("fault %s: count, skip, for and delay must not be negative, probability must be in 0..1", f.Kind)
	}
	if f.Action != "" {
		a, ok := actions[strings.ToLower(f.Action)]
		if !ok {
			return Fault{}, fmt.Errorf("fault %s: unknown action %q", f.Kind, f.Action)
		}
		f.Action = a.name
		if len(row.actions) > 0 && !slices.Contains(row.actions, f.Action) {
			return Fault{}, fmt.Errorf("fault %s: it concerns %s, not %s", f.Kind, strings.Join(row.actions, ", "), f.Action)
		}
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) {
		return Fault{}, fmt.Errorf("fault %s: %d is no status of an answer", f.Kind, f.Status)
	}
	fs.nextID++
	f.ID = cmp.Or(f.ID, "w"+strconv.FormatUint(fs.nextID, 10))
	f.Hits = 0
	a := &activeFault{Fault: f, rand: rand.New(rand.NewPCG(fs.seed, fs.nextID))}
	if f.For > 0 {
		a.until = now.Add(time.Duration(f.For))
	}
	fs.remove(f.ID)
	fs.list = append(fs.list, a)
	return f, nil
}

func (fs *faultSet) remove(id string) bool {
	n := len(fs.list)
	fs.list = slices.DeleteFunc(fs.list, func(a *activeFault) bool { return a.ID == id })
	return len(fs.list) < n
}

// hits are the faults that apply to one request, by kind; the one set last wins.
type hits map[Kind]Fault

func (h hits) has(k Kind) bool { _, ok := h[k]; return ok }

// draw decides which faults apply to a request and uses up their counts.
func (fs *faultSet) draw(action string, clientID int64, now time.Time) hits {
	out := hits{}
	for _, a := range fs.list {
		if !a.matches(action, clientID, now) {
			continue
		}
		if a.Skip > 0 {
			a.Skip--
			continue
		}
		if a.Probability > 0 && a.rand.Float64() >= a.Probability {
			continue
		}
		a.Hits++
		out[a.Kind] = a.Fault
	}
	fs.list = slices.DeleteFunc(fs.list, func(a *activeFault) bool { return a.spent(now) })
	return out
}

func (a *activeFault) spent(now time.Time) bool {
	return a.Count > 0 && a.Hits >= a.Count || !a.until.IsZero() && !now.Before(a.until)
}

func (a *activeFault) matches(action string, clientID int64, now time.Time) bool {
	row := kindTable[a.Kind]
	return !a.spent(now) &&
		(a.Action == "" || a.Action == action) &&
		(a.ClientID == 0 || a.ClientID == clientID) &&
		(len(row.actions) == 0 || slices.Contains(row.actions, action))
}

func (fs *faultSet) snapshot() []Fault {
	out := make([]Fault, 0, len(fs.list))
	for _, a := range fs.list {
		out = append(out, a.Fault)
	}
	return out
}

// KindNames lists the kinds of faults in alphabetical order.
func KindNames() []string {
	names := make([]string, 0, len(kindTable))
	for k := range maps.Keys(kindTable) {
		names = append(names, string(k))
	}
	slices.Sort(names)
	return names
}

// KindDoc says in one sentence what a kind of fault does.
func KindDoc(k Kind) string { return kindTable[k].doc }
