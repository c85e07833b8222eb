package mapping

import "fmt"

// Reasons a Miss can have. They are the reasons of the Validated condition.
const (
	GateClosed      = "GateClosed"
	AccountUnmapped = "AccountUnmapped"
	ProductUnmapped = "ProductUnmapped"
	MappingInvalid  = "MappingInvalid"
)

// Miss says why an order has no plan, and what would give it one.
type Miss struct {
	// Reason is one of GateClosed, AccountUnmapped, ProductUnmapped and MappingInvalid.
	Reason string
	// Message says in one sentence what is wrong and what to do.
	Message string
	// Field is the Salesforce field to look at, such as product.WHMCS_Product_Id__c, where one is to blame.
	Field string
	// OrderItemID is the line to look at, where one is to blame.
	OrderItemID string
}

// Error returns the message.
func (m *Miss) Error() string { return m.Message }

func miss(reason, field, format string, args ...any) *Miss {
	return &Miss{Reason: reason, Field: field, Message: fmt.Sprintf(format, args...)}
}
