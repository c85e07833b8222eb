package whmcs

import (
	"context"
	"encoding/json"
	"strconv"
)

// AddOrder places an order. On success the order exists and is pending. On an
// error of class Unknown it may exist: search for it before placing it again.
func (c *Client) AddOrder(ctx context.Context, r AddOrderRequest) (AddOrderResult, error) {
	if problem := r.problem(); problem != "" {
		return AddOrderResult{}, invalid(actionAddOrder, problem)
	}
	a, err := c.call(ctx, actionAddOrder, r.payload(), r.NotAfter)
	if err != nil {
		return AddOrderResult{}, err
	}
	var w struct {
		OrderID flexInt `json:"orderid"`
	}
	if err := a.decode(actionAddOrder, &w); err != nil || w.OrderID <= 0 {
		e := a.unclear(actionAddOrder, "it says success but names no order")
		e.Message = c.sanitise(a.head.text())
		return AddOrderResult{}, e
	}
	return a.addOrderResult(int64(w.OrderID)), nil
}

// addOrderResult reads the invoice that AddOrder names. The order stands, so
// nothing here may turn it into an error: what invoiceid holds when there is no
// invoice is not documented.
func (a *answer) addOrderResult(orderID int64) AddOrderResult {
	var fields map[string]json.RawMessage
	var invoiceID flexInt
	if json.Unmarshal(a.object, &fields) != nil || json.Unmarshal(orNull(fields["invoiceid"]), &invoiceID) != nil {
		invoiceID = 0
	}
	return AddOrderResult{OrderID: orderID, InvoiceID: int64(invoiceID)}
}

func orNull(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return json.RawMessage("null")
	}
	return data
}

// AcceptOrder accepts a pending order. It must not be repeated blindly: a second
// accept can deploy twice, and WHMCS answers for an order that is already active
// as for one that it does not know (OrderNotPending).
func (c *Client) AcceptOrder(ctx context.Context, r AcceptOrderRequest) error {
	if r.OrderID <= 0 {
		return invalid(actionAcceptOrder, "order id "+strconv.FormatInt(r.OrderID, 10)+" is not positive")
	}
	_, err := c.call(ctx, actionAcceptOrder, r.payload(), r.NotAfter)
	return err
}

func invalid(action, problem string) *Error {
	return &Error{Action: action, Class: Refused, Code: InvalidRequest, Detail: problem}
}
