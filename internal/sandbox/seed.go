package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// SeedRequest asks for customers on both sides and orders of theirs.
type SeedRequest struct {
	// Customers to make; default three for every four orders, so that some have several.
	Customers int `json:"customers,omitempty"`
	// Orders to make, drafts of one to five lines from the catalogue, given to the customers in turn.
	Orders int `json:"orders,omitempty"`
	// WithoutPayMethod is how many of the customers, the first ones, have no pay method in WHMCS.
	WithoutPayMethod int `json:"withoutPayMethod,omitempty"`
	// SKUs are the products to order; default the whole catalogue.
	SKUs []string `json:"skus,omitempty"`
	// Fields are set on every Order.
	Fields map[string]any `json:"fields,omitempty"`
	// Approve approves the orders at once.
	Approve bool `json:"approve,omitempty"`
	// Seed makes the draw of the lines repeatable.
	Seed uint64 `json:"seed,omitempty"`
}

// SeedResult is what was made.
type SeedResult struct {
	Customers []Customer    `json:"customers"`
	Orders    []SeededOrder `json:"orders"`
}

// Customer is one customer on both sides.
type Customer struct {
	Name      string `json:"name"`
	AccountID string `json:"accountID"`
	ClientID  int64  `json:"clientID"`
	PayMethod bool   `json:"payMethod"`
}

// SeededOrder is an order that was made in Salesforce.
type SeededOrder struct {
	ID        string      `json:"id"`
	AccountID string      `json:"accountID"`
	ClientID  int64       `json:"clientID,omitempty"`
	Lines     []OrderLine `json:"lines"`
}

// OrderLine is a line of an order to make. ID is given when it is made.
type OrderLine struct {
	ID       string  `json:"id,omitempty"`
	SKU      string  `json:"sku"`
	Quantity float64 `json:"quantity,omitempty"` // default 1
	// Fields are set on the OrderItem.
	Fields map[string]any `json:"fields,omitempty"`
}

// OrderRequest asks for one order.
type OrderRequest struct {
	AccountID string         `json:"accountID"`
	Lines     []OrderLine    `json:"lines"`
	Fields    map[string]any `json:"fields,omitempty"`
	Approve   bool           `json:"approve,omitempty"`
}

// seeder remembers what the catalogue's products are called in Salesforce.
type seeder struct {
	mu        sync.Mutex
	products  map[string]salesforce.ProductIDs // by SKU
	customers int
}

// seedProducts puts the catalogue into Salesforce.
func (s *Sandbox) seedProducts() error {
	s.seeder.products = map[string]salesforce.ProductIDs{}
	for _, it := range Catalogue() {
		ids, err := s.Salesforce.CreateProduct(salesforce.Product{
			Name: it.Name, SKU: it.SKU, WHMCSProduct: it.PID, BillingCycle: it.Cycle, ItemClass: it.Class, Price: it.Price,
			ConfigOptions: it.optionsJSON(),
		})
		if err != nil {
			return fmt.Errorf("product %s: %w", it.SKU, err)
		}
		s.seeder.products[it.SKU] = ids
	}
	return nil
}

var (
	givenNames  = []string{"Hana", "Ren", "Yui", "Sora", "Mei", "Riku", "Aoi", "Haru", "Emma", "Noah"}
	familyNames = []string{"Sato", "Suzuki", "Takahashi", "Tanaka", "Ito", "Watanabe", "Yamamoto", "O'Brien", "Müller", "Kobayashi"}
)

// NewCustomer makes a customer on both sides: a WHMCS client, and an account that names it as "#1234 - Name".
func (s *Sandbox) NewCustomer(payMethod bool) (Customer, error) {
	s.seeder.mu.Lock()
	n := s.seeder.customers
	s.seeder.customers++
	s.seeder.mu.Unlock()
	given, family := givenNames[n%len(givenNames)], familyNames[n/len(givenNames)%len(familyNames)]
	number := fmt.Sprintf("C-%06d", n+1)
	client := whmcs.Client{FirstName: given, LastName: family, Email: fmt.Sprintf("customer%d@example.com", n+1),
		CustomFields: map[int64]string{whmcs.FieldCustomerNumber: number}}
	if payMethod {
		client.PayMethods = []whmcs.PayMethod{{}}
	}
	clientID, err := s.Whmcs.AddClient(client)
	if err != nil {
		return Customer{}, err
	}
	name := given + " " + family
	account, err := s.Salesforce.CreateAccount(salesforce.Account{Name: name, Number: number, WHMCSClient: clientID})
	return Customer{Name: name, AccountID: account, ClientID: clientID, PayMethod: payMethod}, err
}

