// Command sandbox runs the far sides of Orderbridge on loopback: Salesforce, its event bus and WHMCS, for the demo and
// for tests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/orderbridge/orderbridge/internal/sandbox"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	options, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s, err := sandbox.Start(options)
	if err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return 1
	}
	defer s.Close()
	fmt.Fprintf(stdout, "sandbox ready: Salesforce %s, Pub/Sub %s, WHMCS %s, control %s; described in %s\n",
		s.Info.Salesforce.LoginURL, s.Info.Salesforce.PubSubEndpoint, s.Info.Whmcs.URL, s.Info.ControlURL, options.Dir)
	<-ctx.Done()
	return 0
}

func parse(args []string, stderr io.Writer) (sandbox.Options, error) {
	var o sandbox.Options
	var ports string
	var verbose bool
	flags := flag.NewFlagSet("sandbox", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.Dir, "dir", "", "directory for the CA, keys, sandbox.json and manifests.yaml (required)")
	flags.StringVar(&o.Namespace, "namespace", "default", "namespace of the manifests")
	flags.Float64Var(&o.Scale, "scale", 1, "how much faster than real time the clock runs")
	flags.Uint64Var(&o.Seed, "seed", 0, "seed of the draws of faults and order numbers")
	flags.StringVar(&ports, "ports", "", "fixed ports as salesforce,pubsub,whmcs,control; 0 or nothing takes a free one")
	flags.BoolVar(&verbose, "v", false, "log what the servers complain about, such as failed TLS handshakes")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.Dir == "" {
		return o, errors.New("--dir is required")
	}
	if o.Scale <= 0 {
		return o, errors.New("--scale must be above 0")
	}
	if verbose {
		o.Log = slog.New(slog.NewTextHandler(stderr, nil))
	}
	var err error
	o.Ports, err = parsePorts(ports)
	return o, err
}

func parsePorts(text string) (sandbox.Ports, error) {
	var p sandbox.Ports
	if text == "" {
		return p, nil
	}
	fields := []*int{&p.Salesforce, &p.PubSub, &p.Whmcs, &p.Control}
	parts := strings.Split(text, ",")
	if len(parts) != len(fields) {
		return p, fmt.Errorf("--ports %q: want four numbers, as salesforce,pubsub,whmcs,control", text)
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(strings.TrimSpace(part), 10, 16)
		if err != nil {
			return p, fmt.Errorf("--ports %q: %q is no port", text, part)
		}
		*fields[i] = int(n)
	}
	return p, nil
}
