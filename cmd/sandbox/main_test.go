package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox"
)

func TestMain(m *testing.M) {
	if os.Getenv("ORDERBRIDGE_RUN_SANDBOX") != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestProcess runs the command as a process of its own: one line when ready, files to be found by, an end on SIGTERM.
func TestProcess(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "--dir", dir, "--scale", "10", "--namespace", "shop")
	cmd.Env = append(os.Environ(), "ORDERBRIDGE_RUN_SANDBOX=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "sandbox ready: Salesforce https://127.0.0.1:") {
		t.Fatalf("first line %q, %v; %s", line, err, stderr.String())
	}
	control, _, err := sandbox.OpenControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	if clock, err := control.Clock(ctx); err != nil || clock.Scale != 10 {
		t.Errorf("%+v, %v", clock, err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(lines)
	if err != nil || len(rest) > 0 {
		t.Errorf("it printed more than one line: %q, %v", rest, err)
	}
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("it ended with %v: %s", err, stderr.String())
	}
}

func TestArguments(t *testing.T) {
	tests := map[string]struct {
		args []string
		want int
	}{
		"help":          {[]string{"--help"}, 0},
		"no directory":  {nil, 2},
		"unknown flag":  {[]string{"--nope"}, 2},
		"stray word":    {[]string{"--dir", "x", "y"}, 2},
		"bad scale":     {[]string{"--dir", "x", "--scale", "0"}, 2},
		"few ports":     {[]string{"--dir", "x", "--ports", "1,2"}, 2},
		"no port":       {[]string{"--dir", "x", "--ports", "1,2,3,x"}, 2},
		"a file as dir": {[]string{"--dir", os.Args[0]}, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			if got := run(tc.args, &out, &errs); got != tc.want || errs.Len() == 0 {
				t.Errorf("ended with %d, want %d: %s%s", got, tc.want, &out, &errs)
			}
		})
	}
	o, err := parse([]string{"--dir", "x", "--ports", "1, 2,0,4", "-v"}, io.Discard)
	if err != nil || o.Ports != (sandbox.Ports{Salesforce: 1, PubSub: 2, Control: 4}) || o.Log == nil {
		t.Errorf("%+v, %v", o, err)
	}
}
