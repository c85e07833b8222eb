package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// allNamespaces gives a command the flag --all-namespaces.
func allNamespaces(cmd *cobra.Command) *bool {
	return cmd.Flags().BoolP("all-namespaces", "A", false, "Look in all namespaces.")
}

// scope is the namespace to look in, empty for all.
func (e *environment) scope(all bool) (string, error) {
	if all {
		return "", nil
	}
	return e.namespace()
}

// newStatusCommand shows where an order stands.
func newStatusCommand(env *environment) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status ORDER",
		Short: "Show where an order stands, why, what happens next and what to do",
		Long: `Show where an order stands, since when, why, what happens next and when, and what to do about it; its steps, its calls to
WHMCS with the evidence, its services and recent events, and where it is seen in Salesforce and WHMCS.

ORDER is the name of the object, the Salesforce id of 15 or 18 characters, the order number in Salesforce (with its leading
zeros), or the order id in WHMCS.

Exit codes: 0 the order is provisioned or goes on by itself; 1 it waits for a person; 2 it could not be found or read.`,
		Example: `  kubectl orderbridge status portal-8014x000000abcdaa4
  kubectl orderbridge status 8014x000000ABCDAA4       # by the Salesforce id
  kubectl orderbridge status 00000107                 # by the order number in Salesforce
  kubectl orderbridge status 4711 -o json             # by the order id in WHMCS`,
		Args: exactArgs("ORDER"),
	}
	p := newPrinter(cmd)
	all := allNamespaces(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		namespace, err := env.scope(*all)
		if err != nil {
			return err
		}
		cluster, err := env.client()
		if err != nil {
			return err
		}
		order, err := findOrder(cmd.Context(), cluster, namespace, args[0])
		if err != nil {
			return explain(err)
		}
		status, err := readStatus(cmd.Context(), cluster, order, env.now())
		if err != nil {
			return err
		}
		err = p.print(env.Out, status, func(w io.Writer) error { return status.writeText(w, env.now()) })
		if err == nil && status.State == v1alpha1.StalledState {
			return finding("")
		}
		return err
	}
	return cmd
}

// readStatus sums an order up with what else can be read of it. What the user may not read is left out, and said.
func readStatus(ctx context.Context, cluster client.Reader, order *v1alpha1.ProvisioningOrder, now time.Time) (*orderStatus, error) {
	var gaps []string
	pipeline := &v1alpha1.ProvisioningPipeline{}
	err := cluster.Get(ctx, types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.PipelineRef.Name}, pipeline)
	if err != nil {
		pipeline = nil
		if !apierrors.IsNotFound(err) {
			gaps = append(gaps, "when things happen next, and links: "+err.Error())
		}
	}
	events, err := eventsOf(ctx, cluster, order)
	if err != nil {
		gaps = append(gaps, err.Error())
	}
	status := statusOf(order, pipeline, events, now)
	status.Gaps = gaps
	return status, ctx.Err()
}
