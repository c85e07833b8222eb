package crashmatrix

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/orderbridge/orderbridge/test/byhand"
	"github.com/orderbridge/orderbridge/test/lost"
)

// atOnce is how many cells run at the same time. They mostly wait.
const atOnce = 32

// mostTries is how often a cell is run until it is interrupted as planned.
const mostTries = 5

// Classes of cells beside those of the modes.
const (
	rivalClass  = "answer lost, and the customer ordered the same by hand"
	twiceClass  = "answer lost, then stopped while looking for it"
	lifeClass   = "nothing, or one lost answer, to learn an order's way"
	spoiltClass = "in another way than planned, by a busy machine"
)

func TestCrashMatrix(t *testing.T) {
	full := os.Getenv("CRASH_MATRIX") == "full"
	m := &matrix{t: t}
	cells := m.plan(full)
	if full && len(cells) < 500 {
		t.Fatalf("%d cells are too few to call it a matrix", len(cells))
	}
	m.run(cells)
	// Whatever was run is judged.
	cells = slices.Concat(cells, m.lives, m.spoilt)
	var all tally
	var stored, none lost.Tally
	classes := map[string]*tally{}
	for i, r := range judge(t, cells) {
		c := cells[i]
		if classes[c.class] == nil {
			classes[c.class] = &tally{}
		}
		classes[c.class].add(r)
		all.add(r)
		if c.setting.stored {
			stored.Add(&c.last)
		} else {
			none.Add(&c.last)
		}
		if r.outcome == unexplained || r.duplicate {
			t.Errorf("%s\n%s", c, describe(c, r))
		}
	}
	printClasses(t, classes)
	fmt.Printf("answers lost where at least one marker is stored: %s\n", &stored)
	fmt.Printf("answers lost where no marker is stored: %s\n", &none)
	fmt.Printf("%d cells: %d provisioned, %d stalled with evidence, %d duplicates, %d unexplained\n",
		all.cells, all.provisioned, all.stalled, all.duplicates, all.unexplained)
	if stored.Share() < leastResolved || stored.Unresolved()+none.Unresolved() > 0 {
		t.Errorf("want %.0f %% of lost answers resolved without a person where a marker is stored, and all others parked with evidence", 100*leastResolved)
	}
}

// leastResolved is the share of lost answers that must be resolved without a person where a marker is stored.
const leastResolved = 0.99

func printClasses(t *testing.T, classes map[string]*tally) {
	t.Helper()
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "interruption\tcells\tprovisioned\tstalled\tduplicates\tunexplained")
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		n := classes[class]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\n", class, n.cells, n.provisioned, n.stalled, n.duplicates, n.unexplained)
	}
	if err := table.Flush(); err != nil {
		t.Error(err)
	}
}

type tally struct{ cells, provisioned, stalled, duplicates, unexplained int }

func (n *tally) add(r result) {
	n.cells++
	switch r.outcome {
	case provisioned:
		n.provisioned++
	case stalled:
		n.stalled++
	default:
		n.unexplained++
	}
	if r.duplicate {
		n.duplicates++
	}
}

func describe(c *cell, r result) string {
	status, err := json.MarshalIndent(c.last.Status, "", "  ")
	if err != nil {
		status = []byte(err.Error())
	}
	return strings.Join(r.problems, "\n") + "\n" + string(status)
}

// matrix keeps the cells that were run beside those that were planned.
type matrix struct {
	t *testing.T

	mu sync.Mutex
	// spoilt are cells that were not interrupted as planned and were run again, lives those from which the plan was made.
	spoilt, lives []*cell
}

// run runs cells, several at a time. It runs a cell that was not interrupted as planned again, with another order.
func (m *matrix) run(cells []*cell) {
	m.t.Helper()
	var group sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for at := range cells {
		group.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			m.try(&cells[at])
		})
	}
	group.Wait()
	// Whatever may still land late has landed by then.
	select {
	case <-time.After(timeouts.AddOrder.Duration + timeouts.Settle.Duration):
	case <-m.t.Context().Done():
	}
}

