package sandbox

import (
	"strconv"
	"strings"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// inspectOrder compares one WHMCS order with the Salesforce order it was made for.
func (c *comparison) inspectOrder(o *pairing, w whmcs.Order) {
	if w.ClientID != o.clientID {
		c.find(o, WrongClient, w.ID, "it was ordered for client %d; the account %q says %d", w.ClientID, o.WhmcsAccount, o.clientID)
	}
	if got := c.placedForm(w.ID); got != o.form {
		c.find(o, WrongLines, w.ID, "it has %s; wanted %s", got, o.form)
	}
	if w.Deleted || w.Status != whmcs.StatusActive {
		status := w.Status
		if w.Deleted {
			status = "deleted"
		}
		c.find(o, NotAccepted, w.ID, "the order is %s, wanted Active", status)
	}
	switch {
	case w.Accepts > 1:
		c.find(o, AcceptedTwice, w.ID, "AcceptOrder took effect %d times", w.Accepts)
	case w.Accepts == 0 && w.Source == whmcs.SourceAPI:
		c.find(o, NotAccepted, w.ID, "AcceptOrder never took effect")
	}
	for _, sv := range c.services[w.ID] {
		c.inspectService(o, w, sv)
	}
}

func (c *comparison) inspectService(o *pairing, w whmcs.Order, sv whmcs.Service) {
	if sv.Status != whmcs.StatusActive {
		c.find(o, ServiceStatus, w.ID, "service %d (pid %d) is %s, wanted Active", sv.ID, sv.PID, sv.Status)
	}
	want := 0
	if c.products[sv.PID].Module != "" {
		want = 1
	}
	switch {
	case sv.Deployments > want:
		c.find(o, DeployedTwice, w.ID, "service %d (pid %d) was deployed %d times, wanted %d", sv.ID, sv.PID, sv.Deployments, want)
	case sv.Deployments < want && w.Source == whmcs.SourceAPI:
		c.find(o, Deployments, w.ID, "service %d (pid %d) was never deployed", sv.ID, sv.PID)
	}
}

// inspectSalesforce checks what was written back.
func (c *comparison) inspectSalesforce(o *pairing) {
	w := o.placed[0]
	if o.ActivationStatus != "Activated" {
		c.find(o, NotActivated, w.ID, "Salesforce shows Activation_Status__c %q, wanted Activated", o.ActivationStatus)
	}
	if o.ErrorCode != "" || o.ErrorMessage != "" {
		c.find(o, ErrorLeft, w.ID, "Salesforce still shows the error %s: %q", o.ErrorCode, o.ErrorMessage)
	}
	if o.WhmcsOrderID != strconv.FormatInt(w.ID, 10) {
		c.find(o, WrongOrderID, w.ID, "Salesforce shows WHMCS_Order_ID__c %q", o.WhmcsOrderID)
	}
	c.inspectLines(o, w)
}

// inspectLines checks that every line names its own services: all of the order's, each once, of the line's kind, and as
// much of them as the line's quantity.
func (c *comparison) inspectLines(o *pairing, w whmcs.Order) {
	services := map[int64]whmcs.Service{}
	for _, sv := range c.services[w.ID] {
		services[sv.ID] = sv
	}
	takenBy := map[int64]string{}
	for _, l := range o.want {
		ids, ok := parseIDs(l.line.WhmcsServiceID)
		if !ok {
			c.find(o, WrongServiceID, w.ID, "line %s (%s) shows WHMCS_Service_ID__c %q", l.line.ID, l.line.SKU, l.line.WhmcsServiceID)
			continue
		}
		qty := int64(0)
		for _, id := range ids {
			sv, known := services[id]
			switch other, taken := takenBy[id]; {
			case !known:
				c.find(o, WrongServiceID, w.ID, "line %s (%s) names service %d, which the order does not have", l.line.ID, l.line.SKU, id)
			case taken:
				c.find(o, WrongServiceID, w.ID, "lines %s and %s both name service %d", other, l.line.ID, id)
			case c.serviceKind(sv) != kindOf(l.pid, l.cycle, l.options):
				c.find(o, WrongServiceID, w.ID, "line %s (%s) names service %d, which is %s", l.line.ID, l.line.SKU, id, c.serviceKind(sv))
			}
			if known {
				takenBy[id] = l.line.ID
				qty += sv.Qty
			}
		}
		if qty != l.qty {
			c.find(o, WrongServiceID, w.ID, "line %s (%s) has quantity %d; its services carry %d", l.line.ID, l.line.SKU, l.qty, qty)
		}
	}
	if len(takenBy) < len(services) {
		c.find(o, WrongServiceID, w.ID, "Salesforce names %d of the order's %d services", len(takenBy), len(services))
	}
}

// parseIDs reads "12" or "12,13".
func parseIDs(text string) ([]int64, bool) {
	var out []int64
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 64)
		if err != nil {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}
