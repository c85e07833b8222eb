package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orderbridge/orderbridge/internal/mapping"
)

type testOptions struct {
	file, configMap, cases string
	update                 bool
}

// testResult is how the cases of a mapping came out.
type testResult struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256,omitempty"`
	// Problems are those of a mapping that does not compile; no case is run then.
	Problems []lintProblem `json:"problems,omitempty"`
	Cases    []caseResult  `json:"cases"`
	Passed   int           `json:"passed"`
	Failed   int           `json:"failed"`
	Updated  int           `json:"updated"`
}

// caseResult is how a case came out.
type caseResult struct {
	Name string `json:"name"`
	// File and Line are where the case stands.
	File string `json:"file"`
	Line int    `json:"line"`
	// Result is ok, failed or updated.
	Result string `json:"result"`
	// Summary says in a few words what the mapping makes of the order.
	Summary string `json:"summary"`
	// Diff is what was expected against what came out, as of diff -u.
	Diff []string `json:"diff,omitempty"`
	// Unread are fields that the mapping reads and the order of the case does not have; they count as empty.
	Unread []string `json:"unread,omitempty"`

	outcome outcome
}

// The results of a case.
const (
	caseOK      = "ok"
	caseFailed  = "failed"
	caseUpdated = "updated"
)

func newTestCommand(env *environment) *cobra.Command {
	var o testOptions
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Run the cases of a mapping",
		Long: `Run the cases of a mapping: orders of Salesforce, each with the AddOrder form that must come out, or the reason for
which none does. The form is made by the code that the operator sends orders with.

The cases stand beside the mapping: those of mapping.yaml in mapping.test.yaml. FILE is a mapping.yaml, or a manifest with
the ConfigMap that holds it; - is the standard input.

Exit codes: 0 all cases hold; 1 some do not, or the mapping is broken; 2 the cases could not be run.`,
		Example: `  # The cases in mapping.test.yaml
  kubectl orderbridge mapping test mapping.yaml

  # All *.test.yaml of a folder
  kubectl orderbridge mapping test mapping.yaml --cases cases/

  # Write what comes out into the cases that do not hold, and look at it with git diff
  kubectl orderbridge mapping test mapping.yaml --update`,
		Args: exactArgs("FILE"),
	}
	p := newPrinter(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.cases, "cases", "", "File of cases, or folder with *.test.yaml; by default the file beside the mapping.")
	flags.StringVar(&o.configMap, "configmap", "", "ConfigMap to test, if FILE is a manifest with several mappings.")
	flags.BoolVar(&o.update, "update", false, "Write what comes out into the cases that do not hold.")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		o.file = args[0]
		result, err := testMapping(env, o)
		if err != nil {
			return err
		}
		if err := p.print(env.Out, result, result.write); err != nil {
			return err
		}
		if result.Failed > 0 || len(result.Problems) > 0 {
			return finding("")
		}
		return nil
	}
	return cmd
}

func testMapping(env *environment, o testOptions) (*testResult, error) {
	source, err := env.readMapping(o.file, o.configMap)
	if err != nil {
		return nil, err
	}
	names, err := caseFiles(o.file, o.cases)
	if err != nil {
		return nil, err
	}
	result := &testResult{File: source.name, Cases: []caseResult{}}
	m, findings := source.parse()
	if m == nil {
		var broken lintResult
		broken.add(findings)
		result.Problems = broken.Problems
		return result, nil
	}
	result.SHA256 = m.SHA256()
	for _, name := range names {
		cases, err := readCases(name)
		if err != nil {
			return nil, err
		}
		list, err := cases.run(m)
		if err != nil {
			return nil, err
		}
		if o.update {
			if err := cases.updateFile(m, list); err != nil {
				return nil, err
			}
		}
		result.add(list)
	}
	return result, nil
}

// run runs the cases of a file.
func (f *casesFile) run(m *mapping.Mapping) ([]caseResult, error) {
	var list []caseResult
	for i := range f.Cases {
		c := &f.Cases[i]
		err := c.checkOrder(m.Objects())
		var o outcome
		if err == nil {
			o, err = outcomeOf(m, c, f.Pipeline.spec())
		}
		if err != nil {
			return nil, fmt.Errorf("%s:%d: case %q: %w", f.name, c.keys[0].line, c.Name, err)
		}
		r := caseResult{Name: c.Name, File: f.name, Line: c.keys[0].line, Result: caseOK, Summary: o.summary(), Unread: o.unread, outcome: o}
		if r.Diff = unifiedDiff("expected", "got", c.expected(&o), o.text()); len(r.Diff) > 0 {
			r.Result = caseFailed
		}
		list = append(list, r)
	}
	return list, nil
}

func (o *outcome) summary() string {
	switch {
	case o.miss != nil:
		return o.miss.Reason
	case o.notBefore != "":
		return "AddOrder, not before " + o.notBefore
	}
	return "AddOrder"
}

// updateFile writes what came out into the cases that do not hold.
func (f *casesFile) updateFile(m *mapping.Mapping, list []caseResult) error {
	text, err := f.updated(m, list)
	if err != nil || text == "" {
		return err
	}
	info, err := os.Stat(f.name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.name, []byte(text), info.Mode().Perm()); err != nil {
		return err
	}
	for i := range list {
		if list[i].Result == caseFailed {
			list[i].Result = caseUpdated
		}
	}
	return nil
}

func (r *testResult) add(list []caseResult) {
	for _, c := range list {
		switch c.Result {
		case caseFailed:
			r.Failed++
		case caseUpdated:
			r.Updated++
		default:
			r.Passed++
		}
		r.Cases = append(r.Cases, c)
	}
}

// write is the result for people.
func (r *testResult) write(w io.Writer) error {
	for _, p := range r.Problems {
		fmt.Fprintln(w, r.File+":"+p.finding().String())
	}
	if len(r.Problems) > 0 {
		_, err := fmt.Fprintf(w, "%s: %s; no case was run\n", r.File, count(len(r.Problems), "error", "errors"))
		return err
	}
	for i := range r.Cases {
		c := &r.Cases[i]
		fmt.Fprintf(w, "%-7s %s:%d: %s: %s\n", c.Result, c.File, c.Line, c.Name, c.Summary)
		if len(c.Unread) > 0 && c.Result != caseOK {
			fmt.Fprintf(w, "        the order has no %s, which the mapping reads; taken as empty\n", some(c.Unread))
		}
		for _, line := range c.Diff {
			fmt.Fprintln(w, "        "+line)
		}
	}
	verdict := count(r.Passed, "case holds", "cases hold")
	if r.Failed > 0 {
		verdict += ", " + count(r.Failed, "does not", "do not")
	}
	if r.Updated > 0 {
		verdict += ", " + count(r.Updated, "was updated", "were updated")
	}
	_, err := fmt.Fprintf(w, "%s: %s\n", r.File, verdict)
	return err
}

// some joins names, and cuts long lists.
func some(names []string) string {
	const most = 5
	if n := len(names); n > most {
		return fmt.Sprintf("%s and %d more fields", strings.Join(names[:most], ", "), n-most)
	}
	return strings.Join(names, ", ")
}
