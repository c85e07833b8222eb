package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// demo is the story of a number of orders.
type demo struct {
	stage    *stage.Stage
	orders   []sandbox.SeededOrder
	troubled []*troubledOrder
	last     string
}

// unmappedSKU is the product whose WHMCS product id is missing until the mapping gives it.
const unmappedSKU = "SIM-5GB"

// trouble is something that goes wrong for one order, and what mends it.
type trouble struct {
	name string
	// sku is what the order asks for.
	sku string
	// begin makes the trouble before the order is approved.
	begin func(context.Context, *demo, *troubledOrder) error
	// reason is what the order must show before it is mended; empty if it mends itself.
	reason string
	// mend ends the trouble.
	mend func(context.Context, *demo, *troubledOrder) error
}

// troubledOrder is an order that meets a trouble.
type troubledOrder struct {
	trouble
	customer sandbox.Customer
	order    sandbox.SeededOrder
	fault    whmcs.Fault
	mended   bool
}

// troubles are the things that go wrong, one order each.
var troubles = []trouble{
	{
		name: "had no payment method until one was added", sku: "INT-HOME-HOUSE",
		begin:  func(context.Context, *demo, *troubledOrder) error { return nil },
		reason: v1alpha1.PaymentMethodMissingReason,
		mend: func(ctx context.Context, d *demo, o *troubledOrder) error {
			return d.stage.Control.AddPayMethod(ctx, o.customer.ClientID)
		},
	},
	{
		name: "lost the answer to AddOrder and was found again by its key", sku: "INT-HOME-10G",
		begin: func(ctx context.Context, d *demo, o *troubledOrder) error {
			return o.set(ctx, d, whmcs.Fault{Kind: whmcs.DropAfter, Action: "AddOrder", Count: 1})
		},
	},
	{
		name: "had an unmapped product until the mapping was mended", sku: unmappedSKU,
		begin: func(ctx context.Context, d *demo, _ *troubledOrder) error {
			return d.stage.Control.UpdateProduct(ctx, unmappedSKU, map[string]any{"WHMCS_Product_Id__c": nil})
		},
		reason: v1alpha1.ProductUnmappedReason,
		mend:   func(ctx context.Context, d *demo, _ *troubledOrder) error { return d.mendMapping(ctx) },
	},
	{
		name: "was refused by WHMCS and forced by requestedAt after the repair", sku: "VPN-US",
		begin: func(ctx context.Context, d *demo, o *troubledOrder) error {
			return o.set(ctx, d, whmcs.Fault{Kind: whmcs.Refuse, Action: "AddOrder", Text: "Unable to add order when client status is Closed"})
		},
		reason: v1alpha1.OrderRefusedReason,
		mend: func(ctx context.Context, d *demo, o *troubledOrder) error {
			if err := d.stage.Control.ClearFault(ctx, "whmcs", o.fault.ID); err != nil {
				return err
			}
			return d.stage.Annotate(ctx, objectName(o.order.ID), map[string]string{
				v1alpha1.RequestedAtAnnotation: time.Now().UTC().Format(time.RFC3339Nano),
			})
		},
	},
}

// set switches a fault on for the order's client.
func (o *troubledOrder) set(ctx context.Context, d *demo, fault whmcs.Fault) (err error) {
	fault.ClientID = o.customer.ClientID
	o.fault, err = d.stage.Control.SetWhmcsFault(ctx, fault)
	return err
}

func objectName(orderID string) string {
	return "portal-" + strings.ToLower(orderID)
}

// run seeds, approves, watches, mends, and compares the books.
func (d *demo) run(ctx context.Context, count int, within time.Duration) error {
	if err := d.seed(ctx, count); err != nil {
		return fmt.Errorf("seeding: %w", err)
	}
	if err := d.approve(ctx); err != nil {
		return fmt.Errorf("approving: %w", err)
	}
	fmt.Printf("%d orders are approved in Salesforce.\n\n", count)
	started := time.Now()
	if err := d.watch(ctx, within); err != nil {
		return err
	}
	return d.settle(ctx, count, time.Since(started))
}

