package salesforce

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// A record that makes the whole request malformed must not have the orders of others refused.
func TestBatcherIsolatesAMalformedRecord(t *testing.T) {
	f := newFake(t)
	g := newGate()
	f.rest = g.before(func(w http.ResponseWriter, r received) {
		if strings.Contains(r.body, "poison") {
			writeError(w, 400, "JSON_PARSER_ERROR", "Cannot deserialize instance of double from VALUE_STRING value poison")
			return
		}
		saveAll(t, nil)(w, r)
	})
	b := NewBatcher(f.client(), Select{})
	var wg sync.WaitGroup
	write := func(n int, value string, want Class) {
		wg.Go(func() {
			_, err := b.Write(t.Context(), []Record{NewRecord("Order", orderID(n), map[string]any{"Price__c": value})})
			if (err != nil) != (want != Transient) || ClassOf(err) != want {
				t.Errorf("order %d: %v, want class %v", n, err, want)
			}
		})
	}
	write(0, "1", Transient)
	<-g.arrived
	write(1, "1", Transient)
	write(2, "poison", Schema)
	write(3, "1", Transient)
	waitFor(t, "gathering", func() bool { return b.writes.queued() == 3 })
	close(g.open)
	wg.Wait()
}

// An id that Salesforce takes for none must not have the orders of others refused.
func TestBatcherIsolatesARefusedID(t *testing.T) {
	f := newFake(t)
	g := newGate()
	f.rest = g.before(func(w http.ResponseWriter, r received) {
		if strings.Contains(r.query, orderID(2).String()) {
			writeError(w, 400, "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: "+orderID(2).String())
			return
		}
		answerOrders()(w, r)
	})
	b := NewBatcher(f.client(), Select{})
	var wg sync.WaitGroup
	read := func(n int) {
		wg.Go(func() {
			_, err := b.Order(t.Context(), orderID(n).String())
			if refused := ClassOf(err) == Rejected; refused != (n == 2) || err != nil && !refused {
				t.Errorf("order %d: %v", n, err)
			}
		})
	}
	read(0)
	<-g.arrived
	for n := range 3 {
		read(n + 1)
	}
	waitFor(t, "gathering", func() bool { return b.orders.queued() == 3 })
	close(g.open)
	wg.Wait()
}

// What goes wrong with a request must not be told of an order that it did not hold: not of one without lines, nor of one
// whose lines were refused before.
func TestBatcherFailureIsOfThoseInTheRequest(t *testing.T) {
	f := newFake(t)
	g := newGate()
	bad := map[ID]farError{itemID(20*2 + 0): {StatusCode: "STRING_TOO_LONG", Message: "x"}}
	calls := 0
	f.rest = g.before(func(w http.ResponseWriter, r received) {
		if calls++; calls == 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		saveAll(t, bad)(w, r)
	})
	b := NewBatcher(f.client(), Select{})
	var wg sync.WaitGroup
	write := func(n, lines int, want string) {
		wg.Go(func() {
			results, err := b.Write(t.Context(), lineWrites(n, lines))
			got := ""
			if err != nil {
				got = fmt.Sprint(ClassOf(err))
			}
			for _, r := range results {
				if r.Err != nil {
					got += " " + CodeOf(r.Err)
				}
			}
			if got != want {
				t.Errorf("order %d: %q, want %q", n, got, want)
			}
		})
	}
	write(0, 0, "")
	<-g.arrived
	write(1, 1, fmt.Sprint(Transient, " "))
	write(2, 1, " STRING_TOO_LONG "+codeRolledBack)
	waitFor(t, "gathering", func() bool { return b.writes.queued() == 2 })
	close(g.open)
	wg.Wait()
}
