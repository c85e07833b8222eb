package main

import (
	"context"
	"slices"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// planBilling is what a plan asks WHMCS. No action that changes something is in it, so a plan has nothing to send with.
type planBilling interface {
	controllers.WhmcsReader
	GetClientsDetails(ctx context.Context, clientID int64) (whmcs.ClientDetails, error)
}

// notSent stands before and after every plan.
const notSent = "PLAN ONLY. Nothing was sent that changes anything in WHMCS, Salesforce or Kubernetes, and this command cannot do so."

// orderPlan is what would be done about an order. It can be read back as nothing else: its kind is known to no cluster.
type orderPlan struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	// Sent is always false.
	Sent              bool        `json:"sent"`
	Note              string      `json:"note"`
	Namespace         string      `json:"namespace"`
	Pipeline          string      `json:"pipeline"`
	SalesforceOrderID string      `json:"salesforceOrderID"`
	OrderNumber       string      `json:"orderNumber,omitempty"`
	Object            *planObject `json:"object,omitempty"`
	Mapping           planMapping `json:"mapping"`
	// ClientID is the WHMCS client who is billed, 0 if there is none.
	ClientID int64 `json:"clientID"`
	// Frozen says that the request is that of the recorded plan.
	Frozen  bool         `json:"frozen,omitempty"`
	Next    planNext     `json:"next"`
	Checks  []planCheck  `json:"checks"`
	Lines   []planLine   `json:"lines"`
	Request *planRequest `json:"request,omitempty"`
}

// planObject is the ProvisioningOrder of the order, if there is one.
type planObject struct {
	Name         string              `json:"name"`
	State        v1alpha1.OrderState `json:"state,omitempty"`
	WhmcsOrderID int64               `json:"whmcsOrderID,omitempty"`
}

// planMapping is the mapping that was planned by.
type planMapping struct {
	// Name is that of the ConfigMap, or of the file that was given instead.
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	// File says that it is a file, and not what the pipeline uses.
	File bool `json:"file,omitempty"`
}

// planNext is what the operator would do now.
type planNext struct {
	Action     controllers.Action `json:"action"`
	Reason     string             `json:"reason"`
	Message    string             `json:"message"`
	AfterRetry bool               `json:"afterRetry,omitempty"`
}

// planRequest is the AddOrder request.
type planRequest struct {
	Fields []formField `json:"fields"`
	// Encoded is the body as it would be sent, without the credentials.
	Encoded string `json:"encoded"`
}

// planLine is a Salesforce line and what becomes of it in WHMCS.
type planLine struct {
	OrderItemID string `json:"orderItemID"`
	SKU         string `json:"sku,omitempty"`
	// LeftOut says that the mapping makes nothing of the line, Problem why it could not.
	LeftOut bool   `json:"leftOut,omitempty"`
	Problem string `json:"problem,omitempty"`

	PID          int64  `json:"pid,omitempty"`
	Product      string `json:"product,omitempty"`
	BillingCycle string `json:"billingCycle,omitempty"`
	Quantity     int64  `json:"quantity,omitempty"`
	// WhmcsLines is how many lines of the request this one is.
	WhmcsLines    int               `json:"whmcsLines,omitempty"`
	ConfigOptions map[string]int64  `json:"configOptions,omitempty"`
	CustomFields  map[string]string `json:"customFields,omitempty"`
	Domain        string            `json:"domain,omitempty"`
	Price         linePrice         `json:"price"`
}

// planMaker makes plans of one pipeline.
type planMaker struct {
	previewer controllers.Previewer
	whmcs     planBilling
	mapping   planMapping
}

