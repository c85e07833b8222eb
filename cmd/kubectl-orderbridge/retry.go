package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// retryResult is what became of a retry.
type retryResult struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	DryRun     bool   `json:"dryRun,omitempty"`
	// Token is the value of orderbridge.dev/requestedAt.
	Token  string         `json:"token"`
	Orders []retryOutcome `json:"orders"`
}

// retryOptions are what a retry was asked for.
type retryOptions struct {
	filter             orderFilter
	selector, reason   string
	dryRun, force, yes bool
	forceReason        string
	named              []string
}

// newRetryCommand asks orders to try again.
func newRetryCommand(env *environment) *cobra.Command {
	var o retryOptions
	cmd := &cobra.Command{
		Use:   "retry ORDER... | --selector LABELS | --reason REASON",
		Short: "Ask orders to try again, and say what that does",
		Long: `Ask orders to try again, and say for each what that does. Back-off is forgotten and the order is validated afresh. It is always
safe: it never makes a second WHMCS order, and orders that go on by themselves need none.

ORDER is what the command status takes. With --selector or --reason all orders that are not done and match both are asked.

--force also allows a call to be sent again whose outcome is not known. If it took effect after all, the customer is billed
twice, or services are deployed twice. It takes one order, which must have stalled as OutcomeUnknown or ProvisioningFailed,
prints the evidence, and asks for the order's name to be typed.

Exit codes: 0 all were asked; 1 an order could not be asked, or a force does not help it; 2 something went wrong.`,
		Example: `  kubectl orderbridge retry portal-8014x000000abcdaa4
  kubectl orderbridge retry --reason OrderRefused --dry-run
  kubectl orderbridge retry 00000107 --force --force-reason "orders 8 and 9 are of another contract"`,
	}
	p := newPrinter(cmd)
	all := allNamespaces(cmd)
	flags := cmd.Flags()
	flags.StringVarP(&o.selector, "selector", "l", "", "Ask the orders with these labels, such as team=a.")
	flags.StringVar(&o.reason, "reason", "", "Ask the orders with this reason, such as OrderRefused.")
	flags.StringVar(&o.filter.pipeline, "pipeline", "", "With --selector or --reason: only orders of this pipeline.")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Only list the orders that would be asked.")
	flags.BoolVar(&o.force, "force", false, "Allow a call to be sent again whose outcome is not known.")
	flags.StringVar(&o.forceReason, "force-reason", "", "Why you are sure; it is kept with the order.")
	flags.BoolVarP(&o.yes, "yes", "y", false, "With --force: do not ask for the order's name.")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		o.named = args
		if err := o.check(cmd); err != nil {
			return err
		}
		if o.filter.namespace, err = env.scope(*all); err != nil {
			return err
		}
		cluster, err := env.client()
		if err != nil {
			return err
		}
		orders, err := o.orders(cmd.Context(), cluster)
		if err != nil {
			return explain(err)
		}
		result, err := env.retry(cmd.Context(), cluster, orders, o)
		if result != nil {
			if printed := p.print(env.Out, result, result.writeText); printed != nil {
				return printed
			}
		}
		return explain(err)
	}
	return cmd
}

// check reads the options and refuses what does not go together.
func (o *retryOptions) check(cmd *cobra.Command) (err error) {
	filtered := o.selector != "" || o.reason != ""
	switch {
	case len(o.named) == 0 && !filtered:
		return usage(cmd, "name orders, or choose them with --selector or --reason")
	case len(o.named) > 0 && (filtered || o.filter.pipeline != ""):
		return usage(cmd, "either name orders, or choose them with --selector, --reason and --pipeline")
	case o.force && len(o.named) != 1:
		return usage(cmd, "--force takes exactly one order, by name")
	case o.force && strings.TrimSpace(o.forceReason) == "":
		return usage(cmd, "--force needs --force-reason: why you are sure; it is kept with the order")
	case !o.force && (o.forceReason != "" || o.yes):
		return usage(cmd, "--force-reason and --yes go with --force")
	}
	if o.filter.reason, err = parseReason(o.reason); err != nil {
		return usage(cmd, "%w", err)
	}
	o.filter.finished = o.filter.reason == v1alpha1.ProvisionedReason
	if o.selector != "" {
		if o.filter.selector, err = labels.Parse(o.selector); err != nil {
			return usage(cmd, "--selector: %w", err)
		}
	}
	return nil
}

// orders are those that are meant.
func (o *retryOptions) orders(ctx context.Context, cluster client.Reader) ([]v1alpha1.ProvisioningOrder, error) {
	if len(o.named) == 0 {
		return listOrders(ctx, cluster, o.filter)
	}
	var orders []v1alpha1.ProvisioningOrder
	for _, name := range o.named {
		order, err := findOrder(ctx, cluster, o.filter.namespace, name)
		if err != nil {
			return nil, err
		}
		orders = append(orders, *order)
	}
	return orders, nil
}

