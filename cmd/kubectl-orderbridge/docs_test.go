package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var (
	fence    = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?\n)```\n")
	fileName = regexp.MustCompile(`^# ([a-z.]+\.yaml)\n`)
)

// TestTheDocumentedOutputIsReal runs the examples of the documentation that need no cluster, in a copy of the example
// repository: blocks of YAML that begin with the name of a file are written to it, and blocks of console show a command
// and what it prints.
func TestTheDocumentedOutputIsReal(t *testing.T) {
	const file = "../../docs/kubectl-orderbridge.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	source, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	repository := filepath.Join(t.TempDir(), "repository")
	if err := os.CopyFS(repository, os.DirFS(sample)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(repository)
	blocks := fence.FindAllStringSubmatch(string(page), -1)
	for _, block := range blocks {
		if name := fileName.FindStringSubmatch(block[2]); block[1] == "yaml" && name != nil {
			if err := os.WriteFile(name[1], []byte(block[2]), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	ran := 0
	printed := fence.ReplaceAllStringFunc(string(page), func(block string) string {
		body := fence.FindStringSubmatch(block)
		command, _, _ := strings.Cut(body[2], "\n")
		args, ok := strings.CutPrefix(command, "$ kubectl orderbridge mapping ")
		if body[1] != "console" || !ok || strings.HasPrefix(args, "what-if") || strings.Contains(args, "live") {
			return block
		}
		ran++
		got := offline(t, "", append([]string{"mapping"}, strings.Fields(args)...)...)
		return "```console\n" + command + "\n" + got.out + got.errOut + "```\n"
	})
	if ran < 4 {
		t.Errorf("%d examples were run", ran)
	}
	if *update {
		if err := os.WriteFile(source, []byte(printed), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(page), printed); diff != "" {
		t.Errorf("%s; go test -update takes it over (-page +real):\n%s", file, diff)
	}
}

// TestEveryCommandIsDocumented looks for a section on each command, and in it for each of its flags.
func TestEveryCommandIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/kubectl-orderbridge.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for section := range strings.SplitSeq(string(page), "\n## ") {
		title, text, _ := strings.Cut(section, "\n")
		sections[title] = text
	}
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		name := strings.TrimPrefix(displayPath(cmd), "kubectl orderbridge ")
		if !cmd.HasSubCommands() {
			if sections[name] == "" {
				t.Errorf("there is no section %q", name)
			}
			cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
				known := strings.Contains(sections[name], "--"+f.Name) || f.Shorthand != "" && strings.Contains(sections[name], "-"+f.Shorthand)
				if f.Name != "output" && !known {
					t.Errorf("the section %q does not mention --%s", name, f.Name)
				}
			})
		}
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(newRootCommand(newEnvironment(streams{})))
}
