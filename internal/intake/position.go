package intake

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/pubsub"
)

// start says where the stream of a topic begins, and opens a gap if the stored position cannot be used.
func (r *record) start(topic, org string, initial v1alpha1.InitialReplay, now time.Time) (p pubsub.Position, gap bool) {
	t := r.trigger(topic)
	// Positions of one org mean nothing in another: a sandbox was refreshed, or the credentials lead elsewhere.
	if t.CommittedAt != nil && t.OrgID != org {
		r.openGap(topic, fmt.Sprintf("the stored position belongs to org %s, but the login leads to org %s", t.OrgID, org), now)
		gap = true
	}
	t = r.trigger(topic)
	ran := t.CommittedAt != nil
	t.OrgID = org
	switch {
	case ran && len(t.ReplayID) > 0:
		return pubsub.Position{Preset: pubsub.Custom, ReplayID: slices.Clone(t.ReplayID), StoredAt: t.CommittedAt.Time}, gap
	case ran || initial != v1alpha1.LatestReplay:
		// A stream that ran before and lost its position never skips what is on the bus.
		return pubsub.Position{Preset: pubsub.Earliest}, gap
	default:
		return pubsub.Position{Preset: pubsub.Latest}, gap
	}
}

// commit moves the position of a topic: everything up to it is stored, which is what was published until then.
func (r *record) commit(topic string, replayID []byte, until time.Time) {
	if len(replayID) == 0 {
		return
	}
	t := r.trigger(topic)
	t.ReplayID = slices.Clone(replayID)
	if t.CommittedAt == nil || until.After(t.CommittedAt.Time) {
		t.CommittedAt = new(metav1.NewMicroTime(until))
	}
}

// openGap forgets the position of a topic and notes the window in which events may have been lost. A gap that is open
// and has seen no position since is the same gap.
func (r *record) openGap(topic, cause string, now time.Time) (opened bool) {
	t := r.trigger(topic)
	lost := t.ReplayID
	t.ReplayID = nil
	same := slices.IndexFunc(r.Gaps, func(g v1alpha1.Gap) bool { return g.Topic == topic && g.ClosedAt == nil })
	if same >= 0 && len(lost) == 0 {
		r.Gaps[same].To = metav1.NewMicroTime(now) // a sweep that runs already does not cover it
		return false
	}
	gap := v1alpha1.Gap{Topic: topic, To: metav1.NewMicroTime(now), Cause: cut(cause, longestCause)}
	if t.CommittedAt != nil {
		gap.From = t.CommittedAt.DeepCopy()
	}
	r.Gaps = append(r.Gaps, gap)
	// The oldest go, closed ones first: an open gap still has to be reported.
	for len(r.Gaps) > mostGaps {
		i := max(0, slices.IndexFunc(r.Gaps, func(g v1alpha1.Gap) bool { return g.ClosedAt != nil }))
		r.Gaps = slices.Delete(r.Gaps, i, i+1)
	}
	return true
}

// longestCause is the API's bound of a gap's cause.
const longestCause = 512

// recovered notes an order that a sweep found and no event announced, with each gap that is open.
func (r *record) recovered(id string) {
	for i := range r.Gaps {
		g := &r.Gaps[i]
		if g.ClosedAt != nil || slices.Contains(g.Orders, id) {
			continue
		}
		g.OrdersRecovered++
		if len(g.Orders) < mostGapOrders {
			g.Orders = append(g.Orders, id)
		}
	}
}

// announced takes an order back from the gaps: its event, published before the gap was noticed, did arrive after the
// sweep had found the order.
func (r *record) announced(id string, published time.Time) {
	for i := range r.Gaps {
		g := &r.Gaps[i]
		at := slices.Index(g.Orders, id)
		if at < 0 || published.IsZero() || published.After(g.To.Time) {
			continue
		}
		g.Orders = slices.Delete(g.Orders, at, at+1)
		g.OrdersRecovered--
	}
}

// closeGaps closes the gaps that were noticed no later than until, the beginning of a sweep that has succeeded.
func (r *record) closeGaps(until, now time.Time) (closed []v1alpha1.Gap) {
	for i := range r.Gaps {
		g := &r.Gaps[i]
		if g.ClosedAt == nil && !g.To.After(until) {
			g.ClosedAt = new(metav1.NewMicroTime(now))
			closed = append(closed, *g.DeepCopy())
		}
	}
	return closed
}

// covered is the time since when a sweep must look for changed orders.
func (r *record) covered(now time.Time, lookback time.Duration) time.Time {
	since := now.Add(-lookback)
	earlier := func(t *metav1.MicroTime) {
		// The margin is for clocks that disagree.
		if t != nil && t.Add(-sweepMargin).Before(since) {
			since = t.Add(-sweepMargin)
		}
	}
	if r.Sweep != nil {
		// What was changed while it ran, it may not have seen.
		earlier(cmp.Or(r.Sweep.StartedAt, r.Sweep.CompletedAt))
	}
	for _, g := range r.openGaps() {
		earlier(g.From)
	}
	return since
}

// sweepMargin is how far a sweep looks back beyond the beginning of the last one.
const sweepMargin = time.Hour
