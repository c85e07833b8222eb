package controllers

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// aged is an order of client 5, made so many seconds after the others' epoch.
func aged(name string, seconds int) *v1alpha1.ProvisioningOrder {
	order := &v1alpha1.ProvisioningOrder{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(modelEpoch.Add(time.Duration(seconds) * time.Second)),
	}}
	order.Status.Plan = &v1alpha1.Plan{ClientID: 5}
	return order
}

func names(list []types.NamespacedName) []string {
	var all []string
	for _, name := range list {
		all = append(all, name.Name)
	}
	return all
}

// TestOlderOrderTakesTheGate lets an older order pass a younger one that has claimed nothing, and no other.
func TestOlderOrderTakesTheGate(t *testing.T) {
	key := clientKey{"https://billing.example.com/includes/api.php", 5}
	old, middle, young := aged("old", 1), aged("middle", 2), aged("young", 3)
	open := aged("open", 4)
	open.Status.Calls = []v1alpha1.Call{call(v1alpha1.AddOrderCall)}
	twin := aged("twin", 3)

	t.Run("from one that claimed nothing", func(t *testing.T) {
		g := newClientGate()
		if !g.enter(key, young) || !g.enter(key, middle) || !g.enter(key, old) || g.enter(key, young) {
			t.Fatal("each older order should be let in, and no younger one after it")
		}
		if g.commit(key, young.UID) || g.holds(key, middle.UID) || !g.commit(key, old.UID) {
			t.Error("only the oldest should have the gate")
		}
		if diff := cmp.Diff([]string{"middle", "young"}, names(g.leave(old.UID))); diff != "" {
			t.Errorf("who is woken (-want +got):\n%s", diff)
		}
		if g.commit(key, young.UID) {
			t.Error("an order that lost the gate must enter again before it claims, also when the gate is free")
		}
	})
	t.Run("not from one that is about to claim", func(t *testing.T) {
		g := newClientGate()
		if !g.enter(key, young) || !g.commit(key, young.UID) || g.enter(key, old) || !g.enter(key, young) {
			t.Fatal("the younger order should keep the gate")
		}
		if diff := cmp.Diff([]string{"old"}, names(g.leave(young.UID))); diff != "" {
			t.Errorf("who is woken (-want +got):\n%s", diff)
		}
	})
	t.Run("not from one whose answer is missing", func(t *testing.T) {
		g := newClientGate()
		if !g.enter(key, open) || g.enter(key, old) {
			t.Error("the order with an open claim should keep the gate")
		}
	})
	t.Run("not among orders of the same age", func(t *testing.T) {
		g := newClientGate()
		if !g.enter(key, young) || g.enter(key, twin) || !g.commit(key, young.UID) {
			t.Error("who came first should keep the gate")
		}
	})
	t.Run("nor of another client", func(t *testing.T) {
		g := newClientGate()
		if !g.enter(key, young) || !g.enter(clientKey{key.url, 6}, old) || !g.commit(key, young.UID) {
			t.Error("clients should not be in each other's way")
		}
	})
}

// interrupted lets calls through after something else has happened, and keeps what it was released with.
type interrupted struct {
	meanwhile func()
	released  []error
}

func (i *interrupted) Acquire(context.Context, time.Time) (func(error), error) {
	i.meanwhile()
	return func(err error) { i.released = append(i.released, err) }, nil
}
func (*interrupted) State() whmcs.AdmissionState { return whmcs.AdmissionClosed }

// TestOvertakenOrderClaimsNothing has an older order of the client come and go while a younger one waits for its turn at
// WHMCS. What the younger one saw before does not count any more. The books have no AddOrder and the worker no writer, so
// claiming panics.
func TestOvertakenOrderClaimsNothing(t *testing.T) {
	old, young := aged("old", 1), aged("young", 2)
	tests := map[string]struct {
		seen *sight
		left bool
	}{
		"the other one is at work":                  {nil, false},
		"the other one is done":                     {nil, true},
		"the other one came after the look":         {&sight{}, false},
		"the other one came and went, after a look": {&sight{}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := workerWith(&books{order: whmcs.Order{ID: 3, UserID: 5}}, neighbours{}, modelEpoch)
			w.theirs = map[string]any{} // read in this pass
			key := w.clientKey(young)
			overtake := func() {
				if !w.gate.enter(key, old) {
					t.Fatal("the older order should be let in")
				}
				if test.left {
					w.gate.leave(old.UID)
				}
			}
			admission := &interrupted{meanwhile: overtake}
			w.backend.Admission = admission
			if test.seen != nil {
				w.gate.enter(key, young)
				w.seen = test.seen
				overtake()
				admission.meanwhile = func() {}
			}
			out := w.order(t.Context(), young.DeepCopy())
			if out.kind != waitKind || out.reason != v1alpha1.ClientBusyReason {
				t.Errorf("outcome %+v, want it to wait for the other order", out)
			}
			// The look, if there is one, comes first; the turn that AddOrder did not use comes last.
			if n := len(admission.released); n > 0 && !errors.Is(admission.released[n-1], errNotAsked) {
				t.Errorf("released with %v: a call that was not made says nothing about WHMCS", admission.released)
			}
		})
	}
}

