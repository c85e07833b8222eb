package salesforce

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// gate lets a test hold the far side's answers back, and know that a request has arrived.
type gate struct {
	arrived chan struct{}
	open    chan struct{}
}

func newGate() gate { return gate{arrived: make(chan struct{}, 1000), open: make(chan struct{})} }

func (g gate) before(next func(http.ResponseWriter, received)) func(http.ResponseWriter, received) {
	return func(w http.ResponseWriter, r received) {
		g.arrived <- struct{}{}
		<-g.open
		next(w, r)
	}
}

// waitFor polls until a condition holds; the tests wait for callers to have queued, which nothing announces.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s did not happen", what)
		}
	}
}

func (g *gatherer[Q, R]) queued() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.waiting)
}

func TestBatcherGathersReads(t *testing.T) {
	f := newFake(t)
	g := newGate()
	f.rest = g.before(answerOrders())
	b := NewBatcher(f.client(), Select{OrderFields: []string{"Status"}})
	var wg sync.WaitGroup
	read := func(n int) {
		wg.Go(func() {
			got, err := b.Order(t.Context(), orderID(n).String())
			if err != nil || got.ID() != orderID(n) {
				t.Errorf("order %d: %v, %v", n, got, err)
			}
		})
	}
	read(0)
	<-g.arrived
	const others = 250
	for n := range others {
		read(n + 1)
		read(n + 1)
	}
	waitFor(t, "gathering", func() bool { return b.orders.queued() == 2*others })
	close(g.open)
	wg.Wait()
	var sizes []int
	for _, q := range f.queries() {
		sizes = append(sizes, len(quotedIDs.FindAllString(q, -1)))
	}
	if diff := cmp.Diff([]int{1, 200, 50}, sizes); diff != "" {
		t.Errorf("orders per query (-want +got):\n%s", diff)
	}
}

func TestBatcherLoneCallDoesNotWait(t *testing.T) {
	f := newFake(t)
	f.rest = answerOrders()
	b := NewBatcher(f.client(), Select{})
	for n := range 3 {
		if _, err := b.Order(t.Context(), orderID(n).String()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(f.queries()); n != 3 {
		t.Errorf("%d queries, want 3", n)
	}
	if _, err := b.Order(t.Context(), "not an id"); ClassOf(err) != Rejected {
		t.Errorf("nonsense gave %v", err)
	}
}

func TestBatcherReadFailureReachesAll(t *testing.T) {
	f := newFake(t)
	g := newGate()
	f.rest = g.before(func(w http.ResponseWriter, _ received) { writeError(w, 503, "SERVER_UNAVAILABLE", "busy") })
	b := NewBatcher(f.client(), Select{})
	errs := make(chan error, 11)
	read := func(n int) { _, err := b.Order(t.Context(), orderID(n).String()); errs <- err }
	go read(0)
	<-g.arrived
	for n := range 10 {
		go read(n + 1)
	}
	waitFor(t, "gathering", func() bool { return b.orders.queued() == 10 })
	close(g.open)
	for range 11 {
		if err := <-errs; CodeOf(err) != "SERVER_UNAVAILABLE" {
			t.Errorf("got %v", err)
		}
	}
	if n := len(f.queries()); n != 2 {
		t.Errorf("%d queries, want 2", n)
	}
}

// One caller leaves while its request is under way, another while it waits: nobody else may notice.
func TestBatcherCallersLeaveAlone(t *testing.T) {
	f := newFake(t)
	g := newGate()
	f.rest = g.before(answerOrders())
	b := NewBatcher(f.client(), Select{})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 2)
	stayed := make(chan error, 2)
	go func() { _, err := b.Order(t.Context(), orderID(1).String()); stayed <- err }()
	<-g.arrived
	go func() { _, err := b.Order(ctx, orderID(2).String()); left <- err }()
	go func() { _, err := b.Order(t.Context(), orderID(3).String()); stayed <- err }()
	waitFor(t, "gathering", func() bool { return b.orders.queued() == 2 })
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that left got %v", err)
	}
	close(g.open)
	for range 2 {
		if err := <-stayed; err != nil {
			t.Errorf("a caller that stayed got %v", err)
		}
	}
	for _, q := range f.queries() {
		if strings.Contains(q, orderID(2).String()) {
			t.Error("the order of a caller that had left was asked for")
		}
	}
}

