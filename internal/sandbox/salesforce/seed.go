package salesforce

import (
	"errors"
	"fmt"
	"maps"
	"time"
)

// Create makes a record under the rules of the API and returns its id.
// Platform events are published instead.
func (s *Server) Create(objectName string, fields map[string]any) (string, error) {
	var id string
	err := s.do(func(t *txn) error {
		o := s.schema.object(objectName)
		if o == nil {
			return fmt.Errorf("create %s: no such object", objectName)
		}
		if o.isEvent() {
			result, err := t.publish(o, fields)
			if err != nil {
				return err
			}
			id = result.ID
			return nil
		}
		created, err := t.insert(o, fields)
		if err != nil {
			return fmt.Errorf("create %s: %w", o.Name, err)
		}
		id = created
		return nil
	})
	return id, err
}

// Update changes fields of a record; nil clears one.
func (s *Server) Update(id string, fields map[string]any) error {
	return s.withRow("update", id, func(t *txn, r *row) *recordError { return t.update(r, fields) })
}

// Delete puts a record in the recycle bin.
func (s *Server) Delete(id string) error {
	return s.withRow("delete", id, func(t *txn, r *row) *recordError { return t.remove(r) })
}

func (s *Server) withRow(verb, id string, work func(*txn, *row) *recordError) error {
	return s.do(func(t *txn) error {
		full, _ := parseID(id)
		r := s.db.live(full)
		if r == nil {
			return fmt.Errorf("%s %q: no such record", verb, id)
		}
		if err := work(t, r); err != nil {
			return fmt.Errorf("%s %s %s: %w", verb, r.obj.Name, full, err)
		}
		return nil
	})
}

// Record returns the stored fields of a record that are not null, whatever
// faults make other readers see: texts, booleans, float64, and times in the
// form of the API.
func (s *Server) Record(id string) (map[string]any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	full, _ := parseID(id)
	r := s.db.live(full)
	if r == nil {
		return nil, false
	}
	return plainRow(r), true
}

// Records returns all records of an object that are not deleted, oldest
// first, in the form of Record.
func (s *Server) Records(objectName string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.schema.object(objectName)
	if o == nil {
		return nil
	}
	var out []map[string]any
	for _, r := range s.db.table(o).sorted {
		if !r.deleted {
			out = append(out, plainRow(r))
		}
	}
	return out
}

func plainRow(r *row) map[string]any {
	out := map[string]any{}
	for _, f := range r.obj.fields {
		if value := r.values[f.Name]; value != nil {
			out[f.Name] = plain(f, value)
		}
	}
	return out
}

// Product is a product to seed, with its standard price.
type Product struct {
	Name          string         `json:"name"`
	SKU           string         `json:"sku"`
	WHMCSProduct  int64          `json:"whmcsProduct,omitzero"` // 0 = not mapped
	BillingCycle  string         `json:"billingCycle,omitzero"` // Monthly, Onetime
	ItemClass     string         `json:"itemClass,omitzero"`    // Service, Activation ...
	Price         float64        `json:"price,omitzero"`
	ConfigOptions string         `json:"configOptions,omitzero"` // JSON text
	Fields        map[string]any `json:"fields,omitzero"`        // anything else on Product2
}

// ProductIDs are the records of a seeded product.
type ProductIDs struct {
	Product2ID       string `json:"product2ID"`
	PricebookEntryID string `json:"pricebookEntryID"`
}

// CreateProduct makes an active Product2 and its standard price book entry.
func (s *Server) CreateProduct(p Product) (ProductIDs, error) {
	fields := map[string]any{"Name": p.Name, "ProductCode": p.SKU, "StockKeepingUnit": p.SKU, "IsActive": true,
		"Billing_Cycle__c": p.BillingCycle, "Item_Class__c": p.ItemClass, "Portal_ConfigOptions_JSON__c": p.ConfigOptions,
		"Portal_Catalog__c": true, "Portal_Accessible__c": true}
	if p.WHMCSProduct != 0 {
		fields["WHMCS_Product_Id__c"], fields["WH_Product_ID__c"] = p.WHMCSProduct, p.WHMCSProduct
	}
	maps.Copy(fields, p.Fields)
	product, err := s.Create("Product2", fields)
	if err != nil {
		return ProductIDs{}, err
	}
	entry, err := s.Create("PricebookEntry", map[string]any{
		"Pricebook2Id": s.standardBook, "Product2Id": product, "UnitPrice": p.Price, "IsActive": true,
	})
	return ProductIDs{product, entry}, err
}

// Account is a customer to seed.
type Account struct {
	Name        string         `json:"name"`
	Number      string         `json:"number,omitzero"`      // SF_Account_No__c
	WHMCSClient int64          `json:"whmcsClient,omitzero"` // WH_Account__c becomes "#1234 - Name"
	Fields      map[string]any `json:"fields,omitzero"`
}

// CreateAccount makes an Account and returns its id.
func (s *Server) CreateAccount(a Account) (string, error) {
	fields := map[string]any{"Name": a.Name, "SF_Account_No__c": a.Number}
	if a.WHMCSClient != 0 {
		fields["WH_Account__c"] = fmt.Sprintf("#%d - %s", a.WHMCSClient, a.Name)
	}
	maps.Copy(fields, a.Fields)
	return s.Create("Account", fields)
}

// Order is an order to seed.
type Order struct {
	AccountID string         `json:"accountID"`
	Lines     []Line         `json:"lines"`
	Fields    map[string]any `json:"fields,omitzero"` // on the Order
	Approve   bool           `json:"approve,omitzero"`
}

