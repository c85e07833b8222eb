package salesforce

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Batcher reads and writes for many callers at once. While one request is under way, or for a moment under load,
// the next gathers, so a backlog of orders costs few calls and a lone order waits for nobody. Reads and writes run beside
// each other. A caller whose context ends leaves without disturbing the others; a request is given up when all its callers
// have left.
type Batcher struct {
	client *Client
	sel    Select
	orders gatherer[ID, Record]
	writes gatherer[[]Record, []SaveResult]
}

const (
	batchReadTimeout  = 2 * queryTimeout
	batchWriteTimeout = 2 * updateTimeout

	// The pauses between requests under load. An org's calls in 24 hours are limited, and under load nobody notices that a
	// result is written a little later. Several orders are written in two requests, so they gather for longer.
	readPause, writePause = 500 * time.Millisecond, 2 * time.Second
)

// NewBatcher makes a Batcher whose reads select sel. It needs no closing.
func NewBatcher(client *Client, sel Select) *Batcher {
	b := &Batcher{client: client, sel: sel}
	b.orders.take, b.orders.run, b.orders.timeout = takeOrders, b.readOrders, batchReadTimeout
	b.orders.pause, b.orders.full = readPause, make(chan struct{}, 1)
	b.orders.weight = func(ID) int { return 1 }
	b.writes.take, b.writes.run, b.writes.timeout = takeWrites, b.writeRecords, batchWriteTimeout
	b.writes.pause, b.writes.full = writePause, make(chan struct{}, 1)
	b.writes.weight = func(records []Record) int { return len(records) }
	return b
}

// Order reads one order with its lines, as QueryOrders does. The record may be shared with other callers: do not change
// it. An order that is not there gives an error that is ErrNotFound or ErrDeleted.
func (b *Batcher) Order(ctx context.Context, id string) (Record, error) {
	parsed, err := ParseOrderID(id, b.sel.object())
	if err != nil {
		return nil, &Error{Op: opQuery, Class: Rejected, Message: err.Error(), Err: err}
	}
	order, err := b.orders.do(ctx, parsed)
	if err == nil && order == nil {
		return nil, b.client.absence(ctx, b.sel.object(), parsed)
	}
	return order, err
}

// Write updates the records of one order, as Update does, but writes the last of them only if all others are written: an
// order that is given after its lines never says more than they do. If others of them cannot be written, the error of
// the last is RolledBack.
func (b *Batcher) Write(ctx context.Context, records []Record) ([]SaveResult, error) {
	if len(records) == 0 {
		return nil, nil
	}
	// What cannot be sent must not spoil the request of the others.
	if err := checkRecords(records); err != nil {
		return nil, err
	}
	if _, err := collection(records, false); err != nil {
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
	if len(batch) > 1 && ClassOf(err) == Rejected {
		// Salesforce may find fault with one of the ids: the others must not be told that theirs is refused.
		for _, c := range batch {
			b.readOrders(ctx, []*call[ID, Record]{c})
		}
		return
	}
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

// writeRecords writes the records of a lone call together. Of several calls, none of which may spoil another's, it writes
// the last records in a second request.
func (b *Batcher) writeRecords(ctx context.Context, batch []*call[[]Record, []SaveResult]) {
	if alone := batch[0]; len(batch) == 1 && oneRequest(alone.ask) == len(alone.ask) {
		alone.answer, alone.err = b.client.UpdateTogether(ctx, alone.ask)
		return
	}
	first := make([]part, len(batch))
	for i, c := range batch {
		first[i].records = c.ask[:len(c.ask)-1]
	}
	b.writeParts(ctx, first)
	second := make([]part, len(batch))
	for i, c := range batch {
		if first[i].written() {
			second[i].records = c.ask[len(c.ask)-1:]
		}
	}
	b.writeParts(ctx, second)
	for i, c := range batch {
		last := second[i].results
		if second[i].records == nil {
			last = []SaveResult{{ID: c.ask[len(c.ask)-1].ID(), Err: &Error{Op: opUpdate, Code: codeRolledBack, Message: "another record of the order was not written"}}}
		}
		c.answer, c.err = slices.Concat(first[i].results, last), cmp.Or(first[i].err, second[i].err)
	}
}

// part is what goes of a call with one request.
type part struct {
	records []Record
	results []SaveResult
	err     error
}

// written tells whether all records were.
func (p *part) written() bool {
	return p.err == nil && !slices.ContainsFunc(p.results, func(r SaveResult) bool { return r.Err != nil })
}

// writeParts writes parts of several calls in one request, if it holds them.
func (b *Batcher) writeParts(ctx context.Context, parts []part) {
	var p packing
	fit := true
	for _, part := range parts {
		fit = fit && p.add(part.records)
	}
	if fit && p.rows == 0 {
		return
	}
	if fit {
		results, err := b.client.Update(ctx, p.records())
		if len(parts) == 1 || !isMalformed(err) {
			split := p.split(results)
			for i := range parts {
				if len(parts[i].records) > 0 { // what it did not hold has not failed with it
					parts[i].results, parts[i].err = split[i], err
				}
			}
			return
		}
		// One caller's record spoilt the whole request: the others must not be told that theirs are refused.
	}
	for i := range parts {
		if len(parts[i].records) > 0 {
			parts[i].results, parts[i].err = b.client.Update(ctx, parts[i].records)
		}
	}
}

// isMalformed reports that Salesforce found fault with the request as a whole.
func isMalformed(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.HTTPStatus == http.StatusBadRequest && !e.Class.Retryable()
}
