package whmcs

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

func (s *Server) getProducts(c *call) *php.Array {
	var wanted []int64
	for part := range strings.SplitSeq(c.form.Text("pid"), ",") {
		if n := php.ToInt(part); n != 0 {
			wanted = append(wanted, n)
		}
	}
	out := list{inner: "product"}
	for _, pid := range slices.Sorted(maps.Keys(s.products)) {
		p := s.products[pid]
		if c.form.Text("pid") != "" && !slices.Contains(wanted, pid) || c.form.Text("pid") == "" && p.Hidden {
			continue
		}
		if gid := c.form.Number("gid"); gid != 0 && gid != p.GID {
			continue
		}
		if module := c.form.Text("module"); module != "" && module != p.Module {
			continue
		}
		out.rows = append(out.rows, productRow(p))
	}
	return success("totalresults", len(out.rows), "products", out)
}

func productRow(p *Product) *php.Array {
	slug := strings.ToLower(strings.ReplaceAll(p.Name, " ", "-"))
	return php.Map("pid", text(p.PID), "gid", text(p.GID), "type", p.Type, "name", p.Name, "slug", slug,
		"product-url", "https://billing.example.com/store/"+slug, "description", p.Description, "module", p.Module,
		"paytype", p.PayType, "allowqty", p.AllowQty, "quantity_available", 0,
		"pricing", php.Map("JPY", pricingRow(p)), "customfields", orderFormFields(p), "configoptions", orderFormOptions(p))
}

func pricingRow(p *Product) *php.Array {
	row := php.Map("prefix", "¥", "suffix", " JPY", "msetupfee", Money(0), "qsetupfee", Money(0), "ssetupfee", Money(0),
		"asetupfee", Money(0), "bsetupfee", Money(0), "tsetupfee", Money(0))
	for _, cycle := range cycles {
		price, ok := p.Pricing[cycle.name]
		switch {
		case p.PayType == PayFree:
			price = 0
		case !ok:
			price = NotOffered
		}
		row.Put(cycle.name, price)
	}
	return row
}

func orderFormFields(p *Product) list {
	out := list{inner: "customfield"}
	for _, f := range p.CustomFields {
		if f.AdminOnly {
			continue
		}
		required := ""
		if f.Required {
			required = "on"
		}
		out.rows = append(out.rows, php.Map("id", text(f.ID), "name", f.Name, "description", f.Description, "required", required))
	}
	return out
}

func orderFormOptions(p *Product) list {
	out := list{inner: "configoption"}
	for _, o := range p.ConfigOptions {
		choices := list{inner: "option"}
		for _, choice := range o.Choices {
			prices := php.Map("msetupfee", Money(0), "monthly", choice.Recurring)
			choices.rows = append(choices.rows, php.Map("id", number(choice.ID), "name", choice.Name, "rawName", choice.Name,
				"recurring", choice.Recurring, "required", nil, "pricing", php.Map("JPY", prices)))
		}
		out.rows = append(out.rows, php.Map("id", number(o.ID), "name", o.Name, "type", strconv.Itoa(o.Type),
			"minqty", o.MinQty, "maxqty", o.MaxQty, "options", choices))
	}
	return out
}
