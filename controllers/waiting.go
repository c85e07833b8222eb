package controllers

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// The reasons for which orders wait for something that a pipeline knows to have changed.
var (
	waitingForMapping = []string{
		v1alpha1.MappingInvalidReason, v1alpha1.ProductUnmappedReason, v1alpha1.AccountUnmappedReason, v1alpha1.GateClosedReason, v1alpha1.ReadRejectedReason,
	}
	waitingForWhmcs = []string{v1alpha1.WhmcsUnavailableReason}
	waitingForBook  = []string{v1alpha1.SalesforceUnavailableReason}
	waitingForStart = []string{v1alpha1.PipelineNotReadyReason, v1alpha1.SuspendedReason}
)

// waitRoom knows which orders wait for what, from the moment a pass decides that they do. The cache shows it only when
// the status was written and has come back, and would hide an order from a change that comes in between. Nothing is
// lost with it: a manager that starts looks at every unfinished order.
type waitRoom struct {
	mu    sync.Mutex
	waits map[types.NamespacedName]waiter
}

// waiter is an order that waits.
type waiter struct {
	pipeline types.NamespacedName
	reason   string
	created  time.Time
}

func newWaitRoom() *waitRoom {
	return &waitRoom{waits: map[types.NamespacedName]waiter{}}
}

// note takes down how a pass of an order ended. An order that stalled because Salesforce does not know a field of the
// mapping waits for it as well.
func (r *waitRoom) note(order *v1alpha1.ProvisioningOrder, out outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := client.ObjectKeyFromObject(order)
	if out.kind != waitKind && (out.kind != stallKind || out.reason != v1alpha1.ReadRejectedReason) {
		delete(r.waits, name)
		return
	}
	r.waits[name] = waiter{
		pipeline: types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.PipelineRef.Name},
		reason:   out.reason,
		created:  order.CreationTimestamp.Time,
	}
}

// leave forgets an order.
func (r *waitRoom) leave(order types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waits, order)
}

// reason is what an order waits for, or empty.
func (r *waitRoom) reason(order types.NamespacedName) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waits[order].reason
}

// waitingFor returns the orders of a pipeline that wait for one of the reasons, oldest first, and how many wait for each.
func (r *waitRoom) waitingFor(pipeline types.NamespacedName, reasons ...string) ([]types.NamespacedName, map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []types.NamespacedName
	counts := map[string]int{}
	for name, w := range r.waits {
		if w.pipeline == pipeline && slices.Contains(reasons, w.reason) {
			names = append(names, name)
			counts[w.reason]++
		}
	}
	slices.SortFunc(names, func(a, b types.NamespacedName) int {
		return cmp.Or(r.waits[a].created.Compare(r.waits[b].created), cmp.Compare(a.Name, b.Name))
	})
	return names, counts
}

// wakeWaiting asks for the orders of a pipeline that wait for one of the reasons to be looked at, oldest first, and
// returns how many there are.
func wakeWaiting(ctx context.Context, room *waitRoom, queue chan<- event.GenericEvent, pipeline types.NamespacedName, reasons ...string) (int, error) {
	waiting, counts := room.waitingFor(pipeline, reasons...)
	for _, name := range waiting {
		order := &v1alpha1.ProvisioningOrder{}
		order.Namespace, order.Name = name.Namespace, name.Name
		select {
		case queue <- event.GenericEvent{Object: order}:
		case <-ctx.Done():
			return len(waiting), ctx.Err()
		}
	}
	for reason, n := range counts {
		ordersWoken.WithLabelValues(pipeline.Namespace, pipeline.Name, reason).Add(float64(n))
	}
	return len(waiting), nil
}

// mendedSince tells whether an order whose pass with this backend ended waiting for the mapping was overtaken by another
// mapping: nobody wakes it, because it was not waiting yet.
func (b *Backends) mendedSince(pipeline types.NamespacedName, used *Backend) bool {
	now := b.Get(pipeline)
	return now != nil && now.Mapping != nil && now.Version.SHA256 != used.Version.SHA256
}
