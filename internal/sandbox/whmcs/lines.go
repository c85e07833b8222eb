package whmcs

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

// line is one product line of AddOrder after all defaults and fall-backs.
type line struct {
	product  *Product
	cycle    string
	qty      int64 // of each service
	services int   // how many services it makes
	domain   string
	fields   map[int64]string
	options  map[int64]Selected
	override *Money
}

type domainLine struct{ name, kind string }

// lineParams are the parameters that hold one value for each line, under the same key.
var lineParams = []string{
	"pid", "qty", "domain", "billingcycle", "domaintype", "regperiod", "eppcode", "idnlanguage", "hostname", "ns1prefix",
	"ns2prefix", "rootpw", "priceoverride", "customfields", "configoptions", "addons", "addonsqty", "domainfields",
	"domainpriceoverride", "domainrenewoverride",
}

// notAnArray names the line parameter that is a scalar although it must not be. A whole order of scalars is the old
// one-product form and is taken; mixing both is not.
func notAnArray(c *call) string {
	var scalar string
	arrays := 0
	for _, name := range lineParams {
		v, ok := c.form.Get(php.KeyOf(name))
		if !ok {
			continue
		}
		if _, isArray := v.(*php.Array); isArray {
			arrays++
		} else if scalar == "" {
			scalar = name
		}
	}
	if scalar != "" && (arrays > 0 || c.hits.has(StrictArrays)) {
		return scalar
	}
	return ""
}

// value is a line's value of a parameter: the element under the line's key, or the whole of a scalar.
func (c *call) value(name string, key php.Key) string {
	v, _ := c.form.Get(php.KeyOf(name))
	if a, ok := v.(*php.Array); ok {
		v, _ = a.Get(key)
	}
	return php.ToText(v)
}

// keys are the line keys of a parameter in the order of their arrival.
func (c *call) keys(name string) []php.Key {
	v, ok := c.form.Get(php.KeyOf(name))
	if !ok {
		return nil
	}
	a, isArray := v.(*php.Array)
	if !isArray {
		return []php.Key{php.IntKey(0)}
	}
	var keys []php.Key
	for k := range a.All() {
		keys = append(keys, k)
	}
	return keys
}

// lines reads the product lines; a refusal is the text that refuses the whole order.
func (s *Server) lines(c *call) (lines []line, refusal string) {
	for _, key := range c.keys("pid") {
		product := s.products[php.ToInt(c.value("pid", key))]
		if product == nil {
			if c.hits.has(BadPIDRefused) {
				return nil, "No items added to cart so order cannot proceed"
			}
			continue
		}
		cycle, asAsked := product.cycleFor(c.value("billingcycle", key))
		if !asAsked && c.hits.has(CycleRefused) {
			return nil, "Invalid Billing Cycle Requested"
		}
		l := line{product: product, cycle: cycle, domain: c.domain(key)}
		l.qty, l.services = s.quantity(c, product, php.ToInt(c.value("qty", key)))
		l.fields = productFields(c, product, c.value("customfields", key))
		l.options = productOptions(c, product, c.value("configoptions", key))
		if text := c.value("priceoverride", key); text != "" {
			l.override = new(ParseMoney(text))
		}
		lines = append(lines, l)
	}
	return lines, ""
}

func (c *call) domain(key php.Key) string {
	domain := cmp.Or(c.value("domain", key), c.value("hostname", key))
	switch {
	case c.hits.has(DomainIgnored):
		return ""
	case c.hits.has(DomainLowered):
		return strings.ToLower(domain)
	}
	return domain
}

