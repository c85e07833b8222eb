package controllers

import (
	"context"
	"fmt"
	"strconv"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// owners finds what other ProvisioningOrders hold.
type owners interface {
	// hasOrder tells whether another object has the WHMCS order.
	hasOrder(ctx context.Context, order *v1alpha1.ProvisioningOrder, whmcsOrderID int64) (bool, error)
	// inFlight tells whether another object of the same WHMCS client has an AddOrder that may still take effect.
	inFlight(ctx context.Context, order *v1alpha1.ProvisioningOrder, now time.Time) bool
}

// clusterError is an error of the API server. It says nothing about WHMCS.
type clusterError struct {
	error
}

// Unwrap returns what the API server said.
func (e clusterError) Unwrap() error { return e.error }

// openClientIndex finds the orders with an open AddOrder by client, whatever their WHMCS.
const openClientIndex = "openClient"

// indexOpenClient is the indexer of openClientIndex.
func indexOpenClient(obj client.Object) []string {
	order, ok := obj.(*v1alpha1.ProvisioningOrder)
	if !ok || order.Status.Plan == nil || !isOpen(lastCall(order.Status.Calls, v1alpha1.AddOrderCall)) {
		return nil
	}
	return []string{strconv.FormatInt(order.Status.Plan.ClientID, 10)}
}

// clusterOwners asks the API server and the cache.
type clusterOwners struct {
	cache     client.Reader
	reader    client.Reader
	namespace string
	backends  *Backends
}

func (o clusterOwners) hasOrder(ctx context.Context, order *v1alpha1.ProvisioningOrder, whmcsOrderID int64) (bool, error) {
	var list v1alpha1.ProvisioningOrderList
	err := o.reader.List(ctx, &list, client.InNamespace(o.namespace), client.MatchingFieldsSelector{
		Selector: fields.OneTermEqualSelector("status.whmcs.orderID", strconv.FormatInt(whmcsOrderID, 10)),
	})
	if err != nil {
		return false, clusterError{fmt.Errorf("looking who has WHMCS order %d: %w", whmcsOrderID, err)}
	}
	own := o.endpoint(order)
	for i := range list.Items {
		if other := &list.Items[i]; other.UID != order.UID && o.mayShareWhmcs(other, own) {
			return true, nil
		}
	}
	return false, nil
}

// endpoint is that of the order's WHMCS, or empty while its pipeline is not known.
func (o clusterOwners) endpoint(order *v1alpha1.ProvisioningOrder) string {
	if backend := o.backend(order); backend != nil {
		return whmcs.Endpoint(backend.Spec.Whmcs.URL)
	}
	return ""
}

func (o clusterOwners) backend(order *v1alpha1.ProvisioningOrder) *Backend {
	return o.backends.Get(types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.PipelineRef.Name})
}

func (o clusterOwners) inFlight(ctx context.Context, order *v1alpha1.ProvisioningOrder, now time.Time) bool {
	var list v1alpha1.ProvisioningOrderList
	err := o.cache.List(ctx, &list, client.InNamespace(o.namespace),
		client.MatchingFields{openClientIndex: strconv.FormatInt(order.Status.Plan.ClientID, 10)}, client.UnsafeDisableDeepCopy)
	if err != nil || o.backend(order) == nil {
		return true
	}
	own := o.endpoint(order)
	for i := range list.Items {
		other := &list.Items[i]
		if other.UID == order.UID || !o.mayShareWhmcs(other, own) {
			continue
		}
		if now.Before(settledFrom(lastCall(other.Status.Calls, v1alpha1.AddOrderCall), o.settleTime(other, order))) && o.stillOpen(ctx, other) {
			return true
		}
	}
	return false
}

// stillOpen asks the API server about an AddOrder that the cache shows as open: the order that waited for it is woken when
// its answer is written down, which is before the cache shows that.
func (o clusterOwners) stillOpen(ctx context.Context, other *v1alpha1.ProvisioningOrder) bool {
	var now v1alpha1.ProvisioningOrder
	if err := o.reader.Get(ctx, client.ObjectKeyFromObject(other), &now); err != nil {
		return !apierrors.IsNotFound(err)
	}
	return now.UID == other.UID && isOpen(lastCall(now.Status.Calls, v1alpha1.AddOrderCall))
}

// mayShareWhmcs tells whether an order is of the WHMCS at an endpoint. One whose pipeline is not known may be.
func (o clusterOwners) mayShareWhmcs(other *v1alpha1.ProvisioningOrder, endpoint string) bool {
	theirs := o.endpoint(other)
	return theirs == endpoint || theirs == ""
}

// settleTime is the longest of the settle times of the orders' pipelines.
func (o clusterOwners) settleTime(orders ...*v1alpha1.ProvisioningOrder) time.Duration {
	var longest time.Duration
	for _, order := range orders {
		if backend := o.backend(order); backend != nil {
			longest = max(longest, backend.Spec.Whmcs.Timeouts.Settle.Duration)
		}
	}
	return longest
}
