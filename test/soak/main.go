// Command soak runs orders through Orderbridge while everything around them fails at random: managers are killed and
// paused, etcd and kube-apiserver are killed, and the far sides lose answers, tokens, events and their tempers. It
// succeeds only if in the end every order is provisioned once, or stalled with evidence.
package main

import (
	"cmp"
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
	"github.com/orderbridge/orderbridge/internal/sandbox"
	"github.com/orderbridge/orderbridge/internal/stage"
)

// settings are the flags.
type settings struct {
	orders int
	kills  int
	seed   uint64
	dir    string
	within time.Duration
	// notes are stored or ignored by WHMCS.
	notes string
}

// What WHMCS does with notes.
const (
	notesStored  = "stored"
	notesIgnored = "ignored"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(arguments []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	do := soakMain
	if len(arguments) > 0 {
		if other := others[arguments[0]]; other != nil {
			do, arguments = other, arguments[1:]
		}
	}
	err := do(ctx, arguments)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 2
	case err != nil:
		fmt.Fprintln(os.Stderr, "soak:", err)
		return 1
	}
	return 0
}

// others are what the command does if its first argument says so.
var others = map[string]func(context.Context, []string) error{"outage": outageMain, "ratio": ratioMain}

func soakMain(ctx context.Context, arguments []string) error {
	var o settings
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.IntVar(&o.orders, "orders", fromEnvironment("ORDERS", 1000), "orders to provision; the default is $ORDERS, or 1000")
	flags.IntVar(&o.kills, "kills", fromEnvironment("KILLS", 50), "how often a manager is killed; the default is $KILLS, or 50")
	flags.Uint64Var(&o.seed, "seed", uint64(fromEnvironment("SEED", 1)), "what the draw starts from; the default is $SEED, or 1")
	flags.StringVar(&o.dir, "dir", filepath.Join(".dev", "soak"), "folder for data and logs; emptied at the start")
	flags.DurationVar(&o.within, "within", 25*time.Minute, "how long everything may take")
	flags.StringVar(&o.notes, "notes", cmp.Or(os.Getenv("NOTES"), notesStored), "what WHMCS does with notes: stored, or ignored; the default is $NOTES, or stored")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	return soakOnce(ctx, o)
}

func fromEnvironment(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// soakOnce starts everything, runs the orders, stops everything, and says the last word.
func soakOnce(ctx context.Context, o settings) error {
	if o.orders < 1 || o.kills < 0 {
		return fmt.Errorf("ORDERS is %d and KILLS is %d: there must be an order, and no fewer than 0 kills", o.orders, o.kills)
	}
	if o.notes != notesStored && o.notes != notesIgnored {
		return fmt.Errorf("NOTES is %q: it must be %s or %s", o.notes, notesStored, notesIgnored)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.within, fmt.Errorf("not done within %s (--within)", o.within))
	defer cancel()
	result, err := withStage(ctx, o)
	if err != nil {
		return fmt.Errorf("%w (logs are in %s)", err, o.dir)
	}
	return lastWord(result.ok(o.orders), result.wrong, result.summary(o.orders), "the books do not agree", o.dir)
}

// lastWord says what is wrong and then the line that all is summed up in. The error says that it is not good.
func lastWord(ok bool, wrong []string, summary, bad, dir string) error {
	for _, line := range wrong {
		fmt.Println("wrong:", line)
	}
	fmt.Println(summary)
	if !ok {
		return fmt.Errorf("%s (logs are in %s)", bad, dir)
	}
	return nil
}

// withStage does the work between the start and the end of the processes.
func withStage(ctx context.Context, o settings) (result outcome, err error) {
	actions := draw(o.seed, o.orders, o.kills)
	fmt.Printf("%d orders, %d kills, SEED=%d: %d actions within %s\n", o.orders, o.kills, o.seed, len(actions), actions[len(actions)-1].at)
	err = onStage(ctx, ".", o.dir, quick, func(s *stage.Stage) error {
		seeded, err := s.Control.Seed(ctx, sandbox.SeedRequest{Orders: o.orders, Seed: o.seed})
		if err != nil {
			return fmt.Errorf("seeding: %w", err)
		}
		w := &world{stage: s, dir: o.dir, orders: seeded.Orders, began: time.Now(), lastKilled: map[string]int{}, notesIgnored: o.notes == notesIgnored}
		if err := w.ignoreNotes(ctx); err != nil {
			return err
		}
		stop := w.startReplicas(ctx)
		// The keepers end before the stage does, or they would start again what it stops.
		defer stop()
		if err := w.perform(ctx, actions); err != nil {
			return err
		}
		if err := w.settle(ctx); err != nil {
			return err
		}
		result, err = w.books(ctx)
		return err
	})
	return result, err
}

// onStage starts the processes with their data in an emptied folder, does the work, and ends them.
func onStage(ctx context.Context, root, dir string, pipeline func(*v1alpha1.ProvisioningPipeline), work func(*stage.Stage) error) (err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	s, err := stage.Start(ctx, stage.Options{Repository: root, Dir: dir, Restart: true, Pipeline: pipeline})
	defer func() { err = errors.Join(err, s.Close()) }()
	if err != nil {
		return err
	}
	return work(s)
}

// quick makes the pipeline decide about a lost answer soon. What the draw delays must stay within these times: a request
// that takes effect after the settle time is beyond what any client can know.
func quick(pipeline *v1alpha1.ProvisioningPipeline) {
	timeouts := &pipeline.Spec.Whmcs.Timeouts
	timeouts.AddOrder.Duration = 5 * time.Second
	timeouts.AcceptOrder.Duration = 10 * time.Second
	timeouts.Settle.Duration = 10 * time.Second
	pipeline.Spec.Salesforce.Sweep.Interval.Duration = 30 * time.Second
	pipeline.Spec.Salesforce.IdleTimeout.Duration = time.Minute
}
