package intake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// Why a sweep was asked for.
const (
	sweepGap    = "gap"
	sweepChange = "change events"
	sweepDemand = "request"
	sweepGate   = "mapping"
)

// errNoGate says that nothing can be asked, because the mapping does not say what to ask.
var errNoGate = errors.New("the mapping is not valid: it says which orders to look for")

// Gate says which orders of the org are to be provisioned.
type Gate struct {
	// Object is the object that holds the orders, such as Order.
	Object string
	// Where is a SOQL condition on it; empty means every order.
	Where string
}

// soql is the query for the orders that pass the gate and a condition of ours.
func (g *Gate) soql(fields, condition string) string {
	if strings.TrimSpace(g.Where) == "" {
		return "SELECT " + fields + " FROM " + g.Object + " WHERE " + condition
	}
	return "SELECT " + fields + " FROM " + g.Object + " WHERE (" + g.Where + ") AND " + condition
}

// sweeper looks in the org for orders that no event announced.
type sweeper struct {
	p    *pipeline
	wake chan struct{}

	mu sync.Mutex
	// wanted asks for a sweep at once, soon for one before long.
	wanted, soon bool
}

// request asks for a sweep at once. One on behalf of change events comes a little later: they may come often.
func (w *sweeper) request(why string) {
	w.mu.Lock()
	if why == sweepChange {
		w.soon = true
	} else {
		w.wanted = true
	}
	w.mu.Unlock()
	w.p.log.V(1).Info("Requesting a sweep", "why", why)
	w.nudge()
}

// nudge makes the sweeper look at its settings again.
func (w *sweeper) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// take returns whether a sweep was asked for at once, and forgets that.
func (w *sweeper) take() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	wanted := w.wanted
	w.wanted = false
	return wanted
}

// hurried reports whether a sweep was asked for soon.
func (w *sweeper) hurried() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.soon
}

// fresh forgets what was asked for: a sweep begins.
func (w *sweeper) fresh() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted, w.soon = false, false
}

// run sweeps at start, on the interval and when asked, until ctx ends.
func (w *sweeper) run(ctx context.Context, org Org) {
	now := func() time.Duration { return 0 }
	wait, retry := now, newSweepBackoff()
	for ended := w.p.Clock.Now(); ; {
		if !w.wait(ctx, func() time.Duration { return wait() - w.p.Clock.Since(ended) }) {
			return
		}
		w.fresh()
		err := w.sweep(ctx, org)
		if ctx.Err() != nil {
			return
		}
		ended = w.p.Clock.Now()
		if err == nil {
			wait, retry = w.interval, newSweepBackoff()
			continue
		}
		logf.FromContext(ctx).Info("Sweeping failed, trying again", "error", err.Error())
		w.p.meters.sweepFailures.WithLabelValues(w.p.key.Namespace, w.p.key.Name).Inc()
		pause := retry.draw()
		wait = func() time.Duration { return min(pause, w.interval()) }
	}
}

func newSweepBackoff() *backoff { return &backoff{next: 5 * time.Second, longest: 5 * time.Minute} }

// interval is the time between two sweeps: shorter if change events ask for one, longer when the org runs out of API
// requests.
func (w *sweeper) interval() time.Duration {
	interval := w.p.spec().Sweep.Interval.Duration
	if w.hurried() {
		interval = min(interval, w.p.SweepSoon)
	}
	if w.p.short() {
		interval *= 4
	}
	return interval
}

// wait returns when it is time to sweep and the streams have caught up; false if ctx has ended.
func (w *sweeper) wait(ctx context.Context, left func() time.Duration) bool {
	for asked := false; ; {
		asked = w.take() || asked
		d := left()
		if asked || d <= 0 {
			if d = w.p.catchingUp(); d <= 0 {
				return true
			}
		}
		timer := w.p.Clock.NewTimer(d)
		select {
		case <-timer.C():
		case <-w.wake:
		case <-ctx.Done():
			timer.Stop()
			return false
		}
		timer.Stop()
	}
}

// sweep asks the org once, creates what is missing, and closes the gaps that this covers.
func (w *sweeper) sweep(ctx context.Context, org Org) error {
	began := w.p.Clock.Now()
	token := w.p.sweepToken()
	found, made, err := w.look(ctx, org)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var closed []v1alpha1.Gap
	w.p.book.edit(func(r *record) bool {
		if r.Sweep == nil {
			r.Sweep = &v1alpha1.SweepStatus{}
		}
		r.Sweep.LastHandledRequest = cmp.Or(token, r.Sweep.LastHandledRequest)
		r.Sweep.Message = ""
		if err != nil {
			r.Sweep.Message = cut(err.Error(), longestProblem)
			return false
		}
		now := w.p.Clock.Now()
		r.Sweep.StartedAt, r.Sweep.CompletedAt = new(metav1.NewMicroTime(began)), new(metav1.NewMicroTime(now))
		r.Sweep.Seen, r.Sweep.Created = int32(found), int32(made)
		closed = r.closeGaps(began, now)
		return len(closed) > 0
	})
	for _, g := range closed {
		w.p.normal(v1alpha1.NoGapReason, "Sweep", "the gap of %s is closed: %d orders were found that no event announced", g.Topic, g.OrdersRecovered)
	}
	return err
}

