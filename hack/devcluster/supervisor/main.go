// Package supervisor runs one etcd and one kube-apiserver on loopback as child processes, with certificates and ports
// of its own, and keeps their data for the next start.
package supervisor

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// Options says what to run and where its files lie.
type Options struct {
	// DataDir holds etcd's data, certificates, ports, logs and process ids.
	DataDir string
	// Kubeconfig is the file that gets the administrator's access, mode 0600.
	Kubeconfig string
	// Port is the API server's; 0 takes the one of the last start, or a free one.
	Port int
	// Restart starts a child that ended by itself again, on the same ports, instead of giving up.
	Restart bool
	// UnsafeNoFsync lets etcd skip fsync: faster, and safe against killed processes, not against a power cut.
	UnsafeNoFsync bool
	// ReadyTimeout bounds each child's start.
	ReadyTimeout time.Duration
}

const usage = `Usage: devcluster --data-dir DIR --kubeconfig FILE [--port N] [--restart]

Runs an etcd and a kube-apiserver on 127.0.0.1 in the foreground, prints one line on standard output when they are
ready, and ends cleanly on SIGTERM or Ctrl-C. Data and certificates are kept for the next start with the same DIR.
There are no controllers: nothing schedules Pods, collects garbage, or finishes the deletion of a namespace.

`

// Main is the command line of devcluster. It returns the exit code.
func Main(args []string, stdout, stderr io.Writer) int {
	options, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer stop()
	// After the first signal the default is back: a second one ends this process at once, and the children with it.
	context.AfterFunc(ctx, stop)
	if err := Run(ctx, options, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "devcluster: %v\n", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (Options, error) {
	var o Options
	flags := flag.NewFlagSet("devcluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.DataDir, "data-dir", "", "folder for data, certificates and logs; made if absent (required)")
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "file to write the administrator's kubeconfig to (required)")
	flags.IntVar(&o.Port, "port", 0, "port of the API server; 0 takes the one of the last start, or a free one")
	flags.BoolVar(&o.Restart, "restart", false, "start a child that ended by itself again, on the same ports")
	flags.BoolVar(&o.UnsafeNoFsync, "unsafe-no-fsync", false, "let etcd skip fsync: faster, unsafe on power loss")
	flags.DurationVar(&o.ReadyTimeout, "ready-timeout", 2*time.Minute, "longest time to wait for each child to be ready")
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if err := o.validate(flags.Args()); err != nil {
		fmt.Fprintf(stderr, "devcluster: %v\n", err)
		return o, err
	}
	err := o.absolute()
	return o, err
}

func (o *Options) validate(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q: every option starts with --", rest[0])
	case o.DataDir == "":
		return errors.New("--data-dir is missing: name a folder that may be created")
	case o.Kubeconfig == "":
		return errors.New("--kubeconfig is missing: name the file to write")
	case o.Port < 0 || o.Port > 65535:
		return fmt.Errorf("--port %d is no port: use 0 to 65535", o.Port)
	case o.ReadyTimeout <= 0:
		return fmt.Errorf("--ready-timeout %s must be positive", o.ReadyTimeout)
	}
	return nil
}

func (o *Options) absolute() (err error) {
	if o.DataDir, err = filepath.Abs(o.DataDir); err != nil {
		return err
	}
	o.Kubeconfig, err = filepath.Abs(o.Kubeconfig)
	return err
}

// lock keeps a second devcluster away from the same data for as long as this process lives.
func lock(dataDir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dataDir, "lock"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(
			fmt.Errorf("another devcluster is running on %s: stop it, or choose another --data-dir", dataDir), file.Close())
	}
	return file, nil
}
