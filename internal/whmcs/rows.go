package whmcs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// GetOrders returns the orders that match, from all pages, each once.
func (c *Client) GetOrders(ctx context.Context, filter OrderFilter) ([]Order, error) {
	payload := append(number("id", filter.ID), number("userid", filter.UserID)...)
	orders, err := allPages(actionGetOrders, func(o Order) int64 { return o.ID }, func(start, num int64) (page[Order], error) {
		var w struct {
			listHead
			Orders json.RawMessage `json:"orders"`
		}
		a, err := c.read(ctx, actionGetOrders, append(limits(start, num), payload...), &w)
		if err != nil {
			return page[Order]{}, err
		}
		list, err := rows[orderRow](a, actionGetOrders, "orders", w.Orders, "order")
		if err != nil {
			return page[Order]{}, err
		}
		return pageOf(a, actionGetOrders, w.listHead, w.Orders, list, orderRow.order)
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(orders, func(o Order) bool {
		return filter.ID != 0 && o.ID != filter.ID || belongsToOther(o.UserID, filter.UserID)
	}), nil
}

// GetClientsProducts returns the services that match, from all pages, each once.
func (c *Client) GetClientsProducts(ctx context.Context, filter ServiceFilter) ([]Service, error) {
	payload := number("clientid", filter.ClientID)
	services, err := allPages(actionGetClientsProducts, func(s Service) int64 { return s.ID }, func(start, num int64) (page[Service], error) {
		var w struct {
			listHead
			Products json.RawMessage `json:"products"`
		}
		a, err := c.read(ctx, actionGetClientsProducts, append(limits(start, num), payload...), &w)
		if err != nil {
			return page[Service]{}, err
		}
		list, err := rows[serviceRow](a, actionGetClientsProducts, "products", w.Products, "product")
		if err != nil {
			return page[Service]{}, err
		}
		return pageOf(a, actionGetClientsProducts, w.listHead, w.Products, list, serviceRow.service)
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(services, func(s Service) bool { return belongsToOther(s.ClientID, filter.ClientID) }), nil
}

// belongsToOther reports whether a row is another client's. A row that names no
// client stays in: leaving an order out of a search is what makes duplicates.
func belongsToOther(clientID, wanted int64) bool {
	return wanted != 0 && clientID != 0 && clientID != wanted
}

// listHead stands at the top of a paged list.
type listHead struct {
	TotalResults *flexInt `json:"totalresults"`
}

// pageOf makes a page of decoded rows. An answer with neither a count nor a list
// is no empty list: "no orders" is evidence on which an order is placed.
func pageOf[R, T any](a *answer, action string, head listHead, list json.RawMessage, decoded []R, convert func(R) (T, error)) (page[T], error) {
	if head.TotalResults == nil && list == nil {
		return page[T]{}, a.unclear(action, "it holds neither rows nor their number")
	}
	p := page[T]{total: -1}
	if head.TotalResults != nil {
		p.total = int64(*head.TotalResults)
	}
	for _, r := range decoded {
		row, err := convert(r)
		if err != nil {
			return page[T]{}, a.unclear(action, "a row has a form that is not understood: "+err.Error())
		}
		p.rows = append(p.rows, row)
	}
	return p, nil
}

var (
	errNoID = errors.New("it has no id")
	errList = errors.New("a list in it cannot be read")
)

type orderRow struct {
	ID        flexInt         `json:"id"`
	OrderNum  flexString      `json:"ordernum"`
	UserID    flexInt         `json:"userid"`
	Date      flexString      `json:"date"`
	Status    flexString      `json:"status"`
	Notes     flexString      `json:"notes"`
	InvoiceID flexInt         `json:"invoiceid"`
	LineItems json.RawMessage `json:"lineitems"`
}

type lineRow struct {
	Type         flexString `json:"type"`
	RelID        flexInt    `json:"relid"`
	Product      flexString `json:"product"`
	Domain       flexString `json:"domain"`
	BillingCycle flexString `json:"billingcycle"`
	Status       flexString `json:"status"`
}

func (r orderRow) order() (Order, error) {
	if r.ID <= 0 {
		return Order{}, errNoID
	}
	lines, err := decodeList[lineRow](r.LineItems, "lineitem")
	if err != nil {
		return Order{}, errList
	}
	o := Order{
		ID: int64(r.ID), OrderNum: string(r.OrderNum), UserID: int64(r.UserID), Date: string(r.Date),
		Status: string(r.Status), Notes: string(r.Notes), InvoiceID: int64(r.InvoiceID),
	}
	for _, l := range lines {
		o.LineItems = append(o.LineItems, LineItem{
			Type: string(l.Type), RelID: int64(l.RelID), Product: string(l.Product),
			Domain: string(l.Domain), BillingCycle: string(l.BillingCycle), Status: string(l.Status),
		})
	}
	return o, nil
}

type serviceRow struct {
	ID            flexInt         `json:"id"`
	Quantity      flexInt         `json:"qty"`
	ClientID      flexInt         `json:"clientid"`
	OrderID       flexInt         `json:"orderid"`
	PID           flexInt         `json:"pid"`
	Domain        flexString      `json:"domain"`
	BillingCycle  flexString      `json:"billingcycle"`
	Status        flexString      `json:"status"`
	CustomFields  json.RawMessage `json:"customfields"`
	ConfigOptions json.RawMessage `json:"configoptions"`
}

func (r serviceRow) service() (Service, error) {
	if r.ID <= 0 {
		return Service{}, errNoID
	}
	type fieldRow struct {
		ID    flexInt    `json:"id"`
		Name  flexString `json:"name"`
		Value flexString `json:"value"`
	}
	type optionRow struct {
		ID     flexInt    `json:"id"`
		Option flexString `json:"option"`
		Type   flexString `json:"type"`
		Value  flexString `json:"value"`
	}
	fields, err := decodeList[fieldRow](r.CustomFields, "customfield")
	if err != nil {
		return Service{}, errList
	}
	options, err := decodeList[optionRow](r.ConfigOptions, "configoption")
	if err != nil {
		return Service{}, errList
	}
	s := Service{
		ID: int64(r.ID), ClientID: int64(r.ClientID), OrderID: int64(r.OrderID), PID: int64(r.PID),
		Quantity: int64(max(r.Quantity, 1)), // 8.11 and older have no quantity
		Domain:   string(r.Domain), BillingCycle: string(r.BillingCycle), Status: string(r.Status),
	}
	for _, f := range fields {
		s.CustomFields = append(s.CustomFields, CustomFieldValue{int64(f.ID), string(f.Name), string(f.Value)})
	}
	for _, o := range options {
		s.ConfigOptions = append(s.ConfigOptions, ConfigOptionValue{int64(o.ID), string(o.Option), string(o.Type), string(o.Value)})
	}
	return s, nil
}

type productRow struct {
	PID           flexInt         `json:"pid"`
	GroupID       flexInt         `json:"gid"`
	Type          flexString      `json:"type"`
	Name          flexString      `json:"name"`
	Module        flexString      `json:"module"`
	PayType       flexString      `json:"paytype"`
	AllowQuantity flexInt         `json:"allowqty"`
	Pricing       json.RawMessage `json:"pricing"`
	CustomFields  json.RawMessage `json:"customfields"`
	ConfigOptions json.RawMessage `json:"configoptions"`
}

func (r productRow) product() (Product, error) {
	if r.PID <= 0 {
		return Product{}, errNoID
	}
	p := Product{
		PID: int64(r.PID), GroupID: int64(r.GroupID), Type: string(r.Type), Name: string(r.Name),
		Module: string(r.Module), PayType: string(r.PayType), AllowQuantity: int64(r.AllowQuantity),
		Prices: offeredPrices(r.Pricing),
	}
	p.BillingCycles = pricedCycles(p.Prices)
	type fieldRow struct {
		ID       flexInt    `json:"id"`
		Name     flexString `json:"name"`
		Required flexString `json:"required"`
	}
	type subOptionRow struct {
		ID   flexInt    `json:"id"`
		Name flexString `json:"name"`
	}
	type optionRow struct {
		ID      flexInt         `json:"id"`
		Name    flexString      `json:"name"`
		Type    flexString      `json:"type"`
		Options json.RawMessage `json:"options"`
	}
	fields, err := decodeList[fieldRow](r.CustomFields, "customfield")
	if err != nil {
		return Product{}, errList
	}
	for _, f := range fields {
		p.CustomFields = append(p.CustomFields, ProductCustomField{int64(f.ID), string(f.Name), f.Required != "" && f.Required != "0"})
	}
	options, err := decodeList[optionRow](r.ConfigOptions, "configoption")
	if err != nil {
		return Product{}, errList
	}
	for _, o := range options {
		option := ProductConfigOption{ID: int64(o.ID), Name: string(o.Name), Type: string(o.Type)}
		choices, err := decodeList[subOptionRow](o.Options, "option")
		if err != nil {
			return Product{}, errList
		}
		for _, choice := range choices {
			option.Options = append(option.Options, ProductConfigSubOption{int64(choice.ID), string(choice.Name)})
		}
		p.ConfigOptions = append(p.ConfigOptions, option)
	}
	return p, nil
}

// offeredPrices returns the prices of the cycles that are offered; "-1.00" says
// that a cycle is not.
func offeredPrices(pricing json.RawMessage) []Price {
	var byCurrency map[string]map[string]flexString
	if json.Unmarshal(pricing, &byCurrency) != nil {
		return nil
	}
	var list []Price
	for currency, prices := range byCurrency {
		for key, price := range prices {
			cycle, ok := billingCycles[key]
			if value, err := strconv.ParseFloat(string(price), 64); ok && err == nil && value >= 0 {
				// The setup fee of a cycle has the cycle's first letter before it.
				list = append(list, Price{currency, cycle, string(price), string(prices[key[:1]+"setupfee"])})
			}
		}
	}
	slices.SortFunc(list, func(a, b Price) int {
		return cmp.Or(strings.Compare(a.Currency, b.Currency), strings.Compare(a.Cycle, b.Cycle))
	})
	return list
}

// pricedCycles returns the cycles that have a price in some currency.
func pricedCycles(prices []Price) []string {
	var cycles []string
	for _, price := range prices {
		cycles = append(cycles, price.Cycle)
	}
	slices.Sort(cycles)
	return slices.Compact(cycles)
}
