package crashmatrix

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/whmcs"
	"github.com/orderbridge/orderbridge/test/byhand"
)

// manager is one process with a memory of its own. Once it is dead nothing that it still does has any effect, and it
// learns of nothing: seen from outside, the process has ended.
type manager struct {
	cell *cell
	rec  *controllers.OrderReconciler
	// stale is by how many writes its first read is behind.
	stale int
	dead  atomic.Bool
	done  chan struct{}
}

func (c *cell) newManager(stale int) (*manager, error) {
	m := &manager{cell: c, stale: stale, done: make(chan struct{})}
	var err error
	m.rec, err = far.Reconciler(byhand.Options{
		Namespace: c.namespace,
		Spec:      c.spec(),
		Markers:   c.known(),
		Admission: whmcs.NewAdmission(whmcs.AdmissionConfig{MaxConcurrent: 4, PerSecond: math.Inf(1), OpenFor: longestPause}),
		Client:    byhand.Client{Client: cluster, Alive: m.alive, Write: m.write},
		Recorder:  &events.FakeRecorder{},
		Clock:     clock.RealClock{},
		Wrap: func(next http.RoundTripper, name func(*http.Request) string) http.RoundTripper {
			return c.broken.above(hooked{m, c.broken.below(next), name})
		},
		Learnt: func(markers []v1alpha1.MarkerStatus) {
			if !m.dead.Load() {
				c.learn(markers)
			}
		},
	})
	return m, err
}

// alive is the error of everything that a dead manager reads.
func (m *manager) alive() error {
	if m.dead.Load() {
		return gone()
	}
	return nil
}

// drive reconciles the order until it is finished or the process has ended.
func (m *manager) drive(ctx context.Context) {
	defer close(m.done)
	for ctx.Err() == nil && !m.dead.Load() {
		after := longestPause
		order, err := m.read(ctx)
		m.cell.unread(err)
		if err == nil {
			if finished(order) {
				return
			}
			// What an error means for the order is in its status.
			result, _ := m.rec.Reconcile(ctx, order)
			after = min(result.RequeueAfter, longestPause)
		}
		select {
		case <-ctx.Done():
		case <-time.After(max(after, shortestPause)):
		}
	}
}

// read is what the manager's cache shows. It makes the object where there is none, as the intake does.
func (m *manager) read(ctx context.Context) (*v1alpha1.ProvisioningOrder, error) {
	if order := m.cell.past(m.stale); m.stale > 0 && order != nil {
		m.stale = 0
		return order, nil
	}
	order := &v1alpha1.ProvisioningOrder{}
	err := cluster.Get(ctx, m.cell.key(), order)
	if !apierrors.IsNotFound(err) {
		return order, err
	}
	order = byhand.NewOrder(m.cell.key(), m.cell.order.ID)
	err = m.write(ctx, byhand.CreateWrite, order, func() error { return cluster.Create(ctx, order) })
	return order, err
}

func finished(order *v1alpha1.ProvisioningOrder) bool {
	return order.Status.State == v1alpha1.ProvisionedState || order.Status.State == v1alpha1.StalledState
}

// gone is an answer that makes a dead manager give up at once.
func gone() error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: "provisioningorders"}, "of a process that has ended")
}

// reached does what the cell has in store before or after a write or call.
func (m *manager) reached(md mode, after bool) error {
	if md.after != after {
		return nil
	}
	switch md.deed {
	case stop:
		m.dead.Store(true)
		_, err := m.cell.launch(md.stale)
		return joined(err, errStopped)
	case forget:
		m.dead.Store(true)
		err := m.cell.erase(m.cell.ctx)
		if err == nil {
			_, err = m.cell.launch(0)
		}
		return joined(err, errStopped)
	case pause:
		return m.stand(md)
	default:
		return nil
	}
}

func joined(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// stand stands still while another manager works.
func (m *manager) stand(md mode) error {
	second, err := m.cell.launch(md.stale)
	if err != nil {
		return err
	}
	var soon <-chan time.Time
	if md.soon {
		soon = time.After(resumeSoon)
	}
	select {
	case <-second.done:
	case <-soon:
	}
	return nil
}

// write makes a write at the API server, with what the cell has in store for it.
func (m *manager) write(ctx context.Context, what string, order client.Object, do func() error) error {
	if m.dead.Load() {
		return gone()
	}
	do = m.cell.broken.write(ctx, order, do)
	what = writePrefix + what
	md := m.cell.at(what)
	if err := m.reached(md, false); err != nil {
		return gone()
	}
	if md.deed == lose && !md.after {
		return md.loss.writeError(order.GetName())
	}
	if err := do(); err != nil {
		if md.after && md.deed != nothing {
			m.cell.note("%s was refused before the interruption could follow it: %v", what, err)
		}
		return err
	}
	m.cell.remember(order)
	if err := m.reached(md, true); err != nil {
		return gone()
	}
	if md.deed == lose {
		return md.loss.writeError(order.GetName())
	}
	return ctx.Err()
}

// hooked makes the calls of a manager, with what the cell has in store for them.
type hooked struct {
	m    *manager
	next http.RoundTripper
	name func(*http.Request) string
}

// RoundTrip makes a call.
func (h hooked) RoundTrip(request *http.Request) (*http.Response, error) {
	if h.m.dead.Load() {
		return nil, errStopped
	}
	what := h.name(request)
	if what == "" {
		return h.next.RoundTrip(request)
	}
	md := h.m.cell.at(what)
	if err := h.m.reached(md, false); err != nil {
		return nil, err
	}
	switch {
	case md.deed == lose && !md.after:
		// It has left, as far as the client can tell.
		if request.Body != nil {
			_, _ = io.Copy(io.Discard, request.Body)
		}
		return nil, resetError()
	case md.deed == late:
		return h.late(request, md, what)
	}
	response, err := h.next.RoundTrip(request)
	if err != nil || !md.after {
		if md.after {
			h.m.cell.note("%s failed before the interruption could follow it: %v", what, err)
		}
		return response, err
	}
	if md.rival {
		if err := h.m.cell.placeRival(); err != nil {
			return nil, err
		}
	}
	if md.deed == lose {
		return md.loss.answer(request, response, what == addOrder || what == acceptOrder)
	}
	if err := h.m.reached(md, true); err != nil {
		response.Body.Close()
		return nil, err
	}
	return response, nil
}

// late has WHMCS do the work after the client gave up.
func (h hooked) late(request *http.Request, md mode, what string) (*http.Response, error) {
	fault, err := h.m.cell.fault(md, what)
	if err != nil {
		return nil, err
	}
	response, err := h.next.RoundTrip(request)
	if far.Whmcs.RemoveFault(fault) {
		h.m.cell.note("%s did not come late: the fault was not applied", what)
	}
	if err == nil {
		response.Body.Close()
		return nil, fmt.Errorf("%s was answered although it should be late", what)
	}
	return nil, err
}