func TestBatcherGivesUpWhenAllLeave(t *testing.T) {
	f := newFake(t)
	g := newGate()
	f.rest = g.before(answerOrders())
	b := NewBatcher(f.client(), Select{})
	ctx, leave := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() { _, err := b.Order(ctx, orderID(1).String()); first <- err }()
	<-g.arrived
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	// The request under way is abandoned, though the far side never answers it: the next is sent.
	second := make(chan error, 1)
	go func() { _, err := b.Order(t.Context(), orderID(2).String()); second <- err }()
	<-g.arrived
	close(g.open)
	if err := <-second; err != nil {
		t.Errorf("the next caller got %v", err)
	}
}

// lineWrites are the write-backs of one order: its lines, then itself.
func lineWrites(order, lines int) []Record {
	var out []Record
	for l := range lines {
		out = append(out, NewRecord("OrderItem", itemID(order*20+l), map[string]any{"WHMCS_Service_ID__c": fmt.Sprint(l)}))
	}
	return append(out, NewRecord("Order", orderID(order), map[string]any{"Activation_Status__c": "Activated"}))
}

// TestBatcherGathersWrites writes the lines of many orders in one request, and in the next the orders whose lines are all
// written. A lone order goes in one request with its lines.
func TestBatcherGathersWrites(t *testing.T) {
	f := newFake(t)
	g := newGate()
	bad := map[ID]farError{itemID(20*7 + 1): {StatusCode: "STRING_TOO_LONG", Message: "x"}, orderID(9): {StatusCode: "UNABLE_TO_LOCK_ROW", Message: "x"}}
	want := map[ID]string{itemID(20*7 + 1): "STRING_TOO_LONG", orderID(7): codeRolledBack, orderID(9): "UNABLE_TO_LOCK_ROW"}
	f.rest = g.before(saveAll(t, bad))
	b := NewBatcher(f.client(), Select{})
	var wg sync.WaitGroup
	write := func(n int) {
		wg.Go(func() {
			records := lineWrites(n, 3)
			results, err := b.Write(t.Context(), records)
			if err != nil || len(results) != len(records) {
				t.Errorf("order %d: %d results, %v", n, len(results), err)
				return
			}
			for i, r := range results {
				if r.ID != records[i].ID() || CodeOf(r.Err) != want[r.ID] {
					t.Errorf("order %d: result %d is %+v", n, i, r)
				}
			}
		})
	}
	write(0)
	<-g.arrived
	const others = 60
	for n := range others {
		write(n + 1)
	}
	waitFor(t, "gathering", func() bool { return b.writes.queued() == others })
	close(g.open)
	wg.Wait()
	type request struct{ Items, Orders int }
	var got []request
	for _, c := range f.collections() {
		var r request
		for _, id := range c.ids() {
			if strings.HasPrefix(id, OrderPrefix) {
				r.Orders++
			} else {
				r.Items++
			}
		}
		if lone := r.Items > 0 && r.Orders > 0; *c.AllOrNone != lone {
			t.Errorf("request %+v: allOrNone is %t", r, *c.AllOrNone)
		}
		if len(got) > 0 && r.Orders > 0 {
			r.Orders++ // if order 7, which lacks a line, was in it
			r.Orders -= r.Orders % 10
		}
		got = append(got, r)
	}
	if diff := cmp.Diff([]request{{3, 1}, {150, 0}, {0, 50}, {30, 0}, {0, 10}}, got); diff != "" {
		t.Errorf("rows of the requests (-want +got):\n%s", diff)
	}
}

