package mapping

import (
	"fmt"
	"strings"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// fields are the Salesforce names that the mapping uses. An empty name is a field that the org does not have.
type fields struct {
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
	f := fields{
		activationStatus: c.name("salesforce.order.activationStatus", s.Order.ActivationStatus, "Activation_Status__c", needed),
		whmcsOrderID:     c.name("salesforce.order.whmcsOrderID", s.Order.WHMCSOrderID, "WHMCS_Order_ID__c", needed),
		errorCode:        c.name("salesforce.order.errorCode", s.Order.ErrorCode, "Activation_Error_Code__c", optional),
		errorMessage:     c.name("salesforce.order.errorMessage", s.Order.ErrorMessage, "Activation_Error_Message__c", optional),
		activationType:   c.name("salesforce.order.activationType", s.Order.ActivationType, "Activation_Type__c", optional),
		scheduledAt:      c.name("salesforce.order.scheduledAt", s.Order.ScheduledAt, "Activation_Scheduled_At__c", optional),
		quantity:         c.name("salesforce.item.quantity", s.Item.Quantity, "Quantity", needed),
		itemCycle:        c.name("salesforce.item.billingCycle", s.Item.BillingCycle, "Billing_Cycle__c", optional),
		serviceID:        c.name("salesforce.item.whmcsServiceID", s.Item.WHMCSServiceID, "WHMCS_Service_ID__c", optional),
		sku:              c.name("salesforce.product.sku", s.Product.SKU, "StockKeepingUnit", optional),
		pid:              c.name("salesforce.product.whmcsProductID", s.Product.WHMCSProductID, "WHMCS_Product_Id__c", optional),
		productCycle:     c.name("salesforce.product.billingCycle", s.Product.BillingCycle, "Billing_Cycle__c", optional),
		class:            c.name("salesforce.product.class", s.Product.Class, "Item_Class__c", optional),
		configOptions:    c.name("salesforce.product.configOptions", s.Product.ConfigOptions, "Portal_ConfigOptions_JSON__c", optional),
		productPath:      c.relationship("salesforce.product.path", s.Product.Path, "PricebookEntry.Product2"),
		accountPath:      c.relationship("salesforce.account.path", s.Account.Path, "Account"),
		numericIDs:       s.IDsAs == "number",
	}
	c.distinct([][2]string{
		{"salesforce.order.activationStatus", f.activationStatus},
		{"salesforce.order.whmcsOrderID", f.whmcsOrderID},
		{"salesforce.order.errorCode", f.errorCode},
		{"salesforce.order.errorMessage", f.errorMessage},
	})
	return f
}

func (c *compiler) name(path string, given *string, def string, need bool) string {
	switch {
	case given == nil:
		return def
	case *given == "" && !need:
		return ""
	case *given == "":
		c.problem(path, "this field cannot be left out", "name a field of the org, or delete the key to use "+def)
		return def
	case !fieldName.MatchString(*given):
		c.problem(path, fmt.Sprintf("%s is not an API name of a field", quote(*given)), "write the API name alone, such as "+def)
		return def
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
	if err != nil {
		c.problem(path, err.Error(), "join API names of relationships with dots, as in "+def)
		return strings.Split(def, ".")
	}
	return names
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
