package salesforce

import (
	"fmt"
	"maps"
	"strings"
)

// applyRules completes and checks the values of a row as the platform does
// for its object, before they are stored. old is nil for a new row.
func (t *txn) applyRules(r *row, old, values map[string]any) *recordError {
	switch r.obj.Name {
	case "Contact":
		first, _ := values["FirstName"].(string)
		last, _ := values["LastName"].(string)
		values["Name"] = strings.TrimSpace(first + " " + last)
	case "PricebookEntry":
		return t.pricebookEntryRules(r, values)
	case "Order":
		return t.orderRules(r, old, values)
	case "OrderItem":
		return t.orderItemRules(r, values)
	}
	return nil
}

// after does what follows from a stored row: an order's total.
func (t *txn) after(r *row) *recordError {
	if r.obj.Name != "OrderItem" {
		return nil
	}
	id, _ := r.values["OrderId"].(string)
	order := t.s.db.live(id)
	if order == nil {
		return nil
	}
	total := 0.0
	for _, line := range t.s.db.referring(r.obj, "OrderId", id) {
		if price, ok := line.values["TotalPrice"].(float64); ok && !line.deleted {
			total += price
		}
	}
	if order.values["TotalAmount"] != total {
		values := maps.Clone(order.values)
		values["TotalAmount"] = total
		t.replaceRow(order, values)
	}
	return nil
}

func (t *txn) pricebookEntryRules(r *row, values map[string]any) *recordError {
	product, book := t.parent(values, "Product2Id"), t.parent(values, "Pricebook2Id")
	if product == nil || book == nil {
		return nil
	}
	values["Name"] = product.values["Name"]
	if code := product.values["ProductCode"]; code != nil {
		values["ProductCode"] = code
	}
	standard := isTrue(book.values["IsStandard"])
	for _, other := range t.s.db.referring(r.obj, "Product2Id", product.id) {
		if other == r || other.deleted {
			continue
		}
		if other.values["Pricebook2Id"] == book.id {
			return refuse("DUPLICATE_VALUE", "This price definition already exists in this price book")
		}
		if b := t.parent(other.values, "Pricebook2Id"); b != nil && isTrue(b.values["IsStandard"]) {
			standard = true
		}
	}
	if !standard {
		return refuse("STANDARD_PRICE_NOT_DEFINED", "Before creating a custom price, create a standard price.")
	}
	return nil
}

// statusCategory is what an org's administrator assigns to each status: all
// before the work is done count as drafts.
func statusCategory(status string) string {
	switch status {
	case "Processed", "Completed", "Activated":
		return "Activated"
	}
	return "Draft"
}

func (t *txn) orderRules(r *row, old, values map[string]any) *recordError {
	status, _ := values["Status"].(string)
	category := statusCategory(status)
	if old == nil {
		if status != "" && category != "Draft" {
			return refuse("FAILED_ACTIVATION", "Choose a valid order status and save your changes. Ask your Salesforce admin for details.", "Status")
		}
		values["OrderNumber"] = fmt.Sprintf("%08d", 100+r.seq-1)
		values["TotalAmount"] = 0.0
	} else if category == "Activated" && old["StatusCode"] != "Activated" {
		values["ActivatedDate"] = t.now
	}
	values["StatusCode"] = category
	if old != nil && old["Pricebook2Id"] != values["Pricebook2Id"] && t.hasLines(r) {
		return refuse("FIELD_INTEGRITY_EXCEPTION", "field integrity exception: Pricebook2Id (the price book cannot be changed while the order has order products)", "Pricebook2Id")
	}
	t.orderFlow(r, old, values)
	return nil
}

func (t *txn) hasLines(order *row) bool {
	for _, line := range t.s.db.referring(t.s.schema.object("OrderItem"), "OrderId", order.id) {
		if !line.deleted {
			return true
		}
	}
	return false
}

func (t *txn) orderItemRules(r *row, values map[string]any) *recordError {
	order, entry := t.parent(values, "OrderId"), t.parent(values, "PricebookEntryId")
	if order == nil || entry == nil {
		return nil
	}
	if order.values["Pricebook2Id"] != entry.values["Pricebook2Id"] {
		return refuse("FIELD_INTEGRITY_EXCEPTION",
			"field integrity exception: PricebookEntryId (pricebook entry is in a different pricebook than the one assigned to the order)", "PricebookEntryId")
	}
	if product := values["Product2Id"]; product != nil && product != entry.values["Product2Id"] {
		return refuse("FIELD_INTEGRITY_EXCEPTION", "field integrity exception: Product2Id (product does not match the price book entry)", "Product2Id")
	}
	values["Product2Id"], values["ListPrice"] = entry.values["Product2Id"], entry.values["UnitPrice"]
	values["OrderItemNumber"] = fmt.Sprintf("%010d", r.seq)
	quantity, _ := values["Quantity"].(float64)
	if price, ok := values["UnitPrice"].(float64); ok {
		values["TotalPrice"] = quantity * price
	}
	return nil
}

func (t *txn) parent(values map[string]any, field string) *row {
	id, _ := values[field].(string)
	return t.s.db.live(id)
}
