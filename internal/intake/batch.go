package intake

import (
	"context"
	"sync"
	"time"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
)

// item is an event with the objects that it asks for: none, if it is about nothing that matters here.
type item struct {
	event  pubsub.Event
	orders []*v1alpha1.ProvisioningOrder
	// known counts the orders of the event that are known to have an object and need nothing.
	known int
}

// stamp is an order that an event was about, and when that was published.
type stamp struct {
	order string
	at    time.Time
}

// tally is what became of a batch. It counts only what belongs to the stored events at its beginning: the others will
// be delivered again.
type tally struct {
	stored, rejected, duplicates, requested int
	announced                               []stamp
}

// announce turns a batch into items, one for each event, in order.
func (s *stream) announce(ctx context.Context, events []pubsub.Event) []item {
	items := make([]item, len(events))
	var changes []*item
	for i, e := range events {
		items[i].event = e
		switch {
		case e.DecodeErr == nil && e.ChangeHeader != nil:
			changes = append(changes, &items[i])
		case e.DecodeErr == nil && isDataTopic(s.trigger.Topic):
			items[i].orders = []*v1alpha1.ProvisioningOrder{s.malformed(e, "the change event has no ChangeEventHeader")}
		default:
			items[i].orders = []*v1alpha1.ProvisioningOrder{s.platformEvent(e, s.p.orderObject())}
		}
	}
	if len(changes) > 0 {
		s.changes(ctx, changes)
	}
	return items
}

// task is one object to store.
type task struct {
	item  int
	order *v1alpha1.ProvisioningOrder
}

// store writes the objects of all items, several at a time. What has the same name is written in order, so that the
// first event is the one that is remembered.
func (s *stream) store(ctx context.Context, items []item, arrived time.Time) tally {
	var lanes [][]task
	lane := map[string]int{}
	for i, it := range items {
		for _, order := range it.orders {
			at, ok := lane[order.Name]
			if !ok {
				at = len(lanes)
				lanes = append(lanes, nil)
				lane[order.Name] = at
			}
			lanes[at] = append(lanes[at], task{item: i, order: order})
		}
	}
	results := make([][]result, len(items))
	var mu sync.Mutex
	inParallel(lanes, s.p.Parallel, func(tasks []task) {
		for _, t := range tasks {
			e := items[t.item].event
			r, err := s.p.store.put(ctx, t.order, func(problem string) *v1alpha1.ProvisioningOrder { return s.malformed(e, problem) }, s.stuck)
			if err != nil {
				return
			}
			if r == created {
				s.p.meters.stored.WithLabelValues(s.p.key.Namespace, s.p.key.Name).Observe(s.p.Clock.Since(arrived).Seconds())
			}
			mu.Lock()
			results[t.item] = append(results[t.item], r)
			mu.Unlock()
		}
	})
	return tallyOf(items, results)
}

// tallyOf counts the results of the items up to the first that is not stored completely.
func tallyOf(items []item, results [][]result) tally {
	var t tally
	for i, it := range items {
		if len(results[i]) < len(it.orders) {
			break
		}
		t.stored++
		count := map[result]int{known: it.known}
		for _, r := range results[i] {
			count[r]++
		}
		t.requested += count[requested]
		switch {
		case count[malformed] > 0:
			t.rejected++
		case count[created] == 0 && count[known]+count[requested] > 0:
			t.duplicates++
		}
		for _, order := range it.orders {
			if order.Spec.SalesforceOrderID != "" {
				t.announced = append(t.announced, stamp{order: order.Spec.SalesforceOrderID, at: it.event.CreatedDate})
			}
		}
	}
	return t
}

// inParallel calls do for each element, at most limit at a time, and returns when all are done.
func inParallel[T any](elements []T, limit int, do func(T)) {
	slots := make(chan struct{}, limit)
	var wg sync.WaitGroup
	for _, e := range elements {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			do(e)
		})
	}
	wg.Wait()
}
