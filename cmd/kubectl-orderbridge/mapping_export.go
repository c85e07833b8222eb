package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orderbridge/orderbridge/internal/mapping"
)

func newCatalogueCommand(env *environment) *cobra.Command {
	return group(&cobra.Command{
		Use:   "catalogue",
		Short: "Export what is on sale in Salesforce and WHMCS",
		Long:  "Export what is on sale in Salesforce and WHMCS, so that mappings can be checked where neither can be reached.",
	}, newExportCommand(env))
}

type exportOptions struct {
	live    liveOptions
	mapping string
}

func newExportCommand(env *environment) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the products of both sides as a catalogue file",
		Long: `Write the products of both sides as a catalogue file for "mapping lint --catalogue FILE".

It asks Salesforce and WHMCS with the credentials of a pipeline, and only reads. Of Salesforce's products it writes the
fields that the mapping reads: that of the pipeline, or another one with --mapping. Prices, customers and credentials are
not in it.`,
		Example: `  # Products of the price book "Portal", for the repository
  kubectl orderbridge mapping catalogue export --pipeline portal --pricebook Portal > catalogue.json

  # Before a mapping that reads other product fields than the one in use
  kubectl orderbridge mapping catalogue export --pipeline portal --mapping mapping.yaml > catalogue.json`,
		Args: exactArgs(),
	}
	p := newPrinter(cmd, jsonFormat, yamlFormat)
	cmd.Flags().StringVar(&o.mapping, "mapping", "", "Mapping whose product fields are exported; by default that of the pipeline.")
	o.live.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cat, err := export(cmd.Context(), env, o)
		if err != nil {
			return err
		}
		return p.print(env.Out, cat, nil)
	}
	return cmd
}

func export(ctx context.Context, env *environment, o exportOptions) (*catalogue, error) {
	var m *mapping.Mapping
	if o.mapping != "" {
		file, err := env.readMapping(o.mapping, "")
		if err != nil {
			return nil, err
		}
		if m, err = file.load(); err != nil {
			return nil, err
		}
	}
	sides, err := env.connect(ctx, o.live.pipeline)
	if err != nil {
		return nil, err
	}
	if m == nil {
		if m = sides.Mapping; m == nil {
			return nil, fmt.Errorf("%w\nTo export for another mapping, name its file with --mapping", sides.MappingErr)
		}
	}
	return askCatalogue(ctx, sides, o.live.pricebook, m)
}