// quantity decides how many services a line makes and the quantity that each carries.
func (s *Server) quantity(c *call, p *Product, asked int64) (qty int64, services int) {
	const most = 10_000
	asked = min(max(asked, 1), most)
	mode := p.AllowQty
	switch {
	case c.hits.has(QtyIgnored), versionBefore(s.opts.Version, 8, 12):
		mode = QuantityNone
	case c.hits.has(QtyScaling):
		mode = QuantityScaling
	case c.hits.has(QtyServices):
		mode = QuantityServices
	}
	switch mode {
	case QuantityScaling:
		return asked, 1
	case QuantityServices:
		return 1, int(asked)
	}
	return 1, 1
}

func versionBefore(version string, major, minor int) bool {
	parts := strings.SplitN(version, ".", 3)
	m, err := strconv.Atoi(parts[0])
	if err != nil || len(parts) < 2 {
		return false
	}
	n, _ := strconv.Atoi(parts[1])
	return m < major || m == major && n < minor
}

// productFields decodes the custom fields of a line; what cannot be decoded and what the product lacks is dropped without
// a word, as PHP does.
func productFields(c *call, p *Product, encoded string) map[int64]string {
	sent, err := php.DecodeArray(encoded)
	if err != nil || c.hits.has(FieldsIgnored) {
		return nil
	}
	out := map[int64]string{}
	for _, f := range p.CustomFields {
		if f.AdminOnly && c.hits.has(AdminFieldIgnored) {
			continue
		}
		if v, ok := sent.Get(php.IntKey(f.ID)); ok {
			out[f.ID] = php.ToText(v)
		}
	}
	return out
}

// productOptions decodes the configurable options of a line and fills in what was not sent: the first choice, the minimum.
func productOptions(c *call, p *Product, encoded string) map[int64]Selected {
	sent, _ := php.DecodeArray(encoded) // nil when broken, and then every option takes its default
	out := map[int64]Selected{}
	for _, o := range p.ConfigOptions {
		v, given := sent.Get(php.IntKey(o.ID))
		if given && o.Type == OptionQuantity && c.hits.has(OptionQtyIgnored) {
			given = false
		}
		out[o.ID] = o.selected(v, given)
	}
	return out
}

// selected applies a value to an option: a choice id, {optionid, qty}, or the number of a yes/no or quantity option.
func (o *ConfigOption) selected(v any, given bool) Selected {
	var out Selected
	if len(o.Choices) > 0 {
		out.Choice = o.Choices[0].ID
	}
	number := php.ToInt(php.ToText(v))
	if pair, ok := v.(*php.Array); ok {
		number = pair.Number("qty")
		if o.Type != OptionQuantity && o.Type != OptionYesNo {
			number = pair.Number("optionid")
		}
	}
	switch o.Type {
	case OptionYesNo:
		out.Qty = min(max(number, 0), 1)
	case OptionQuantity:
		out.Qty = max(number, o.MinQty)
		if o.MaxQty > 0 {
			out.Qty = min(out.Qty, o.MaxQty)
		}
		if !given {
			out.Qty = o.MinQty
		}
	default:
		for _, choice := range o.Choices {
			if given && choice.ID == number {
				out.Choice = number
			}
		}
	}
	return out
}

// amount is what one service of the line costs.
func (l *line) amount() Money {
	if l.override != nil {
		return *l.override
	}
	total := l.product.price(l.cycle)
	for _, o := range l.product.ConfigOptions {
		sel := l.options[o.ID]
		for _, choice := range o.Choices {
			if choice.ID != sel.Choice {
				continue
			}
			if o.Type == OptionYesNo || o.Type == OptionQuantity {
				total += choice.Recurring * Money(sel.Qty)
			} else {
				total += choice.Recurring
			}
		}
	}
	return total * Money(l.qty)
}

// domainLines reads the domain registrations and transfers of an order.
func domainLines(c *call) []domainLine {
	var out []domainLine
	for _, key := range c.keys("domaintype") {
		kind, name := strings.ToLower(c.value("domaintype", key)), c.value("domain", key)
		if name != "" && (kind == "register" || kind == "transfer") {
			out = append(out, domainLine{name: name, kind: kind})
		}
	}
	return out
}