// look asks for the orders that pass the gate, and creates the objects that are missing.
func (w *sweeper) look(ctx context.Context, org Org) (found, made int, err error) {
	gate := w.p.gate.Load()
	if gate == nil {
		return 0, 0, errNoGate
	}
	now := w.p.Clock.Now()
	r := w.p.book.read()
	since := r.covered(now, w.p.spec().Sweep.Lookback.Duration)
	records, err := org.Query(ctx, gate.soql("Id, LastModifiedDate", "LastModifiedDate >= "+since.UTC().Format("2006-01-02T15:04:05Z")))
	if err != nil {
		return 0, 0, err
	}
	missing, err := w.missing(ctx, gate.Object, records)
	if err != nil {
		return 0, 0, err
	}
	// An order that has just been changed may have its event on the way, and the event knows more. Clocks may disagree,
	// so what matters is the time since it was found.
	old, fresh := w.split(missing, now)
	made, err = w.create(ctx, old)
	if err != nil && !refusedForGood(err) || len(fresh) == 0 {
		return len(records), made, err
	}
	if err := sleep(ctx, w.p.Clock, w.p.SweepGrace-w.p.Clock.Since(now)); err != nil {
		return len(records), made, err
	}
	more, errFresh := w.create(ctx, fresh)
	if err == nil {
		err = errFresh
	}
	return len(records), made + more, err
}

// split tells orders that were changed a while ago from those changed just now.
func (w *sweeper) split(records []salesforce.Record, now time.Time) (old, fresh []salesforce.ID) {
	for _, r := range records {
		// An hour is more than clocks disagree by.
		at, err := time.Parse("2006-01-02T15:04:05.999Z0700", r.Text("LastModifiedDate"))
		if err == nil && now.Sub(at) > time.Hour {
			old = append(old, r.ID())
		} else {
			fresh = append(fresh, r.ID())
		}
	}
	return old, fresh
}

// manyMissing is from how many orders on that the cache does not know, one list of names is cheaper than trying to
// create each.
const manyMissing = 50

// missing drops the orders that have an object.
func (w *sweeper) missing(ctx context.Context, object string, records []salesforce.Record) ([]salesforce.Record, error) {
	var missing []salesforce.Record
	for _, r := range records {
		if r.ID() == "" || !r.ID().IsOrder(object) {
			continue
		}
		existing, err := w.p.store.cached(ctx, w.name(r.ID()))
		if err != nil {
			return nil, fmt.Errorf("reading orders: %w", err)
		}
		if existing == nil {
			missing = append(missing, r)
		}
	}
	if len(missing) < manyMissing {
		return missing, nil
	}
	names, err := w.names(ctx)
	if err != nil {
		return nil, err
	}
	var absent []salesforce.Record
	for _, r := range missing {
		if !names[w.name(r.ID()).Name] {
			absent = append(absent, r)
		}
	}
	return absent, nil
}

// names lists the names of the pipeline's orders, page by page and without the cache.
func (w *sweeper) names(ctx context.Context) (map[string]bool, error) {
	names := map[string]bool{}
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("ProvisioningOrderList"))
	for {
		options := []client.ListOption{
			client.InNamespace(w.p.key.Namespace),
			client.MatchingFields{"spec.pipelineRef.name": w.p.key.Name},
			client.Limit(500), client.Continue(list.Continue),
		}
		if err := w.p.Reader.List(ctx, list, options...); err != nil {
			return nil, fmt.Errorf("listing orders: %w", err)
		}
		for _, item := range list.Items {
			names[item.Name] = true
		}
		if list.Continue == "" {
			return names, nil
		}
	}
}

func (w *sweeper) name(id salesforce.ID) types.NamespacedName {
	return types.NamespacedName{Namespace: w.p.key.Namespace, Name: orderName(w.p.key.Name, id)}
}

// create makes objects at a bounded rate. One that the API server refuses does not keep the others from being made, but
// the sweep has not succeeded then. When the API server is away, the sweep says so and begins again later.
func (w *sweeper) create(ctx context.Context, ids []salesforce.ID) (made int, err error) {
	limit := rate.NewLimiter(rate.Limit(w.p.SweepPerSecond), w.p.SweepPerSecond)
	a := announcer{pipeline: w.p.key}
	var refused error
	for _, id := range ids {
		if err := limit.Wait(ctx); err != nil {
			return made, err
		}
		r, err := w.p.store.tryOnce(ctx, a.swept(id))
		if err != nil {
			err = fmt.Errorf("creating the order of %s: %w", id, err)
		}
		if refusedForGood(err) {
			refused = err
			continue
		}
		if err != nil {
			return made, err
		}
		if r != created {
			continue
		}
		made++
		w.p.meters.swept.WithLabelValues(w.p.key.Namespace, w.p.key.Name).Inc()
		w.p.book.edit(func(r *record) bool { r.recovered(id.String()); return false })
	}
	return made, refused
}
