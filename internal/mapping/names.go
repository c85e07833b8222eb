package mapping

import (
	"fmt"
	"strings"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// fields are the Salesforce names that the mapping uses. An empty name is a field that the org does not have.
type fields struct {
	objects                                                                              Objects
	orderNumber, itemNumber                                                              string
	activationStatus, whmcsOrderID, errorCode, errorMessage, activationType, scheduledAt string
	quantity, itemCycle, serviceID                                                       string
	sku, pid, productCycle, class, configOptions                                         string
	productPath, accountPath                                                             []string
	numericIDs                                                                           bool
}

const (
	needed   = true
	optional = false
)

// names resolves the salesforce section.
func (c *compiler) names(s file.Salesforce) fields {
	o := c.objects(s)
	f := fields{
		objects:          o,
		orderNumber:      c.name("salesforce.order.number", o.Order, s.Order.Number, numberOf(o.Order, standardOrder, "OrderNumber"), optional),
		activationStatus: c.name("salesforce.order.activationStatus", o.Order, s.Order.ActivationStatus, "Activation_Status__c", needed),
		whmcsOrderID:     c.name("salesforce.order.whmcsOrderID", o.Order, s.Order.WHMCSOrderID, "WHMCS_Order_ID__c", needed),
		errorCode:        c.name("salesforce.order.errorCode", o.Order, s.Order.ErrorCode, "Activation_Error_Code__c", optional),
		errorMessage:     c.name("salesforce.order.errorMessage", o.Order, s.Order.ErrorMessage, "Activation_Error_Message__c", optional),
		activationType:   c.name("salesforce.order.activationType", o.Order, s.Order.ActivationType, "Activation_Type__c", optional),
		scheduledAt:      c.name("salesforce.order.scheduledAt", o.Order, s.Order.ScheduledAt, "Activation_Scheduled_At__c", optional),
		itemNumber:       c.name("salesforce.item.number", o.Item, s.Item.Number, numberOf(o.Item, standardItem, "OrderItemNumber"), optional),
		quantity:         c.name("salesforce.item.quantity", o.Item, s.Item.Quantity, "Quantity", needed),
		itemCycle:        c.name("salesforce.item.billingCycle", o.Item, s.Item.BillingCycle, "Billing_Cycle__c", optional),
		serviceID:        c.name("salesforce.item.whmcsServiceID", o.Item, s.Item.WHMCSServiceID, "WHMCS_Service_ID__c", optional),
		sku:              c.name("salesforce.product.sku", "", s.Product.SKU, "StockKeepingUnit", optional),
		pid:              c.name("salesforce.product.whmcsProductID", "", s.Product.WHMCSProductID, "WHMCS_Product_Id__c", optional),
		productCycle:     c.name("salesforce.product.billingCycle", "", s.Product.BillingCycle, "Billing_Cycle__c", optional),
		class:            c.name("salesforce.product.class", "", s.Product.Class, "Item_Class__c", optional),
		configOptions:    c.name("salesforce.product.configOptions", "", s.Product.ConfigOptions, "Portal_ConfigOptions_JSON__c", optional),
		productPath:      c.relationship("salesforce.product.path", s.Product.Path, "PricebookEntry.Product2"),
		accountPath:      c.relationship("salesforce.account.path", s.Account.Path, "Account"),
		numericIDs:       s.IDsAs == "number",
	}
	if lacks(o.Item, f.productPath[0]) {
		c.problem("salesforce.product.path", lackOf(o.Item, f.productPath[0]), "name the way from the line to its product, such as Product__r")
	}
	c.distinct([][2]string{
		{"salesforce.order.activationStatus", f.activationStatus},
		{"salesforce.order.whmcsOrderID", f.whmcsOrderID},
		{"salesforce.order.errorCode", f.errorCode},
		{"salesforce.order.errorMessage", f.errorMessage},
	})
	return f
}

// name is a field of the object, or of one that is not known if that is "".
func (c *compiler) name(path, object string, given *string, def string, need bool) string {
	switch {
	case given == nil:
		given = &def
	case *given == "" && !need:
		return ""
	case *given == "":
		c.problem(path, "this field cannot be left out", "name a field of the org, or delete the key to use "+def)
		return def
	case !isAPIName(*given):
		c.problem(path, fmt.Sprintf("%s is not an API name of a field", quote(*given)), "write the API name alone, such as "+def)
		return def
	}
	if lacks(object, *given) {
		c.problem(path, lackOf(object, *given), "name a field of it: they end in __c")
	}
	return *given
}

func (c *compiler) relationship(path, given, def string) []string {
	if given == "" {
		given = def
	}
	names, err := apiNames(given)
	if err == nil && len(names) > maxDepth {
		err = fmt.Errorf("%s follows more than %d relationships", quote(given), maxDepth)
	}
	if err == nil {
		err = noRelationship(names)
	}
	if err != nil {
		c.problem(path, err.Error(), "join API names of relationships with dots, as in "+def)
		return strings.Split(def, ".")
	}
	return names
}

// noRelationship says which of the names is certainly that of a field: Account__c for Account__r, AccountId for Account.
func noRelationship(names []string) error {
	for _, n := range names {
		if isCustom(n) || isStandardID(n) {
			return fmt.Errorf("%s is a field and not a relationship", n)
		}
	}
	return nil
}

// distinct refuses one field in two roles: the second write would undo the first.
func (c *compiler) distinct(roles [][2]string) {
	seen := map[string]string{}
	for _, r := range roles {
		path, name := r[0], strings.ToLower(r[1])
		if name == "" {
			continue
		}
		if first, ok := seen[name]; ok {
			c.problem(path, fmt.Sprintf("%s is already used as %s", r[1], first), "give each role a field of its own")
		}
		seen[name] = path
	}
}
