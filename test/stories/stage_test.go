package stories

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	whmcsbox "github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/whmcs"
	"github.com/orderbridge/orderbridge/test/byhand"
)

// morning is when every story begins. It is far ahead so that the deadlines of calls, which are checked against the real
// time, have not passed.
var morning = time.Date(2100, 1, 1, 9, 0, 0, 0, time.UTC)

// mostPasses ends a story that does not end.
const mostPasses = 300

// defaults are the defaults of the CRD.
func defaults() v1alpha1.ProvisioningPipelineSpec {
	return v1alpha1.ProvisioningPipelineSpec{Whmcs: v1alpha1.WhmcsSpec{
		Markers: []v1alpha1.Marker{v1alpha1.NotesMarker},
		Timeouts: v1alpha1.WhmcsTimeouts{
			Read:        metav1.Duration{Duration: 30 * time.Second},
			AddOrder:    metav1.Duration{Duration: time.Minute},
			AcceptOrder: metav1.Duration{Duration: 3 * time.Minute},
			Settle:      metav1.Duration{Duration: 5 * time.Minute},
			Services:    metav1.Duration{Duration: 30 * time.Minute},
		},
	}}
}

// stage is where one order lives its story.
type stage struct {
	t        *testing.T
	far      *byhand.Far
	rec      *controllers.OrderReconciler
	clock    *storyClock
	key      types.NamespacedName
	customer sandbox.Customer
	order    sandbox.SeededOrder
	text     *text
	// due is when the order is to be looked at next; zero means not by itself.
	due time.Time

	// during is what happens while a call is under way, by the call's name, once.
	during map[string]func()

	mu sync.Mutex
	// turnAway is how many AddOrder requests find no connection from now on.
	turnAway int
	pass     pass
}

// storyClock stands still until it is moved.
type storyClock struct {
	clock.RealClock
	mu  sync.Mutex
	now time.Time
}

// Now is the story's time.
func (c *storyClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Since is the story's time since an instant.
func (c *storyClock) Since(at time.Time) time.Duration { return c.Now().Sub(at) }

func (c *storyClock) set(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = at
}

// raise sets the stage for a story.
func raise(t *testing.T, told story) *stage {
	t.Helper()
	far, err := byhand.StartFar(root, t.TempDir(), told.mapping)
	must(t, err)
	t.Cleanup(far.Close)
	s := &stage{t: t, far: far, clock: &storyClock{now: morning}, text: &text{}, during: map[string]func(){}}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "story-"}}
	must(t, cluster.Create(t.Context(), ns))
	s.customer, err = far.NewCustomer(!told.withoutPayMethod)
	must(t, err)
	s.order, err = far.NewOrder(sandbox.OrderRequest{AccountID: s.customer.AccountID, Lines: told.lines, Fields: told.fields, Approve: true})
	must(t, err)
	s.key = types.NamespacedName{Namespace: ns.Name, Name: byhand.Pipeline + "-" + strings.ToLower(s.order.ID)}
	spec := defaults()
	spec.Whmcs.URL = far.Info.Whmcs.URL
	if told.pipeline != nil {
		told.pipeline(&spec)
	}
	s.rec, err = far.Reconciler(byhand.Options{
		Namespace: ns.Name, Spec: spec, Admission: newBreaker(s.clock.Now), Clock: s.clock, Recorder: s,
		Client: byhand.Client{Client: cluster, Write: s.write},
		Wrap: func(next http.RoundTripper, name func(*http.Request) string) http.RoundTripper {
			return hook{s, next, name}
		},
		Learnt: s.learnt,
	})
	must(t, err)
	s.arrive()
	return s
}

// arrive has the intake make the object.
func (s *stage) arrive() {
	s.t.Helper()
	must(s.t, cluster.Create(s.t.Context(), byhand.NewOrder(s.key, s.order.ID)))
	s.due = s.clock.Now()
}