func TestBatcherWriteFailureReachesAll(t *testing.T) {
	f := newFake(t)
	g := newGate()
	f.rest = g.before(func(w http.ResponseWriter, _ received) { w.WriteHeader(http.StatusServiceUnavailable) })
	b := NewBatcher(f.client(), Select{})
	errs := make(chan error, 6)
	write := func(n int) {
		results, err := b.Write(t.Context(), lineWrites(n, 2))
		for _, r := range results {
			if r.Err == nil {
				t.Errorf("order %d: a record counts as written", n)
			}
		}
		errs <- err
	}
	go write(0)
	<-g.arrived
	for n := range 5 {
		go write(n + 1)
	}
	waitFor(t, "gathering", func() bool { return b.writes.queued() == 5 })
	close(g.open)
	for range 6 {
		if err := <-errs; err == nil || ClassOf(err) != Transient {
			t.Errorf("got %v, want class Transient", err)
		}
	}
}

func TestBatcherWritesOneRecordInTurn(t *testing.T) {
	f := newFake(t)
	g := newGate()
	f.rest = g.before(saveAll(t, nil))
	b := NewBatcher(f.client(), Select{})
	var wg sync.WaitGroup
	for n, status := range []string{"first", "second", "third"} {
		wg.Go(func() {
			if _, err := b.Write(t.Context(), []Record{NewRecord("Order", orderID(1), map[string]any{"Status": status})}); err != nil {
				t.Error(err)
			}
		})
		if n == 0 {
			<-g.arrived
		} else {
			waitFor(t, "gathering", func() bool { return b.writes.queued() == n })
		}
	}
	close(g.open)
	wg.Wait()
	var got []any
	for _, c := range f.collections() {
		for _, r := range c.Records {
			got = append(got, r["Status"])
		}
	}
	if diff := cmp.Diff([]any{"first", "second", "third"}, got); diff != "" {
		t.Errorf("writes of one record (-want +got):\n%s", diff)
	}
}

func TestBatcherWritesMoreThanOneRequestHolds(t *testing.T) {
	f := newFake(t)
	f.rest = saveAll(t, nil)
	var records []Record
	for i := range 250 {
		records = append(records, NewRecord("OrderItem", itemID(i), nil))
	}
	records = append(records, NewRecord("Order", orderID(1), nil))
	b := NewBatcher(f.client(), Select{})
	results, err := b.Write(t.Context(), records)
	if err != nil || len(results) != 251 || len(f.collections()) != 3 {
		t.Errorf("%d results, %d requests, %v", len(results), len(f.collections()), err)
	}
	if results, err := b.Write(t.Context(), nil); results != nil || err != nil {
		t.Errorf("nothing to write gave %v, %v", results, err)
	}
}

// Whatever the callers bring, a packing keeps Salesforce's limits, loses nothing, and deals results out to their owners.
func TestPackingProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	types := []string{"Order", "OrderItem", "Account", "Asset"}
	for round := range 100 {
		var waiting []*call[[]Record, []SaveResult]
		for range 1 + random.IntN(30) {
			var records []Record
			for range 1 + random.IntN(40) {
				records = append(records, NewRecord(types[random.IntN(1+round%len(types))], orderID(random.IntN(5000)), nil))
			}
			waiting = append(waiting, &call[[]Record, []SaveResult]{ask: records})
		}
		for left := waiting; len(left) > 0; {
			batch, rest := takeWrites(left)
			if len(batch) == 0 || len(batch)+len(rest) != len(left) {
				t.Fatalf("took %d, left %d of %d", len(batch), len(rest), len(left))
			}
			checkPacking(t, batch)
			left = rest
		}
	}
}

func checkPacking(t *testing.T, batch []*call[[]Record, []SaveResult]) {
	t.Helper()
	var p packing
	for _, c := range batch {
		if !p.add(c.ask) {
			if len(batch) > 1 {
				t.Fatal("a call that does not fit is in a batch with others")
			}
			return
		}
	}
	records := p.records()
	if n := oneRequest(records); n != len(records) {
		t.Fatalf("%d records were packed, one request takes %d", len(records), n)
	}
	results := make([]SaveResult, len(records))
	for i, r := range records {
		results[i].ID = r.ID()
	}
	split := p.split(results)
	for i, c := range batch {
		for j, r := range c.ask {
			if split[i][j].ID != r.ID() {
				t.Fatalf("call %d, record %d got the result of another record", i, j)
			}
		}
	}
}
