package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/orderbridge/orderbridge/internal/mapping"
)

// liveCatalogue is the value of --catalogue that stands for asking both sides.
const liveCatalogue = "live"

type lintOptions struct {
	file, configMap, catalogue string
	live                       liveOptions
	strict                     bool
}

// lintResult is what lint found.
type lintResult struct {
	File      string        `json:"file"`
	ConfigMap string        `json:"configMap,omitempty"`
	SHA256    string        `json:"sha256,omitempty"`
	Errors    int           `json:"errors"`
	Warnings  int           `json:"warnings"`
	Problems  []lintProblem `json:"problems"`
	// Checked is the catalogue that the mapping was held against; nil if it was not.
	Checked *lintChecked `json:"checked,omitempty"`
}

// lintProblem is one problem.
type lintProblem struct {
	Severity mapping.Severity `json:"severity"`
	Line     int              `json:"line"`
	Column   int              `json:"column"`
	Path     string           `json:"path"`
	Message  string           `json:"message"`
	// Hint says what to do.
	Hint string `json:"hint"`
	// Products are the SKUs it is about.
	Products []string `json:"products,omitempty"`
}

// lintChecked says what the mapping was held against.
type lintChecked struct {
	Catalogue          string `json:"catalogue"`
	SalesforceProducts int    `json:"salesforceProducts"`
	// WhmcsProducts is missing if the catalogue has none of WHMCS, so that only Salesforce was checked.
	WhmcsProducts *int `json:"whmcsProducts,omitempty"`
}

func newLintCommand(env *environment) *cobra.Command {
	var o lintOptions
	cmd := &cobra.Command{
		Use:   "lint FILE",
		Short: "Find the mistakes in a mapping",
		Long: `Find the mistakes in a mapping: unknown keys, wrong types, expressions that cannot work, rules that are never reached.

With a catalogue, every product of the price book is held against the rules and the products of WHMCS: the product exists
there, has a price for the cycle, and has the config options and custom fields that the mapping sets.

FILE is a mapping.yaml, or a manifest with the ConfigMap that holds it; - is the standard input. Positions are those in FILE.

Exit codes: 0 no errors (with --strict no warnings either); 1 there are some; 2 the check could not be made.`,
		Example: `  # What can be checked without a cluster
  kubectl orderbridge mapping lint mapping.yaml

  # Against products that were exported before, as in CI
  kubectl orderbridge mapping lint mapping.yaml --catalogue catalogue.json --strict

  # Against the products of now, with the credentials of a pipeline
  kubectl orderbridge mapping lint mapping.yaml --catalogue live --pipeline portal

  # What kustomize makes of it
  kubectl kustomize overlays/production | kubectl orderbridge mapping lint -`,
		Args: exactArgs("FILE"),
	}
	p := newPrinter(cmd)
	flags := cmd.Flags()
	flags.StringVar(&o.catalogue, "catalogue", "", `What is on sale: a file of "mapping catalogue export", or "live" to ask Salesforce and WHMCS.`)
	flags.StringVar(&o.configMap, "configmap", "", "ConfigMap to check, if FILE is a manifest with several mappings.")
	flags.BoolVar(&o.strict, "strict", false, "Count warnings as errors.")
	o.live.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.file = args[0]
		if o.catalogue != liveCatalogue && o.live.given() {
			return usage(cmd, "--pipeline and --pricebook need --catalogue live")
		}
		if o.file == "-" && o.catalogue == "-" {
			return usage(cmd, "FILE and --catalogue cannot both be the standard input")
		}
		result, err := lint(cmd.Context(), env, o)
		if err != nil {
			return err
		}
		if err := p.print(env.Out, result, result.write); err != nil {
			return err
		}
		if result.Errors > 0 || o.strict && result.Warnings > 0 {
			return finding("")
		}
		return nil
	}
	return cmd
}

func lint(ctx context.Context, env *environment, o lintOptions) (*lintResult, error) {
	file, err := env.readMapping(o.file, o.configMap)
	if err != nil {
		return nil, err
	}
	result := &lintResult{File: file.name, ConfigMap: file.configMap, Problems: []lintProblem{}}
	m, findings := file.parse()
	result.add(findings)
	if m == nil {
		return result, nil
	}
	result.SHA256 = m.SHA256()
	if o.catalogue == "" {
		return result, nil
	}
	var cat *catalogue
	if o.catalogue == liveCatalogue {
		cat, err = liveCatalogueOf(ctx, env, o.live, m)
	} else {
		cat, err = env.readCatalogue(o.catalogue, m)
	}
	if err != nil {
		return nil, err
	}
	checked := cat.forCheck()
	result.add(file.placed(m.Check(checked)))
	result.Checked = &lintChecked{Catalogue: o.catalogue, SalesforceProducts: len(checked.Products)}
	if cat.Whmcs != nil {
		result.Checked.WhmcsProducts = new(len(checked.WHMCS))
	}
	return result, nil
}

func (r *lintResult) add(list []mapping.Finding) {
	for _, f := range list {
		r.Problems = append(r.Problems, lintProblem{f.Severity, f.Line, f.Column, f.Path, f.Message, f.Hint, f.Products})
		if f.Severity == mapping.Warning {
			r.Warnings++
		} else {
			r.Errors++
		}
	}
}

// write is the result for people, in the form that editors and CI systems know from compilers.
func (r *lintResult) write(w io.Writer) error {
	for _, p := range r.Problems {
		fmt.Fprintln(w, r.File+":"+p.finding().String())
	}
	_, err := fmt.Fprintf(w, "%s: %s, %s\n", r.File, r.verdict(), r.Checked)
	return err
}

func (p *lintProblem) finding() mapping.Finding {
	return mapping.Finding{Severity: p.Severity, Line: p.Line, Column: p.Column, Path: p.Path, Products: p.Products, Message: p.Message, Hint: p.Hint}
}

func (r *lintResult) verdict() string {
	switch {
	case r.Errors+r.Warnings == 0:
		return "no problems"
	case r.Warnings == 0:
		return count(r.Errors, "error", "errors")
	case r.Errors == 0:
		return count(r.Warnings, "warning", "warnings")
	}
	return count(r.Errors, "error", "errors") + " and " + count(r.Warnings, "warning", "warnings")
}

// String says what was checked.
func (c *lintChecked) String() string {
	if c == nil {
		return "not held against any products"
	}
	theirs := "and none of WHMCS"
	if c.WhmcsProducts != nil {
		theirs = fmt.Sprintf("and %d of WHMCS", *c.WhmcsProducts)
	}
	return fmt.Sprintf("held against %s of Salesforce %s (%s)", count(c.SalesforceProducts, "product", "products"), theirs, c.Catalogue)
}
