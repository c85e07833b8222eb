package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// comparison is one audit under way.
type comparison struct {
	state    State
	products map[int64]whmcs.Product
	services map[int64][]whmcs.Service // by WHMCS order
	orders   []*pairing
	byID     map[string]*pairing // by lower-case Salesforce id
	byClient map[int64][]*pairing
	placed   []whmcs.Order // those that came in over the API
	result   Audit
}

// wantedLine is one line as it must stand in WHMCS.
type wantedLine struct {
	line    SalesforceLine
	pid     int64
	cycle   string
	qty     int64
	options map[int64]int64
}

func newComparison(s State) *comparison {
	c := &comparison{state: s, products: map[int64]whmcs.Product{}, services: map[int64][]whmcs.Service{},
		byID: map[string]*pairing{}, byClient: map[int64][]*pairing{}}
	for _, p := range s.Whmcs.Products {
		c.products[p.PID] = p
	}
	for _, sv := range s.Whmcs.Services {
		c.services[sv.OrderID] = append(c.services[sv.OrderID], sv)
	}
	catalogue := bySKU()
	for _, o := range s.Orders {
		p := &pairing{SalesforceOrder: o, clientID: clientOf(o.WhmcsAccount)}
		for _, l := range o.Lines {
			p.want = append(p.want, c.wantedLine(catalogue, l))
		}
		p.form = wantedForm(p.want)
		c.orders = append(c.orders, p)
		c.byID[strings.ToLower(o.ID)] = p
		c.byClient[p.clientID] = append(c.byClient[p.clientID], p)
	}
	for _, w := range s.Whmcs.Orders {
		if w.Source == whmcs.SourceAPI {
			c.placed = append(c.placed, w)
		}
	}
	return c
}

var accountNumber = regexp.MustCompile(`^#(\d+)\b`)

// clientOf reads the WHMCS client out of "#1234 - Name".
func clientOf(account string) int64 {
	m := accountNumber.FindStringSubmatch(account)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	return n
}

// wantedLine is what a line must become: by the catalogue, or for a product that is not in it by the product's own fields.
func (c *comparison) wantedLine(catalogue map[string]Item, l SalesforceLine) wantedLine {
	out := wantedLine{line: l, qty: int64(l.Quantity), pid: l.PID, cycle: strings.ToLower(l.Cycle), options: map[int64]int64{}}
	var options map[int64]int64
	if it, ok := catalogue[l.SKU]; ok {
		out.pid, out.cycle, options = it.PID, it.WantCycle, it.Options
	} else {
		if out.cycle == "" {
			out.cycle = map[string]string{"Service": "monthly", "Add-on": "monthly"}[l.Class]
			out.cycle = cmp.Or(out.cycle, "onetime")
		}
		options = parseOptions(l.Options)
	}
	for _, o := range c.products[out.pid].ConfigOptions {
		v, given := options[o.ID]
		switch {
		case given:
		case o.Type == whmcs.OptionQuantity:
			v = o.MinQty
		case o.Type != whmcs.OptionYesNo && len(o.Choices) > 0:
			v = o.Choices[0].ID
		}
		out.options[o.ID] = v
	}
	return out
}

func parseOptions(text string) map[int64]int64 {
	var raw map[string]int64
	out := map[int64]int64{}
	if json.Unmarshal([]byte(text), &raw) != nil {
		return out
	}
	for k, v := range raw {
		if id, err := strconv.ParseInt(k, 10, 64); err == nil {
			out[id] = v
		}
	}
	return out
}

// kindOf describes lines that only differ in their quantity by the same text.
func kindOf(pid int64, cycle string, options map[int64]int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "pid %d %s", pid, cycle)
	for _, id := range slices.Sorted(maps.Keys(options)) {
		fmt.Fprintf(&b, " option %d=%d", id, options[id])
	}
	return b.String()
}

// formOf is an order's lines as text, whatever their order, and whether a quantity stands on one service or on several.
func formOf(quantities map[string]int64) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(quantities)) {
		parts = append(parts, fmt.Sprintf("%d× %s", quantities[kind], kind))
	}
	return strings.Join(parts, "; ")
}

