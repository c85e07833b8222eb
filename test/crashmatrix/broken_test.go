package crashmatrix

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"testing"
	"text/tabwriter"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	whmcsbox "github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// mutation breaks the operator, so that the matrix can show that it notices.
type mutation struct {
	name string
	// times changes the timeouts.
	times func(*v1alpha1.WhmcsTimeouts)
	// over stands between the operator and its interruptions, under between those and WHMCS.
	over, under func(*http.Request, http.RoundTripper) (*http.Response, error)
	// stores makes a write of the status.
	stores func(ctx context.Context, order *v1alpha1.ProvisioningOrder, do func() error) error
	// shown are the interruptions that show it.
	shown []interruption
}

type transport func(*http.Request) (*http.Response, error)

// RoundTrip makes a call.
func (t transport) RoundTrip(request *http.Request) (*http.Response, error) { return t(request) }

func wrapped(with func(*http.Request, http.RoundTripper) (*http.Response, error), next http.RoundTripper) http.RoundTripper {
	if with == nil {
		return next
	}
	return transport(func(request *http.Request) (*http.Response, error) { return with(request, next) })
}

func (m *mutation) above(next http.RoundTripper) http.RoundTripper {
	if m == nil {
		return next
	}
	return wrapped(m.over, next)
}

func (m *mutation) below(next http.RoundTripper) http.RoundTripper {
	if m == nil {
		return next
	}
	return wrapped(m.under, next)
}

func (m *mutation) write(ctx context.Context, obj client.Object, do func() error) func() error {
	order, ok := obj.(*v1alpha1.ProvisioningOrder)
	if m == nil || m.stores == nil || !ok {
		return do
	}
	return func() error { return m.stores(ctx, order, do) }
}

var (
	firstOrder   = point{addOrder, 1}
	firstAccept  = point{acceptOrder, 1}
	firstStatus  = point{writePrefix + "status", 1}
	landsLate    = mode{class: "commit lands late", deed: late, kind: whmcsbox.LateCommit, delay: lateBy + time.Second}
	stoppedAfter = mode{class: "stopped after it took effect", deed: stop, after: true}
	lostReset    = mode{class: "answer lost: connection reset", deed: lose, after: true, loss: byReset}
	lostHTML     = mode{class: "answer lost: 502 HTML", deed: lose, after: true, loss: byHTML}
	forgotten    = mode{class: "cluster restored, order forgotten", deed: forget, after: true}
	resumedLate  = mode{class: "old leader resumes after the new one's work", deed: pause, stale: 1}
)

// mutations are the mistakes that the matrix is there to find.
var mutations = []mutation{
	{name: "no settle time", times: func(w *v1alpha1.WhmcsTimeouts) { w.Settle.Duration = 0 }, shown: []interruption{{point: firstOrder, mode: landsLate}, {point: firstAccept, mode: landsLate}}},
	{name: "claims are not stored before the call", stores: claimsForgotten, shown: []interruption{{point: firstOrder, mode: landsLate}}},
	{name: "claims are written over what others wrote", times: patient, stores: overwriting, shown: []interruption{{point: firstStatus, mode: resumedLate}}},
	{name: "markers are not looked at", under: hidingMarkers, shown: []interruption{{point: firstOrder, mode: forgotten}}},
	{name: "effects are not looked for", under: hidingOrders, shown: []interruption{{point: firstOrder, mode: stoppedAfter}, {point: firstOrder, mode: lostReset}}},
	{name: "requests are sent again by the HTTP client", over: retrying, shown: []interruption{{point: firstOrder, mode: lostReset}, {point: firstAccept, mode: lostHTML}}},
	{name: "requests leave after their deadline", over: readEarly, under: untraced, shown: []interruption{{point: firstOrder, mode: resumedLate}}},
	{name: "AcceptOrder is sent twice", under: accepting, shown: []interruption{{point: firstOrder, mode: stoppedAfter}}},
}

// TestMutations shows that the matrix turns red when the operator is broken, and that it is the breaking which does it.
func TestMutations(t *testing.T) {
	m := &matrix{t: t}
	var cells []*cell
	for i := range mutations {
		for _, broken := range []*mutation{nil, &mutations[i]} {
			for n, shown := range mutations[i].shown {
				for _, s := range []setting{settings[0], settings[2]} {
					cells = append(cells, &cell{class: mutations[i].name, setting: s, lines: lineSets[n%len(lineSets)], broken: broken, planned: []*interruption{{point: shown.point, mode: shown.mode}}})
				}
			}
		}
	}
	m.run(cells)
	broken, intact := map[string]*tally{}, map[string]*tally{}
	for i, r := range judge(t, cells) {
		c := cells[i]
		to := intact
		if c.broken != nil {
			to = broken
		} else if r.outcome == unexplained || r.duplicate {
			t.Errorf("%s, with nothing broken\n%s", c, describe(c, r))
		}
		if to[c.class] == nil {
			to[c.class] = &tally{}
		}
		to[c.class].add(r)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "what is broken\tcells\tduplicates\tunexplained\tduplicates with nothing broken")
	red := 0
	for _, mutation := range mutations {
		n := broken[mutation.name]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\n", mutation.name, n.cells, n.duplicates, n.unexplained, intact[mutation.name].duplicates)
		if n.duplicates > 0 {
			red++
		} else {
			t.Errorf("%s: the matrix does not notice", mutation.name)
		}
	}
	if err := table.Flush(); err != nil {
		t.Error(err)
	}
	fmt.Printf("%d of %d mistakes turn the matrix red\n", red, len(mutations))
}