// seed makes the customers and the orders, and the trouble.
func (d *demo) seed(ctx context.Context, count int) error {
	var skus []string
	for _, item := range sandbox.Catalogue() {
		if item.SKU != unmappedSKU {
			skus = append(skus, item.SKU)
		}
	}
	seeded, err := d.stage.Control.Seed(ctx, sandbox.SeedRequest{Orders: count - len(troubles), SKUs: skus, Seed: 1})
	if err != nil {
		return err
	}
	d.orders = seeded.Orders
	for i, t := range troubles {
		o := &troubledOrder{trouble: t}
		// The first trouble is to have no pay method.
		if o.customer, err = d.stage.Control.NewCustomer(ctx, i != 0); err != nil {
			return err
		}
		o.order, err = d.stage.Control.NewOrder(ctx, sandbox.OrderRequest{
			AccountID: o.customer.AccountID, Lines: []sandbox.OrderLine{{SKU: t.sku}},
		})
		if err != nil {
			return err
		}
		if err := t.begin(ctx, d, o); err != nil {
			return err
		}
		d.orders = append(d.orders, o.order)
		d.troubled = append(d.troubled, o)
	}
	return nil
}

// approve sets the orders to Approved through Salesforce's REST API, as staff do.
func (d *demo) approve(ctx context.Context) error {
	key, err := os.ReadFile(d.stage.Info.Salesforce.PrivateKeyFile)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(d.stage.Info.CAFile)
	if err != nil {
		return err
	}
	staff, err := salesforce.New(salesforce.Config{
		LoginURL: d.stage.Info.Salesforce.LoginURL, ClientID: d.stage.Info.Salesforce.ClientID, Username: d.stage.Info.Salesforce.Username,
		APIVersion: d.stage.Info.Salesforce.APIVersion, PrivateKey: key, CABundle: ca,
	})
	if err != nil {
		return err
	}
	var rows []salesforce.Record
	for _, order := range d.orders {
		id, err := salesforce.ParseID(order.ID)
		if err != nil {
			return err
		}
		rows = append(rows, salesforce.NewRecord("Order", id, map[string]any{"Status": "Approved"}))
	}
	results, err := staff.Update(ctx, rows)
	for _, result := range results {
		err = errors.Join(err, result.Err)
	}
	return err
}

// watch shows the orders until all are provisioned, and mends the trouble of those that have come to it.
func (d *demo) watch(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		var list v1alpha1.ProvisioningOrderList
		if err := d.stage.Client.List(ctx, &list, client.InNamespace(stage.Namespace)); err != nil {
			return fmt.Errorf("listing orders: %w", err)
		}
		d.draw(list.Items)
		if len(list.Items) == len(d.orders) && !slices.ContainsFunc(list.Items, unfinished) {
			return nil
		}
		if err := d.mend(ctx, list.Items); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not all orders are provisioned: %w", ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func unfinished(order v1alpha1.ProvisioningOrder) bool {
	return order.Status.State != v1alpha1.ProvisionedState
}

// mend ends the trouble of orders that show it.
func (d *demo) mend(ctx context.Context, orders []v1alpha1.ProvisioningOrder) error {
	for _, o := range d.troubled {
		if o.mended || o.mend == nil {
			continue
		}
		at := slices.IndexFunc(orders, func(order v1alpha1.ProvisioningOrder) bool { return order.Name == objectName(o.order.ID) })
		if at < 0 || ready(orders[at]).Reason != o.reason {
			continue
		}
		fmt.Printf("-> %s shows %s: mending it\n", orders[at].Name, o.reason)
		if err := o.mend(ctx, d, o); err != nil {
			return fmt.Errorf("mending %s: %w", orders[at].Name, err)
		}
		o.mended = true
	}
	return nil
}

// mendMapping adds a rule for the product whose id is missing.
func (d *demo) mendMapping(ctx context.Context) error {
	var config corev1.ConfigMap
	if err := d.stage.Client.Get(ctx, client.ObjectKey{Namespace: stage.Namespace, Name: "portal-mapping"}, &config); err != nil {
		return err
	}
	config.Data["mapping.yaml"] += "\nproducts:\n- sku: " + unmappedSKU + "\n  pid: 201\n"
	return d.stage.Client.Update(ctx, &config)
}

// settle compares the books and says the last word.
func (d *demo) settle(ctx context.Context, count int, took time.Duration) error {
	audit, err := d.stage.Control.Audit(ctx)
	if err != nil {
		return fmt.Errorf("auditing: %w", err)
	}
	for _, finding := range audit.Findings {
		fmt.Println("wrong:", finding)
	}
	for _, o := range d.troubled {
		fmt.Printf("%s %s: Provisioned\n", objectName(o.order.ID), o.name)
	}
	fmt.Printf("all within %s of their approval\n", took.Round(100*time.Millisecond))
	fmt.Println(audit.Summary())
	if !audit.OK() || audit.Wanted != count || audit.Provisioned != count || audit.WhmcsOrders != count || audit.Duplicates != 0 {
		return errors.New("the books of Salesforce and WHMCS do not agree with what was asked for")
	}
	return nil
}
