package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// newPlanCommand shows what would be ordered.
func newPlanCommand(env *environment) *cobra.Command {
	var pipeline, order, file string
	cmd := &cobra.Command{
		Use:   "plan --order ID [--pipeline NAME]",
		Short: "Show what would be ordered in WHMCS for a Salesforce order, without ordering it",
		Long: `Show what would be ordered in WHMCS for a Salesforce order, without ordering it.

The order is read from Salesforce and taken through the steps of the operator up to the call of AddOrder, which cannot be
made: the command has no means to send anything that changes something, and no flag gives it any. It shows everything that
must be so before the order is made, what Salesforce and WHMCS ask for each line, and the request letter by letter. The
order need not be approved, and no ProvisioningOrder need exist.

It reads the Secrets of the pipeline, with your rights. Prices are those of the product and its billing cycle in the client's
currency; those of config options, taxes and promotions are not counted.

Exit codes: 0 the order can be made; 1 something is missing or in the way; 2 it could not be planned.`,
		Example: `  # What would be ordered for this order?
  kubectl orderbridge plan --pipeline portal --order 8014x000000ABCDAA4

  # And what with a mapping that is not merged yet?
  kubectl orderbridge plan --pipeline portal --order 8014x000000ABCDAA4 --mapping mapping.yaml`,
		Args: exactArgs(),
	}
	p := newPrinter(cmd)
	cmd.Flags().StringVar(&pipeline, "pipeline", "", "Name of the pipeline; not needed if the namespace has only one.")
	cmd.Flags().StringVar(&order, "order", "", "Id of the Salesforce order, of 15 or 18 characters.")
	cmd.Flags().StringVar(&file, "mapping", "", "Plan by this mapping file, or manifest with one, instead of the mapping in use.")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if order == "" {
			return usage(cmd, "--order is missing: the id of the Salesforce order")
		}
		id, err := salesforce.ParseID(order)
		if err != nil {
			return usage(cmd, "--order: %w", err)
		}
		cluster, err := env.client()
		if err != nil {
			return err
		}
		plan, err := env.plan(cmd.Context(), cluster, pipeline, id, file)
		if err != nil {
			return err
		}
		if err := p.print(env.Out, plan, plan.writeText); err != nil {
			return err
		}
		if plan.missing() {
			return finding("")
		}
		return nil
	}
	return cmd
}

// plan plans one order of a pipeline.
func (e *environment) plan(ctx context.Context, cluster client.Reader, name string, id salesforce.ID, file string) (*orderPlan, error) {
	pipeline, err := e.pipeline(ctx, cluster, name)
	if err != nil {
		return nil, err
	}
	sides, err := farSides(ctx, cluster, pipeline)
	if err != nil {
		return nil, err
	}
	rules := planRules{sides.Mapping, sides.Version, planMapping{Name: sides.Version.Name, SHA256: sides.Version.SHA256}}
	if file != "" {
		rules, err = e.rulesOfFile(file)
	} else if sides.Mapping == nil {
		err = sides.MappingErr
	}
	if err != nil {
		return nil, err
	}
	if _, err := salesforce.ParseOrderID(id.String(), rules.mapping.Objects().Order); err != nil {
		return nil, fmt.Errorf("--order: %w", err)
	}
	order, existing, err := objectOf(ctx, cluster, pipeline, id)
	if err != nil {
		return nil, err
	}
	maker := planMaker{
		previewer: controllers.Previewer{
			Pipeline: pipeline, Book: pricedBook{sides.Salesforce, rules.mapping}, Whmcs: sides.Whmcs, Mapping: rules.mapping, Version: rules.version,
			Cluster: cluster, Clock: clock.RealClock{},
		},
		whmcs:   sides.Whmcs,
		mapping: rules.words,
	}
	plan, err := maker.make(ctx, order, existing)
	return plan, explain(err)
}

// planRules are a mapping and where it is from.
type planRules struct {
	mapping *mapping.Mapping
	version v1alpha1.MappingVersion
	words   planMapping
}

// rulesOfFile reads a mapping file, or a manifest with one ConfigMap.
func (e *environment) rulesOfFile(file string) (planRules, error) {
	read, err := e.readMapping(file, "")
	if err != nil {
		return planRules{}, err
	}
	m, err := read.load()
	if err != nil {
		return planRules{}, err
	}
	return planRules{m, v1alpha1.MappingVersion{Name: read.name, SHA256: m.SHA256()}, planMapping{Name: read.name, SHA256: m.SHA256(), File: true}}, nil
}

// objectOf is the ProvisioningOrder of a Salesforce order, or one as it would be made.
func objectOf(ctx context.Context, cluster client.Reader, pipeline *v1alpha1.ProvisioningPipeline, id salesforce.ID) (*v1alpha1.ProvisioningOrder, bool, error) {
	order := &v1alpha1.ProvisioningOrder{}
	name := types.NamespacedName{Namespace: pipeline.Namespace, Name: orderName(pipeline.Name, id)}
	err := cluster.Get(ctx, name, order)
	if err == nil {
		return order, true, nil
	}
	if !apierrors.IsNotFound(err) {
		return nil, false, fmt.Errorf("reading ProvisioningOrder %s: %w", name, explain(err))
	}
	order.Namespace, order.Name = name.Namespace, name.Name
	order.Spec = v1alpha1.ProvisioningOrderSpec{
		PipelineRef: v1alpha1.PipelineReference{Name: pipeline.Name}, SalesforceOrderID: id.String(), Origin: v1alpha1.ManualOrigin,
	}
	return order, false, nil
}

// pricedBook reads an order with the fields of the mapping and the prices of its lines.
type pricedBook struct {
	client  *salesforce.Client
	mapping *mapping.Mapping
}

// priceField is what Salesforce asks for one unit of a line.
const priceField = "UnitPrice"

// Order reads an order. Where the integration user may not see prices, it is read without them.
func (b pricedBook) Order(ctx context.Context, id string) (salesforce.Record, error) {
	sel := controllers.Selection(b.mapping)
	sel.ItemFields = append(sel.ItemFields, priceField)
	record, err := salesforce.NewBatcher(b.client, sel).Order(ctx, id)
	if salesforce.ClassOf(err) == salesforce.Schema {
		sel.ItemFields = b.mapping.ItemFields()
		return salesforce.NewBatcher(b.client, sel).Order(ctx, id)
	}
	return record, err
}
