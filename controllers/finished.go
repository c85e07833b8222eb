package controllers

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// Finished looks after provisioned orders: it deletes those that are older than the retention of their pipeline, and
// passes on requests and deletions. It watches without keeping anything, so that a hundred thousand finished orders
// cost the manager no memory.
type Finished struct {
	// Client lists and watches at the API server, not in the cache.
	Client client.WithWatch
	// Namespace limits it to one namespace; empty means all.
	Namespace string
	Clock     clock.Clock
	Backends  *Backends
	Wake      chan event.GenericEvent
}

// unfinished selects the orders that are kept in the manager's cache.
var unfinished = fields.OneTermNotEqualSelector("status.state", string(v1alpha1.ProvisionedState))

// Unfinished selects the orders that are kept in the manager's cache: all that are not provisioned.
func Unfinished() fields.Selector {
	return unfinished
}

const (
	// finishedPage is how many orders are read at a time: a page is held in memory, whatever the number of orders.
	finishedPage = 100
	// finishedRound is how often all finished orders are gone through.
	finishedRound = 10 * time.Minute
)

// NeedLeaderElection is true: only the leader deletes.
func (f *Finished) NeedLeaderElection() bool {
	return true
}

// Start works until ctx ends. It is a manager.Runnable; what fails is tried again.
func (f *Finished) Start(ctx context.Context) error { //nolint:unparam // the signature of manager.Runnable
	ctx = log.IntoContext(ctx, log.FromContext(ctx).WithName("finished"))
	for ctx.Err() == nil {
		f.attendAll(ctx)
		select {
		case <-ctx.Done():
		case <-f.Clock.After(2 * time.Second):
		}
	}
	return nil
}

// attendAll goes through the finished orders and watches them until the next round is due.
func (f *Finished) attendAll(ctx context.Context) {
	version, err := f.round(ctx)
	if err == nil {
		err = f.follow(ctx, version)
	}
	if err != nil && ctx.Err() == nil {
		log.FromContext(ctx).Info("Reading finished orders again", "problem", err.Error())
	}
}

// options selects the provisioned orders.
func (f *Finished) options() []client.ListOption {
	return []client.ListOption{
		client.InNamespace(f.Namespace),
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("status.state", string(v1alpha1.ProvisionedState))},
	}
}

// round goes through all finished orders, page by page, and returns the resourceVersion it saw.
func (f *Finished) round(ctx context.Context) (string, error) {
	next := ""
	for {
		var page v1alpha1.ProvisioningOrderList
		err := f.Client.List(ctx, &page, append(f.options(), client.Limit(finishedPage), client.Continue(next))...)
		if err != nil {
			return "", fmt.Errorf("listing finished orders: %w", err)
		}
		for i := range page.Items {
			if err := f.attend(ctx, &page.Items[i]); err != nil {
				return "", err
			}
		}
		if next = page.Continue; next == "" {
			return page.ResourceVersion, nil
		}
	}
}

// follow watches finished orders until the next round is due.
func (f *Finished) follow(ctx context.Context, version string) error {
	watcher, err := f.Client.Watch(ctx, &v1alpha1.ProvisioningOrderList{}, append(f.options(), &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: version}})...)
	if err != nil {
		return fmt.Errorf("watching finished orders: %w", err)
	}
	defer watcher.Stop()
	due := f.Clock.After(finishedRound)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-due:
			return nil
		case e, ok := <-watcher.ResultChan():
			if !ok {
				return nil
			}
			if err := f.handle(ctx, e); err != nil {
				return err
			}
		}
	}
}

func (f *Finished) handle(ctx context.Context, e watch.Event) error {
	if e.Type == watch.Error {
		return apierrors.FromObject(e.Object)
	}
	if order, ok := e.Object.(*v1alpha1.ProvisioningOrder); ok && e.Type != watch.Deleted {
		return f.attend(ctx, order)
	}
	return nil
}

// attend does what one finished order needs.
func (f *Finished) attend(ctx context.Context, order *v1alpha1.ProvisioningOrder) error {
	if asks(order) || !order.DeletionTimestamp.IsZero() {
		select {
		case f.Wake <- event.GenericEvent{Object: order}:
		case <-ctx.Done():
		}
		return nil
	}
	backend := f.Backends.Get(types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.PipelineRef.Name})
	if backend == nil || f.Clock.Now().Before(finishedAt(order).Add(backend.Spec.Retention.Provisioned.Duration)) {
		return nil
	}
	log.FromContext(ctx).Info("Deleting an order whose retention has passed", "order", client.ObjectKeyFromObject(order))
	precondition := client.Preconditions{UID: &order.UID, ResourceVersion: &order.ResourceVersion}
	if err := f.Client.Delete(ctx, order, precondition); err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting a finished order: %w", err)
	}
	return nil
}

// finishedAt is when the order was finished.
func finishedAt(order *v1alpha1.ProvisioningOrder) time.Time {
	if order.Status.Salesforce != nil && order.Status.Salesforce.SyncedAt != nil {
		return order.Status.Salesforce.SyncedAt.Time
	}
	return order.CreationTimestamp.Time
}
