package whmcs

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// books are the records of the installation. The server's lock guards them.
type books struct {
	clients  map[int64]*Client
	products map[int64]*Product
	orders   map[int64]*Order
	services map[int64]*Service
	invoices map[int64]*Invoice
	domains  map[int64]*Domain

	clientOrders   map[int64][]int64
	clientServices map[int64][]int64
	orderIDs       []int64
	serviceIDs     []int64
	activations    []int64

	queue      []*QueueEntry
	notes      []Note
	emails     []Email
	activities []Activity

	nextClient, nextOrder, nextService, nextInvoice, nextItem, nextDomain, nextPayMethod int64
}

func newBooks() books {
	return books{
		clients: map[int64]*Client{}, products: map[int64]*Product{}, orders: map[int64]*Order{},
		services: map[int64]*Service{}, invoices: map[int64]*Invoice{}, domains: map[int64]*Domain{},
		clientOrders: map[int64][]int64{}, clientServices: map[int64][]int64{},
		nextClient: 1, nextOrder: 1, nextService: 1, nextInvoice: 1, nextItem: 1, nextDomain: 1, nextPayMethod: 1,
	}
}

// AddClient stores a client and returns its id. An id that is set is kept, so that known numbers can be seeded.
func (s *Server) AddClient(c Client) (int64, error) {
	s.enter()
	defer s.mu.Unlock()
	if c.ID == 0 {
		c.ID = s.nextClient
	}
	if s.clients[c.ID] != nil {
		return 0, fmt.Errorf("client %d exists already", c.ID)
	}
	s.nextClient = max(s.nextClient, c.ID+1)
	c.Status = cmp.Or(c.Status, StatusActive)
	c.Currency = cmp.Or(c.Currency, "JPY")
	if c.Created.IsZero() {
		c.Created = s.opts.Now()
	}
	c.CustomFields = maps.Clone(c.CustomFields)
	methods := c.PayMethods
	c.PayMethods = nil
	for _, m := range methods {
		s.addPayMethod(&c, m)
	}
	s.clients[c.ID] = &c
	return c.ID, nil
}

// UpdateClient changes a client in place.
func (s *Server) UpdateClient(id int64, change func(*Client)) error {
	s.enter()
	defer s.mu.Unlock()
	c := s.clients[id]
	if c == nil {
		return fmt.Errorf("client %d does not exist", id)
	}
	fresh := *c
	fresh.CustomFields = maps.Clone(c.CustomFields)
	fresh.PayMethods = slices.Clone(c.PayMethods)
	change(&fresh)
	fresh.ID = id
	s.clients[id] = &fresh
	return nil
}

// AddPayMethod gives a client a stored card or account and returns its id.
func (s *Server) AddPayMethod(clientID int64, m PayMethod) (int64, error) {
	var id int64
	err := s.UpdateClient(clientID, func(c *Client) { id = s.addPayMethod(c, m) })
	return id, err
}

// RemovePayMethods takes all stored cards and accounts from a client.
func (s *Server) RemovePayMethods(clientID int64) error {
	return s.UpdateClient(clientID, func(c *Client) { c.PayMethods = nil })
}

func (s *Server) addPayMethod(c *Client, m PayMethod) int64 {
	if m.ID == 0 {
		m.ID = s.nextPayMethod
	}
	s.nextPayMethod = max(s.nextPayMethod, m.ID+1)
	m.Type = cmp.Or(m.Type, "RemoteCreditCard")
	m.Gateway = cmp.Or(m.Gateway, "stripe")
	m.Description = cmp.Or(m.Description, "Visa ending 4242")
	m.LastFour = cmp.Or(m.LastFour, "4242")
	m.Expiry = cmp.Or(m.Expiry, "12/39")
	m.CardType = cmp.Or(m.CardType, "Visa")
	if m.Updated.IsZero() {
		m.Updated = s.opts.Now()
	}
	c.PayMethods = append(c.PayMethods, m)
	return m.ID
}

// PutProduct adds a product or replaces the one with the same pid.
func (s *Server) PutProduct(p Product) error {
	if p.PID <= 0 {
		return errors.New("a product needs a pid")
	}
	s.enter()
	defer s.mu.Unlock()
	s.products[p.PID] = &p
	return nil
}

// RemoveProduct takes a product out of the catalogue; services keep its number.
func (s *Server) RemoveProduct(pid int64) {
	s.enter()
	defer s.mu.Unlock()
	delete(s.products, pid)
}