// NewOrder makes one order in Salesforce.
func (s *Sandbox) NewOrder(r OrderRequest) (SeededOrder, error) {
	order := salesforce.Order{AccountID: r.AccountID, Fields: r.Fields, Approve: r.Approve}
	for _, l := range r.Lines {
		product, ok := s.seeder.products[l.SKU]
		if !ok {
			return SeededOrder{}, fmt.Errorf("no product has the SKU %q: the catalogue has %s", l.SKU, strings.Join(skus(), ", "))
		}
		if l.Quantity < 0 {
			return SeededOrder{}, fmt.Errorf("quantity %v of %s: it must not be negative", l.Quantity, l.SKU)
		}
		order.Lines = append(order.Lines, salesforce.Line{PricebookEntryID: product.PricebookEntryID,
			Quantity: cmp.Or(l.Quantity, 1), Fields: l.Fields})
	}
	if len(order.Lines) == 0 {
		return SeededOrder{}, errors.New("an order needs lines")
	}
	id, lineIDs, err := s.Salesforce.CreateOrder(order)
	if err != nil {
		return SeededOrder{}, err
	}
	out := SeededOrder{ID: id, AccountID: r.AccountID, Lines: slices.Clone(r.Lines)}
	if account, ok := s.Salesforce.Record(r.AccountID); ok {
		out.ClientID = clientOf(text(account, "WH_Account__c"))
	}
	for i := range out.Lines {
		out.Lines[i].ID = lineIDs[i]
		out.Lines[i].Quantity = cmp.Or(out.Lines[i].Quantity, 1)
	}
	return out, nil
}

func skus() []string {
	var out []string
	for _, it := range Catalogue() {
		out = append(out, it.SKU)
	}
	return out
}

// Seed makes customers and orders.
func (s *Sandbox) Seed(r SeedRequest) (SeedResult, error) {
	out := SeedResult{Customers: []Customer{}, Orders: []SeededOrder{}}
	if r.Customers < 0 || r.Orders < 0 || r.Customers > 1_000_000 || r.Orders > 1_000_000 {
		return out, errors.New("customers and orders must be between 0 and 1000000")
	}
	if r.Customers == 0 && r.Orders > 0 {
		r.Customers = (r.Orders*3 + 3) / 4
	}
	draw := rand.New(rand.NewPCG(r.Seed, 0x0bde))
	items, err := itemsOf(r.SKUs)
	if err != nil {
		return out, err
	}
	for n := range r.Customers {
		c, err := s.NewCustomer(n >= r.WithoutPayMethod)
		if err != nil {
			return out, err
		}
		out.Customers = append(out.Customers, c)
	}
	for n := range r.Orders {
		customer := out.Customers[n%len(out.Customers)]
		order, err := s.NewOrder(OrderRequest{AccountID: customer.AccountID, Lines: drawLines(draw, items, n), Fields: r.Fields, Approve: r.Approve})
		if err != nil {
			return out, err
		}
		out.Orders = append(out.Orders, order)
	}
	return out, nil
}

func itemsOf(skus []string) ([]Item, error) {
	if len(skus) == 0 {
		return Catalogue(), nil
	}
	known := bySKU()
	var out []Item
	for _, sku := range skus {
		it, ok := known[sku]
		if !ok {
			return nil, fmt.Errorf("no product has the SKU %q", sku)
		}
		out = append(out, it)
	}
	return out, nil
}

// drawLines draws one service and what goes with it. Every tenth order is the largest there is: Internet with installation
// at a weekend and home phone.
func drawLines(draw *rand.Rand, items []Item, n int) []OrderLine {
	var services []Item
	offered := map[string]bool{}
	for _, it := range items {
		offered[it.SKU] = true
		if !it.Extra {
			services = append(services, it)
		}
	}
	if len(services) == 0 {
		services = items
	}
	service := services[(n+draw.IntN(len(services)))%len(services)]
	if n%10 == 0 && offered["INT-HOME-10G"] {
		service = bySKU()["INT-HOME-10G"]
	}
	lines := []OrderLine{{SKU: service.SKU, Quantity: 1}}
	if strings.HasPrefix(service.SKU, "SIM") {
		lines[0].Quantity = float64(1 + draw.IntN(3))
	}
	for _, sku := range extras[service.SKU[:3]] {
		if offered[sku] && sku != service.SKU && (n%10 == 0 || draw.IntN(2) == 0) {
			lines = append(lines, OrderLine{SKU: sku, Quantity: 1})
		}
	}
	// Lines come in any order, and the operator must not go by it.
	draw.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	return lines
}

// UpdateProduct changes fields of the product with this SKU in Salesforce; nil clears one.
func (s *Sandbox) UpdateProduct(sku string, fields map[string]any) error {
	ids, ok := s.seeder.products[sku]
	if !ok {
		return fmt.Errorf("no product has the SKU %q", sku)
	}
	return s.Salesforce.Update(ids.Product2ID, fields)
}
