package intake

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

const (
	// mostIDs is how many orders one query asks about.
	mostIDs = 200
	// queryAttempts is how often the gate is asked about a batch before the sweep takes over.
	queryAttempts = 4
	// announcement is how long a platform event of the same moment may take to become an object.
	announcement = 250 * time.Millisecond
)

// isDataTopic reports whether a topic delivers change events.
func isDataTopic(topic string) bool { return strings.HasPrefix(topic, "/data/") }

// changes fills in which objects change events ask for: those of the orders that pass the gate now. Change events come
// for every change of an order, our own write-backs among them, and do not show what the gate looks at; the org is
// asked once for the whole batch.
func (s *stream) changes(ctx context.Context, items []*item) {
	for _, it := range items {
		if _, wildcard := it.event.ChangeHeader.Records(); wildcard && s.aboutOrders(it) {
			s.p.sweeper.request(sweepChange)
		}
	}
	candidates, ask, stalled := s.unsettled(ctx, items)
	if pause := s.announcedWithin(items); len(ask) > 0 && pause > 0 {
		// The order that is approved now is announced by a platform event too. Once that is stored the org need not be asked.
		select {
		case <-s.p.Clock.After(pause):
		case <-ctx.Done():
		}
		candidates, ask, stalled = s.unsettled(ctx, items)
	}
	if len(ask) == 0 {
		return
	}
	open, err := s.gateOpen(ctx, ask)
	for wait := newBackoff(); err != nil && stalled; {
		// Only this event asks to try a stalled order again: for a sweep, an order that has an object needs nothing.
		s.unasked(err)
		if wait.sleep(ctx, s.p.Clock) != nil {
			return
		}
		open, err = s.gateOpen(ctx, ask)
	}
	if err != nil {
		// Waiting would hold up what comes after; the sweep asks the same question until it gets an answer.
		logf.FromContext(ctx).Info("Asking which changed orders pass the gate failed, leaving them to the sweep", "orders", len(ask), "error", err.Error())
		s.p.sweeper.request(sweepChange)
		return
	}
	for i, it := range items {
		for _, id := range candidates[i] {
			if open[id] {
				it.orders = append(it.orders, s.changeEvent(it.event, id))
			}
		}
	}
}

// announcedWithin is how long the platform events of the same moment may still take; zero if another trigger brings none.
// Changes that were committed a while ago wait for nothing, or a stream that lags would never catch up.
func (s *stream) announcedWithin(items []*item) time.Duration {
	if !slices.ContainsFunc(s.p.current().Pipeline.Spec.Salesforce.Triggers, func(t v1alpha1.Trigger) bool { return !isDataTopic(t.Topic) }) {
		return 0
	}
	now := s.p.Clock.Now()
	var last time.Time
	for _, it := range items {
		if at := it.event.PublishedAt(now); at.After(last) {
			last = at
		}
	}
	return announcement - now.Sub(last)
}

// unsettled returns the orders of each item, and of all together, for which the org must be asked, and counts the others.
// It also tells whether an order is among them that has an object, which has stalled.
func (s *stream) unsettled(ctx context.Context, items []*item) (candidates [][]salesforce.ID, ask []salesforce.ID, stalled bool) {
	candidates = make([][]salesforce.ID, len(items))
	for i, it := range items {
		it.known = 0
		if !s.aboutOrders(it) {
			continue
		}
		records, _ := it.event.ChangeHeader.Records()
		for _, id := range changedOrders(records, s.p.orderObject()) {
			exists, settled := s.settled(ctx, it, id)
			if settled {
				it.known++
				continue
			}
			stalled = stalled || exists
			candidates[i] = append(candidates[i], id)
			ask = append(ask, id)
		}
	}
	return candidates, ask, stalled
}

func (s *stream) aboutOrders(it *item) bool {
	return ofOrders(it.event.ChangeHeader, s.p.orderObject())
}

// ofOrders reports whether a change event is about orders, which are records of the object. A channel may deliver
// changes of other objects too. What names no object, such as an overflow, is about everything.
func ofOrders(header *pubsub.ChangeEventHeader, object string) bool {
	return object == "" || header.EntityName == "" || strings.EqualFold(header.EntityName, object) || header.ChangeType == "GAP_OVERFLOW"
}

// changedOrders returns the orders among the records of a change event, each once.
func changedOrders(records []string, object string) (ids []salesforce.ID) {
	for _, text := range records {
		id, err := salesforce.ParseOrderID(text, object)
		if err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// settled reports whether the order has an object, and whether this event asks nothing of that. Reading objects is cheap, asking the
// org is not: most change events are echoes of what was written for orders that are finished. No echo asks to try again,
// even if a gate lets its order through: the next try would be written back as well, and so on without end.
func (s *stream) settled(ctx context.Context, it *item, id salesforce.ID) (exists, settled bool) {
	existing, err := s.p.store.find(ctx, types.NamespacedName{Namespace: s.p.key.Namespace, Name: orderName(s.p.key.Name, id)})
	if err != nil || existing == nil {
		return err != nil, false // what cannot be read may have stalled
	}
	_, ask := retryToken(existing, s.event(it.event))
	return true, !ask || it.event.ChangeHeader.Client() == salesforce.ClientName
}

// gateOpen asks which of the orders pass the gate.
func (s *stream) gateOpen(ctx context.Context, ids []salesforce.ID) (map[salesforce.ID]bool, error) {
	gate := s.p.gate.Load()
	if gate == nil {
		return nil, errNoGate
	}
	slices.Sort(ids)
	open := map[salesforce.ID]bool{}
	for chunk := range slices.Chunk(slices.Compact(ids), mostIDs) {
		records, err := s.query(ctx, gate.soql("Id", "Id IN ("+quoted(chunk)+")"))
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			open[r.ID()] = true
		}
	}
	return open, nil
}

// query repeats what may succeed a little later.
func (s *stream) query(ctx context.Context, soql string) ([]salesforce.Record, error) {
	wait := newBackoff()
	for attempt := 1; ; attempt++ {
		records, err := s.org.Query(ctx, soql)
		if err == nil || attempt == queryAttempts || salesforce.ClassOf(err) != salesforce.Transient {
			return records, err
		}
		if wait.sleep(ctx, s.p.Clock) != nil {
			return nil, err
		}
	}
}

// quoted lists ids for SOQL. They are letters and digits only, see salesforce.ParseID.
func quoted(ids []salesforce.ID) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = fmt.Sprintf("'%s'", id)
	}
	return strings.Join(texts, ",")
}
