package whmcs

import (
	"slices"
	"strconv"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

func (s *Server) cancelOrder(c *call) *php.Array {
	o := s.order(c.form.Number("orderid"))
	if o == nil || o.Status != StatusPending {
		return fail(notPending)
	}
	if c.form.Truthy("cancelsub") {
		for _, id := range o.ServiceIDs {
			if s.services[id].Subscription == "invalid" {
				return fail("Subscription Cancellation Failed - Subscription not found")
			}
		}
	}
	s.setStatus(o, StatusCancelled)
	if inv := s.invoices[o.InvoiceID]; inv != nil && inv.Status == "Unpaid" {
		inv.Status = StatusCancelled
	}
	s.log(o.ClientID, c.at, "Order Status set to Cancelled - Order ID: "+strconv.FormatInt(o.ID, 10))
	return success()
}

func (s *Server) fraudOrder(c *call) *php.Array {
	o := s.order(c.form.Number("orderid"))
	if o == nil || o.Status != StatusPending {
		return fail(notPending)
	}
	s.setStatus(o, StatusFraud)
	return success()
}

// pendingOrder sets the order and all its items back to Pending. It undoes no provisioning: a later accept deploys again.
func (s *Server) pendingOrder(c *call) *php.Array {
	o := s.order(c.form.Number("orderid"))
	if o == nil {
		return fail("Order ID Not Found")
	}
	s.setStatus(o, StatusPending)
	return success()
}

func (s *Server) deleteOrder(c *call) *php.Array {
	o := s.order(c.form.Number("orderid"))
	if o == nil {
		return fail("Order ID not found")
	}
	if o.Status != StatusCancelled && o.Status != StatusFraud {
		return fail("The order status must be in Cancelled or Fraud to be deleted")
	}
	o.Deleted = true
	for _, id := range o.ServiceIDs {
		s.services[id].Deleted = true
	}
	for _, id := range o.DomainIDs {
		delete(s.domains, id)
	}
	delete(s.invoices, o.InvoiceID)
	gone := func(id int64) bool { return id == o.ID }
	s.clientOrders[o.ClientID] = slices.DeleteFunc(s.clientOrders[o.ClientID], gone)
	s.clientServices[o.ClientID] = slices.DeleteFunc(s.clientServices[o.ClientID],
		func(id int64) bool { return s.services[id].Deleted })
	return success()
}

func (s *Server) setStatus(o *Order, status string) {
	o.Status = status
	for _, id := range o.ServiceIDs {
		s.services[id].Status = status
	}
	for _, id := range o.DomainIDs {
		s.domains[id].Status = status
	}
}
