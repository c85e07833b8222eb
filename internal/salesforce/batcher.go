package salesforce

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"time"

	"golang.org/x/time/rate"
)

// Batcher reads and writes for many callers at once. While one request is under way, or under load until its turn comes,
// the next gathers, so a backlog of orders costs few calls and a lone order waits for nobody. Reads and writes run beside each other. A caller whose
// context ends leaves without disturbing the others; a request is given up when all its callers have left.
type Batcher struct {
	client *Client
	sel    Select
	orders gatherer[ID, Record]
	writes gatherer[[]Record, []SaveResult]
}

const (
	batchReadTimeout  = 60 * time.Second
	batchWriteTimeout = 150 * time.Second

	// The pace of requests under load: so many go at once, then one in each of these times unless it is full. An org's calls
	// in 24 hours are limited, and under load nobody notices that a result is written a little later.
	batchBurst            = 8
	readEvery, writeEvery = 500 * time.Millisecond, time.Second
)

// NewBatcher makes a Batcher whose reads select sel. It needs no closing.
func NewBatcher(client *Client, sel Select) *Batcher {
	b := &Batcher{client: client, sel: sel}
	b.orders.take, b.orders.run, b.orders.timeout = takeOrders, b.readOrders, batchReadTimeout
	b.orders.pace, b.orders.full = rate.NewLimiter(rate.Every(readEvery), batchBurst), make(chan struct{}, 1)
	b.orders.weight = func(ID) int { return 1 }
	b.writes.take, b.writes.run, b.writes.timeout = takeWrites, b.writeRecords, batchWriteTimeout
	b.writes.pace, b.writes.full = rate.NewLimiter(rate.Every(writeEvery), batchBurst), make(chan struct{}, 1)
	b.writes.weight = func(records []Record) int { return len(records) }
	return b
}

// Order reads one order with its lines, as QueryOrders does. The record may be shared with other callers: do not change
// it. An order that is not there gives an error that is ErrNotFound or ErrDeleted.
func (b *Batcher) Order(ctx context.Context, id string) (Record, error) {
	parsed, err := ParseOrderID(id)
	if err != nil {
		return nil, &Error{Op: opQuery, Class: Rejected, Message: err.Error(), Err: err}
	}
	order, err := b.orders.do(ctx, parsed)
	if err == nil && order == nil {
		return nil, b.client.absence(ctx, parsed)
	}
	return order, err
}

// Write updates the records of one order, as Update does. They travel in one request (unless one request cannot hold
// them) and in the caller's order of types: lines given before their order are written before it.
func (b *Batcher) Write(ctx context.Context, records []Record) ([]SaveResult, error) {
	if len(records) == 0 {
		return nil, nil
	}
	// What cannot be sent must not spoil the request of the others.
	if err := checkRecords(records); err != nil {
		return nil, err
	}
	if _, err := collection(records); err != nil {
		return nil, err
	}
	// The batch may outlive the caller, who is free to change the records once this returns.
	rows := make([]Record, len(records))
	for i, r := range records {
		rows[i] = maps.Clone(r)
	}
	return b.writes.do(ctx, rows)
}

// takeOrders takes calls for up to 200 different orders.
func takeOrders(waiting []*call[ID, Record]) (batch, rest []*call[ID, Record]) {
	ids := map[ID]bool{}
	for _, c := range waiting {
		if !ids[c.ask] && len(ids) == mostIDs {
			rest = append(rest, c)
			continue
		}
		ids[c.ask] = true
		batch = append(batch, c)
	}
	return batch, rest
}

func (b *Batcher) readOrders(ctx context.Context, batch []*call[ID, Record]) {
	ids := make([]string, len(batch))
	for i, c := range batch {
		ids[i] = c.ask.String()
	}
	found, err := b.client.QueryOrders(ctx, ids, b.sel)
	for _, c := range batch {
		c.answer, c.err = found[c.ask.String()], err
	}
}

// takeWrites takes calls whose records fit into one collection together, leaving none out of turn: a call that does not
// fit waits for the next request, and so do later calls that write the same records.
func takeWrites(waiting []*call[[]Record, []SaveResult]) (batch, rest []*call[[]Record, []SaveResult]) {
	var p packing
	if !p.add(waiting[0].ask) {
		return waiting[:1], waiting[1:]
	}
	batch = append(batch, waiting[0])
	blocked := map[ID]bool{}
	for _, c := range waiting[1:] {
		if !touches(c.ask, blocked) && p.add(c.ask) {
			batch = append(batch, c)
			continue
		}
		for _, r := range c.ask {
			blocked[r.ID()] = true
		}
		rest = append(rest, c)
	}
	return batch, rest
}

func touches(records []Record, ids map[ID]bool) bool {
	for _, r := range records {
		if ids[r.ID()] {
			return true
		}
	}
	return false
}

func (b *Batcher) writeRecords(ctx context.Context, batch []*call[[]Record, []SaveResult]) {
	var p packing
	for _, c := range batch {
		if !p.add(c.ask) {
			// Only a call that is alone in its batch does not fit; Update cuts it.
			c.answer, c.err = b.client.Update(ctx, c.ask)
			return
		}
	}
	results, err := b.client.Update(ctx, p.records())
	if len(batch) > 1 && isMalformed(err) {
		// One caller's record spoilt the whole request: the others must not be told that theirs are refused.
		for _, c := range batch {
			c.answer, c.err = b.client.Update(ctx, c.ask)
		}
		return
	}
	split := p.split(results)
	for i, c := range batch {
		c.answer, c.err = split[i], err
	}
}

// isMalformed reports that Salesforce found fault with the request as a whole.
func isMalformed(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.HTTPStatus == http.StatusBadRequest && !e.Class.Retryable()
}
