package controllers

import (
	"context"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// owners finds what other ProvisioningOrders hold.
type owners interface {
	// hasOrder tells whether another object has the WHMCS order.
	hasOrder(ctx context.Context, order *v1alpha1.ProvisioningOrder, whmcsOrderID int64) (bool, error)
	// inFlight tells whether another object of the same WHMCS client has an AddOrder that may still take effect.
	inFlight(order *v1alpha1.ProvisioningOrder, now time.Time) bool
}

// openClientIndex finds the orders with an open AddOrder by pipeline and client.
const openClientIndex = "openClient"

// indexOpenClient is the indexer of openClientIndex.
func indexOpenClient(obj client.Object) []string {
	order, ok := obj.(*v1alpha1.ProvisioningOrder)
	if !ok || order.Status.Plan == nil || !isOpen(lastCall(order.Status.Calls, v1alpha1.AddOrderCall)) {
		return nil
	}
	return []string{openClientKey(order)}
}

func openClientKey(order *v1alpha1.ProvisioningOrder) string {
	return order.Spec.PipelineRef.Name + "/" + strconv.FormatInt(order.Status.Plan.ClientID, 10)
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
		return false, err
	}
	own := o.url(order)
	for i := range list.Items {
		// An order whose pipeline is not known may be of the same WHMCS.
		if other := &list.Items[i]; other.UID != order.UID && (o.url(other) == own || o.url(other) == "") {
			return true, nil
		}
	}
	return false, nil
}

// url is that of the order's WHMCS, or empty while its pipeline is not known.
func (o clusterOwners) url(order *v1alpha1.ProvisioningOrder) string {
	if backend := o.backends.Get(types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.PipelineRef.Name}); backend != nil {
		return backend.Spec.Whmcs.URL
	}
	return ""
}

func (o clusterOwners) inFlight(order *v1alpha1.ProvisioningOrder, now time.Time) bool {
	backend := o.backends.Get(types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.PipelineRef.Name})
	var list v1alpha1.ProvisioningOrderList
	err := o.cache.List(context.Background(), &list, client.InNamespace(order.Namespace),
		client.MatchingFields{openClientIndex: openClientKey(order)}, client.UnsafeDisableDeepCopy)
	if err != nil || backend == nil {
		return true
	}
	for i := range list.Items {
		other := &list.Items[i]
		last := lastCall(other.Status.Calls, v1alpha1.AddOrderCall)
		if other.UID != order.UID && now.Before(settledFrom(last, backend.Spec.Whmcs.Timeouts.Settle.Duration)) {
			return true
		}
	}
	return false
}
