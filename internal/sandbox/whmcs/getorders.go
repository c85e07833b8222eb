package whmcs

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

const stamp = "2006-01-02 15:04:05"

func (s *Server) when(t time.Time) string {
	if t.IsZero() {
		return "0000-00-00 00:00:00"
	}
	return t.In(s.opts.Location).Format(stamp)
}

func (s *Server) day(t time.Time) string {
	if t.IsZero() {
		return "0000-00-00"
	}
	return t.In(s.opts.Location).Format(time.DateOnly)
}

func (s *Server) getOrders(c *call) *php.Array {
	s.insertForeignOrder(c)
	ids := s.orderIDs
	if c.form.Text("userid") != "" {
		ids = s.clientOrders[c.form.Number("userid")]
	}
	if c.form.Text("id") != "" {
		ids = []int64{c.form.Number("id")}
	}
	var found []*Order
	for _, orderID := range ids {
		o := s.order(orderID)
		if o != nil && orderMatches(c.form, o) {
			found = append(found, o)
		}
	}
	if c.hits.has(SortDescending) {
		slices.Reverse(found)
	}
	rows, start := page(c.form, found)
	out := list{inner: "order"}
	for _, o := range rows {
		out.rows = append(out.rows, s.orderRow(o))
	}
	return success("totalresults", len(found), "startnumber", start, "numreturned", len(rows), "orders", out)
}

// insertForeignOrder lets somebody else order for the same client while a caller pages.
func (s *Server) insertForeignOrder(c *call) {
	client := s.clients[c.form.Number("userid")]
	product := s.products[181]
	if !c.hits.has(PagingInserts) || client == nil || product == nil {
		return
	}
	s.newOrder(orderHead{client: client, gateway: "mailin", notes: "placed in the client area", at: c.at},
		[]line{{product: product, cycle: "monthly", qty: 1, services: 1}}, nil)
}

func orderMatches(form *php.Array, o *Order) bool {
	if form.Text("userid") != "" && form.Number("userid") != o.ClientID {
		return false
	}
	if form.Text("requestor_id") != "" && form.Number("requestor_id") != o.ClientID {
		return false
	}
	status := form.Text("status")
	return status == "" || strings.EqualFold(status, o.Status)
}

func (s *Server) orderRow(o *Order) *php.Array {
	client := s.clients[o.ClientID]
	paid := ""
	if inv := s.invoices[o.InvoiceID]; inv != nil {
		paid = inv.Status
	}
	lines := list{inner: "lineitem"}
	for _, serviceID := range o.ServiceIDs {
		lines.rows = append(lines.rows, s.lineItem(s.services[serviceID]))
	}
	for _, domainID := range o.DomainIDs {
		d := s.domains[domainID]
		lines.rows = append(lines.rows, php.Map("type", "domain", "relid", number(d.ID), "producttype", "Domain",
			"product", "Domain "+d.Type, "domain", d.Name, "billingcycle", "", "amount", Money(0), "status", d.Status))
	}
	prefix, suffix := currencySigns(client.Currency)
	return php.Map(
		"id", number(o.ID), "ordernum", number(o.OrderNum), "userid", number(o.ClientID), "contactid", number(0),
		"requestor_id", number(o.ClientID), "admin_requestor_id", number(1), "date", s.when(o.Date),
		"nameservers", "", "transfersecret", "", "renewals", "",
		"renewalsByType", php.Map("domains", php.List(), "services", php.List(), "addons", php.List()),
		"promocode", o.PromoCode, "promotype", "", "promovalue", "", "orderdata", "[]",
		"amount", o.Amount, "paymentmethod", o.PaymentMethod, "invoiceid", number(o.InvoiceID), "status", o.Status,
		"ipaddress", o.IPAddress, "fraudmodule", "", "fraudoutput", "", "notes", o.Notes,
		"paymentmethodname", s.gatewayName(o.PaymentMethod), "paymentstatus", paid, "name", fullName(client),
		"currencyprefix", prefix, "currencysuffix", suffix, "frauddata", "", "validationdata", "",
		"lineitems", lines,
	)
}

func (s *Server) lineItem(sv *Service) *php.Array {
	name, group := "", ""
	if p := s.products[sv.PID]; p != nil {
		name, group = p.Name, p.Group
	}
	return php.Map("type", "product", "relid", number(sv.ID), "producttype", "Other Product/Service",
		"product", group+" - "+name, "domain", sv.Domain, "billingcycle", cycleLabel(sv.BillingCycle, "One-Time"),
		"amount", sv.FirstPayment, "status", sv.Status)
}

func (s *Server) gatewayName(module string) string {
	for _, g := range s.opts.Gateways {
		if g.Module == module {
			return g.DisplayName
		}
	}
	return ""
}

func fullName(c *Client) string { return strings.TrimSpace(c.FirstName + " " + c.LastName) }

func currencySigns(code string) (prefix, suffix string) {
	switch code {
	case "JPY":
		return "¥", " JPY"
	case "EUR":
		return "€", " EUR"
	}
	return "$", " " + code
}

func (s *Server) getOrderStatuses(*call) *php.Array {
	counts := map[string]int{}
	for _, o := range s.orders {
		if !o.Deleted {
			counts[o.Status]++
		}
	}
	titles := slices.Clone(s.opts.OrderStatuses)
	for _, title := range slices.Sorted(maps.Keys(counts)) { // an installation can have statuses of its own
		if !slices.Contains(titles, title) {
			titles = append(titles, title)
		}
	}
	out := list{inner: "status"}
	for _, title := range titles {
		out.rows = append(out.rows, php.Map("title", title, "count", counts[title]))
	}
	return success("totalresults", len(out.rows), "statuses", out)
}

func (s *Server) getInvoice(c *call) *php.Array {
	inv := s.invoices[c.form.Number("invoiceid")]
	if inv == nil {
		return fail("Invoice ID Not Found")
	}
	balance := inv.Total
	if inv.Status == "Paid" {
		balance = 0
	}
	items := list{inner: "item"}
	for _, it := range inv.Items {
		items.rows = append(items.rows, php.Map("id", number(it.ID), "type", it.Type, "relid", number(it.RelID),
			"description", it.Description, "amount", it.Amount, "taxed", int64(0)))
	}
	return success("invoiceid", number(inv.ID), "invoicenum", "", "userid", number(inv.ClientID), "date", s.day(inv.Date),
		"duedate", s.day(inv.Date.AddDate(0, 0, 14)), "datepaid", s.when(time.Time{}), "lastcaptureattempt", s.when(time.Time{}),
		"subtotal", inv.Total, "credit", Money(0), "tax", Money(0), "tax2", Money(0), "total", inv.Total, "balance", balance,
		"taxrate", "0.000", "taxrate2", "0.000", "status", inv.Status, "paymentmethod", inv.PaymentMethod, "notes", "",
		"ccgateway", false, "items", items, "transactions", "")
}
