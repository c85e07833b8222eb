package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// outputFormat is the value of the flag --output.
type outputFormat string

// The formats.
const (
	tableFormat outputFormat = "table"
	jsonFormat  outputFormat = "json"
	yamlFormat  outputFormat = "yaml"
)

// String is the value as it is typed.
func (f *outputFormat) String() string { return string(*f) }

// Type names the values in help.
func (*outputFormat) Type() string { return "format" }

// Set takes a value from the command line.
func (f *outputFormat) Set(text string) error {
	switch format := outputFormat(text); format {
	case tableFormat, jsonFormat, yamlFormat:
		*f = format
		return nil
	}
	return fmt.Errorf("there is no format %q: use table, json or yaml", text)
}

// printer prints results in the format that the user asked for.
type printer struct {
	format outputFormat
}

// newPrinter gives the command the flag --output.
func newPrinter(cmd *cobra.Command) *printer {
	p := &printer{format: tableFormat}
	cmd.Flags().VarP(&p.format, "output", "o", "Format of the output: table, json or yaml.")
	return p
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
