package main

import (
	"cmp"
	"fmt"
	"io"
)

// writeText writes the orders for which something changes, and the summary as the last line.
func (w *whatIf) writeText(out io.Writer) error {
	for _, r := range w.Results {
		name := r.Name
		if r.OrderNumber != "" {
			name += " (order " + r.OrderNumber + ")"
		}
		switch r.Verdict {
		case changedVerdict:
			fmt.Fprintf(out, "%s, %s:\n", name, r.State)
			for _, line := range r.Diff {
				fmt.Fprintln(out, line)
			}
		case waitingVerdict:
			fmt.Fprintf(out, "%s, %s, would now wait: %s: %s\n", name, r.State, r.Reason, r.Message)
		case unknownVerdict:
			fmt.Fprintf(out, "%s, %s, cannot be told: %s\n", name, r.State, cmp.Or(r.Message, "unknown"))
		case unchangedVerdict:
			continue
		}
		fmt.Fprintln(out)
	}
	_, err := fmt.Fprintln(out, w.summary())
	return err
}
