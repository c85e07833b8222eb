package whmcs

import "time"

// PayMethod is a card or bank account that is stored for a client.
// Numbers, names and tokens are never decoded.
type PayMethod struct {
	ID int64
	// Type is CreditCard, RemoteCreditCard, BankAccount or RemoteBankAccount.
	Type string
	// GatewayName may be empty; it is no source for AddOrder's payment method.
	GatewayName string
	// ExpiryDate is "MM/YY", or empty.
	ExpiryDate string
}

// OrderFilter selects orders; zero fields do not filter.
type OrderFilter struct {
	ID, UserID int64
}

// Order is an order as GetOrders tells it.
type Order struct {
	ID        int64
	OrderNum  string
	UserID    int64
	Date      string // "YYYY-MM-DD HH:MM:SS" in the time zone of WHMCS
	Status    string // Pending, Active, Fraud, Cancelled, or a status of this installation
	Notes     string
	InvoiceID int64 // 0 when the order has none
	LineItems []LineItem
}

// LineItem is one line of an Order. It has no product id: join through RelID.
type LineItem struct {
	Type         string // "product" for services
	RelID        int64  // service id when Type is "product"
	Product      string
	Domain       string
	BillingCycle string // as WHMCS prints it, see BillingCycle
	Status       string
}

// ServiceFilter selects services; zero fields do not filter.
type ServiceFilter struct {
	ClientID int64
}

// Service is a client's product as GetClientsProducts tells it. User name,
// password, addresses and notes of the service are never decoded.
type Service struct {
	ID, ClientID, OrderID, PID, Quantity int64
	Domain, BillingCycle, Status         string
	CustomFields                         []CustomFieldValue
	ConfigOptions                        []ConfigOptionValue
}

// CustomFieldValue is the value of one custom field of a service.
type CustomFieldValue struct {
	ID          int64
	Name, Value string
}

// ConfigOptionValue is the value of one configurable option of a service. Value
// is the chosen sub-option's name, or a quantity.
type ConfigOptionValue struct {
	ID                  int64
	Option, Type, Value string
}

// ProductFilter selects products; zero fields do not filter.
type ProductFilter struct {
	PIDs []int64
}

// Product is a product of the catalogue.
type Product struct {
	PID, GroupID       int64
	Type, Name, Module string
	PayType            string // free, onetime or recurring
	AllowQuantity      int64
	// BillingCycles are the canonical cycles with a price in at least one
	// currency, as WHMCS lists them; a one-time price stands under monthly.
	BillingCycles []string
	// Prices are those of the cycles that are offered, by currency and cycle.
	Prices        []Price
	CustomFields  []ProductCustomField
	ConfigOptions []ProductConfigOption
}

// Price is what a product costs in one currency and billing cycle. Amounts are
// decimal texts as WHMCS writes them.
type Price struct {
	Currency, Cycle  string
	Recurring, Setup string
}

// ProductCustomField is a custom field that the order form of a product shows.
type ProductCustomField struct {
	ID       int64
	Name     string
	Required bool
}

// ProductConfigOption is a configurable option of a product.
type ProductConfigOption struct {
	ID      int64
	Name    string
	Type    string
	Options []ProductConfigSubOption
}

// ProductConfigSubOption is one choice of a ProductConfigOption.
type ProductConfigSubOption struct {
	ID   int64
	Name string
}

// ClientDetails is what matters of a client for an order. Name, address and
// other personal data are never decoded.
type ClientDetails struct {
	ID             int64
	Status         string // Active, Inactive or Closed; AddOrder refuses Closed
	CurrencyCode   string
	DefaultGateway string
}

// ModuleQueueEntry is a module action that failed and waits to be repeated by hand.
type ModuleQueueEntry struct {
	ID           int64
	ServiceType  string // "service", "addon" or "domain"
	ServiceID    int64
	ModuleName   string
	ModuleAction string // for instance CreateAccount
	LastAttempt  string
	LastError    string // sanitised and cut
	NumRetries   int64
	Completed    bool
}

// Details tells which WHMCS answers.
type Details struct {
	Version string
}

// OrderLine is one line of an order to be placed.
type OrderLine struct {
	PID           int64
	BillingCycle  string // any form that BillingCycle understands
	Quantity      int64  // 0 counts as 1
	Domain        string
	ConfigOptions map[int64]int64
	CustomFields  map[int64]string
}

// AddOrderRequest is an order to be placed.
type AddOrderRequest struct {
	ClientID                           int64
	PaymentMethod, Notes, PromoCode    string
	NoInvoice, NoInvoiceEmail, NoEmail bool
	Lines                              []OrderLine
	// NotAfter is the instant, by wall clock, after which the request must not
	// leave. It is checked as late as possible, right before the first byte of
	// the body is handed to the connection. Zero means never.
	NotAfter time.Time
}

// AddOrderResult is WHMCS' answer to AddOrder. The services that it names as
// well are found by reading the order: how they stand to lines it does not say.
type AddOrderResult struct {
	OrderID   int64
	InvoiceID int64 // 0 when no invoice was made
}

// AcceptOrderRequest asks to accept a pending order.
type AcceptOrderRequest struct {
	OrderID              int64
	AutoSetup, SendEmail bool
	NotAfter             time.Time // as in AddOrderRequest
}
