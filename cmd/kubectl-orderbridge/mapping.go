package main

import "github.com/spf13/cobra"

// newMappingCommand holds the commands about mapping files.
func newMappingCommand(env *environment) *cobra.Command {
	_ = env
	return group(&cobra.Command{
		Use:   "mapping",
		Short: "Check mapping files before they are used",
		Long:  "Check mapping files before they are used: the mapping is kept in Git, and its mistakes are found before it is merged.",
	})
}
