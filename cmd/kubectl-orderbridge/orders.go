package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/mapping"
)

// orderList is a list of orders, oldest first.
type orderList struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Orders     []orderSummary `json:"orders"`
}

// orderSummary is one order of a list.
type orderSummary struct {
	Namespace         string              `json:"namespace"`
	Name              string              `json:"name"`
	Pipeline          string              `json:"pipeline"`
	SalesforceOrderID string              `json:"salesforceOrderID,omitempty"`
	OrderNumber       string              `json:"orderNumber,omitempty"`
	CreatedAt         time.Time           `json:"createdAt"`
	State             v1alpha1.OrderState `json:"state"`
	Since             time.Time           `json:"since"`
	Reason            string              `json:"reason,omitempty"`
	// Sentence is what staff read in Salesforce, without the detail; Message is the message of Ready.
	Sentence     string `json:"sentence"`
	Message      string `json:"message"`
	WhmcsOrderID int64  `json:"whmcsOrderID,omitempty"`
	ClientID     int64  `json:"clientID,omitempty"`
}

// newOrdersCommand lists orders.
func newOrdersCommand(env *environment) *cobra.Command {
	var filter orderFilter
	var state, reason, olderThan string
	cmd := &cobra.Command{
		Use:   "orders",
		Short: "List orders that are not done, oldest first, with what staff read in Salesforce",
		Long: `List orders that are not done, oldest first: their state and reason, and the sentence that staff read for it in Salesforce, by
the mapping of the pipeline.`,
		Example: `  kubectl orderbridge orders                                     # all that are not done
  kubectl orderbridge orders -A --state Stalled                  # all that need a person
  kubectl orderbridge orders --reason PaymentMethodMissing --older-than 2h
  kubectl orderbridge orders --pipeline portal --all             # with those that are done`,
		Args: exactArgs(),
	}
	p := newPrinter(cmd)
	all := allNamespaces(cmd)
	cmd.Flags().StringVar(&filter.pipeline, "pipeline", "", "Only orders of this pipeline.")
	cmd.Flags().StringVar(&state, "state", "", "Only orders in this state: Progressing, Waiting, Stalled or Provisioned.")
	cmd.Flags().StringVar(&reason, "reason", "", "Only orders with this reason, such as PaymentMethodMissing.")
	cmd.Flags().StringVar(&olderThan, "older-than", "", "Only orders made at least so long ago, such as 2h or 3d.")
	cmd.Flags().BoolVar(&filter.finished, "all", false, "Also orders that are provisioned.")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		if filter.state, err = parseState(state); err != nil {
			return usage(cmd, "%w", err)
		}
		if filter.reason, err = parseReason(reason); err != nil {
			return usage(cmd, "%w", err)
		}
		if olderThan != "" {
			span, err := parseSpan(olderThan)
			if err != nil {
				return usage(cmd, "--older-than: %w", err)
			}
			filter.madeBefore = env.now().Add(-span)
		}
		filter.finished = filter.finished || filter.reason == v1alpha1.ProvisionedReason
		if filter.namespace, err = env.scope(*all); err != nil {
			return err
		}
		cluster, err := env.client()
		if err != nil {
			return err
		}
		orders, err := listOrders(cmd.Context(), cluster, filter)
		if err != nil {
			return explain(err)
		}
		list := summaries(cmd.Context(), cluster, orders)
		return p.print(env.Out, list, func(w io.Writer) error { return list.writeText(w, env.now(), *all) })
	}
	return cmd
}

// parseSpan reads a length of time, in days too.
func parseSpan(text string) (time.Duration, error) {
	span, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok && err != nil {
		var n float64
		if n, err = strconv.ParseFloat(days, 64); err == nil {
			span = time.Duration(n * 24 * float64(time.Hour))
		}
	}
	if err != nil || span < 0 {
		return 0, fmt.Errorf("%q is no length of time; write 90m, 2h or 3d", text)
	}
	return span, nil
}

func summaries(ctx context.Context, cluster client.Reader, orders []v1alpha1.ProvisioningOrder) *orderList {
	list := &orderList{APIVersion: cliVersion, Kind: "OrderSummaryList", Orders: []orderSummary{}}
	phrases := newPhrasebook(cluster)
	for i := range orders {
		list.Orders = append(list.Orders, summaryOf(&orders[i], phrases.sentence(ctx, &orders[i])))
	}
	return list
}

