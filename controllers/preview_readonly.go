package controllers

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// This file has what a preview works with in place of what can change something.

// errPreview is the answer to everything that would change something.
var errPreview = errors.New("a preview changes nothing")

// noClaims refuses every write of a status, like one by a worker who is behind: no claim, no call.
type noClaims struct {
	asked bool
}

// Update refuses.
func (c *noClaims) Update(_ context.Context, obj client.Object, _ ...client.SubResourceUpdateOption) error {
	c.asked = true
	return apierrors.NewConflict(schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "provisioningorders"}, obj.GetName(), errPreview)
}

// memo asks each question once, so that all parts of a preview speak of the same facts.
type memo[K comparable, V any] struct {
	mu    sync.Mutex
	known map[K]remembered[V]
}

type remembered[V any] struct {
	value V
	err   error
}

func newMemo[K comparable, V any]() *memo[K, V] {
	return &memo[K, V]{known: map[K]remembered[V]{}}
}

func (m *memo[K, V]) get(ctx context.Context, key K, ask func() (V, error)) (V, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	answer, ok := m.known[key]
	if !ok {
		answer.value, answer.err = ask()
		if ctx.Err() == nil {
			m.known[key] = answer
		}
	}
	return answer.value, answer.err
}

type orderRecord = salesforce.Record

// readOnlyBook is Salesforce without the writing.
type readOnlyBook struct {
	OrderReader
	orders *memo[string, orderRecord]
}

// Order reads an order.
func (b readOnlyBook) Order(ctx context.Context, id string) (salesforce.Record, error) {
	return b.orders.get(ctx, id, func() (salesforce.Record, error) { return b.OrderReader.Order(ctx, id) })
}

// Write refuses.
func (readOnlyBook) Write(context.Context, []salesforce.Record) ([]salesforce.SaveResult, error) {
	return nil, errPreview
}

// readOnlyWhmcs is WHMCS without the calls that change something: there is nothing behind them that could be reached.
type readOnlyWhmcs struct {
	WhmcsReader
	methods *memo[int64, []whmcs.PayMethod]
	orders  *memo[whmcs.OrderFilter, []whmcs.Order]
}

func newReadOnlyWhmcs(reader WhmcsReader) readOnlyWhmcs {
	return readOnlyWhmcs{reader, newMemo[int64, []whmcs.PayMethod](), newMemo[whmcs.OrderFilter, []whmcs.Order]()}
}

// GetPayMethods reads the pay methods of a client.
func (r readOnlyWhmcs) GetPayMethods(ctx context.Context, clientID int64) ([]whmcs.PayMethod, error) {
	return r.methods.get(ctx, clientID, func() ([]whmcs.PayMethod, error) { return r.WhmcsReader.GetPayMethods(ctx, clientID) })
}

// GetOrders reads orders.
func (r readOnlyWhmcs) GetOrders(ctx context.Context, filter whmcs.OrderFilter) ([]whmcs.Order, error) {
	return r.orders.get(ctx, filter, func() ([]whmcs.Order, error) { return r.WhmcsReader.GetOrders(ctx, filter) })
}

// AddOrder refuses.
func (readOnlyWhmcs) AddOrder(context.Context, whmcs.AddOrderRequest) (whmcs.AddOrderResult, error) {
	return whmcs.AddOrderResult{}, errPreview
}

// AcceptOrder refuses.
func (readOnlyWhmcs) AcceptOrder(context.Context, whmcs.AcceptOrderRequest) error {
	return errPreview
}

// alwaysOpen is an admission for the few calls of one person.
type alwaysOpen struct{}

// Acquire lets a call through.
func (alwaysOpen) Acquire(ctx context.Context, _ time.Time) (func(error), error) {
	return func(error) {}, ctx.Err()
}

// State is closed, which lets calls through.
func (alwaysOpen) State() whmcs.AdmissionState {
	return whmcs.AdmissionClosed
}

// openOrders answers the manager's question for orders with an open AddOrder, which is one to an index of its cache, by
// going through the unfinished orders.
type openOrders struct {
	client.Reader
}

// openPage is how many orders are read at a time.
const openPage = 500

// List lists the orders of a client with an open AddOrder.
func (o openOrders) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	var asked client.ListOptions
	asked.ApplyOptions(opts)
	orders, ok := list.(*v1alpha1.ProvisioningOrderList)
	if !ok || asked.FieldSelector == nil {
		return o.Reader.List(ctx, list, opts...)
	}
	clientID, ok := asked.FieldSelector.RequiresExactMatch(openClientIndex)
	if !ok {
		return o.Reader.List(ctx, list, opts...)
	}
	unfinished := client.MatchingFieldsSelector{Selector: fields.OneTermNotEqualSelector("status.state", string(v1alpha1.ProvisionedState))}
	for next := ""; ; {
		var page v1alpha1.ProvisioningOrderList
		err := o.Reader.List(ctx, &page, client.InNamespace(asked.Namespace), unfinished, client.Limit(openPage), client.Continue(next))
		if err != nil {
			return err
		}
		for i := range page.Items {
			if slices.Contains(indexOpenClient(&page.Items[i]), clientID) {
				orders.Items = append(orders.Items, page.Items[i])
			}
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}
