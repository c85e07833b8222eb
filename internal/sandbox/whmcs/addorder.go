package whmcs

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

// orderHead is what an order has besides its lines.
type orderHead struct {
	client    *Client
	gateway   string
	notes     string
	promo     string
	ip        string
	noInvoice bool
	mail      bool // the order confirmation
	bill      bool // the invoice's message
	source    string
	at        time.Time
}

func (s *Server) addOrder(c *call) *php.Array {
	client := s.clients[c.form.Number("clientid")]
	if client == nil {
		return fail("Client ID Not Found")
	}
	if client.Status == StatusClosed {
		return fail("Unable to add order when client status is Closed")
	}
	gateway := c.form.Text("paymentmethod")
	if !slices.ContainsFunc(s.opts.Gateways, func(g Gateway) bool { return g.Module == gateway }) {
		return fail("Invalid Payment Method. Valid options include " + s.gatewayNames())
	}
	if name := notAnArray(c); name != "" {
		return fail("Expecting parameter '" + name + "' to be an array")
	}
	lines, refusal := s.lines(c)
	if refusal != "" {
		return fail(refusal)
	}
	names := domainLines(c)
	if text := s.renewals(c); text != "" {
		return fail(text)
	}
	if len(lines)+len(names) == 0 {
		return fail("No items added to cart so order cannot proceed")
	}
	head := orderHead{
		client: client, gateway: gateway, notes: c.form.Text("notes"), promo: c.form.Text("promocode"),
		ip: cmp.Or(c.form.Text("clientip"), c.ip), source: SourceAPI, at: c.at,
		noInvoice: c.form.Truthy("noinvoice"), mail: !c.form.Truthy("noemail"), bill: !c.form.Truthy("noinvoiceemail"),
	}
	if c.hits.has(NotesIgnored) {
		head.notes = ""
	}
	return s.addOrderAnswer(c, s.newOrder(head, lines, names))
}

func (s *Server) gatewayNames() string {
	names := make([]string, len(s.opts.Gateways))
	for i, g := range s.opts.Gateways {
		names[i] = g.Module
	}
	return strings.Join(names, ", ")
}

// renewals checks the parameters that concern services the client already has: addon-only orders and renewals.
func (s *Server) renewals(c *call) string {
	if c.form.Truthy("addonid") || c.form.Truthy("addonids") {
		return "Addon ID invalid" // the catalogue has no addons
	}
	if id := c.form.Number("serviceid"); id != 0 {
		if sv := s.services[id]; sv == nil || sv.ClientID != c.clientID {
			return "Service ID not owned by Client ID provided"
		}
	}
	if v, ok := c.form.Get(php.KeyOf("servicerenewals")); ok {
		ids, isArray := v.(*php.Array)
		if !isArray {
			return "Expecting parameter 'servicerenewals' to be an array"
		}
		for _, id := range ids.All() {
			return "Service ID " + php.ToText(id) + " can not be renewed at this time."
		}
	}
	return ""
}

// newOrder writes an order with its services, domains and invoice into the books.
func (s *Server) newOrder(head orderHead, lines []line, names []domainLine) *Order {
	o := &Order{
		ID: s.nextOrder, OrderNum: 1_000_000_000 + s.rand.Int64N(9_000_000_000), ClientID: head.client.ID,
		Date: head.at, Status: StatusPending, Notes: head.notes, PaymentMethod: head.gateway, PromoCode: head.promo,
		IPAddress: head.ip, Source: cmp.Or(head.source, SourceClientArea), ConfirmationSent: head.mail,
	}
	s.nextOrder++
	for _, l := range lines {
		for range l.services {
			sv := s.newService(o, l)
			o.ServiceIDs = append(o.ServiceIDs, sv.ID)
			o.Amount += sv.FirstPayment
		}
	}
	for _, n := range names {
		d := &Domain{ID: s.nextDomain, ClientID: o.ClientID, OrderID: o.ID, Name: n.name, Type: n.kind, Status: StatusPending}
		s.nextDomain++
		s.domains[d.ID] = d
		o.DomainIDs = append(o.DomainIDs, d.ID)
	}
	if !head.noInvoice && o.Amount > 0 {
		o.InvoiceID = s.newInvoice(o, head)
	}
	s.orders[o.ID] = o
	s.orderIDs = append(s.orderIDs, o.ID)
	s.clientOrders[o.ClientID] = append(s.clientOrders[o.ClientID], o.ID)
	s.log(o.ClientID, head.at, "New Order Placed - Order ID: "+strconv.FormatInt(o.ID, 10))
	return o
}

func (s *Server) newService(o *Order, l line) *Service {
	sv := &Service{
		ID: s.nextService, ClientID: o.ClientID, OrderID: o.ID, PID: l.product.PID, Qty: l.qty, RegDate: o.Date,
		Domain: l.domain, BillingCycle: l.cycle, Status: StatusPending, PaymentMethod: o.PaymentMethod,
		FirstPayment: l.amount(), NextDue: nextDue(l.cycle, o.Date), CustomFields: l.fields, ConfigOptions: l.options,
	}
	if l.product.PayType == PayRecurring {
		sv.Recurring = sv.FirstPayment
	}
	s.nextService++
	s.services[sv.ID] = sv
	s.serviceIDs = append(s.serviceIDs, sv.ID)
	s.clientServices[sv.ClientID] = append(s.clientServices[sv.ClientID], sv.ID)
	return sv
}

func (s *Server) newInvoice(o *Order, head orderHead) int64 {
	inv := &Invoice{ID: s.nextInvoice, ClientID: o.ClientID, Date: o.Date, Total: o.Amount, Status: "Unpaid",
		PaymentMethod: o.PaymentMethod, EmailSent: head.bill}
	s.nextInvoice++
	for _, id := range o.ServiceIDs {
		sv := s.services[id]
		inv.Items = append(inv.Items, InvoiceItem{ID: s.nextItem, Type: "Hosting", RelID: id,
			Description: s.products[sv.PID].Name, Amount: sv.FirstPayment})
		s.nextItem++
	}
	s.invoices[inv.ID] = inv
	return inv.ID
}

func (s *Server) addOrderAnswer(c *call, o *Order) *php.Array {
	ids := slices.Clone(o.ServiceIDs)
	if c.hits.has(ServiceIDsMixed) {
		s.rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	}
	out := success("orderid", text(o.ID))
	if !c.hits.has(NoProductIDs) {
		out.Put("productids", joinIDs(ids))
	}
	if !c.hits.has(OnlyProductIDs) {
		out.Put("serviceids", joinIDs(ids))
	}
	out.Put("addonids", "").Put("domainids", joinIDs(o.DomainIDs))
	if o.InvoiceID != 0 {
		return out.Put("invoiceid", text(o.InvoiceID))
	}
	switch c.hits[InvoiceIDShape].Text {
	case "zeroString":
		return out.Put("invoiceid", "0")
	case "empty":
		return out.Put("invoiceid", "")
	case "null":
		return out.Put("invoiceid", nil)
	case "missing":
		return out
	}
	return out.Put("invoiceid", int64(0))
}

func joinIDs(ids []int64) string {
	texts := make([]string, len(ids))
	for i, n := range ids {
		texts[i] = strconv.FormatInt(n, 10)
	}
	return strings.Join(texts, ",")
}
