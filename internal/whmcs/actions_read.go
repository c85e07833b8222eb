package whmcs

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// read calls an action that changes nothing and decodes its answer into v.
func (c *Client) read(ctx context.Context, action string, payload []Field, v any) (*answer, error) {
	a, err := c.call(ctx, action, payload, time.Time{})
	if err != nil {
		return nil, err
	}
	if err := a.decode(action, v); err != nil {
		return nil, err
	}
	return a, nil
}

// rows decodes a list of an answer.
func rows[T any](a *answer, action, name string, list json.RawMessage, inner string) ([]T, error) {
	decoded, err := decodeList[T](list, inner)
	if err != nil {
		return nil, a.unclear(action, "the list "+name+" has a form that is not understood"+fieldOf(err))
	}
	return decoded, nil
}

func number(name string, n int64) []Field {
	if n == 0 {
		return nil
	}
	return []Field{{name, strconv.FormatInt(n, 10)}}
}

func limits(start, num int64) []Field {
	return []Field{{"limitstart", strconv.FormatInt(start, 10)}, {"limitnum", strconv.FormatInt(num, 10)}}
}

// GetPayMethods returns the cards and bank accounts that are stored for a client.
func (c *Client) GetPayMethods(ctx context.Context, clientID int64) ([]PayMethod, error) {
	if clientID <= 0 {
		return nil, invalid(actionGetPayMethods, "client id "+strconv.FormatInt(clientID, 10)+" is not positive")
	}
	var w struct {
		PayMethods json.RawMessage `json:"paymethods"`
	}
	a, err := c.read(ctx, actionGetPayMethods, number("clientid", clientID), &w)
	if err != nil {
		return nil, err
	}
	type row struct {
		ID          flexInt    `json:"id"`
		Type        flexString `json:"type"`
		GatewayName flexString `json:"gateway_name"`
		ExpiryDate  flexString `json:"expiry_date"`
	}
	list, err := rows[row](a, actionGetPayMethods, "paymethods", w.PayMethods, "paymethod")
	if err != nil {
		return nil, err
	}
	methods := make([]PayMethod, 0, len(list))
	for _, r := range list {
		if r.ID <= 0 {
			return nil, a.unclear(actionGetPayMethods, "a payment method has no id")
		}
		methods = append(methods, PayMethod{int64(r.ID), string(r.Type), string(r.GatewayName), string(r.ExpiryDate)})
	}
	return methods, nil
}

// GetClientsDetails returns what matters of a client for an order.
func (c *Client) GetClientsDetails(ctx context.Context, clientID int64) (ClientDetails, error) {
	if clientID <= 0 {
		return ClientDetails{}, invalid(actionGetClientsDetails, "client id "+strconv.FormatInt(clientID, 10)+" is not positive")
	}
	type details struct {
		ID             flexInt    `json:"id"`
		ClientID       flexInt    `json:"client_id"`
		Status         flexString `json:"status"`
		CurrencyCode   flexString `json:"currency_code"`
		DefaultGateway flexString `json:"defaultgateway"`
	}
	var w struct {
		Client *details `json:"client"`
		details
	}
	a, err := c.read(ctx, actionGetClientsDetails, number("clientid", clientID), &w)
	if err != nil {
		return ClientDetails{}, err
	}
	d := w.details // the form of old versions
	if w.Client != nil {
		d = *w.Client
	}
	id := int64(max(d.ID, d.ClientID))
	if id != clientID {
		return ClientDetails{}, a.unclear(actionGetClientsDetails, "it is not about the client that was asked for")
	}
	return ClientDetails{id, string(d.Status), string(d.CurrencyCode), string(d.DefaultGateway)}, nil
}

