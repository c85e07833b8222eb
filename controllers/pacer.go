package controllers

import (
	"math/rand/v2"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// pacer makes waits longer while an order keeps waiting for the same reason. It forgets at a restart, which only means
// that waiting orders are looked at sooner.
type pacer struct {
	mu    sync.Mutex
	waits map[types.UID]pace
}

type pace struct {
	reason string
	last   time.Duration
}

func newPacer() *pacer {
	return &pacer{waits: map[types.UID]pace{}}
}

// next returns how long to wait this time.
func (p *pacer) next(order types.UID, reason string, first, longest time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	after := first
	if was, ok := p.waits[order]; ok && was.reason == reason {
		after = min(2*was.last, longest)
	}
	p.waits[order] = pace{reason, after}
	return after
}

// forget starts an order's waits anew.
func (p *pacer) forget(order types.UID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waits, order)
}

// backoff is the pause after a number of failures in a row: exponential, capped, and spread so that orders that failed
// together do not come back together.
func backoff(failures int32) time.Duration {
	const first, longest = 2 * time.Second, 5 * time.Minute
	full := min(first<<min(failures-1, 10), longest)
	return full/2 + rand.N(full/2)
}

// clientGate lets the orders of a WHMCS client pass AddOrder one at a time, so that what a look shows cannot be the
// trace of another order's call.
type clientGate struct {
	mu      sync.Mutex
	holders map[clientKey]types.UID
	waiting map[clientKey]map[types.NamespacedName]struct{}
}

// clientKey is a client of the WHMCS at a URL.
type clientKey struct {
	url    string
	client int64
}

func newClientGate() *clientGate {
	return &clientGate{holders: map[clientKey]types.UID{}, waiting: map[clientKey]map[types.NamespacedName]struct{}{}}
}

// enter tells whether the order may go on for its client. If not, it is remembered and named by leave.
func (g *clientGate) enter(key clientKey, order *v1alpha1.ProvisioningOrder) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if holder, taken := g.holders[key]; taken && holder != order.UID {
		if g.waiting[key] == nil {
			g.waiting[key] = map[types.NamespacedName]struct{}{}
		}
		g.waiting[key][types.NamespacedName{Namespace: order.Namespace, Name: order.Name}] = struct{}{}
		return false
	}
	g.holders[key] = order.UID
	return true
}

// leave gives up what an order holds and returns the orders that waited for it.
func (g *clientGate) leave(order types.UID) []types.NamespacedName {
	g.mu.Lock()
	defer g.mu.Unlock()
	var next []types.NamespacedName
	for key, holder := range g.holders {
		if holder != order {
			continue
		}
		delete(g.holders, key)
		for name := range g.waiting[key] {
			next = append(next, name)
		}
		delete(g.waiting, key)
	}
	return next
}
