package mapping

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

// mistake is one entry of testdata/mistakes.txt: a name, a file, and what Parse says about it.
type mistake struct {
	name, text, want string
}

const mistakesFile = "testdata/mistakes.txt"

// readMistakes reads the table. An entry begins with "=== name"; a line "---" divides the file from the messages.
func readMistakes(tb testing.TB) []mistake {
	tb.Helper()
	data, err := os.ReadFile(mistakesFile)
	if err != nil {
		tb.Fatal(err)
	}
	var list []mistake
	for i, entry := range strings.Split("\n"+string(data), "\n=== ") {
		if i == 0 {
			continue // the introduction
		}
		name, rest, _ := strings.Cut(entry, "\n")
		text, want, _ := strings.Cut(rest+"\n", "\n---\n")
		list = append(list, mistake{strings.TrimSpace(name), text + "\n", strings.TrimSpace(want)})
	}
	return list
}

func TestMistakesAreExplained(t *testing.T) {
	list := readMistakes(t)
	if len(list) < 60 {
		t.Fatalf("%s has %d entries, want at least 60", mistakesFile, len(list))
	}
	seen := map[string]bool{}
	var golden strings.Builder
	golden.WriteString("Every mistake that a mapping file can hold, and what is said about it.\nRewrite the messages with: go test ./internal/mapping -run Mistakes -update\n")
	for _, m := range list {
		if seen[m.name] {
			t.Errorf("two entries are called %q", m.name)
		}
		seen[m.name] = true
		got := explain(m.text)
		golden.WriteString("\n=== " + m.name + "\n" + m.text + "---\n" + got + "\n")
		if *update {
			continue
		}
		if got == "" {
			t.Errorf("%s: Parse finds nothing wrong", m.name)
		}
		if diff := cmp.Diff(m.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", m.name, diff)
		}
	}
	if *update {
		if err := os.WriteFile(mistakesFile, []byte(golden.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func explain(text string) string {
	_, err := Parse([]byte(text))
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestEveryProblemHasPositionPathAndHint(t *testing.T) {
	for _, m := range readMistakes(t) {
		_, err := Parse([]byte(m.text))
		problems, ok := errors.AsType[Problems](err)
		if !ok {
			t.Errorf("%s: the error is %T, want Problems", m.name, err)
			continue
		}
		lines := strings.Count(m.text, "\n") + 1
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 {
				t.Errorf("%s: position %d:%d is not in the file of %d lines", m.name, p.Line, p.Column, lines)
			}
			if p.Message == "" || p.Hint == "" || p.Kind == "" {
				t.Errorf("%s: %q lacks message, hint or kind", m.name, p)
			}
		}
	}
}