// try runs a cell until it is interrupted as planned.
func (m *matrix) try(at **cell) {
	for range mostTries - 1 {
		c := *at
		c.err = c.run(m.t.Context())
		why := c.asPlanned()
		if c.err != nil || why == "" {
			return
		}
		m.t.Logf("again: %s: %s", c, why)
		*at = c.fresh()
		c.class, c.spoilt = spoiltClass, true
		m.mu.Lock()
		m.spoilt = append(m.spoilt, c)
		m.mu.Unlock()
	}
	c := *at
	c.err = c.run(m.t.Context())
}

// life runs orders that nothing but the given interruption happens to, one for each setting, and returns the points that
// they pass.
func (m *matrix) life(interrupt ...interruption) map[string][]point {
	m.t.Helper()
	var cells []*cell
	for _, s := range settings {
		c := &cell{class: lifeClass, setting: s, lines: lineSets[0]}
		for _, i := range interrupt {
			c.planned = append(c.planned, &i)
		}
		cells = append(cells, c)
	}
	m.run(cells)
	m.lives = append(m.lives, cells...)
	lives := map[string][]point{}
	for i, r := range judge(m.t, cells) {
		c := cells[i]
		if r.outcome != provisioned {
			m.t.Fatalf("an order with %s was not provisioned:\n%s", c, describe(c, r))
		}
		for what, n := range c.counts {
			for k := range n {
				lives[c.setting.name] = append(lives[c.setting.name], point{what, k + 1})
			}
		}
		slices.SortFunc(lives[c.setting.name], func(a, b point) int {
			return cmp.Or(strings.Compare(a.what, b.what), cmp.Compare(a.n, b.n))
		})
	}
	return shared(lives)
}

// shared keeps the points that the orders of all settings pass. Another one is a repetition that a busy machine caused,
// and cannot be counted on to come again.
func shared(lives map[string][]point) map[string][]point {
	for name, points := range lives {
		lives[name] = slices.DeleteFunc(slices.Clone(points), func(p point) bool {
			for _, s := range settings {
				if !slices.Contains(lives[s.name], p) {
					return true
				}
			}
			return false
		})
	}
	return lives
}

// plan lists the cells: all, or with one setting for each interruption in turn.
func (m *matrix) plan(full bool) []*cell {
	m.t.Helper()
	lives := m.life()
	var cells []*cell
	add := func(class string, s setting, lines int, planned ...*interruption) {
		cells = append(cells, &cell{class: class, setting: s, lines: lineSets[lines%len(lineSets)], planned: planned})
	}
	for k, s := range settings {
		m.t.Logf("%s: %v", s.name, lives[s.name])
		for p, at := range lives[s.name] {
			for n, md := range modes {
				if md.fits(at, s) && (full || (p+n)%len(settings) == k) {
					add(md.class, s, p+n+k, &interruption{point: at, mode: md})
				}
			}
		}
		rival := mode{class: rivalClass, deed: lose, after: true, loss: byReset, rival: true}
		add(rivalClass, s, len(lineSets)-1, &interruption{point: point{addOrder, 1}, mode: rival})
	}
	return append(cells, m.planTwice(full)...)
}

// planTwice lists cells in which an answer is lost and the process that looks for it stops.
func (m *matrix) planTwice(full bool) []*cell {
	m.t.Helper()
	var cells []*cell
	gone := mode{class: "answer lost", deed: lose, after: true, loss: byReset}
	for _, what := range []string{addOrder, acceptOrder} {
		lives := m.life(interruption{point: point{what, 1}, mode: gone})
		for k, s := range settings {
			for p, at := range lives[s.name] {
				// Whether a look is repeated depends on timing; the first ones always happen.
				if at.n > 3 || at.what == writePrefix+byhand.CreateWrite || at == (point{what, 1}) {
					continue
				}
				lines := lineSets[(p+k)%len(lineSets)]
				if at.what == moduleQueue {
					lines = lineSets[0] // one call for each line: the others have fewer than those whose life this is
				}
				for n, after := range []bool{false, true} {
					if !full && (p+n)%(2*len(settings)) != k {
						continue
					}
					cells = append(cells, &cell{class: twiceClass, setting: s, lines: lines, planned: []*interruption{
						{point: point{what, 1}, mode: gone}, {point: at, mode: mode{class: "stopped", deed: stop, after: after, stale: 1}},
					}})
				}
			}
		}
	}
	return cells
}
