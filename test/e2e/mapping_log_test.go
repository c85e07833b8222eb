package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/orderbridge/orderbridge/internal/stage"
)

// told is what the manager's log says, by order.
type told struct {
	// looks are the calls of Reconcile. The lines are those of controller-runtime.
	looks map[string][]time.Time
	// mapped is when an order was first mapped with a version of the mapping.
	mapped map[[2]string]time.Time
}

// mappedWith returns when each of the orders was mapped with a version of the mapping, the first first.
func (l told) mappedWith(t *testing.T, version string, orders []string) []time.Time {
	t.Helper()
	var times []time.Time
	for _, name := range orders {
		at, ok := l.mapped[[2]string{name, version}]
		if !ok {
			t.Fatalf("%s was not mapped with version %s of the mapping", name, version)
		}
		times = append(times, at)
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// logSize is where the manager's log ends now.
func logSize(t *testing.T, manager *stage.Process) int64 {
	t.Helper()
	info, err := os.Stat(manager.Log)
	must(t, err)
	return info.Size()
}

// logSince reads the manager's log from an offset on.
func logSince(t *testing.T, manager *stage.Process, offset int64) told {
	t.Helper()
	text, err := os.ReadFile(manager.Log)
	must(t, err)
	l := told{looks: map[string][]time.Time{}, mapped: map[[2]string]time.Time{}}
	for line := range bytes.Lines(text[offset:]) {
		var entry struct {
			Time       time.Time `json:"ts"`
			Message    string    `json:"msg"`
			Controller string    `json:"controller"`
			Name       string    `json:"name"`
			Mapping    string    `json:"mapping"`
		}
		if json.Unmarshal(line, &entry) != nil || entry.Controller != "provisioningorder" {
			continue
		}
		switch key := [2]string{entry.Name, entry.Mapping}; {
		case entry.Message == "Reconciling":
			l.looks[entry.Name] = append(l.looks[entry.Name], entry.Time)
		case entry.Message == "Mapped the order" && l.mapped[key].IsZero():
			l.mapped[key] = entry.Time
		}
	}
	if offset == 0 && len(l.looks) == 0 {
		t.Fatal("the log has no line for Reconcile: it does not show what it should")
	}
	return l
}

// wokenLine is a line of the metric that counts woken orders.
var wokenLine = regexp.MustCompile(`(?m)^orderbridge_orders_woken_total\{namespace="[^"]*",pipeline="([^"]*)",reason="([^"]*)"\} (\d+)$`)

// woken reads from the manager's metrics how many orders were woken, by pipeline and reason.
func woken(t *testing.T, address string) map[string]int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
	must(t, err)
	response, err := (&http.Client{Timeout: 10 * time.Second}).Do(request)
	must(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	must(t, err)
	counts := map[string]int{}
	for _, line := range wokenLine.FindAllStringSubmatch(string(text), -1) {
		counts[line[1]+"/"+line[2]], err = strconv.Atoi(line[3])
		must(t, err)
	}
	return counts
}

// less returns what was added to counts since before.
func less(counts, before map[string]int) map[string]int {
	out := map[string]int{}
	for key, n := range counts {
		if n > before[key] {
			out[key] = n - before[key]
		}
	}
	return out
}