// vanish deletes the object.
func (s *stage) vanish() {
	s.t.Helper()
	var order v1alpha1.ProvisioningOrder
	must(s.t, cluster.Get(s.t.Context(), s.key, &order))
	must(s.t, cluster.Delete(s.t.Context(), &order))
	must(s.t, cluster.Get(s.t.Context(), s.key, &order))
	if _, err := s.rec.Reconcile(s.t.Context(), &order); err != nil {
		s.t.Fatal(err)
	}
	if err := cluster.Get(s.t.Context(), s.key, &order); !apierrors.IsNotFound(err) {
		s.t.Fatalf("the deleted object is still there: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write counts a write.
func (s *stage) write(_ context.Context, what string, _ client.Object, do func() error) error {
	s.mu.Lock()
	s.pass.writes = append(s.pass.writes, what)
	s.mu.Unlock()
	return do()
}

// Eventf notes an event.
func (s *stage) Eventf(_, _ runtime.Object, eventType, reason, _, words string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass.events = append(s.pass.events, event{eventType + " " + reason, fmt.Sprintf(words, args...)})
}

func (s *stage) learnt(markers []v1alpha1.MarkerStatus) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range markers {
		s.pass.learnt = append(s.pass.learnt, fmt.Sprintf("the key in %s is stored: %s", m.Name, m.Stored))
	}
}

// hook notes the calls of a client.
type hook struct {
	s    *stage
	next http.RoundTripper
	name func(*http.Request) string
}

// RoundTrip makes a call.
func (h hook) RoundTrip(request *http.Request) (*http.Response, error) {
	name := h.name(request)
	if name == "AddOrder" && h.s.turnedAway() {
		h.s.called(name, "no connection")
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if happens := h.s.during[name]; happens != nil {
		delete(h.s.during, name)
		happens()
	}
	response, err := h.next.RoundTrip(request)
	if name == "" {
		return response, err
	}
	if err != nil {
		h.s.called(name, "no answer")
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		h.s.called(name, "half an answer")
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	h.s.called(name, judge(response.StatusCode, body))
	return response, nil
}

// judge is what an answer is called; an answer as it should be needs no word.
func judge(status int, body []byte) string {
	var answer struct{ Result string }
	if status/100 == 2 && json.Unmarshal(body, &answer) == nil && answer.Result == "error" {
		return "refused"
	}
	if status/100 != 2 {
		return http.StatusText(status)
	}
	return ""
}

func (s *stage) called(name, ended string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass.calls = append(s.pass.calls, farCall{name, ended})
}

func (s *stage) turnedAway() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turnAway--
	return s.turnAway >= 0
}

// look is one pass.
func (s *stage) look() {
	s.t.Helper()
	s.pass = pass{at: s.clock.Now()}
	before := s.told()
	var order v1alpha1.ProvisioningOrder
	must(s.t, cluster.Get(s.t.Context(), s.key, &order))
	order.CreationTimestamp = metav1.NewTime(morning)
	result, err := s.rec.Reconcile(s.t.Context(), &order)
	must(s.t, cluster.Get(s.t.Context(), s.key, &order))
	if err != nil && order.Status.State != v1alpha1.StalledState {
		s.t.Fatalf("the pass ended with %v", err)
	}
	s.due = time.Time{}
	s.pass.again = result.RequeueAfter
	if result.RequeueAfter > 0 {
		s.due = s.clock.Now().Add(result.RequeueAfter)
	}
	s.pass.order = order
	s.pass.told = changes(before, s.told())
	s.text.add(s.pass)
}

// work lets time pass until the order needs nothing any more by itself.
func (s *stage) work() {
	s.t.Helper()
	for range mostPasses {
		if s.due.IsZero() {
			return
		}
		s.clock.set(s.due)
		s.look()
	}
	s.t.Fatalf("the order is not at rest after %d passes:\n%s", mostPasses, s.text)
}

// workFor lets a time pass.
func (s *stage) workFor(d time.Duration) {
	s.t.Helper()
	end := s.clock.Now().Add(d)
	for !s.due.IsZero() && !s.due.After(end) {
		s.clock.set(s.due)
		s.look()
	}
	s.clock.set(end)
}

// say tells what happens outside.
func (s *stage) say(words string) { s.text.say(s.clock.Now(), words) }

// annotate sets annotations, which brings the order back at once.
func (s *stage) annotate(words string, annotations map[string]string) {
	s.t.Helper()
	s.say(words)
	s.patch(annotations)
	s.due = s.clock.Now()
}

// patch sets annotations.
func (s *stage) patch(annotations map[string]string) {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err == nil {
		order := &v1alpha1.ProvisioningOrder{ObjectMeta: metav1.ObjectMeta{Namespace: s.key.Namespace, Name: s.key.Name}}
		err = cluster.Patch(s.t.Context(), order, client.RawPatch(types.MergePatchType, patch))
	}
	if err != nil {
		s.t.Error(err)
	}
}

// request sets requestedAt to the time of the story.
func (s *stage) request(who string) {
	s.t.Helper()
	s.annotate(who+" sets requestedAt", map[string]string{v1alpha1.RequestedAtAnnotation: s.clock.Now().Format(time.RFC3339)})
}

func (s *stage) fault(words string, fault whmcsbox.Fault) (mend func()) {
	s.t.Helper()
	s.say(words)
	set, err := s.far.Whmcs.SetFault(fault)
	must(s.t, err)
	return func() { s.far.Whmcs.RemoveFault(set.ID) }
}

// told is what Salesforce shows of the order, as "field" or "line, field" and value.
func (s *stage) told() map[string]string {
	shown := map[string]string{}
	note := func(id, prefix string, names ...string) {
		record, ok := s.far.Salesforce.Record(id)
		if !ok {
			s.t.Fatalf("Salesforce has no record %s", id)
		}
		for _, name := range names {
			if value := record[name]; value != nil {
				shown[prefix+name] = fmt.Sprint(value)
			}
		}
	}
	note(s.order.ID, "", "Activation_Status__c", "WHMCS_Order_ID__c", "Activation_Error_Code__c", "Activation_Error_Message__c")
	for _, line := range s.order.Lines {
		note(line.ID, line.SKU+": ", "WHMCS_Service_ID__c")
	}
	return shown
}

// breaker is the admission of a manager with its rests on the story's clock: five failures in a row open it, and after a
// rest of 15 seconds one call is let through to see.
type breaker struct {
	now func() time.Time

	mu      sync.Mutex
	gate    *whmcs.Admission
	probing bool
	until   time.Time
}

const (
	breakerFailures = 5
	breakerRest     = 15 * time.Second
)

func newBreaker(now func() time.Time) *breaker {
	b := &breaker{now: now}
	b.renew(breakerFailures)
	return b
}

// renew puts in a gate that lets calls pass. It needs mu, or nobody else to know of the breaker.
func (b *breaker) renew(failures uint32) {
	b.probing = failures == 1
	b.gate = whmcs.NewAdmission(whmcs.AdmissionConfig{
		MaxConcurrent: 4, PerSecond: math.Inf(1), OpenFor: time.Hour, FailuresToOpen: failures,
	})
}

// State is what the breaker thinks of WHMCS.
func (b *breaker) State() whmcs.AdmissionState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.current().State()
}

// current is the gate, a new one after a rest. It needs mu.
func (b *breaker) current() *whmcs.Admission {
	if b.gate.State() == whmcs.AdmissionOpen && !b.now().Before(b.until) {
		b.renew(1)
	}
	return b.gate
}

// Acquire lets a call pass.
func (b *breaker) Acquire(ctx context.Context, age time.Time) (func(error), error) {
	b.mu.Lock()
	gate := b.current()
	b.mu.Unlock()
	release, err := gate.Acquire(ctx, age)
	if err != nil {
		return nil, err
	}
	return func(err error) {
		release(err)
		b.mu.Lock()
		defer b.mu.Unlock()
		switch {
		case gate.State() == whmcs.AdmissionOpen:
			b.until = b.now().Add(breakerRest)
		case b.probing && gate == b.gate:
			b.renew(breakerFailures)
		}
	}, nil
}
