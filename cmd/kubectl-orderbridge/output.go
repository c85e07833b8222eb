package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// outputFormat is a value of the flag --output.
type outputFormat string

// The formats.
const (
	tableFormat outputFormat = "table"
	jsonFormat  outputFormat = "json"
	yamlFormat  outputFormat = "yaml"
)

// printer prints results in the format that the user asked for. It is the flag --output.
type printer struct {
	format  outputFormat
	formats []outputFormat
}

// newPrinter gives the command the flag --output. The first format is the default; without any there are all.
func newPrinter(cmd *cobra.Command, formats ...outputFormat) *printer {
	if len(formats) == 0 {
		formats = []outputFormat{tableFormat, jsonFormat, yamlFormat}
	}
	p := &printer{format: formats[0], formats: formats}
	cmd.Flags().VarP(p, "output", "o", "Format of the output: "+p.choices()+".")
	return p
}

// choices are the formats, for a sentence.
func (p *printer) choices() string {
	words := make([]string, len(p.formats))
	for i, f := range p.formats {
		words[i] = string(f)
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// String is the value as it is typed.
func (p *printer) String() string { return string(p.format) }

// Type names the value in help.
func (*printer) Type() string { return "format" }

// Set takes a value from the command line.
func (p *printer) Set(text string) error {
	if !slices.Contains(p.formats, outputFormat(text)) {
		return fmt.Errorf("there is no format %q: use %s", text, p.choices())
	}
	p.format = outputFormat(text)
	return nil
}

// print writes the value as JSON or YAML, or calls table to write it for people.
func (p *printer) print(w io.Writer, value any, table func(io.Writer) error) error {
	switch p.format {
	case jsonFormat:
		return writeJSON(w, value)
	case yamlFormat:
		data, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("writing YAML: %w", err)
		}
		_, err = w.Write(data)
		return err
	}
	return table(w)
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("writing JSON: %w", err)
	}
	return nil
}

// writeTable writes columns as kubectl does.
func writeTable(w io.Writer, header []string, rows [][]string) error {
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 8, 3, ' ', 0)
	for _, row := range append([][]string{header}, rows...) {
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	if err := columns.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// count writes a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