// retry asks the orders. The result lists those that were dealt with, also if one of them failed.
func (e *environment) retry(ctx context.Context, cluster client.Client, orders []v1alpha1.ProvisioningOrder, o retryOptions) (*retryResult, error) {
	result := &retryResult{APIVersion: cliVersion, Kind: "RetryResult", DryRun: o.dryRun, Token: e.now().UTC().Format(time.RFC3339Nano), Orders: []retryOutcome{}}
	if o.force {
		if err := e.confirmForce(ctx, cluster, &orders[0], o); err != nil {
			return nil, err
		}
	}
	refused := 0
	for i := range orders {
		outcome := whatRetry(&orders[i])
		if o.force && outcome.Asked {
			outcome.Forced, outcome.Says = true, forceSays(&orders[i])
		}
		if outcome.Asked && !o.dryRun {
			if err := ask(ctx, cluster, &orders[i], result.Token, o); err != nil {
				return result, fmt.Errorf("asking %s/%s: %w", orders[i].Namespace, orders[i].Name, err)
			}
		}
		if !outcome.Asked {
			refused++
		}
		result.Orders = append(result.Orders, outcome)
	}
	if refused > 0 {
		return result, finding("%s could not be asked", count(refused, "order", "orders"))
	}
	return result, nil
}

// ask sets the annotations. A force is set on exactly the version that was looked at.
func ask(ctx context.Context, cluster client.Client, order *v1alpha1.ProvisioningOrder, token string, o retryOptions) error {
	before := order.DeepCopy()
	if order.Annotations == nil {
		order.Annotations = map[string]string{}
	}
	order.Annotations[v1alpha1.RequestedAtAnnotation] = token
	patch := client.MergeFrom(before)
	if o.force {
		order.Annotations[v1alpha1.ForceAtAnnotation] = token
		order.Annotations[v1alpha1.ForceReasonAnnotation] = o.forceReason
		patch = client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	}
	return cluster.Patch(ctx, order, patch)
}

// errNotConfirmed says that the person did not type the name.
var errNotConfirmed = errors.New("not forced: what was typed is not the name of the order")

// confirmForce shows the evidence and lets the person type the order's name.
func (e *environment) confirmForce(ctx context.Context, cluster client.Reader, order *v1alpha1.ProvisioningOrder, o retryOptions) error {
	pipeline := &v1alpha1.ProvisioningPipeline{}
	err := cluster.Get(ctx, types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.PipelineRef.Name}, pipeline)
	if apierrors.IsNotFound(err) {
		pipeline = nil
	} else if err != nil {
		return fmt.Errorf("reading the pipeline of the order: %w", err)
	}
	if err := canForce(order, pipeline, e.now()); err != nil {
		return finding("%s is not forced: %v", order.Name, err)
	}
	w := e.ErrOut
	reason, message := reasonOf(order)
	fmt.Fprintf(w, "%s is %s since %s.\n%s: %s\n", order.Name, order.Status.State, stamp(sinceOf(order)), reason, message)
	for _, call := range order.Status.Calls {
		fmt.Fprintln(w, callWords(call))
	}
	fmt.Fprintf(w, "\nWith a force: %s\nYour reason: %s\n", forceSays(order), o.forceReason)
	if o.yes || o.dryRun {
		return nil
	}
	fmt.Fprint(w, "Type the name of the order to force it: ")
	typed, err := bufio.NewReader(e.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if strings.TrimSpace(typed) != order.Name {
		return errNotConfirmed
	}
	return nil
}

// callWords is a call and its evidence in one line.
func callWords(call v1alpha1.Call) string {
	text := fmt.Sprintf("%s, attempt %d, claimed %s", call.Step, call.Attempt, stamp(call.ClaimedAt.Time))
	if call.SettledAt == nil {
		text += ", outcome not known"
	} else {
		text += ", " + string(call.Outcome)
	}
	if call.Baseline > 0 {
		text += fmt.Sprintf(", the client's highest order before it was %d", call.Baseline)
	}
	if call.Evidence != "" {
		text += ": " + call.Evidence
	}
	return text
}

// writeText writes the result for people.
func (r *retryResult) writeText(w io.Writer) error {
	if len(r.Orders) == 0 {
		_, err := fmt.Fprintln(w, "No orders match; nothing was asked.")
		return err
	}
	asked := 0
	var rows [][]string
	for _, o := range r.Orders {
		word := "asked"
		switch {
		case !o.Asked:
			word = "not asked"
		case r.DryRun:
			word = "would be asked"
		case o.Forced:
			word = "forced"
		}
		if o.Asked {
			asked++
		}
		rows = append(rows, []string{o.Namespace + "/" + o.Name, string(o.State), o.Reason, word, o.Says})
	}
	if err := writeTable(w, []string{"NAME", "STATE", "REASON", "RETRY", "WHAT IT DOES"}, rows); err != nil {
		return err
	}
	verb := "asked"
	if r.DryRun {
		verb = "would be asked; nothing was changed"
	}
	_, err := fmt.Fprintf(w, "%s %s\n", count(asked, "order", "orders"), verb)
	return err
}
