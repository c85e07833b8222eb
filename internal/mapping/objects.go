package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// Objects are the Salesforce objects that orders are made of.
type Objects struct {
	// Order holds the orders, Item their lines.
	Order, Item string
	// Lines is the child relationship that leads from an order to its lines.
	Lines string
	// Product holds the products.
	Product string
}

// The objects of an org that keeps its orders where Salesforce does.
const (
	standardOrder   = "Order"
	standardItem    = "OrderItem"
	standardLines   = "OrderItems"
	standardProduct = "Product2"
)

// Objects returns the objects that orders are made of.
func (m *Mapping) Objects() Objects { return m.fields.objects }

// OrderNumber is the number by which staff know the order, or "".
func (m *Mapping) OrderNumber(order map[string]any) string {
	if m.fields.orderNumber == "" {
		return ""
	}
	return text(field(order, m.fields.orderNumber))
}

// AccountID is the Salesforce id of the order's account, or "".
func (m *Mapping) AccountID(order map[string]any) string {
	if names := m.fields.accountID(); names != nil {
		return text(lookup(order, names))
	}
	return ""
}

// accountID leads from the order to the id of its account; nil if orders have no account.
func (f *fields) accountID() []string {
	switch {
	case strings.EqualFold(f.objects.Order, standardOrder):
		return []string{"AccountId"}
	case lacks(f.objects.Order, f.accountPath[0]):
		return nil
	}
	return append(slices.Clone(f.accountPath), "Id")
}

// objects resolves the names of the objects.
func (c *compiler) objects(s file.Salesforce) Objects {
	o := Objects{
		Order:   c.objectName("salesforce.order.object", s.Order.Object, standardOrder),
		Item:    c.objectName("salesforce.item.object", s.Item.Object, standardItem),
		Lines:   cmp.Or(s.Item.Path, standardLines),
		Product: c.objectName("salesforce.product.object", s.Product.Object, standardProduct),
	}
	if !isAPIName(o.Lines) || isCustom(o.Lines) {
		c.problem("salesforce.item.path", fmt.Sprintf("%s is not a child relationship", quote(o.Lines)),
			"write the Child Relationship Name of the field that leads from the line to its order, with __r behind it if the field is custom, such as Lines__r")
		o.Lines = standardLines
	}
	if strings.EqualFold(o.Order, o.Item) {
		c.problem("salesforce.item.object", "orders and their lines cannot be the same object", "name the object of the lines")
	}
	// One without the other would read lines of one object and write to another.
	if !strings.EqualFold(o.Order, standardOrder) || s.Item.Object != "" || s.Item.Path != "" {
		if s.Item.Object == "" {
			c.problem("salesforce.item.object", "the object of the lines is missing", "name it beside their path")
		}
		if s.Item.Path == "" {
			c.problem("salesforce.item.path", "the child relationship from an order to its lines is missing", "name it, such as Lines__r")
		}
	}
	return o
}

func (c *compiler) objectName(path, given, def string) string {
	if given == "" || isAPIName(given) && !isCustomRelationship(given) {
		return cmp.Or(given, def)
	}
	c.problem(path, fmt.Sprintf("%s is not an API name of an object", quote(given)), "write the API name alone, such as "+def+" or My_"+def+"__c")
	return def
}

// numberOf is the field with the number of a record: that of the standard object, or the one that others have.
func numberOf(object, standard, number string) string {
	if strings.EqualFold(object, standard) {
		return number
	}
	return "Name"
}

// isCustom reports whether a name is that of a custom object, or of a custom field.
func isCustom(name string) bool { return strings.HasSuffix(strings.ToLower(name), "__c") }

// isStandardID reports whether a name is that of a standard field with the id of a record, such as AccountId.
func isStandardID(name string) bool {
	return strings.HasSuffix(strings.ToLower(name), "id") && !strings.Contains(name, "__")
}

// isCustomRelationship reports whether a name leads to another record by a custom field.
func isCustomRelationship(name string) bool { return strings.HasSuffix(strings.ToLower(name), "__r") }

// everyObject are the fields and relationships that custom objects have too.
var everyObject = []string{
	"Id", "Name", "OwnerId", "Owner", "RecordTypeId", "RecordType", "CurrencyIsoCode", "Division", "IsDeleted",
	"CreatedDate", "CreatedById", "CreatedBy", "LastModifiedDate", "LastModifiedById", "LastModifiedBy", "SystemModstamp",
	"LastActivityDate", "LastViewedDate", "LastReferencedDate",
}

// lacks reports whether an object certainly has no field or relationship of that name. Salesforce would refuse every query
// that names it.
func lacks(object, name string) bool {
	if !isCustom(object) || name == "" || strings.Contains(name, "__") {
		return false
	}
	return !slices.ContainsFunc(everyObject, func(n string) bool { return strings.EqualFold(n, name) })
}

func lackOf(object, name string) string {
	return fmt.Sprintf("%s is a custom object and has no %s", object, name)
}

// exists refuses a field that cannot be there.
func (c *compiler) exists(path string, f fieldPath) bool {
	object, name, hint := c.fields.objects.Order, f.names[0], "its own fields end in __c, and its relationships in __r"
	switch f.root {
	case rootAccount:
		name, hint = c.fields.accountPath[0], "name the way from the order to its account in salesforce.account.path, such as Account__r"
	case rootItem:
		object = c.fields.objects.Item
	case rootProduct:
		return true // its path has been looked at, and it may be any object
	}
	if lacks(object, name) {
		c.problem(path, lackOf(object, name), hint)
		return false
	}
	return true
}