// patient gives a claim so much time that another manager does all the work meanwhile.
func patient(w *v1alpha1.WhmcsTimeouts) {
	w.AddOrder.Duration = cellTime / 2
}

// claimsForgotten stores nothing while a claim of AddOrder is open, and says that it did.
func claimsForgotten(_ context.Context, order *v1alpha1.ProvisioningOrder, do func() error) error {
	for _, call := range order.Status.Calls {
		if call.Step == v1alpha1.AddOrderCall && call.SettledAt == nil {
			return nil
		}
	}
	return do()
}

// overwriting writes although the object changed since it was read.
func overwriting(ctx context.Context, order *v1alpha1.ProvisioningOrder, do func() error) error {
	err := do()
	if !apierrors.IsConflict(err) {
		return err
	}
	var latest v1alpha1.ProvisioningOrder
	if err := cluster.Get(ctx, client.ObjectKeyFromObject(order), &latest); err != nil {
		return err
	}
	order.ResourceVersion = latest.ResourceVersion
	return do()
}

var markersInAnswers = regexp.MustCompile(`sfOrderId=\w+|sf-\w+-\d+\.orderbridge\.invalid`)

// hidingMarkers takes the markers out of what WHMCS shows.
func hidingMarkers(request *http.Request, next http.RoundTripper) (*http.Response, error) {
	response, err := next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	return with(response, func(body []byte) []byte { return markersInAnswers.ReplaceAll(body, nil) })
}

// hidingOrders has WHMCS show no orders.
func hidingOrders(request *http.Request, next http.RoundTripper) (*http.Response, error) {
	response, err := next.RoundTrip(request)
	if err != nil || whmcs.ActionOf(request) != "GetOrders" {
		return response, err
	}
	return with(response, func([]byte) []byte {
		return []byte(`{"result":"success","totalresults":0,"startnumber":0,"numreturned":0,"orders":[]}`)
	})
}

func with(response *http.Response, change func([]byte) []byte) (*http.Response, error) {
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	body = change(body)
	response.Body = io.NopCloser(bytes.NewReader(body))
	response.ContentLength = int64(len(body))
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return response, nil
}

// repeatable returns a function that makes a request as often as one likes.
func repeatable(ctx context.Context, request *http.Request, next http.RoundTripper) (func() (*http.Response, error), error) {
	if request.Body == nil {
		return func() (*http.Response, error) { return next.RoundTrip(request.Clone(ctx)) }, nil
	}
	body, err := io.ReadAll(request.Body)
	request.Body.Close()
	return func() (*http.Response, error) {
		again := request.Clone(ctx)
		again.Body = io.NopCloser(bytes.NewReader(body))
		return next.RoundTrip(again)
	}, err
}

// retrying sends a request again that was not answered well.
func retrying(request *http.Request, next http.RoundTripper) (*http.Response, error) {
	send, err := repeatable(request.Context(), request, next)
	if err != nil {
		return nil, err
	}
	response, err := send()
	if err == nil && response.StatusCode < http.StatusInternalServerError {
		return response, nil
	}
	if err == nil {
		response.Body.Close()
	}
	return send()
}

// readEarly reads the body before the pause, when it is in time, and leaves the deadline of the call behind.
func readEarly(request *http.Request, next http.RoundTripper) (*http.Response, error) {
	send, err := repeatable(context.WithoutCancel(request.Context()), request, next)
	if err != nil {
		return nil, err
	}
	return send()
}

// untraced leaves the trace behind that closes the connection of a late request.
func untraced(request *http.Request, next http.RoundTripper) (*http.Response, error) {
	return next.RoundTrip(request.Clone(context.Background()))
}

// accepting sends AcceptOrder once more.
func accepting(request *http.Request, next http.RoundTripper) (*http.Response, error) {
	if whmcs.ActionOf(request) != acceptOrder {
		return next.RoundTrip(request)
	}
	send, err := repeatable(request.Context(), request, next)
	if err != nil {
		return nil, err
	}
	response, err := send()
	if err != nil {
		return nil, err
	}
	if second, err := send(); err == nil {
		second.Body.Close()
	}
	return response, nil
}
