package sandbox

import (
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// State is the books of both sides at one moment.
type State struct {
	Now    time.Time         `json:"now"`
	Orders []SalesforceOrder `json:"orders"`
	Whmcs  WhmcsState        `json:"whmcs"`
}

// WhmcsState is the books of WHMCS.
type WhmcsState struct {
	Orders   []whmcs.Order      `json:"orders"`
	Services []whmcs.Service    `json:"services"`
	Clients  []whmcs.Client     `json:"clients"`
	Products []whmcs.Product    `json:"products"`
	Queue    []whmcs.QueueEntry `json:"queue,omitempty"`
}

// SalesforceOrder is an Order of Salesforce with what the audit needs of its account, lines and products.
type SalesforceOrder struct {
	ID               string           `json:"id"`
	Number           string           `json:"number"`
	Status           string           `json:"status"`
	ActivationStatus string           `json:"activationStatus,omitempty"`
	ActivationType   string           `json:"activationType,omitempty"`
	ScheduledAt      time.Time        `json:"scheduledAt,omitzero"`
	WhmcsOrderID     string           `json:"whmcsOrderID,omitempty"`
	ErrorCode        string           `json:"errorCode,omitempty"`
	ErrorMessage     string           `json:"errorMessage,omitempty"`
	AccountID        string           `json:"accountID"`
	WhmcsAccount     string           `json:"whmcsAccount,omitempty"` // WH_Account__c
	Lines            []SalesforceLine `json:"lines"`
}

// SalesforceLine is an OrderItem with what the audit needs of its product.
type SalesforceLine struct {
	ID             string  `json:"id"`
	SKU            string  `json:"sku"`
	Quantity       float64 `json:"quantity"`
	WhmcsServiceID string  `json:"whmcsServiceID,omitempty"`
	PID            int64   `json:"pid,omitempty"`     // WHMCS_Product_Id__c
	Class          string  `json:"class,omitempty"`   // Item_Class__c
	Cycle          string  `json:"cycle,omitempty"`   // Billing_Cycle__c of the line, else of the product
	Options        string  `json:"options,omitempty"` // Portal_ConfigOptions_JSON__c
}
