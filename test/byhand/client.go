package byhand

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
)

// What is written at the API server.
const (
	CreateWrite = "create"
	ObjectWrite = "object"
	StatusWrite = "status"
)

// Client is the client of a reconciler, with its writes in the test's hands. A List that a manager's cache answers from
// an index is answered from the API server.
type Client struct {
	client.Client
	// Alive, if it is set, gives the error that every read ends with, or nil.
	Alive func() error
	// Write makes a write.
	Write func(ctx context.Context, what string, obj client.Object, do func() error) error
}

// Get reads an object.
func (c Client) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if err := c.alive(); err != nil {
		return err
	}
	return c.Client.Get(ctx, key, obj, opts...)
}

func (c Client) alive() error {
	if c.Alive == nil {
		return nil
	}
	return c.Alive()
}

// List reads objects.
func (c Client) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if err := c.alive(); err != nil {
		return err
	}
	options := (&client.ListOptions{}).ApplyOptions(opts)
	orders, ok := list.(*v1alpha1.ProvisioningOrderList)
	if !ok || options.FieldSelector == nil {
		return c.Client.List(ctx, list, opts...)
	}
	var drop []func(v1alpha1.ProvisioningOrder) bool
	selector := fields.Everything()
	for _, r := range options.FieldSelector.Requirements() {
		index := controllers.Index(r.Field)
		if index == nil {
			selector = fields.AndSelectors(selector, fields.OneTermEqualSelector(r.Field, r.Value))
			continue
		}
		drop = append(drop, func(order v1alpha1.ProvisioningOrder) bool { return !slices.Contains(index(&order), r.Value) })
	}
	options.FieldSelector = selector
	err := c.Client.List(ctx, orders, options)
	for _, out := range drop {
		orders.Items = slices.DeleteFunc(orders.Items, out)
	}
	return err
}

// Patch writes an object.
func (c Client) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	return c.Write(ctx, ObjectWrite, obj, func() error { return c.Client.Patch(ctx, obj, patch, opts...) })
}

// Status returns the writer of statuses.
func (c Client) Status() client.SubResourceWriter {
	return statusWriter{c.Client.Status(), c}
}

type statusWriter struct {
	client.SubResourceWriter
	c Client
}

// Update writes a status.
func (s statusWriter) Update(ctx context.Context, obj client.Object, opts ...client.SubResourceUpdateOption) error {
	return s.c.Write(ctx, StatusWrite, obj, func() error { return s.SubResourceWriter.Update(ctx, obj, opts...) })
}

// Patch writes a status.
func (s statusWriter) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
	return s.c.Write(ctx, StatusWrite, obj, func() error { return s.SubResourceWriter.Patch(ctx, obj, patch, opts...) })
}
