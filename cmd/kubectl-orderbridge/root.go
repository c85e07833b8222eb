package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
)

// newRootCommand is the command with all its sub-commands.
func newRootCommand(env *environment) *cobra.Command {
	mappingCommand := newMappingCommand(env)
	mappingCommand.AddCommand(newWhatIfCommand(env))
	root := group(&cobra.Command{
		Use:   "kubectl-orderbridge",
		Short: "Look after orders, pipelines and mappings of Orderbridge",
		Long: `Look after orders, pipelines and mappings of Orderbridge.

The commands use your kubeconfig and your own rights, and never print what a Secret holds.

Exit codes: 0 all is well; 1 the command ran, and what it looked at is not as it should be (problems in a mapping, a case
that does not hold, an order that has failed); 2 the command was called wrongly or could not do its work.`,
		Example: `  # Check a mapping before it is merged
  kubectl orderbridge mapping lint mapping.yaml --catalogue catalogue.json`,
		Version:     version,
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl orderbridge"},
		// run prints errors, once and in one form.
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
	},
		newStatusCommand(env),
		newOrdersCommand(env),
		newRetryCommand(env),
		newPlanCommand(env),
		mappingCommand,
	)
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.ErrOut)
	env.flags.bind(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, "%w", err) })
	return root
}

// usage is the error of a command that was called wrongly.
func usage(cmd *cobra.Command, format string, args ...any) error {
	return fmt.Errorf(format+"\nRun '%s --help' for what it takes", append(args, displayPath(cmd))...)
}

// displayPath is the command as people type it.
func displayPath(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return cmd.DisplayName()
	}
	return displayPath(cmd.Parent()) + " " + cmd.Name()
}

// exactArgs asks for arguments by name.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usage(cmd, "%s is missing", names[len(args)])
		case len(args) > len(names):
			return usage(cmd, "unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

// group is a command that only holds others.
func group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage(cmd, "there is no command %q", args[0])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(commands...)
	return cmd
}

// clusterFlags say which cluster and namespace, as with kubectl.
type clusterFlags struct {
	rules     *clientcmd.ClientConfigLoadingRules
	overrides clientcmd.ConfigOverrides
}

func (f *clusterFlags) bind(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	f.rules = clientcmd.NewDefaultClientConfigLoadingRules()
	flags.StringVar(&f.rules.ExplicitPath, "kubeconfig", "", "Path to the kubeconfig file to use.")
	name := func(long, short, description string) clientcmd.FlagInfo {
		return clientcmd.FlagInfo{LongName: long, ShortName: short, Description: description}
	}
	clientcmd.BindOverrideFlags(&f.overrides, flags, clientcmd.ConfigOverrideFlags{
		CurrentContext: name("context", "", "Context of the kubeconfig to use."),
		ContextOverrideFlags: clientcmd.ContextOverrideFlags{
			Namespace:    name("namespace", "n", "Namespace of the pipeline and its orders."),
			ClusterName:  name("cluster", "", "Cluster of the kubeconfig to use."),
			AuthInfoName: name("user", "", "User of the kubeconfig to use."),
		},
		AuthOverrideFlags: clientcmd.AuthOverrideFlags{
			Impersonate:       name("as", "", "User to act as."),
			ImpersonateGroups: name("as-group", "", "Group to act as; may be repeated."),
		},
		Timeout: clientcmd.FlagInfo{LongName: "request-timeout", Default: "0", Description: "How long one request to the API server may take, such as 30s; 0 is no limit."},
	})
}

// config is the client configuration that kubeconfig and flags come to.
func (f *clusterFlags) config() clientcmd.ClientConfig {
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(f.rules, &f.overrides)
}
