package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// sample is the example repository.
const sample = "../../config/samples/gitops"

// offline runs a command without a cluster.
func offline(t testing.TB, in string, args ...string) result {
	t.Helper()
	var out, errOut bytes.Buffer
	env := newEnvironment(streams{In: strings.NewReader(in), Out: &out, ErrOut: &errOut})
	code := run(t.Context(), append(args, "--kubeconfig", "no-kubeconfig"), env)
	return result{code, out.String(), errOut.String()}
}

// transcript is what a terminal shows of a command.
func transcript(r result, args ...string) string {
	return fmt.Sprintf("$ kubectl orderbridge %s\n%s%s# exit code %d\n\n", strings.Join(args, " "), r.out, r.errOut, r.code)
}

// files writes files to a new folder and makes it the working directory, so that messages name them as they are here.
func files(t *testing.T, texts map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range texts {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// goldenFrom is golden for tests that have changed the working directory.
func goldenFrom(t *testing.T, home, name, text string) {
	t.Helper()
	t.Chdir(home)
	golden(t, name, text)
}

func home(t *testing.T) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestEveryCommandExplainsItself looks at the help of every command.
func TestEveryCommandExplainsItself(t *testing.T) {
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		t.Run(displayPath(cmd), func(t *testing.T) {
			args := append(strings.Fields(strings.TrimPrefix(displayPath(cmd), "kubectl orderbridge")), "--help")
			got := offline(t, "", args...)
			if got.code != exitOK || got.errOut != "" {
				t.Fatalf("exit %d\n%s", got.code, got.errOut)
			}
			for _, want := range []string{cmd.Long, displayPath(cmd), cmd.Example} {
				if !strings.Contains(got.out, want) {
					t.Errorf("the help lacks %q:\n%s", want, got.out)
				}
			}
			if cmd.Long == "" || !cmd.HasSubCommands() && (cmd.Example == "" || !strings.Contains(cmd.Example, displayPath(cmd))) {
				t.Errorf("the help does not explain %s, or has no example of it:\n%s", displayPath(cmd), got.out)
			}
		})
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newRootCommand(newEnvironment(streams{})))
}

func TestWrongCalls(t *testing.T) {
	start := home(t)
	files(t, map[string]string{"mapping.yaml": "version: 1\nclient: 9\n"})
	calls := [][]string{
		{"frobnicate"},
		{"mapping", "frobnicate"},
		{"--frobnicate"},
		{"mapping", "lint"},
		{"mapping", "lint", "mapping.yaml", "second.yaml"},
		{"mapping", "lint", "none.yaml"},
		{"mapping", "lint", "mapping.yaml", "--output", "xml"},
		{"mapping", "lint", "mapping.yaml", "--pipeline", "portal"},
		{"mapping", "lint", "-", "--catalogue", "-"},
		{"mapping", "lint", "mapping.yaml", "--catalogue", "live"},
		{"mapping", "lint", "mapping.yaml", "--catalogue", "none.json"},
		{"mapping", "lint", "mapping.yaml", "--configmap", "portal-mapping"},
		{"mapping", "catalogue", "export", "portal"},
		{"mapping", "catalogue", "export", "-o", "table"},
		{"mapping", "test", "mapping.yaml"},
		{"mapping", "test", "-"},
	}
	var text strings.Builder
	for _, args := range calls {
		got := offline(t, "", args...)
		if got.code != exitFailure || got.out != "" {
			t.Errorf("%v: exit %d with the output %q, want %d and nothing", args, got.code, got.out, exitFailure)
		}
		text.WriteString(transcript(got, args...))
	}
	goldenFrom(t, start, "wrong-calls.txt", text.String())
}
