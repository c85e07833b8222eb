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

	"golang.org/x/sync/errgroup"

	"github.com/orderbridge/orderbridge/test/byhand"
)

// atOnce is how many cells run at the same time. They mostly wait.
const atOnce = 32

// mostTries is how often a cell is run until it is interrupted as planned.
const mostTries = 5

// rivalClass and twiceClass are classes of cells beside those of the modes.
const (
	rivalClass = "answer lost, and the customer ordered the same by hand"
	twiceClass = "answer lost, then stopped while looking for it"
)

func TestCrashMatrix(t *testing.T) {
	full := os.Getenv("CRASH_MATRIX") == "full"
	cells := plan(t, full)
	if full && len(cells) < 500 {
		t.Fatalf("%d cells are too few to call it a matrix", len(cells))
	}
	spoilt := runAll(t, cells)
	results := judge(t, cells)
	for i, r := range judge(t, spoilt) {
		if r.outcome == unexplained || r.duplicate {
			t.Errorf("%s, spoilt: %s\n%s", spoilt[i], strings.Join(spoilt[i].notes, "; "), describe(spoilt[i], r))
		}
	}
	var all tally
	classes := map[string]*tally{}
	for i, c := range cells {
		if classes[c.class] == nil {
			classes[c.class] = &tally{}
		}
		classes[c.class].add(results[i])
		all.add(results[i])
		if results[i].outcome == unexplained || results[i].duplicate {
			t.Errorf("%s\n%s", c, describe(c, results[i]))
		}
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "interruption\tcells\tprovisioned\tstalled\tunexplained")
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		n := classes[class]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\n", class, n.cells, n.provisioned, n.stalled, n.unexplained)
	}
	if err := table.Flush(); err != nil {
		t.Error(err)
	}
	t.Logf("%d cells were run again because the machine was too busy to interrupt them as planned", len(spoilt))
	fmt.Printf("%d cells: %d provisioned, %d stalled with evidence, %d duplicates, %d unexplained\n",
		all.cells, all.provisioned, all.stalled, all.duplicates, all.unexplained)
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

// runAll runs cells, several at a time. It runs a cell that was not interrupted as planned again, with another order, and
// returns those that were spoilt.
func runAll(t *testing.T, cells []*cell) (spoilt []*cell) {
	t.Helper()
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(atOnce)
	for at := range cells {
		group.Go(func() error {
			for try := 1; ; try++ {
				c := cells[at]
				if err := c.run(t.Context()); err != nil {
					return fmt.Errorf("%s: %w", c, err)
				}
				if len(c.notes) == 0 {
					return nil
				}
				if try == mostTries {
					return fmt.Errorf("%s: %s: the machine is too busy for this test", c, strings.Join(c.notes, "; "))
				}
				mu.Lock()
				spoilt = append(spoilt, c)
				mu.Unlock()
				cells[at] = c.fresh()
			}
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	// Whatever may still land late has landed by then.
	select {
	case <-time.After(timeouts.AddOrder.Duration + timeouts.Settle.Duration):
	case <-t.Context().Done():
	}
	return spoilt
}

// life runs orders that nothing but the given interruption happens to, one for each setting, and returns the points that
// they pass.
func life(t *testing.T, interrupt ...interruption) map[string][]point {
	t.Helper()
	var cells []*cell
	for _, s := range settings {
		c := &cell{setting: s, lines: lineSets[0]}
		for _, i := range interrupt {
			c.planned = append(c.planned, &i)
		}
		cells = append(cells, c)
	}
	runAll(t, cells)
	lives := map[string][]point{}
	for i, r := range judge(t, cells) {
		c := cells[i]
		if r.outcome != provisioned {
			t.Fatalf("an order with %s was not provisioned:\n%s", c, describe(c, r))
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
func plan(t *testing.T, full bool) []*cell {
	t.Helper()
	lives := life(t)
	var cells []*cell
	add := func(class string, s setting, lines int, planned ...*interruption) {
		cells = append(cells, &cell{class: class, setting: s, lines: lineSets[lines%len(lineSets)], planned: planned})
	}
	for k, s := range settings {
		t.Logf("%s: %v", s.name, lives[s.name])
		for p, at := range lives[s.name] {
			for m, md := range modes {
				if md.fits(at) && (full || (p+m)%len(settings) == k) {
					add(md.class, s, p+m+k, &interruption{point: at, mode: md})
				}
			}
		}
		rival := mode{class: rivalClass, deed: lose, after: true, loss: byReset, rival: true}
		add(rivalClass, s, len(lineSets)-1, &interruption{point: point{addOrder, 1}, mode: rival})
	}
	return append(cells, planTwice(t, full)...)
}

// planTwice lists cells in which an answer is lost and the process that looks for it stops.
func planTwice(t *testing.T, full bool) []*cell {
	t.Helper()
	var cells []*cell
	lost := mode{class: "answer lost", deed: lose, after: true, loss: byReset}
	for _, what := range []string{addOrder, acceptOrder} {
		lives := life(t, interruption{point: point{what, 1}, mode: lost})
		for k, s := range settings {
			for p, at := range lives[s.name] {
				// Whether a look is repeated depends on timing; the first ones always happen.
				if at.n > 3 || at.what == writePrefix+byhand.CreateWrite || at == (point{what, 1}) {
					continue
				}
				for m, after := range []bool{false, true} {
					if !full && (p+m)%(2*len(settings)) != k {
						continue
					}
					cells = append(cells, &cell{class: twiceClass, setting: s, lines: lineSets[(p+k)%len(lineSets)], planned: []*interruption{
						{point: point{what, 1}, mode: lost}, {point: at, mode: mode{class: "stopped", deed: stop, after: after, stale: 1}},
					}})
				}
			}
		}
	}
	return cells
}
