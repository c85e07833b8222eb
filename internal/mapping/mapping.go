package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// Problem is one thing wrong with a mapping file.
type Problem = file.Problem

// Problems is everything wrong with a mapping file. It is the error of Parse.
type Problems = file.Problems

// Mapping is a compiled mapping file.
type Mapping struct {
	sha256      string
	fields      fields
	orderFields []string
	itemFields  []string
	gate        gate
	client      value[int64]
	header      header
	line        lineRule
	rules       ruleBook
	schedule    schedule
	reports     reports
	warnings    Problems
	doc         *file.Document // for the positions of findings
	env         *cel.Env       // for conditions over products alone
}

// header computes the parameters of the WHMCS order as a whole.
type header struct {
	paymentMethod, promoCode           value[string]
	noInvoice, noInvoiceEmail, noEmail value[bool]
}

// schedule says when an order is to be provisioned later.
type schedule struct {
	values   []string
	location *time.Location
	clock    time.Duration // time of day meant by a date
}

// Parse compiles a mapping file. The error is of type Problems and lists everything that is wrong, in the order of the
// file.
func Parse(data []byte) (*Mapping, error) {
	doc, problems := file.Read(data)
	if doc == nil {
		return nil, problems
	}
	c := &compiler{doc: doc}
	for _, p := range problems {
		c.broken = append(c.broken, p.Path)
	}
	m := c.compile()
	if all := slices.Concat(problems, c.problems); len(all) > 0 {
		all.Sort()
		return nil, all
	}
	sum := sha256.Sum256(data)
	m.sha256 = hex.EncodeToString(sum[:])
	return m, nil
}

func (c *compiler) compile() *Mapping {
	m := &Mapping{fields: c.names(c.doc.Salesforce), doc: c.doc}
	c.fields = m.fields
	var err error
	if c.envs, err = newEnvs(m.fields); err != nil {
		c.problem("", "expressions cannot be prepared: "+err.Error(), "report this as a defect of Orderbridge")
		return m
	}
	m.env = c.envs.line
	c.cycles = c.compileCycles(c.doc.Cycles)
	m.gate = c.compileGate(c.doc.Gate)
	m.client = compileValue(c, c.doc.Client, "client", idTarget, false, toID)
	m.header = c.compileHeader(c.doc.AddOrder)
	m.line = c.compileLine(c.doc.Line)
	m.rules = c.compileRules(c.doc.Products)
	m.schedule = c.compileSchedule(c.doc.Schedule)
	m.reports = c.compileReports(c.doc.Report)
	c.reachable(m)
	c.warn(m)
	c.selection(m)
	return m
}

func (c *compiler) compileHeader(a file.AddOrder) header {
	return header{
		paymentMethod:  compileValue(c, a.PaymentMethod, "addOrder.paymentMethod", textTarget, false, toText),
		promoCode:      compileValue(c, a.PromoCode, "addOrder.promoCode", textTarget, false, toText),
		noInvoice:      compileValue(c, a.NoInvoice, "addOrder.noInvoice", boolTarget, false, toBool),
		noInvoiceEmail: compileValue(c, a.NoInvoiceEmail, "addOrder.noInvoiceEmail", boolTarget, false, toBool),
		noEmail:        compileValue(c, a.NoEmail, "addOrder.noEmail", boolTarget, false, toBool),
	}
}

// selection lists the fields to read: what entries look at, and what every order needs.
func (c *compiler) selection(m *Mapping) {
	f := m.fields
	order := []string{"Id", f.orderNumber, strings.Join(f.accountID(), "."), f.activationStatus, f.whmcsOrderID, f.activationType, f.scheduledAt}
	product := strings.Join(f.productPath, ".") + "."
	item := []string{"Id", f.itemNumber, f.quantity, f.serviceID}
	if f.sku != "" {
		item = append(item, product+f.sku)
	}
	if f.configOptions != "" {
		item = append(item, product+f.configOptions)
	}
	for _, r := range c.refs {
		name := strings.Join(r.names, ".")
		switch r.root {
		case rootOrder:
			order = append(order, name)
		case rootAccount:
			order = append(order, strings.Join(f.accountPath, ".")+"."+name)
		case rootItem:
			item = append(item, name)
		case rootProduct:
			item = append(item, product+name)
		}
	}
	m.orderFields, m.itemFields = tidy(order), tidy(item)
}

// tidy sorts names and removes empty and repeated ones. Salesforce refuses a field that is selected twice, in whatever case.
func tidy(names []string) []string {
	names = slices.DeleteFunc(names, func(n string) bool { return n == "" })
	slices.SortFunc(names, func(a, b string) int {
		if c := strings.Compare(strings.ToLower(a), strings.ToLower(b)); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return slices.CompactFunc(names, strings.EqualFold)
}

// SHA256 is the hexadecimal hash of the file.
func (m *Mapping) SHA256() string { return m.sha256 }

// createdDate is the field of every object that says when a record was made.
const createdDate = "CreatedDate"

// OrderFields are the fields to select from the order, with dots to parents. The lines are not among them. When the order was
// made is read whatever the mapping says, for CreatedAt.
func (m *Mapping) OrderFields() []string {
	return tidy(append(slices.Clone(m.orderFields), createdDate))
}

// ItemFields are the fields to select from the lines of an order, with dots to parents.
func (m *Mapping) ItemFields() []string { return slices.Clone(m.itemFields) }

// Warnings are entries of a valid file that are probably not meant so.
func (m *Mapping) Warnings() []Problem { return slices.Clone(m.warnings) }
