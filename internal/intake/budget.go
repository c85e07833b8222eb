package intake

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// The org's allowances that matter here, by Salesforce's names.
const (
	apiRequestsLimit     = "DailyApiRequests"
	eventsDeliveredLimit = "DailyDeliveredPlatformEvents"
)

// lowPercent is the use of an allowance from which on calls that can wait are left out.
const lowPercent = 90

// watchUsage keeps status.usage, until ctx ends.
func (p *pipeline) watchUsage(ctx context.Context, org Org) {
	for {
		p.observeUsage(ctx, org)
		if sleep(ctx, p.Clock, p.UsageEvery) != nil {
			return
		}
	}
}

// observeUsage asks for the org's allowances. When API requests are short it does not ask: the header of every other
// answer says how many are left.
func (p *pipeline) observeUsage(ctx context.Context, org Org) {
	next := v1alpha1.Usage{}
	if last := p.book.read().Usage; last != nil {
		next = *last
	}
	if used, limit, ok := org.APIUsage(); ok {
		next.APIRequests, next.APIRequestsMax = used, limit
	}
	if !low(next.APIRequests, next.APIRequestsMax) {
		limits, err := org.Limits(ctx)
		if err != nil {
			logf.FromContext(ctx).V(1).Info("Asking for the org's allowances failed", "error", err.Error())
		}
		if l, ok := limits[apiRequestsLimit]; ok {
			next.APIRequests, next.APIRequestsMax = l.Max-l.Remaining, l.Max
		}
		if l, ok := limits[eventsDeliveredLimit]; ok {
			next.EventsDelivered, next.EventsDeliveredMax = l.Max-l.Remaining, l.Max
		}
	}
	if next.APIRequestsMax == 0 && next.EventsDeliveredMax == 0 {
		return
	}
	next.ObservedAt = new(metav1.NewMicroTime(p.Clock.Now()))
	var last *v1alpha1.Usage
	p.book.edit(func(r *record) bool {
		last, r.Usage = r.Usage, &next
		return false
	})
	p.warnUsage(last, next)
}

// warnUsage warns once when an allowance becomes low.
func (p *pipeline) warnUsage(last *v1alpha1.Usage, now v1alpha1.Usage) {
	if last == nil {
		last = &v1alpha1.Usage{}
	}
	for _, a := range []struct {
		name                    string
		before, beforeMax, used int64
		limit                   int64
		advice                  string
	}{
		{"API requests", last.APIRequests, last.APIRequestsMax, now.APIRequests, now.APIRequestsMax, "sweeps become rare; find what else uses them, or raise the org's allowance"},
		{"event deliveries", last.EventsDelivered, last.EventsDeliveredMax, now.EventsDelivered, now.EventsDeliveredMax, "find the other subscribers, filter the channel, or raise the org's allowance; beyond it the bus delivers nothing more"},
	} {
		if low(a.used, a.limit) && !low(a.before, a.beforeMax) {
			p.warn(v1alpha1.AllowanceLowReason, "ObserveUsage", "%d of the org's %d %s of 24 hours are used: %s", a.used, a.limit, a.name, a.advice)
		}
	}
}

// short reports whether the org runs out of API requests, by the newest that is known.
func (p *pipeline) short() bool {
	if org := p.current().Salesforce; org != nil {
		if used, limit, ok := org.APIUsage(); ok {
			return low(used, limit)
		}
	}
	u := p.book.read().Usage
	return u != nil && low(u.APIRequests, u.APIRequestsMax)
}

func low(used, limit int64) bool {
	return limit > 0 && used*100 >= limit*lowPercent
}
