package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// What an order may cost on the way on which nothing goes wrong.
const (
	writesPerOrder = 4
	eventsPerOrder = 2
)

// whmcsCalls are the calls of one order when it is known that this WHMCS stores the key.
var whmcsCalls = map[string]int{"GetPayMethods": 1, "GetOrders": 1, "AddOrder": 1, "AcceptOrder": 1, "GetClientsProducts": 1}

func TestCallsAndWritesOfTheHappyPath(t *testing.T) {
	s := onStage(t)
	forgetMarkers(t.Context(), t, s)
	address := freeAddress(t)
	manage(t, s, "--metrics-bind-address="+address, "--metrics-secure=false")

	first := draft(t, s)
	must(t, s.Control.ResetCounters(t.Context()))
	approve(t, s, first)
	provisioned(t, s, time.Minute, first)
	unknown := maps.Clone(whmcsCalls)
	unknown["GetOrders"]++
	compareCalls(t, s, "while it is not known what WHMCS stores", 1, unknown)

	var orders []sandbox.SeededOrder
	for range 10 {
		orders = append(orders, draft(t, s))
	}
	versions := watchOrders(t, s)
	requests := apiRequests(t, address)
	must(t, s.Control.ResetCounters(t.Context()))
	approve(t, s, orders...)
	provisioned(t, s, time.Minute, orders...)
	compareCalls(t, s, "afterwards", len(orders), whmcsCalls)
	compareWrites(t, s, versions, orders)
	logRequests(t, requests, apiRequests(t, address), len(orders))
	audited(t, s, append(orders, first)...)
}

// compareCalls compares the calls that WHMCS saw with those that so many orders may make. The probe of the pipeline is
// not an order's.
func compareCalls(t *testing.T, s *stage.Stage, when string, orders int, want map[string]int) {
	t.Helper()
	counters, err := s.Control.Counters(t.Context())
	must(t, err)
	got, all, total := map[string]int{}, map[string]int{}, 0
	for action := range counters.Whmcs.Calls {
		if action != "WhmcsDetails" {
			got[action] = counters.Whmcs.Total(action)
			total += got[action]
		}
	}
	for action, n := range want {
		all[action] = n * orders
	}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Errorf("WHMCS calls of %d orders %s (-want +got):\n%s", orders, when, diff)
	}
	t.Logf("WHMCS calls per order %s: %.1f: %v; Salesforce requests of %d orders: %v", when, float64(total)/float64(orders), counters.Whmcs.Calls, orders, counters.Salesforce)
}

// watchOrders watches the orders from now on.
func watchOrders(t *testing.T, s *stage.Stage) watch.Interface {
	t.Helper()
	var list v1alpha1.ProvisioningOrderList
	must(t, s.Client.List(t.Context(), &list, client.InNamespace(stage.Namespace)))
	options := &client.ListOptions{Namespace: stage.Namespace}
	watcher, err := s.Client.Watch(t.Context(), &list, options)
	must(t, err)
	t.Cleanup(watcher.Stop)
	return watcher
}

// compareWrites counts the versions of each order that the API server stored: each is one write, whoever made it.
func compareWrites(t *testing.T, s *stage.Stage, watcher watch.Interface, orders []sandbox.SeededOrder) {
	t.Helper()
	wanted := map[string]map[string]bool{}
	for _, order := range orders {
		wanted[keyOf(order).Name] = map[string]bool{}
	}
	open := len(orders)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for open > 0 {
		select {
		case <-ctx.Done():
			t.Fatal("the watch did not show all orders as provisioned")
		case e := <-watcher.ResultChan():
			order, ok := e.Object.(*v1alpha1.ProvisioningOrder)
			if !ok {
				t.Fatalf("the watch ended: %+v", e)
			}
			seen := wanted[order.Name]
			if seen == nil || seen[order.ResourceVersion] {
				continue
			}
			if seen[order.ResourceVersion] = true; order.Status.State == v1alpha1.ProvisionedState {
				open--
			}
		}
	}
	var list eventsv1.EventList
	must(t, s.Client.List(t.Context(), &list, client.InNamespace(stage.Namespace)))
	events := map[string]int{}
	for _, event := range list.Items {
		events[event.Regarding.Name]++
	}
	writes, announced := 0, 0
	for name, versions := range wanted {
		writes += len(versions)
		announced += events[name]
		if len(versions) > writesPerOrder {
			t.Errorf("%s was written %d times, want at most %d", name, len(versions), writesPerOrder)
		}
		if events[name] > eventsPerOrder {
			t.Errorf("%s has %d events, want at most %d", name, events[name], eventsPerOrder)
		}
	}
	t.Logf("versions stored per order: %.1f; events per order: %.1f", float64(writes)/float64(len(orders)), float64(announced)/float64(len(orders)))
}

// freeAddress is an address of loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	must(t, listener.Close())
	return listener.Addr().String()
}

// apiRequests reads from the manager's metrics how many requests it made to the API server, by method.
func apiRequests(t *testing.T, address string) map[string]int {
	t.Helper()
	var counts map[string]int
	web := &http.Client{Timeout: 10 * time.Second}
	eventually(t, time.Minute, "the manager serves metrics", func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/metrics", http.NoBody)
		if err != nil {
			return err
		}
		response, err := web.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("metrics: %s", response.Status)
		}
		counts, err = byMethod(response.Body)
		return err
	})
	return counts
}

// byMethod sums up rest_client_requests_total.
func byMethod(metrics io.Reader) (map[string]int, error) {
	counts := map[string]int{}
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		labels, value, ok := strings.Cut(strings.TrimPrefix(lines.Text(), "rest_client_requests_total{"), "} ")
		if !ok || !strings.HasPrefix(lines.Text(), "rest_client_requests_total{") {
			continue
		}
		_, method, _ := strings.Cut(labels, `method="`)
		method, _, _ = strings.Cut(method, `"`)
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, err
		}
		counts[method] += int(n)
	}
	return counts, lines.Err()
}

// logRequests prints what the manager asked of the API server. Besides the orders that is the pipeline's: positions on
// the bus, conditions, the look at Secrets every few seconds.
func logRequests(t *testing.T, before, after map[string]int, orders int) {
	t.Helper()
	for _, method := range slices.Sorted(maps.Keys(after)) {
		t.Logf("requests to the API server, %s: %d for %d orders, everything else included", method, after[method]-before[method], orders)
	}
	if writes := after["POST"] - before["POST"] + after["PUT"] - before["PUT"]; writes == 0 {
		t.Error("the metrics show no write: they do not count what they should")
	}
}
