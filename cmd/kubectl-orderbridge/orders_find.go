package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// digits is a WHMCS order id or, with zeros before it, an order number of Salesforce.
var digits = regexp.MustCompile(`^[0-9]+$`)

// errNoOrder says that no order answers to a name.
var errNoOrder = errors.New("no ProvisioningOrder")

// findOrder finds the order that a person means: by the name of its object, its Salesforce id of 15 or 18 characters, its
// order number in Salesforce, or its order id in WHMCS. namespace is empty for all.
func findOrder(ctx context.Context, cluster client.Reader, namespace, what string) (*v1alpha1.ProvisioningOrder, error) {
	what = strings.TrimPrefix(strings.TrimPrefix(what, "provisioningorder/"), "pvo/")
	var found []v1alpha1.ProvisioningOrder
	var by string
	var err error
	switch id, parsed := salesforce.ParseID(what); {
	case parsed == nil:
		by = "Salesforce id " + id.String()
		found, err = bySalesforceID(ctx, cluster, namespace, id)
	case digits.MatchString(what) && strings.HasPrefix(what, "0"):
		by = "Salesforce order number " + what
		found, err = byOrderNumber(ctx, cluster, namespace, what)
	case digits.MatchString(what):
		by = "WHMCS order id " + what
		found, err = byWhmcsID(ctx, cluster, namespace, what)
	default:
		by = "name " + what
		found, err = byName(ctx, cluster, namespace, what)
		if err == nil && len(found) == 0 {
			// Numbers of custom objects have letters too.
			by = "name or Salesforce order number " + what
			found, err = byOrderNumber(ctx, cluster, namespace, what)
		}
	}
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, fmt.Errorf("%w with the %s%s", errNoOrder, by, inWords(namespace))
	case len(found) > 1:
		return nil, fmt.Errorf("%d orders have the %s: %s; name one of them", len(found), by, nameList(found))
	}
	found[0].ManagedFields = nil
	return &found[0], nil
}

func inWords(namespace string) string {
	if namespace == "" {
		return " in any namespace"
	}
	return " in namespace " + namespace + "; -A looks in all"
}

func nameList(orders []v1alpha1.ProvisioningOrder) string {
	names := make([]string, len(orders))
	for i := range orders {
		names[i] = orders[i].Namespace + "/" + orders[i].Name
	}
	return strings.Join(names, ", ")
}

func byName(ctx context.Context, cluster client.Reader, namespace, name string) ([]v1alpha1.ProvisioningOrder, error) {
	if namespace == "" {
		return selected(ctx, cluster, "", "metadata.name", name)
	}
	var order v1alpha1.ProvisioningOrder
	err := cluster.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &order)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading ProvisioningOrder %s/%s: %w", namespace, name, err)
	}
	return []v1alpha1.ProvisioningOrder{order}, nil
}

func selected(ctx context.Context, cluster client.Reader, namespace, field, value string) ([]v1alpha1.ProvisioningOrder, error) {
	var list v1alpha1.ProvisioningOrderList
	err := cluster.List(ctx, &list, client.InNamespace(namespace), client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector(field, value)})
	if err != nil {
		return nil, fmt.Errorf("listing ProvisioningOrders: %w", err)
	}
	return list.Items, nil
}

func byWhmcsID(ctx context.Context, cluster client.Reader, namespace, id string) ([]v1alpha1.ProvisioningOrder, error) {
	number, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%s is too large for a WHMCS order id", id)
	}
	return selected(ctx, cluster, namespace, "status.whmcs.orderID", strconv.FormatInt(number, 10))
}

// bySalesforceID tries the name that the order has in each pipeline. Only a name without its pipeline takes a look at all.
func bySalesforceID(ctx context.Context, cluster client.Reader, namespace string, id salesforce.ID) ([]v1alpha1.ProvisioningOrder, error) {
	var pipelines v1alpha1.ProvisioningPipelineList
	if err := cluster.List(ctx, &pipelines, client.InNamespace(namespace)); err != nil {
		return nil, fmt.Errorf("listing ProvisioningPipelines: %w", err)
	}
	var found []v1alpha1.ProvisioningOrder
	for i := range pipelines.Items {
		orders, err := byName(ctx, cluster, pipelines.Items[i].Namespace, orderName(pipelines.Items[i].Name, id))
		if err != nil {
			return nil, err
		}
		found = append(found, orders...)
	}
	if len(found) > 0 {
		return found, nil
	}
	return scan(ctx, cluster, namespace, func(order *v1alpha1.ProvisioningOrder) bool { return order.Spec.SalesforceOrderID == id.String() })
}

func byOrderNumber(ctx context.Context, cluster client.Reader, namespace, number string) ([]v1alpha1.ProvisioningOrder, error) {
	return scan(ctx, cluster, namespace, func(order *v1alpha1.ProvisioningOrder) bool {
		return order.Status.Salesforce != nil && order.Status.Salesforce.OrderNumber == number
	})
}

func scan(ctx context.Context, cluster client.Reader, namespace string, matches func(*v1alpha1.ProvisioningOrder) bool) ([]v1alpha1.ProvisioningOrder, error) {
	orders, err := listOrders(ctx, cluster, orderFilter{namespace: namespace, finished: true})
	var found []v1alpha1.ProvisioningOrder
	for i := range orders {
		if matches(&orders[i]) {
			found = append(found, orders[i])
		}
	}
	return found, err
}

// orderName is the name of an order's object.
func orderName(pipeline string, id salesforce.ID) string {
	return pipeline + "-" + id.Lower()
}
