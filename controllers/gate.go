package controllers

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// clientGate lets the orders of a WHMCS client pass AddOrder one at a time, so that what a look shows cannot be the
// trace of another order's call. An older order takes the gate from a younger one that has not claimed anything yet:
// after an outage the younger one would otherwise keep it until its own turn at WHMCS, which comes last.
type clientGate struct {
	mu      sync.Mutex
	holders map[clientKey]holder
	waiting map[clientKey]map[types.NamespacedName]time.Time
}

// clientKey is a client of the WHMCS at a URL.
type clientKey struct {
	url    string
	client int64
}

// holder is the order that has the gate of a client.
type holder struct {
	order   types.UID
	name    types.NamespacedName
	created time.Time
	// committed says that the order is about to claim or has an open claim, so that nobody may take the gate from it.
	committed bool
}

func newClientGate() *clientGate {
	return &clientGate{holders: map[clientKey]holder{}, waiting: map[clientKey]map[types.NamespacedName]time.Time{}}
}

// enter tells whether the order may go on for its client. If not, it is remembered and named by leave.
func (g *clientGate) enter(key clientKey, order *v1alpha1.ProvisioningOrder) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now, taken := g.holders[key]
	next := holder{
		order: order.UID, name: client.ObjectKeyFromObject(order), created: order.CreationTimestamp.Time,
		committed: isOpen(lastCall(order.Status.Calls, v1alpha1.AddOrderCall)),
	}
	switch {
	case taken && now.order == next.order:
		return true
	case taken && (now.committed || !next.created.Before(now.created)):
		g.wait(key, next)
		return false
	case taken:
		g.wait(key, now)
	}
	delete(g.waiting[key], next.name)
	g.holders[key] = next
	return true
}

// holds tells whether the order has had the gate since it entered.
func (g *clientGate) holds(key clientKey, order types.UID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.holders[key].order == order
}

// commit keeps the gate for the order until it leaves, unless another one has taken it. Only then may the order claim.
func (g *clientGate) commit(key clientKey, order types.UID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.holders[key]
	if now.order != order {
		return false
	}
	now.committed = true
	g.holders[key] = now
	return true
}

// leave gives up what an order holds and returns the orders that waited for it, oldest first.
func (g *clientGate) leave(order types.UID) []types.NamespacedName {
	return g.free(func(now holder) bool { return now.order == order })
}

// succeed gives up what another object than the order held under its name, and returns the orders that waited for that.
func (g *clientGate) succeed(name types.NamespacedName, order types.UID) []types.NamespacedName {
	return g.free(func(now holder) bool { return now.name == name && now.order != order })
}

// free gives up what some hold and returns the orders that waited for it, oldest first for each client.
func (g *clientGate) free(who func(holder) bool) []types.NamespacedName {
	g.mu.Lock()
	defer g.mu.Unlock()
	var next []types.NamespacedName
	for key, now := range g.holders {
		if !who(now) {
			continue
		}
		delete(g.holders, key)
		ages := g.waiting[key]
		next = append(next, slices.SortedFunc(maps.Keys(ages), func(a, b types.NamespacedName) int {
			return cmp.Or(ages[a].Compare(ages[b]), cmp.Compare(a.Name, b.Name))
		})...)
		delete(g.waiting, key)
	}
	return next
}

// wait remembers an order that is not let through. It needs mu.
func (g *clientGate) wait(key clientKey, h holder) {
	if g.waiting[key] == nil {
		g.waiting[key] = map[types.NamespacedName]time.Time{}
	}
	g.waiting[key][h.name] = h.created
}