func wantedForm(lines []wantedLine) string {
	quantities := map[string]int64{}
	for _, l := range lines {
		quantities[kindOf(l.pid, l.cycle, l.options)] += l.qty
	}
	return formOf(quantities)
}

// serviceKind is kindOf for a service in the books.
func (c *comparison) serviceKind(sv whmcs.Service) string {
	options := map[int64]int64{}
	for _, o := range c.products[sv.PID].ConfigOptions {
		sel := sv.ConfigOptions[o.ID]
		if o.Type == whmcs.OptionQuantity || o.Type == whmcs.OptionYesNo {
			options[o.ID] = sel.Qty
		} else {
			options[o.ID] = sel.Choice
		}
	}
	return kindOf(sv.PID, sv.BillingCycle, options)
}

func (c *comparison) placedForm(orderID int64) string {
	quantities := map[string]int64{}
	for _, sv := range c.services[orderID] {
		quantities[c.serviceKind(sv)] += sv.Qty
	}
	return formOf(quantities)
}

// assign gives every WHMCS order to the Salesforce order it was made for: by its key wherever that is stored, else by
// client and form.
func (c *comparison) assign() {
	var keyless []whmcs.Order
	for _, w := range c.placed {
		owners := c.owners(w)
		switch len(owners) {
		case 0:
			keyless = append(keyless, w)
		case 1:
			owners[0].placed = append(owners[0].placed, w)
		default:
			c.find(owners[0], MixedKeys, w.ID, "it carries the keys of %d Salesforce orders, also of %s", len(owners), owners[1].ID)
			owners[0].placed = append(owners[0].placed, w)
		}
	}
	for _, w := range keyless {
		if o := c.byForm(w); o != nil {
			o.placed = append(o.placed, w)
			continue
		}
		c.result.Duplicates++
		c.find(nil, Stray, w.ID, "client %d, notes %q, lines %s: no Salesforce order wants it", w.ClientID, w.Notes, c.placedForm(w.ID))
	}
	c.adopt()
}

// adopt gives an order that staff placed by hand to the Salesforce order that names it.
func (c *comparison) adopt() {
	byHand := map[string]whmcs.Order{}
	for _, w := range c.state.Whmcs.Orders {
		if w.Source != whmcs.SourceAPI {
			byHand[strconv.FormatInt(w.ID, 10)] = w
		}
	}
	for _, o := range c.orders {
		if w, ok := byHand[o.WhmcsOrderID]; ok && len(o.placed) == 0 {
			o.placed = append(o.placed, w)
		}
	}
}

var words = regexp.MustCompile(`[A-Za-z0-9]+`)

// owners are the Salesforce orders whose ids stand in an order's notes, domains or custom fields.
func (c *comparison) owners(w whmcs.Order) []*pairing {
	texts := []string{w.Notes}
	for _, sv := range c.services[w.ID] {
		texts = append(texts, sv.Domain)
		texts = append(texts, slices.Collect(maps.Values(sv.CustomFields))...)
	}
	var out []*pairing
	for _, word := range words.FindAllString(strings.Join(texts, " "), -1) {
		if o := c.byID[strings.ToLower(word)]; o != nil && !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

// byForm finds the Salesforce order for a WHMCS order without a key: the one that names it, else one of the same client
// and form that has none, else one that has one already, which makes this a duplicate.
func (c *comparison) byForm(w whmcs.Order) *pairing {
	form := c.placedForm(w.ID)
	var best *pairing
	for _, o := range c.byClient[w.ClientID] {
		wanted, _ := o.wanted(c.state.Now)
		switch {
		case o.WhmcsOrderID == strconv.FormatInt(w.ID, 10):
			return o
		case o.form != form || !wanted:
		case best == nil, len(best.placed) > 0 && len(o.placed) == 0 && o.WhmcsOrderID == "":
			best = o
		}
	}
	return best
}

// wanted reports whether an order must be provisioned by now.
func (o *pairing) wanted(now time.Time) (bool, OrderState) {
	if !slices.Contains([]string{"Approved", "Reactivate", "Processed", "Completed", "Activated"}, o.Status) {
		return false, StateNotWanted
	}
	if o.ActivationType == "Scheduled" && o.ScheduledAt.After(now) {
		return false, StateScheduled
	}
	return true, ""
}