// GetModuleQueue returns the failed module actions of a service.
func (c *Client) GetModuleQueue(ctx context.Context, serviceID int64) ([]ModuleQueueEntry, error) {
	payload := append(number("relatedId", serviceID), Field{"serviceType", "service"})
	a, err := c.call(ctx, actionGetModuleQueue, payload, time.Time{})
	if err != nil {
		return nil, err
	}
	queue, err := a.unflatten(actionGetModuleQueue, "queue")
	if err != nil {
		return nil, err
	}
	type row struct {
		ID               flexInt    `json:"id"`
		ServiceType      flexString `json:"serviceType"`
		ServiceID        flexInt    `json:"serviceId"`
		ModuleName       flexString `json:"moduleName"`
		ModuleAction     flexString `json:"moduleAction"`
		LastAttempt      flexString `json:"lastAttempt"`
		LastAttemptError flexString `json:"lastAttemptError"`
		NumRetries       flexInt    `json:"numRetries"`
		Completed        flexInt    `json:"completed"`
	}
	list, err := rows[row](a, actionGetModuleQueue, "queue", queue, "")
	if err != nil {
		return nil, err
	}
	var entries []ModuleQueueEntry
	for _, r := range list {
		// Before 7.10 WHMCS ignores relatedId and answers with all services.
		if serviceID != 0 && (int64(r.ServiceID) != serviceID || r.ServiceType != "" && !strings.EqualFold(string(r.ServiceType), "service")) {
			continue
		}
		entries = append(entries, ModuleQueueEntry{
			ID: int64(r.ID), ServiceType: string(r.ServiceType), ServiceID: int64(r.ServiceID),
			ModuleName: string(r.ModuleName), ModuleAction: string(r.ModuleAction), LastAttempt: string(r.LastAttempt),
			LastError: c.sanitise(string(r.LastAttemptError)), NumRetries: int64(r.NumRetries), Completed: r.Completed != 0,
		})
	}
	return entries, nil
}

// unflatten returns the list name, which some versions spread over keys such as
// "queue[0][id]".
func (a *answer) unflatten(action, name string) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := a.decode(action, &fields); err != nil {
		return nil, err
	}
	if list, ok := fields[name]; ok {
		return list, nil
	}
	byIndex := map[string]map[string]json.RawMessage{}
	for key, value := range fields {
		rest, ok := strings.CutPrefix(key, name+"[")
		index, column, both := strings.Cut(rest, "][")
		if !ok || !both {
			continue
		}
		if byIndex[index] == nil {
			byIndex[index] = map[string]json.RawMessage{}
		}
		byIndex[index][strings.TrimSuffix(column, "]")] = value
	}
	if len(byIndex) == 0 {
		return nil, nil
	}
	return json.Marshal(byIndex)
}

// WhmcsDetails returns which WHMCS answers. It needs WHMCS 8.0.
func (c *Client) WhmcsDetails(ctx context.Context) (Details, error) {
	var w struct {
		Whmcs struct {
			Version flexString `json:"version"`
		} `json:"whmcs"`
	}
	if _, err := c.read(ctx, actionWhmcsDetails, nil, &w); err != nil {
		return Details{}, err
	}
	return Details{string(w.Whmcs.Version)}, nil
}

// GetProducts returns products of the catalogue.
func (c *Client) GetProducts(ctx context.Context, filter ProductFilter) ([]Product, error) {
	var payload []Field
	if len(filter.PIDs) > 0 {
		pids := make([]string, len(filter.PIDs))
		for i, pid := range filter.PIDs {
			pids[i] = strconv.FormatInt(pid, 10)
		}
		payload = append(payload, Field{"pid", strings.Join(pids, ",")})
	}
	var w struct {
		Products json.RawMessage `json:"products"`
	}
	a, err := c.read(ctx, actionGetProducts, payload, &w)
	if err != nil {
		return nil, err
	}
	list, err := rows[productRow](a, actionGetProducts, "products", w.Products, "product")
	if err != nil {
		return nil, err
	}
	products := make([]Product, 0, len(list))
	for _, r := range list {
		p, err := r.product()
		if err != nil {
			return nil, a.unclear(actionGetProducts, "a product has a form that is not understood")
		}
		if len(filter.PIDs) == 0 || slices.Contains(filter.PIDs, p.PID) {
			products = append(products, p)
		}
	}
	return products, nil
}
