// Command kubectl-orderbridge is for people who look after orders and mappings. In the PATH it also runs as
// "kubectl orderbridge".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// version is set by the build.
var version = "unknown"

func main() {
	// Libraries log what the command reports itself, in words and once.
	klog.SetLogger(logr.Discard())
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], newEnvironment(streams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}))
	stop()
	os.Exit(code)
}

// The exit codes, for scripts and CI.
const (
	exitOK = 0
	// exitFinding: the command ran, and what it looked at is not as it should be.
	exitFinding = 1
	// exitFailure: the command was called wrongly or could not do its work.
	exitFailure = 2
)

// findingError ends a command with exitFinding.
type findingError struct {
	summary string
}

// Error is the summary; empty if the output has said it all.
func (e *findingError) Error() string {
	return e.summary
}

// finding ends a command that has printed what it found. The summary goes to the standard error and may be empty.
func finding(format string, args ...any) error {
	return &findingError{fmt.Sprintf(format, args...)}
}

// run executes one command and returns its exit code.
func run(ctx context.Context, args []string, env *environment) int {
	root := newRootCommand(env)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if f, ok := errors.AsType[*findingError](err); ok {
		if f.summary != "" {
			fmt.Fprintln(env.ErrOut, f.summary)
		}
		return exitFinding
	}
	fmt.Fprintln(env.ErrOut, "error:", err)
	return exitFailure
}

// streams are the standard streams of a command.
type streams struct {
	In          io.Reader
	Out, ErrOut io.Writer
}

// environment is what commands work in.
type environment struct {
	streams
	flags clusterFlags
	// now is the time, which tests set.
	now func() time.Time
}

func newEnvironment(s streams) *environment {
	return &environment{streams: s, now: time.Now}
}