func summaryOf(order *v1alpha1.ProvisioningOrder, sentence string) orderSummary {
	s := orderSummary{
		Namespace: order.Namespace, Name: order.Name, Pipeline: order.Spec.PipelineRef.Name, SalesforceOrderID: order.Spec.SalesforceOrderID,
		CreatedAt: order.CreationTimestamp.UTC(), State: order.Status.State, Since: sinceOf(order).UTC(), Sentence: sentence,
	}
	s.Reason, s.Message = reasonOf(order)
	if order.Status.Salesforce != nil {
		s.OrderNumber = order.Status.Salesforce.OrderNumber
	}
	if order.Status.Whmcs != nil {
		s.WhmcsOrderID = order.Status.Whmcs.OrderID
	}
	if order.Status.Plan != nil {
		s.ClientID = order.Status.Plan.ClientID
	}
	return s
}

// writeText writes the list for people.
func (l *orderList) writeText(w io.Writer, now time.Time, namespaces bool) error {
	if len(l.Orders) == 0 {
		_, err := fmt.Fprintln(w, "No orders.")
		return err
	}
	header := []string{"NAME", "ORDER", "AGE", "STATE", "REASON", "WHMCS", "SENTENCE"}
	if namespaces {
		header = append([]string{"NAMESPACE"}, header...)
	}
	var rows [][]string
	for _, o := range l.Orders {
		cells := []string{o.Name, o.OrderNumber, age(o.CreatedAt, now), string(o.State), o.Reason, number(o.WhmcsOrderID), o.Sentence}
		if namespaces {
			cells = append([]string{o.Namespace}, cells...)
		}
		rows = append(rows, cells)
	}
	if err := writeTable(w, header, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s\n", count(len(l.Orders), "order", "orders"))
	return err
}

// phrasebook has the sentences that staff read in Salesforce, by pipeline.
type phrasebook struct {
	cluster  client.Reader
	mappings map[types.NamespacedName]*mapping.Mapping
	defaults *mapping.Mapping
}

func newPhrasebook(cluster client.Reader) *phrasebook {
	return &phrasebook{cluster: cluster, mappings: map[types.NamespacedName]*mapping.Mapping{}, defaults: everySentence()}
}

// everySentence is a mapping that has the default sentence for every reason, also for those that are not written to
// Salesforce.
func everySentence() *mapping.Mapping {
	text := []byte("version: 1\nclient: 1\nreport:\n  reasons:\n")
	for _, reason := range mapping.Reasons() {
		text = fmt.Appendf(text, "    %s: {silent: false}\n", reason)
	}
	m, err := mapping.Parse(text)
	if err != nil {
		return nil
	}
	return m
}

// sentence is what staff read about the order: by its pipeline's mapping, else by the defaults, else the message of Ready.
func (b *phrasebook) sentence(ctx context.Context, order *v1alpha1.ProvisioningOrder) string {
	reason, message := reasonOf(order)
	record, _ := controllers.Inputs(order.Status.Plan) // without it the language is the default one
	for _, m := range []*mapping.Mapping{b.mappingOf(ctx, order), b.defaults} {
		if m == nil {
			continue
		}
		if report, ok := m.ReportFor(reason, record); ok && report.Message != "" {
			return report.Text("")
		}
	}
	return message
}

// mappingOf is the mapping of the order's pipeline, or nil if it cannot be had.
func (b *phrasebook) mappingOf(ctx context.Context, order *v1alpha1.ProvisioningOrder) *mapping.Mapping {
	name := types.NamespacedName{Namespace: order.Namespace, Name: order.Spec.PipelineRef.Name}
	if m, ok := b.mappings[name]; ok {
		return m
	}
	b.mappings[name] = nil
	var pipeline v1alpha1.ProvisioningPipeline
	var config corev1.ConfigMap
	if b.cluster.Get(ctx, name, &pipeline) != nil {
		return nil
	}
	if b.cluster.Get(ctx, types.NamespacedName{Namespace: name.Namespace, Name: pipeline.Spec.MappingRef.Name}, &config) != nil {
		return nil
	}
	if m, err := mapping.Parse([]byte(config.Data["mapping.yaml"])); err == nil {
		b.mappings[name] = m
	}
	return b.mappings[name]
}
