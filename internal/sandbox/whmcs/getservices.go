package whmcs

import (
	"slices"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

func (s *Server) getClientsProducts(c *call) *php.Array {
	ids := s.serviceIDs
	if c.form.Text("clientid") != "" {
		ids = s.clientServices[c.form.Number("clientid")]
	}
	if c.form.Text("serviceid") != "" {
		ids = slices.DeleteFunc([]int64{c.form.Number("serviceid")},
			func(n int64) bool { return s.services[n] == nil || !slices.Contains(ids, n) })
	}
	var found []*Service
	for _, serviceID := range ids {
		if sv := s.service(serviceID); sv != nil && serviceMatches(c, sv) {
			found = append(found, sv)
		}
	}
	if c.hits.has(SortDescending) {
		slices.Reverse(found)
	}
	rows, start := page(c.form, found)
	out := list{inner: "product"}
	for _, sv := range rows {
		out.rows = append(out.rows, s.serviceRow(sv))
	}
	return success("clientid", echo(c.form, "clientid"), "serviceid", echo(c.form, "serviceid"), "pid", echo(c.form, "pid"),
		"domain", echo(c.form, "domain"), "totalresults", text(int64(len(found))), "startnumber", start,
		"numreturned", len(rows), "products", out)
}

// echo repeats a search value as it came in, null when there was none.
func echo(form *php.Array, name string) any {
	if !form.Has(name) {
		return nil
	}
	return form.Text(name)
}

func serviceMatches(c *call, sv *Service) bool {
	if c.form.Text("pid") != "" && c.form.Number("pid") != sv.PID {
		return false
	}
	if name := c.form.Text("username2"); name != "" && name != sv.Username {
		return false
	}
	domain := strings.ToLower(c.form.Text("domain"))
	if domain == "" {
		return true
	}
	// The database compares without regard to case.
	have := strings.ToLower(sv.Domain)
	return have == domain || c.hits.has(DomainPartial) && strings.Contains(have, domain)
}

func (s *Server) serviceRow(sv *Service) *php.Array {
	p := s.products[sv.PID]
	if p == nil {
		p = &Product{PID: sv.PID}
	}
	var orderNum int64
	if o := s.orders[sv.OrderID]; o != nil {
		orderNum = o.OrderNum
	}
	return php.Map(
		"id", text(sv.ID), "qty", text(sv.Qty), "clientid", text(sv.ClientID), "orderid", text(sv.OrderID),
		"ordernumber", text(orderNum), "pid", text(sv.PID), "regdate", s.day(sv.RegDate),
		"name", p.Name, "translated_name", p.Name, "groupname", p.Group, "translated_groupname", p.Group,
		"domain", sv.Domain, "dedicatedip", sv.DedicatedIP, "serverid", text(sv.ServerID), "servername", "", "serverip", nil,
		"serverhostname", nil, "suspensionreason", "", "firstpaymentamount", sv.FirstPayment, "recurringamount", sv.Recurring,
		"paymentmethod", sv.PaymentMethod, "paymentmethodname", s.gatewayName(sv.PaymentMethod),
		"billingcycle", cycleLabel(sv.BillingCycle, "One Time"), "nextduedate", s.day(sv.NextDue), "status", sv.Status,
		"username", sv.Username, "password", sv.Password, "subscriptionid", sv.Subscription, "promoid", text(0),
		"overideautosuspend", text(0), "overidesuspenduntil", "0000-00-00", "ns1", "", "ns2", "", "assignedips", "",
		"notes", sv.Notes, "diskusage", text(0), "disklimit", text(0), "bwusage", text(0), "bwlimit", text(0),
		"lastupdate", s.when(time.Time{}), "customfields", fieldRows(p, sv), "configoptions", optionRows(p, sv),
	)
}

func fieldRows(p *Product, sv *Service) list {
	out := list{inner: "customfield"}
	for _, f := range p.CustomFields {
		out.rows = append(out.rows, php.Map("id", text(f.ID), "name", f.Name, "translated_name", f.Name,
			"value", sv.CustomFields[f.ID]))
	}
	return out
}

func optionRows(p *Product, sv *Service) list {
	out := list{inner: "configoption"}
	for _, o := range p.ConfigOptions {
		sel := sv.ConfigOptions[o.ID]
		kind, value := "dropdown", any("")
		for _, choice := range o.Choices {
			if choice.ID == sel.Choice {
				value = choice.Name
			}
		}
		switch o.Type {
		case OptionRadio:
			kind = "radio"
		case OptionYesNo:
			kind, value = "yesno", sel.Qty
		case OptionQuantity:
			kind, value = "quantity", sel.Qty
		}
		out.rows = append(out.rows, php.Map("id", text(o.ID), "option", o.Name, "type", kind, "value", value))
	}
	return out
}

func (s *Server) updateClientProduct(c *call) *php.Array {
	sv := s.service(c.form.Number("serviceid"))
	if sv == nil {
		return fail("Service ID Not Found")
	}
	next := sv.clone()
	for name, field := range map[string]*string{
		"domain": &next.Domain, "paymentmethod": &next.PaymentMethod, "subscriptionid": &next.Subscription,
		"status": &next.Status, "notes": &next.Notes, "serviceusername": &next.Username, "servicepassword": &next.Password,
		"dedicatedip": &next.DedicatedIP,
	} {
		if c.form.Has(name) {
			*field = c.form.Text(name)
		}
	}
	for name, field := range map[string]*int64{"pid": &next.PID, "serverid": &next.ServerID} {
		if c.form.Has(name) {
			*field = c.form.Number(name)
		}
	}
	for name, field := range map[string]*Money{"firstpaymentamount": &next.FirstPayment, "recurringamount": &next.Recurring} {
		if c.form.Has(name) {
			*field = ParseMoney(c.form.Text(name))
		}
	}
	if c.form.Has("billingcycle") {
		next.BillingCycle = canonicalCycle(c.form.Text("billingcycle"))
	}
	for name, field := range map[string]*time.Time{"regdate": &next.RegDate, "nextduedate": &next.NextDue} {
		if t, err := time.ParseInLocation(time.DateOnly, c.form.Text(name), s.opts.Location); err == nil {
			*field = t
		}
	}
	s.updateFields(c, &next)
	*sv = next
	return success("serviceid", text(sv.ID))
}

// updateFields applies custom fields and configurable options, which this action takes as one string each.
func (s *Server) updateFields(c *call, sv *Service) {
	p := s.products[sv.PID]
	if p == nil {
		return
	}
	if sent, err := php.DecodeArray(c.form.Text("customfields")); err == nil {
		for _, f := range p.CustomFields {
			if v, ok := sent.Get(php.IntKey(f.ID)); ok {
				if sv.CustomFields == nil {
					sv.CustomFields = map[int64]string{}
				}
				sv.CustomFields[f.ID] = php.ToText(v)
			}
		}
	}
	if sent, err := php.DecodeArray(c.form.Text("configoptions")); err == nil {
		for _, o := range p.ConfigOptions {
			if v, ok := sent.Get(php.IntKey(o.ID)); ok {
				if sv.ConfigOptions == nil {
					sv.ConfigOptions = map[int64]Selected{}
				}
				sv.ConfigOptions[o.ID] = o.selected(v, true)
			}
		}
	}
}