// TestGateIsLeftOnceTheOrderIsStored wakes the client's next order while the first is still being accepted, but not while
// nothing shows yet that the WHMCS order has an owner.
func TestGateIsLeftOnceTheOrderIsStored(t *testing.T) {
	for name, stored := range map[string]bool{"stored": true, "not stored yet": false} {
		t.Run(name, func(t *testing.T) {
			order, next := testOrder(), aged("next", 9)
			order.UID = "first"
			order.Status.Whmcs = &v1alpha1.WhmcsOrder{OrderID: 7}
			next.Status.Plan = order.Status.Plan
			b := &books{order: whmcs.Order{ID: 7, Status: "Cancelled"}} // so that the pass ends there
			w := workerWith(b, neighbours{}, modelEpoch)
			if stored {
				w.stored = *order.Status.DeepCopy()
			}
			key := w.clientKey(order)
			if !w.gate.enter(key, order) || w.gate.enter(key, next) {
				t.Fatal("the first order should have the gate")
			}
			r := &OrderReconciler{gate: w.gate, Wake: make(chan event.GenericEvent, 1)}
			if at, out := r.walk(t.Context(), w, order); at != acceptStep || out.reason != v1alpha1.OrderCancelledReason {
				t.Fatalf("the pass ended with step %d, %+v", at, out)
			}
			if free := !w.gate.holds(key, order.UID); free != stored || len(r.Wake) == 1 != stored {
				t.Errorf("the gate is free: %t, and %d orders are woken; want %t", free, len(r.Wake), stored)
			}
		})
	}
}

// TestVanishedOrderLeavesTheGate takes an object away, with its finalizer, after its pass began. That pass enters the gate and
// cannot store its claim; nobody is told of the object's end again.
func TestVanishedOrderLeavesTheGate(t *testing.T) {
	for name, anew := range map[string]bool{"for good": false, "and was made anew": true} {
		t.Run(name, func(t *testing.T) {
			s := newMappingStage(t)
			s.use(allProducts)
			backend := s.Backends.Get(types.NamespacedName{Namespace: "default", Name: "portal"})
			backend.Spec.Whmcs.RequirePayMethod = new(false)
			order := s.stored()
			order.UID = "first"
			bare := order.DeepCopy()
			bare.Finalizers = nil
			if err := s.Update(t.Context(), bare); err != nil {
				t.Fatal(err)
			}
			if err := s.Delete(t.Context(), bare); err != nil {
				t.Fatal(err)
			}
			s.gone(order)
			if _, err := s.Reconcile(t.Context(), order.DeepCopy()); err != nil {
				t.Fatal(err)
			}
			key, waiting := clientKey{whmcs.Endpoint(""), 5}, aged("waiting", 9)
			if s.gate.enter(key, waiting) {
				t.Fatal("the pass should have entered the gate")
			}
			if anew {
				next := order.DeepCopy()
				next.UID, next.ResourceVersion = "second", ""
				if err := s.Create(t.Context(), next); err != nil {
					t.Fatal(err)
				}
				s.Backends.Set(types.NamespacedName{Namespace: "default", Name: "portal"}, nil) // the pass is not of interest
			}
			if _, err := s.byName().Reconcile(t.Context(), reconcile.Request{NamespacedName: client.ObjectKeyFromObject(order)}); err != nil {
				t.Fatal(err)
			}
			if len(s.Wake) != 1 || !s.gate.enter(key, waiting) {
				t.Errorf("the gate of the client stays shut, and %d orders are woken", len(s.Wake))
			}
		})
	}
}