// SetOrderStatus sets an order's status as an administrator would; no module runs. The services follow.
func (s *Server) SetOrderStatus(orderID int64, status string) error {
	s.enter()
	defer s.mu.Unlock()
	o := s.orders[orderID]
	if o == nil {
		return fmt.Errorf("order %d does not exist", orderID)
	}
	o.Status = status
	for _, id := range o.ServiceIDs {
		s.services[id].Status = status
	}
	return nil
}

// SetOrderNotes writes an order's notes as an administrator would.
func (s *Server) SetOrderNotes(orderID int64, notes string) error {
	s.enter()
	defer s.mu.Unlock()
	o := s.orders[orderID]
	if o == nil {
		return fmt.Errorf("order %d does not exist", orderID)
	}
	o.Notes = notes
	return nil
}

// UpdateService changes a service in place, as an administrator would.
func (s *Server) UpdateService(id int64, change func(*Service)) error {
	s.enter()
	defer s.mu.Unlock()
	sv := s.services[id]
	if sv == nil {
		return fmt.Errorf("service %d does not exist", id)
	}
	fresh := sv.clone()
	change(&fresh)
	fresh.ID = id
	*sv = fresh
	return nil
}

func (sv *Service) clone() Service {
	out := *sv
	out.CustomFields = maps.Clone(sv.CustomFields)
	out.ConfigOptions = maps.Clone(sv.ConfigOptions)
	return out
}

// PlaceOrder makes an order in the books as if somebody had placed it in the client area: one line of one product.
func (s *Server) PlaceOrder(clientID, pid int64, notes string) (Order, error) {
	s.enter()
	defer s.mu.Unlock()
	product, client := s.products[pid], s.clients[clientID]
	if product == nil || client == nil {
		return Order{}, fmt.Errorf("client %d or product %d does not exist", clientID, pid)
	}
	cycle, _ := product.cycleFor("")
	o := s.newOrder(orderHead{client: client, gateway: "mailin", notes: notes, at: s.opts.Now()},
		[]line{{product: product, cycle: cycle, qty: 1, services: 1}}, nil)
	return o.copy(), nil
}

func (o *Order) copy() Order {
	out := *o
	out.ServiceIDs = slices.Clone(o.ServiceIDs)
	out.DomainIDs = slices.Clone(o.DomainIDs)
	return out
}

// Orders returns all orders by id, also the deleted ones.
func (s *Server) Orders() []Order {
	s.enter()
	defer s.mu.Unlock()
	out := make([]Order, 0, len(s.orderIDs))
	for _, id := range s.orderIDs {
		out = append(out, s.orders[id].copy())
	}
	return out
}

// Services returns all services by id, also the deleted ones.
func (s *Server) Services() []Service {
	s.enter()
	defer s.mu.Unlock()
	out := make([]Service, 0, len(s.serviceIDs))
	for _, id := range s.serviceIDs {
		out = append(out, s.services[id].clone())
	}
	return out
}

// Clients returns all clients by id.
func (s *Server) Clients() []Client {
	s.enter()
	defer s.mu.Unlock()
	return sorted(s.clients, func(c *Client) Client {
		out := *c
		out.CustomFields, out.PayMethods = maps.Clone(c.CustomFields), slices.Clone(c.PayMethods)
		return out
	})
}

// Products returns the catalogue by pid.
func (s *Server) Products() []Product {
	s.enter()
	defer s.mu.Unlock()
	return sorted(s.products, func(p *Product) Product { return *p })
}

// Invoices returns all invoices by id.
func (s *Server) Invoices() []Invoice {
	s.enter()
	defer s.mu.Unlock()
	return sorted(s.invoices, func(i *Invoice) Invoice { return *i })
}

// Queue returns the module queue, also what is completed.
func (s *Server) Queue() []QueueEntry {
	s.enter()
	defer s.mu.Unlock()
	out := make([]QueueEntry, len(s.queue))
	for i, q := range s.queue {
		out[i] = *q
	}
	return out
}

// Notes returns the client notes in the order in which they were added.
func (s *Server) Notes() []Note {
	s.enter()
	defer s.mu.Unlock()
	return slices.Clone(s.notes)
}

// Emails returns the messages that SendEmail sent.
func (s *Server) Emails() []Email {
	s.enter()
	defer s.mu.Unlock()
	return slices.Clone(s.emails)
}

// Activities returns the activity log, the oldest entry first.
func (s *Server) Activities() []Activity {
	s.enter()
	defer s.mu.Unlock()
	return slices.Clone(s.activities)
}

func sorted[T, R any](m map[int64]*T, copyOf func(*T) R) []R {
	out := make([]R, 0, len(m))
	for _, id := range slices.Sorted(maps.Keys(m)) {
		out = append(out, copyOf(m[id]))
	}
	return out
}