// Line is one line of an order to seed.
type Line struct {
	PricebookEntryID string         `json:"pricebookEntryID"`
	Quantity         float64        `json:"quantity,omitzero"` // default 1
	Fields           map[string]any `json:"fields,omitzero"`   // on the OrderItem
}

// CreateOrder makes a draft order in the standard price book with its lines
// and, if asked to, approves it, in units of work of their own.
func (s *Server) CreateOrder(o Order) (orderID string, lineIDs []string, err error) {
	err = s.do(func(t *txn) error {
		fields := map[string]any{"AccountId": o.AccountID, "EffectiveDate": t.now.Format(time.DateOnly), "Status": "Draft",
			"Pricebook2Id": s.standardBook, "Activation_Type__c": "Immediate", "Activation_Status__c": "Not Started"}
		maps.Copy(fields, o.Fields)
		id, rowErr := t.insert(s.schema.object("Order"), fields)
		if rowErr != nil {
			return fmt.Errorf("create Order: %w", rowErr)
		}
		orderID = id
		for _, line := range o.Lines {
			lineID, err := s.createLine(t, id, line)
			if err != nil {
				return err
			}
			lineIDs = append(lineIDs, lineID)
		}
		return nil
	})
	if err == nil && o.Approve {
		err = s.Approve(orderID)
	}
	return orderID, lineIDs, err
}

func (s *Server) createLine(t *txn, orderID string, line Line) (string, error) {
	entryID, _ := parseID(line.PricebookEntryID)
	entry := s.db.live(entryID)
	if entry == nil {
		return "", fmt.Errorf("create OrderItem: no price book entry %q", line.PricebookEntryID)
	}
	quantity := line.Quantity
	if quantity == 0 {
		quantity = 1
	}
	fields := map[string]any{"OrderId": orderID, "PricebookEntryId": entryID, "Quantity": quantity, "UnitPrice": entry.values["UnitPrice"]}
	if product := t.parent(entry.values, "Product2Id"); product != nil {
		fields["Billing_Cycle__c"] = product.values["Billing_Cycle__c"]
	}
	maps.Copy(fields, line.Fields)
	id, err := t.insert(s.schema.object("OrderItem"), fields)
	if err != nil {
		return "", fmt.Errorf("create OrderItem: %w", err)
	}
	return id, nil
}

// Approve sets the Status of an order to Approved; if it is so already, to
// Reactivate, which asks for the same again.
func (s *Server) Approve(orderID string) error {
	return s.withRow("approve", orderID, func(t *txn, r *row) *recordError {
		status := "Approved"
		if r.values["Status"] == "Approved" {
			status = "Reactivate"
		}
		return t.update(r, map[string]any{"Status": status})
	})
}

// OrderBook is the state of one order with its lines, in the form of Record.
type OrderBook struct {
	ID     string           `json:"id"`
	Fields map[string]any   `json:"fields"`
	Lines  []map[string]any `json:"lines"`
}

// Orders returns the books: all orders that are not deleted, oldest first.
func (s *Server) Orders() []OrderBook {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []OrderBook{}
	for _, r := range s.db.table(s.schema.object("Order")).sorted {
		if r.deleted {
			continue
		}
		book := OrderBook{ID: r.id, Fields: plainRow(r), Lines: []map[string]any{}}
		for _, line := range s.db.referring(s.schema.object("OrderItem"), "OrderId", r.id) {
			if !line.deleted {
				book.Lines = append(book.Lines, plainRow(line))
			}
		}
		out = append(out, book)
	}
	return out
}

// Seed is a whole set of records to make in one call. Accounts and products
// of orders are given by their place in the lists.
type Seed struct {
	Accounts []Account   `json:"accounts,omitzero"`
	Products []Product   `json:"products,omitzero"`
	Orders   []SeedOrder `json:"orders,omitzero"`
}

// SeedOrder is an order whose account and products are seeded with it.
type SeedOrder struct {
	Account  int            `json:"account"`
	Products []int          `json:"products"`
	Fields   map[string]any `json:"fields,omitzero"`
	Approve  bool           `json:"approve,omitzero"`
}

// Seeded are the ids of what Seed made, in the order of the lists.
type Seeded struct {
	Accounts []string     `json:"accounts"`
	Products []ProductIDs `json:"products"`
	Orders   []string     `json:"orders"`
}

// Seed makes accounts, products and orders.
func (s *Server) Seed(in Seed) (Seeded, error) {
	var out Seeded
	var failures []error
	for _, a := range in.Accounts {
		id, err := s.CreateAccount(a)
		failures = append(failures, err)
		out.Accounts = append(out.Accounts, id)
	}
	for _, p := range in.Products {
		ids, err := s.CreateProduct(p)
		failures = append(failures, err)
		out.Products = append(out.Products, ids)
	}
	for i, o := range in.Orders {
		id, err := s.seedOrder(o, out)
		if err != nil {
			err = fmt.Errorf("order %d: %w", i, err)
		}
		failures = append(failures, err)
		out.Orders = append(out.Orders, id)
	}
	return out, errors.Join(failures...)
}

func (s *Server) seedOrder(o SeedOrder, made Seeded) (string, error) {
	if o.Account < 0 || o.Account >= len(made.Accounts) {
		return "", fmt.Errorf("account %d is not in the seed", o.Account)
	}
	order := Order{AccountID: made.Accounts[o.Account], Fields: o.Fields, Approve: o.Approve}
	for _, p := range o.Products {
		if p < 0 || p >= len(made.Products) {
			return "", fmt.Errorf("product %d is not in the seed", p)
		}
		order.Lines = append(order.Lines, Line{PricebookEntryID: made.Products[p].PricebookEntryID})
	}
	id, _, err := s.CreateOrder(order)
	return id, err
}
