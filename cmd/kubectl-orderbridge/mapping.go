package main

import "github.com/spf13/cobra"

// newMappingCommand holds the commands about mapping files.
func newMappingCommand(env *environment) *cobra.Command {
	return group(&cobra.Command{
		Use:   "mapping",
		Short: "Check mapping files before they are used",
		Long: `Check mapping files before they are used. The mapping is kept in Git, and its mistakes are found before it is merged.

FILE is a mapping.yaml, or a manifest with the ConfigMap that holds it, such as the output of kustomize; - is the
standard input.`,
	},
		newLintCommand(env),
		newTestCommand(env),
		newCatalogueCommand(env),
	)
}
