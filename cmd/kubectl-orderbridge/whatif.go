package main

import (
	"github.com/spf13/cobra"
)

// newWhatIfCommand tries a mapping on past orders.
func newWhatIfCommand(env *environment) *cobra.Command {
	var file, name, since string
	var exitCode bool
	cmd := &cobra.Command{
		Use:   "what-if --against FILE [--pipeline NAME] [--since 30d]",
		Short: "Show what a changed mapping would have made of past orders",
		Long: `Show what a changed mapping would have made of past orders, as a diff of the requests.

Each order keeps the fields of the Salesforce order that its plan was made from (status.plan.inputs). The changed mapping is
applied to them, so that the comparison shows what the mapping changes and not what has changed in Salesforce since. Nothing is
asked of Salesforce or WHMCS, and nothing is changed: recorded plans stay as they are.

An order "would now wait" if the changed mapping makes no plan of it. It "cannot be told" if the mapping reads a field that was not
recorded, or nothing was recorded. Orders are kept for spec.retention.provisioned of the pipeline, a week by default, so a longer
--since finds no more than that.

Exit codes: 0 the comparison was made, whatever it shows; with --exit-code 1 if an order is changed, would wait or cannot be told;
2 it could not be made.`,
		Example: `  # What does this branch change?
  kubectl orderbridge mapping what-if --against mapping.yaml --pipeline portal

  # In CI: fail unless last week's orders would have been the same
  kubectl orderbridge mapping what-if --against mapping.yaml --pipeline portal --since 7d --exit-code`,
		Args: exactArgs(),
	}
	p := newPrinter(cmd)
	cmd.Flags().StringVar(&file, "against", "", "The changed mapping file, or a manifest with one.")
	cmd.Flags().StringVar(&name, "pipeline", "", "Name of the pipeline; not needed if the namespace has only one.")
	cmd.Flags().StringVar(&since, "since", "30d", "How far back to go, by the age of the orders, such as 12h or 30d.")
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "End with 1 if anything would be different.")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if file == "" {
			return usage(cmd, "--against is missing: the changed mapping file")
		}
		span, err := parseSpan(since)
		if err != nil {
			return usage(cmd, "--since: %w", err)
		}
		rules, err := env.rulesOfFile(file)
		if err != nil {
			return err
		}
		cluster, err := env.client()
		if err != nil {
			return err
		}
		pipeline, err := env.pipeline(cmd.Context(), cluster, name)
		if err != nil {
			return err
		}
		from := env.now().Add(-span)
		orders, err := listOrders(cmd.Context(), cluster, orderFilter{namespace: pipeline.Namespace, pipeline: pipeline.Name, since: from, finished: true})
		if err != nil {
			return explain(err)
		}
		result := whatIfMaker{pipeline, rules.mapping, rules.words}.make(orders)
		result.Since = stamp(from)
		if err := p.print(env.Out, result, result.writeText); err != nil {
			return err
		}
		if exitCode && result.Unchanged != result.Orders {
			return finding("")
		}
		return nil
	}
	return cmd
}
