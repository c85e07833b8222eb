package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/orderbridge/orderbridge/controllers"
)

// writeText writes the plan for people. Its first and its last line say that nothing was sent.
func (p *orderPlan) writeText(w io.Writer) error {
	fmt.Fprintf(w, "%s\n\n", notSent)
	t := columns(w)
	row(t, "Order", fmt.Sprintf("%s, Salesforce %s", cmp.Or(p.OrderNumber, "number not known"), p.SalesforceOrderID))
	row(t, "Pipeline", p.Namespace+"/"+p.Pipeline+", "+p.Mapping.words())
	row(t, "Object", p.objectWords())
	row(t, "Client", cmp.Or(number(p.ClientID), "none"))
	row(t, "Outcome", p.Next.words())
	fmt.Fprintln(t)
	row(t, "CHECK", "RESULT", "DETAIL")
	for _, check := range p.Checks {
		detail := check.Detail
		if check.Result != okResult {
			detail = strings.TrimRight(detail, ".") + ". " + check.Do
		}
		row(t, check.Name, string(check.Result), detail)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	p.writeLines(w)
	p.writeRequest(w)
	_, err := fmt.Fprintf(w, "\n%s\n", notSent)
	return err
}

func (m planMapping) words() string {
	if m.File {
		return fmt.Sprintf("by the file %s (sha256 %.12s) and not by the mapping in use", m.Name, m.SHA256)
	}
	return fmt.Sprintf("mapping %s (sha256 %.12s)", m.Name, m.SHA256)
}

func (p *orderPlan) objectWords() string {
	if p.Object == nil {
		return "none yet; an event, the sweep or a person makes it"
	}
	text := p.Object.Name
	if p.Object.State != "" {
		text += ", " + string(p.Object.State)
	}
	if p.Frozen {
		text += "; its plan is frozen, and what follows is that plan"
	}
	return text
}

// words says what the operator would do, in the conditional.
func (n planNext) words() string {
	text := ""
	switch n.Action {
	case controllers.SendAction:
		text = n.Message
	case controllers.AdoptAction:
		text = "AddOrder would not be sent, the order that is there would be taken over: " + n.Message
	case controllers.KnownAction:
		text = "AddOrder would not be sent: " + n.Message
	case controllers.WaitAction:
		text = "The order would wait: " + n.Reason + ": " + n.Message
	case controllers.StallAction:
		text = "The order would wait for a person: " + n.Reason + ": " + n.Message
	case controllers.RetryAction:
		text = "An error would be tried again: " + strings.TrimPrefix(n.Reason+": "+n.Message, ": ")
	}
	if n.AfterRetry {
		text = "The order has stalled. If it were tried again: " + text
	}
	return text
}

func (p *orderPlan) writeLines(w io.Writer) {
	if len(p.Lines) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := columns(w)
	row(t, "LINE", "SKU", "PRODUCT", "CYCLE", "QTY", "SALESFORCE", "WHMCS", "SETUP", "DIFFERENCE")
	options := false
	for i, line := range p.Lines {
		quantity := number(line.Quantity)
		if line.WhmcsLines > 1 {
			quantity += fmt.Sprintf(" (%d lines)", line.WhmcsLines)
		}
		product := number(line.PID)
		switch {
		case line.LeftOut:
			product = "left out"
		case line.Problem != "":
			product = "none"
		}
		whmcs := line.Price.Whmcs
		if whmcs != "" && line.Price.Currency != "" {
			whmcs += " " + line.Price.Currency
		}
		difference := line.Price.Difference
		if len(line.ConfigOptions) > 0 && line.Price.Whmcs != "" {
			options = true
			difference += "*"
		}
		row(t, strconv.Itoa(i+1), cmp.Or(line.SKU, "none"), product, cmp.Or(line.BillingCycle, "-"), cmp.Or(quantity, "-"),
			cmp.Or(line.Price.Salesforce, "-"), cmp.Or(whmcs, "-"), cmp.Or(line.Price.Setup, "-"), difference)
	}
	_ = t.Flush() // the writer reports its own failures
	if options {
		fmt.Fprintln(w, "* without the prices of config options")
	}
}

func (p *orderPlan) writeRequest(w io.Writer) {
	if p.Request == nil {
		fmt.Fprintln(w, "\nThere is no AddOrder request: see the checks.")
		return
	}
	fmt.Fprintln(w, "\nThe AddOrder request as it would be sent, without the credentials:")
	fmt.Fprintln(w)
	t := columns(w)
	for _, field := range p.Request.Fields {
		fmt.Fprintln(t, strings.TrimRight("  "+field.Name+"\t"+exact(field.Value)+"\t"+field.Means, "\t"))
	}
	_ = t.Flush() // the writer reports its own failures
}

// exact is a value letter by letter; one that would break the table is quoted.
func exact(value string) string {
	if strings.ContainsAny(value, "\t\n\v\f\r") {
		return strconv.Quote(value)
	}
	return value
}

// missing tells whether a check came out otherwise than ok.
func (p *orderPlan) missing() bool {
	return slices.ContainsFunc(p.Checks, func(c planCheck) bool { return c.Result != okResult })
}
