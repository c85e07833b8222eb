package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orderbridge/orderbridge/internal/pubsub"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// fakeBus keeps events and delivers them as the bus does: at least once, from a position, in batches.
type fakeBus struct {
	mu     sync.Mutex
	wake   chan struct{} // closed and replaced on every change
	topics map[string]*fakeTopic
	// runs counts the subscriptions that are running, opened those that ever were.
	runs, opened int
	session      func(context.Context) (pubsub.Session, error)
}

type fakeTopic struct {
	events []pubsub.Event
	// dropped is how many of the events are no longer kept.
	dropped int
	// alive asks for a sign of life with this position.
	alive []byte
	// started are the positions that subscriptions began with.
	started []pubsub.Position
}

func newFakeBus() *fakeBus {
	return &fakeBus{wake: make(chan struct{}), topics: map[string]*fakeTopic{}}
}

// open is Options.OpenBus.
func (b *fakeBus) open(c pubsub.Config) (Bus, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.session = c.Session
	return b, nil
}

func (b *fakeBus) Close() error { return nil }

func (b *fakeBus) edit(topic string, change func(*fakeTopic)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[topic] == nil {
		b.topics[topic] = &fakeTopic{}
	}
	change(b.topics[topic])
	close(b.wake)
	b.wake = make(chan struct{})
}

// publish adds events and gives them positions.
func (b *fakeBus) publish(topic string, events ...pubsub.Event) {
	b.edit(topic, func(k *fakeTopic) {
		for _, e := range events {
			e.ReplayID = replayID(len(k.events))
			k.events = append(k.events, e)
		}
	})
}

// expire makes the bus forget its oldest events, and every position up to them.
func (b *fakeBus) expire(topic string, count int) {
	b.edit(topic, func(k *fakeTopic) { k.dropped = count })
}

func replayID(n int) []byte { return fmt.Appendf(nil, "position %d", n) }

func (b *fakeBus) Run(ctx context.Context, s pubsub.Subscription) error {
	b.edit(s.Topic, func(k *fakeTopic) { b.runs++; b.opened++; k.started = append(k.started, s.Position) })
	defer b.edit(s.Topic, func(*fakeTopic) { b.runs-- })
	s.State(pubsub.StreamState{Phase: pubsub.Connecting, Reason: pubsub.ReasonConnecting})
	if _, err := b.session(ctx); err != nil {
		<-ctx.Done()
		return ctx.Err()
	}
	next, ok := b.locate(s.Topic, s.Position)
	if !ok {
		if err := s.OnGap(ctx, "the position is too old"); err != nil {
			return err
		}
		next, _ = b.locate(s.Topic, pubsub.Position{Preset: pubsub.Earliest})
	}
	s.State(pubsub.StreamState{Phase: pubsub.Streaming, Reason: pubsub.ReasonReceiving})
	for ctx.Err() == nil {
		batch, wake := b.take(s.Topic, next)
		if batch == nil {
			select {
			case <-wake:
			case <-ctx.Done():
			}
			continue
		}
		if err := s.Handle(ctx, *batch); err == nil {
			next += len(batch.Events)
		}
	}
	return ctx.Err()
}

func (b *fakeBus) locate(topic string, p pubsub.Position) (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.topics[topic]
	switch p.Preset {
	case pubsub.Earliest:
		return k.dropped, true
	case pubsub.Latest:
		return len(k.events), true
	default:
		i := slices.IndexFunc(k.events, func(e pubsub.Event) bool { return bytes.Equal(e.ReplayID, p.ReplayID) })
		return i + 1, i >= k.dropped
	}
}

func (b *fakeBus) take(topic string, next int) (*pubsub.Batch, chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.topics[topic]
	if next < len(k.events) {
		events := slices.Clone(k.events[next:min(next+100, len(k.events))])
		return &pubsub.Batch{Events: events, LatestReplayID: events[len(events)-1].ReplayID}, nil
	}
	if k.alive != nil {
		batch := &pubsub.Batch{LatestReplayID: k.alive}
		k.alive = nil
		return batch, nil
	}
	return nil, b.wake
}

// started returns the positions that subscriptions of a topic began with.
func (b *fakeBus) started(topic string) []pubsub.Position {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics[topic] == nil {
		return nil
	}
	return slices.Clone(b.topics[topic].started)
}

func (b *fakeBus) running() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.runs
}

// fakeOrg is an org with orders that pass the gate or do not.
type fakeOrg struct {
	mu      sync.Mutex
	orgID   string
	fail    error
	passing map[salesforce.ID]time.Time
	queries []string
	used    int64
	limits  salesforce.Limits
	asked   int
}

func newFakeOrg() *fakeOrg {
	return &fakeOrg{orgID: "00D000000000001EAA", passing: map[salesforce.ID]time.Time{}}
}

// pass makes orders pass the gate; they were changed at a time.
func (o *fakeOrg) pass(at time.Time, ids ...salesforce.ID) {
	o.with(func() {
		for _, id := range ids {
			o.passing[id] = at
		}
	})
}

func (o *fakeOrg) with(change func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	change()
}

func (o *fakeOrg) asking() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.queries)
}

func (o *fakeOrg) Session(context.Context) (salesforce.Session, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return salesforce.Session{OrgID: o.orgID}, o.fail
}

func (o *fakeOrg) Invalidate(string) {}

func (o *fakeOrg) Query(ctx context.Context, soql string) ([]salesforce.Record, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queries = append(o.queries, soql)
	if o.fail != nil {
		return nil, o.fail
	}
	if !strings.Contains(soql, "WHERE (Open__c = true) AND ") {
		return nil, errors.New("the query does not ask about the gate")
	}
	var records []salesforce.Record
	for _, id := range slices.Sorted(maps.Keys(o.passing)) {
		if _, list, ok := strings.Cut(soql, "Id IN ("); ok && !strings.Contains(list, string(id)) {
			continue
		}
		records = append(records, salesforce.Record{"Id": string(id), "LastModifiedDate": o.passing[id].UTC().Format("2006-01-02T15:04:05.000+0000")})
	}
	return records, nil
}

func (o *fakeOrg) Limits(context.Context) (salesforce.Limits, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	return o.limits, o.fail
}

func (o *fakeOrg) APIUsage() (used, limit int64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.used, 1000, o.used > 0
}

// orderID makes the id of an order.
func orderID(n int) salesforce.ID {
	id, err := salesforce.ParseID(fmt.Sprintf("801Aa0%09d", n))
	if err != nil {
		panic(err)
	}
	return id
}

// orderEvent makes the platform event of an order.
func orderEvent(n int, at time.Time) pubsub.Event {
	return pubsub.Event{
		ID:          fmt.Sprintf("00000000-0000-4000-8000-%012d", n),
		SchemaID:    "schema",
		Payload:     fmt.Appendf(nil, "payload %d", n),
		Fields:      map[string]any{"OrderId__c": string(orderID(n)), "RequestedBy__c": "somebody"},
		CreatedDate: at,
	}
}
