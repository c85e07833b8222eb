package main

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// columns starts a table. It must be flushed.
func columns(w io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(w, 0, 8, 3, ' ', 0)
}

// row writes a row of a table. Trailing empty cells leave no blanks behind.
func row(w io.Writer, cells ...string) {
	for len(cells) > 1 && cells[len(cells)-1] == "" {
		cells = cells[:len(cells)-1]
	}
	for i, cell := range cells {
		cells[i] = strings.Join(strings.Fields(cell), " ")
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// number writes a number, and nothing for zero.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// writeText writes the status for people.
func (s *orderStatus) writeText(w io.Writer, now time.Time) error {
	t := columns(w)
	row(t, "Order", s.title())
	row(t, "Object", fmt.Sprintf("%s/%s, made %s", s.Namespace, s.Name, ago(s.CreatedAt, now)))
	row(t, "State", fmt.Sprintf("%s since %s", s.State, ago(s.Since, now)))
	row(t, "Reason", cmp.Or(s.Reason, "none yet")+": "+s.Message)
	row(t, "Next", s.Next)
	if s.NextAt != nil {
		row(t, "", fmt.Sprintf("%s: %s", ago(*s.NextAt, now), s.NextWhat))
	}
	row(t, "To do", s.Do)
	row(t, "", s.Retry)
	if s.Runbook != "" {
		row(t, "Runbook", s.Runbook)
	}
	s.writeExtras(t)
	if err := t.Flush(); err != nil {
		return err
	}
	s.writeSteps(w, now)
	s.writeCalls(w, now)
	s.writeLines(w)
	s.writeEvents(w, now)
	for _, gap := range s.Gaps {
		fmt.Fprintf(w, "\nNot shown: %s\n", gap)
	}
	return nil
}

func (s *orderStatus) title() string {
	title := cmp.Or(s.OrderNumber, "number not known yet")
	if s.SalesforceOrderID != "" {
		title += ", Salesforce " + s.SalesforceOrderID
	}
	title += ", pipeline " + s.Pipeline
	if s.ClientID != 0 {
		title += fmt.Sprintf(", WHMCS client %d", s.ClientID)
	}
	return title
}

func (s *orderStatus) writeExtras(t io.Writer) {
	if s.Whmcs != nil {
		text := fmt.Sprintf("order %d, %s", s.Whmcs.OrderID, cmp.Or(s.Whmcs.Status, "status not read yet"))
		if s.Whmcs.InvoiceID != 0 {
			text += fmt.Sprintf(", invoice %d", s.Whmcs.InvoiceID)
		}
		row(t, "WHMCS", text)
	}
	if sf := s.Salesforce; sf != nil && (sf.ReportedState != "" || sf.ReportedReason != "") {
		row(t, "Reported", fmt.Sprintf("status %s, code %s, for %s", cmp.Or(sf.ReportedState, "left as it was"), cmp.Or(sf.ReportedCode, "none"), cmp.Or(sf.ReportedReason, "no reason")))
	}
	if s.Failures > 0 {
		row(t, "Failures", fmt.Sprintf("%d in a row", s.Failures))
	}
	switch {
	case s.Force != nil && s.Force.Refused != "":
		row(t, "Force", fmt.Sprintf("asked for at %s and not taken: %s", s.Force.At, s.Force.Refused))
	case s.Force != nil:
		row(t, "Forced", fmt.Sprintf("at %s: %s", s.Force.At, s.Force.Reason))
	}
	if s.Asked {
		row(t, "Asked", "another try was asked for and is not taken up yet")
	}
	if s.Deleting {
		row(t, "Deleting", "the object goes away when no call can be under way any more")
	}
	for _, link := range s.Links {
		row(t, link.Name, link.URL)
	}
}

func (s *orderStatus) writeSteps(w io.Writer, now time.Time) {
	if len(s.Steps) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := columns(w)
	row(t, "STEP", "DONE", "REASON", "SINCE", "MESSAGE")
	for _, step := range s.Steps {
		message := step.Message
		if message == s.Message {
			message = "as above"
		}
		row(t, step.Name, string(step.Status), step.Reason, age(step.Since, now), message)
	}
	_ = t.Flush() // the writer reports its own failures
}

func (s *orderStatus) writeCalls(w io.Writer, now time.Time) {
	if len(s.Calls) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := columns(w)
	row(t, "CALL", "ATTEMPT", "CLAIMED", "OUTCOME", "EVIDENCE")
	for _, call := range s.Calls {
		outcome := string(call.Outcome)
		if call.SettledAt == nil {
			outcome = "open"
		}
		if call.Forced {
			outcome += ", forced"
		}
		row(t, string(call.Step), strconv.Itoa(int(call.Attempt)), age(call.ClaimedAt.Time, now), outcome, call.Evidence)
	}
	_ = t.Flush() // the writer reports its own failures
}

func (s *orderStatus) writeLines(w io.Writer) {
	if len(s.Lines) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := columns(w)
	row(t, "LINE", "SKU", "PRODUCT", "CYCLE", "QTY", "SERVICES")
	for _, line := range s.Lines {
		row(t, cmp.Or(line.OrderItemID, "none"), line.SKU, number(line.PID), line.BillingCycle, number(line.Quantity), serviceWords(line.Services))
	}
	_ = t.Flush() // the writer reports its own failures
}

func serviceWords(services []v1alpha1.WhmcsService) string {
	words := make([]string, len(services))
	for i, service := range services {
		words[i] = fmt.Sprintf("%d %s", service.ServiceID, cmp.Or(service.Status, "not read yet"))
	}
	return strings.Join(words, ", ")
}

func (s *orderStatus) writeEvents(w io.Writer, now time.Time) {
	if len(s.Events) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := columns(w)
	row(t, "EVENT", "AGE", "TYPE", "MESSAGE")
	for _, e := range s.Events {
		text := e.Message
		if e.Count > 1 {
			text += fmt.Sprintf(" (%d times)", e.Count)
		}
		row(t, e.Reason, age(e.At, now), e.Type, text)
	}
	_ = t.Flush() // the writer reports its own failures
}

// age is how long ago an instant is, as kubectl writes it.
func age(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return duration.HumanDuration(now.Sub(t))
}