// make plans an order. existing says that it has an object.
func (m planMaker) make(ctx context.Context, order *v1alpha1.ProvisioningOrder, existing bool) (*orderPlan, error) {
	preview, err := m.previewer.Preview(ctx, order)
	if err != nil {
		return nil, err
	}
	plan := &orderPlan{
		APIVersion: cliVersion, Kind: "OrderPlan", Note: notSent,
		Namespace: order.Namespace, Pipeline: m.previewer.Pipeline.Name, SalesforceOrderID: order.Spec.SalesforceOrderID,
		Mapping: m.mapping, Frozen: preview.Frozen,
		Next: planNext{preview.Next.Action, preview.Next.Reason, preview.Next.Message, preview.Next.AfterRetry},
	}
	plan.OrderNumber = m.previewer.Mapping.OrderNumber(preview.Record)
	if existing {
		plan.Object = &planObject{Name: order.Name, State: order.Status.State}
		if order.Status.Whmcs != nil {
			plan.Object.WhmcsOrderID = order.Status.Whmcs.OrderID
		}
	}
	plan.ClientID = preview.Examination.ClientID
	if preview.Plan != nil {
		plan.ClientID = preview.Plan.ClientID
	}
	facts := m.ask(ctx, preview, plan.ClientID)
	plan.Lines = planLines(preview, facts)
	plan.Checks = checks(m.previewer.Pipeline, preview, facts, plan)
	if preview.Request != nil {
		plan.Request = &planRequest{Fields: formOf(*preview.Request), Encoded: whmcs.EncodeForm(preview.Request.Form())}
	}
	return plan, ctx.Err()
}

// planFacts are what a plan asks for beside what the operator looks at.
type planFacts struct {
	client      whmcs.ClientDetails
	clientErr   error
	products    map[int64]*whmcs.Product
	productsErr error
}

func (m planMaker) ask(ctx context.Context, preview *controllers.Preview, clientID int64) planFacts {
	facts := planFacts{products: map[int64]*whmcs.Product{}}
	if clientID > 0 {
		facts.client, facts.clientErr = m.whmcs.GetClientsDetails(ctx, clientID)
	}
	var pids []int64
	for _, line := range preview.Lines {
		pids = append(pids, line.PID)
	}
	slices.Sort(pids)
	if pids = slices.Compact(pids); len(pids) == 0 {
		return facts
	}
	products, err := m.whmcs.GetProducts(ctx, whmcs.ProductFilter{PIDs: pids})
	facts.productsErr = err
	for i := range products {
		facts.products[products[i].PID] = &products[i]
	}
	return facts
}

// planLines joins the lines of the Salesforce order to what is made of them. Lines of a frozen plan whose Salesforce line
// is gone come last.
func planLines(preview *controllers.Preview, facts planFacts) []planLine {
	made := preview.Lines
	var lines []planLine
	for _, examined := range preview.Examination.Lines {
		own := linesOf(made, examined.OrderItemID)
		line := planLine{OrderItemID: examined.OrderItemID, SKU: examined.SKU}
		switch {
		case len(own) > 0:
			line = planLineOf(own, examined.Record["UnitPrice"], facts)
		case examined.Miss != nil:
			line.Problem = examined.Miss.Message
		default:
			line.LeftOut = true
		}
		lines = append(lines, line)
	}
	for _, left := range made {
		known := func(l planLine) bool { return l.OrderItemID == left.OrderItemID }
		if !slices.ContainsFunc(lines, known) {
			lines = append(lines, planLineOf(linesOf(made, left.OrderItemID), nil, facts))
		}
	}
	return lines
}

func linesOf(lines []v1alpha1.PlanLine, orderItemID string) []v1alpha1.PlanLine {
	var own []v1alpha1.PlanLine
	for _, line := range lines {
		if line.OrderItemID == orderItemID {
			own = append(own, line)
		}
	}
	return own
}

// planLineOf sums up the WHMCS lines of one Salesforce line, which differ in nothing.
func planLineOf(own []v1alpha1.PlanLine, unitPrice any, facts planFacts) planLine {
	first := own[0]
	line := planLine{
		OrderItemID: first.OrderItemID, SKU: first.SKU, PID: first.PID, BillingCycle: first.BillingCycle, WhmcsLines: len(own),
		ConfigOptions: first.ConfigOptions, CustomFields: first.CustomFields, Domain: first.Domain,
	}
	for _, l := range own {
		line.Quantity += l.Quantity
	}
	product := facts.products[first.PID]
	if product != nil {
		line.Product = product.Name
	}
	line.Price = priceOf(unitPrice, product, first.BillingCycle, facts.client.CurrencyCode, line.Quantity)
	return line
}

// missText is the message of a Miss, or empty.
func missText(miss *mapping.Miss) string {
	if miss == nil {
		return ""
	}
	return miss.Message
}
