// Command demo shows the main job: it runs a control plane, the sandbox and the manager as processes on loopback,
// approves orders in Salesforce, and shows them becoming WHMCS orders. It succeeds only if the books of both far sides
// agree.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/stage"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(arguments []string) int {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	orders := flags.Int("orders", fromEnvironment("ORDERS", 20), "orders to provision, at least 5; the default is $ORDERS, or 20")
	dev := flags.Bool("dev", false, "leave everything running and print what to type")
	dir := flags.String("dir", ".dev", "folder for data and logs; emptied at the start of the demo")
	within := flags.Duration("within", 5*time.Minute, "how long the orders may take")
	if err := flags.Parse(arguments); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := show(ctx, *orders, *dev, *dir, *within); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		return 1
	}
	return 0
}

func fromEnvironment(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// show runs the demo.
func show(ctx context.Context, orders int, dev bool, dir string, within time.Duration) (err error) {
	if orders < len(troubles)+1 {
		return fmt.Errorf("ORDERS is %d: the demo needs at least %d, since %d of them meet trouble", orders, len(troubles)+1, len(troubles))
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	fmt.Println("Starting a control plane (etcd and kube-apiserver), the sandbox (Salesforce and WHMCS) and the manager ...")
	s, err := stage.Start(ctx, stage.Options{Repository: ".", Dir: dir, Pipeline: quick})
	defer func() { err = errors.Join(err, s.Close()) }()
	if err != nil {
		return err
	}
	if _, err := s.StartManager(ctx); err != nil {
		return err
	}
	if dev {
		return leaveRunning(ctx, s, dir)
	}
	d := &demo{stage: s}
	return d.run(ctx, orders, within)
}

// quick makes the pipeline decide about a lost answer soon: nothing in the sandbox takes longer.
func quick(pipeline *v1alpha1.ProvisioningPipeline) {
	timeouts := &pipeline.Spec.Whmcs.Timeouts
	timeouts.AddOrder.Duration = 5 * time.Second
	timeouts.AcceptOrder.Duration = 10 * time.Second
	timeouts.Settle.Duration = 10 * time.Second
	pipeline.Spec.Salesforce.Sweep.Interval.Duration = 30 * time.Second
}

// leaveRunning prints what to type and waits for the end.
func leaveRunning(ctx context.Context, s *stage.Stage, dir string) error {
	kubectl, err := filepath.Abs(filepath.Join("bin", "k8s", "kubectl"))
	if err != nil {
		return err
	}
	curl := "curl -s --cacert " + s.Info.CAFile + " " + s.Info.ControlURL
	fmt.Printf(`
Everything is running; Ctrl-C ends it. In another terminal:

  export KUBECONFIG=%s
  alias kubectl=%s
  kubectl get provisioningpipelines -o wide
  %s/v1/seed -d '{"orders": 5, "approve": true}'      # five approved orders
  kubectl get provisioningorders -w
  kubectl describe provisioningorder NAME
  kubectl annotate provisioningorder NAME --overwrite orderbridge.dev/requestedAt="$(date)"
  %s/v1/audit                                          # what the books say

The sandbox's control API is described in docs/sandbox.md. Logs are in %s.
`, s.Kubeconfig, kubectl, curl, curl, dir)
	<-ctx.Done()
	fmt.Println("Stopping ...")
	return nil
}
