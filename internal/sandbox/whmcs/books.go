package whmcs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Money is an amount in hundredths of the client's currency.
type Money int64

// NotOffered is the price of a billing cycle that a product does not have.
const NotOffered Money = -100

// String prints the amount with two decimals, as WHMCS does.
func (m Money) String() string {
	sign, n := "", int64(m)
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

// ParseMoney reads a decimal number with at most two decimals; anything else is 0.
func ParseMoney(s string) Money {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil {
		return 0
	}
	if f < 0 {
		return Money(f*100 - 0.5)
	}
	return Money(f*100 + 0.5)
}

// The statuses of orders and services.
const (
	StatusPending    = "Pending"
	StatusActive     = "Active"
	StatusCancelled  = "Cancelled"
	StatusFraud      = "Fraud"
	StatusSuspended  = "Suspended"
	StatusTerminated = "Terminated"
	StatusCompleted  = "Completed"
	StatusClosed     = "Closed"
	StatusInactive   = "Inactive"
)

// Client is one customer of WHMCS.
type Client struct {
	ID             int64            `json:"id"`
	FirstName      string           `json:"firstName,omitempty"`
	LastName       string           `json:"lastName,omitempty"`
	CompanyName    string           `json:"companyName,omitempty"`
	Email          string           `json:"email,omitempty"`
	Status         string           `json:"status,omitempty"`
	Currency       string           `json:"currency,omitempty"`
	DefaultGateway string           `json:"defaultGateway,omitempty"`
	Notes          string           `json:"notes,omitempty"`
	Created        time.Time        `json:"created,omitzero"`
	CustomFields   map[int64]string `json:"customFields,omitempty"`
	PayMethods     []PayMethod      `json:"payMethods,omitempty"`
}

// PayMethod is a stored card or account of a client.
type PayMethod struct {
	ID          int64     `json:"id"`
	Type        string    `json:"type,omitempty"`
	Description string    `json:"description,omitempty"`
	Gateway     string    `json:"gateway,omitempty"`
	LastFour    string    `json:"lastFour,omitempty"`
	Expiry      string    `json:"expiry,omitempty"`
	CardType    string    `json:"cardType,omitempty"`
	BankName    string    `json:"bankName,omitempty"`
	Token       string    `json:"token,omitempty"`
	Updated     time.Time `json:"updated,omitzero"`
}

// The payment types of a product.
const (
	PayFree      = "free"
	PayOneTime   = "onetime"
	PayRecurring = "recurring"
)

// The ways a product takes a quantity.
const (
	QuantityNone     = 0 // one service, the quantity is ignored
	QuantityServices = 1 // one service for each unit
	QuantityScaling  = 2 // one service that carries the quantity
)

// Product is one row of the catalogue.
type Product struct {
	PID           int64            `json:"pid"`
	GID           int64            `json:"gid"`
	Group         string           `json:"group,omitempty"`
	Type          string           `json:"type,omitempty"`
	Name          string           `json:"name"`
	Description   string           `json:"description,omitempty"`
	Module        string           `json:"module,omitempty"`
	AutoSetup     string           `json:"autoSetup,omitempty"`
	PayType       string           `json:"payType"`
	AllowQty      int              `json:"allowQty,omitempty"`
	Pricing       map[string]Money `json:"pricing,omitempty"`
	CustomFields  []CustomField    `json:"customFields,omitempty"`
	ConfigOptions []ConfigOption   `json:"configOptions,omitempty"`
	Hidden        bool             `json:"hidden,omitempty"`
}

// CustomField is a field of a product. An AdminOnly field is not on the order form, so GetProducts does not list it.
type CustomField struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Required    bool   `json:"required,omitempty"`
	AdminOnly   bool   `json:"adminOnly,omitempty"`
}

// The kinds of configurable options, by the numbers that WHMCS gives them.
const (
	OptionDropdown = 1
	OptionRadio    = 2
	OptionYesNo    = 3
	OptionQuantity = 4
)

// ConfigOption is a configurable option of a product.
type ConfigOption struct {
	ID      int64    `json:"id"`
	Name    string   `json:"name"`
	Type    int      `json:"type"`
	MinQty  int64    `json:"minQty,omitempty"`
	MaxQty  int64    `json:"maxQty,omitempty"`
	Choices []Choice `json:"choices"`
}

// Choice is one value that a configurable option can have.
type Choice struct {
	ID        int64  `json:"id"`
	Name      string `json:"name"`
	Recurring Money  `json:"recurring,omitempty"`
}

// Selected is what a service has for one configurable option: a choice, and for yes/no and quantity options a number.
type Selected struct {
	Choice int64 `json:"choice"`
	Qty    int64 `json:"qty,omitempty"`
}

// Where an order came from.
const (
	SourceAPI        = "api"
	SourceClientArea = "clientArea"
)

// Order is one WHMCS order.
type Order struct {
	ID            int64     `json:"id"`
	OrderNum      int64     `json:"orderNum"`
	ClientID      int64     `json:"clientID"`
	Date          time.Time `json:"date"`
	Status        string    `json:"status"`
	Notes         string    `json:"notes,omitempty"`
	Amount        Money     `json:"amount"`
	PaymentMethod string    `json:"paymentMethod"`
	PromoCode     string    `json:"promoCode,omitempty"`
	InvoiceID     int64     `json:"invoiceID,omitempty"`
	IPAddress     string    `json:"ipAddress,omitempty"`
	Source        string    `json:"source"`
	ServiceIDs    []int64   `json:"serviceIDs,omitempty"`
	DomainIDs     []int64   `json:"domainIDs,omitempty"`
	// Accepts counts the AcceptOrder calls that passed the check of the status, also those whose module then failed.
	Accepts int `json:"accepts,omitempty"`
	// ConfirmationSent tells that the order confirmation went out (no noemail).
	ConfirmationSent bool `json:"confirmationSent,omitempty"`
	// Deleted marks an order that DeleteOrder removed; it stays in the books as evidence.
	Deleted bool `json:"deleted,omitempty"`
}

// Service is one product of a client.
type Service struct {
	ID            int64              `json:"id"`
	ClientID      int64              `json:"clientID"`
	OrderID       int64              `json:"orderID"`
	PID           int64              `json:"pid"`
	Qty           int64              `json:"qty"`
	RegDate       time.Time          `json:"regDate"`
	Domain        string             `json:"domain,omitempty"`
	BillingCycle  string             `json:"billingCycle"` // canonical: free, onetime, monthly …
	Status        string             `json:"status"`
	FirstPayment  Money              `json:"firstPayment"`
	Recurring     Money              `json:"recurring"`
	PaymentMethod string             `json:"paymentMethod"`
	NextDue       time.Time          `json:"nextDue,omitzero"`
	Username      string             `json:"username,omitempty"`
	Password      string             `json:"-"`
	ServerID      int64              `json:"serverID,omitempty"`
	Subscription  string             `json:"subscription,omitempty"`
	Notes         string             `json:"notes,omitempty"`
	DedicatedIP   string             `json:"dedicatedIP,omitempty"`
	CustomFields  map[int64]string   `json:"customFields,omitempty"`
	ConfigOptions map[int64]Selected `json:"configOptions,omitempty"`
	// Deployments counts how often the provisioning module really created something remote. More than one is the damage
	// that a second accept does.
	Deployments int `json:"deployments,omitempty"`
	// ActiveAt is when an asynchronous module will have made the service Active.
	ActiveAt time.Time `json:"activeAt,omitzero"`
	Deleted  bool      `json:"deleted,omitempty"`
}

// Invoice is the invoice of one order.
type Invoice struct {
	ID            int64         `json:"id"`
	ClientID      int64         `json:"clientID"`
	Date          time.Time     `json:"date"`
	Total         Money         `json:"total"`
	Status        string        `json:"status"`
	PaymentMethod string        `json:"paymentMethod"`
	Items         []InvoiceItem `json:"items,omitempty"`
	EmailSent     bool          `json:"emailSent,omitempty"`
}

// InvoiceItem is one line of an invoice.
type InvoiceItem struct {
	ID          int64  `json:"id"`
	Type        string `json:"type"`
	RelID       int64  `json:"relID"`
	Description string `json:"description"`
	Amount      Money  `json:"amount"`
}

// Domain is a registered or transferred domain name of an order.
type Domain struct {
	ID       int64  `json:"id"`
	ClientID int64  `json:"clientID"`
	OrderID  int64  `json:"orderID"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	Status   string `json:"status"`
}

// QueueEntry is a module action that failed and waits for a person.
type QueueEntry struct {
	ID          int64     `json:"id"`
	ServiceID   int64     `json:"serviceID"`
	Module      string    `json:"module"`
	Action      string    `json:"action"`
	LastAttempt time.Time `json:"lastAttempt"`
	Error       string    `json:"error"`
	Retries     int       `json:"retries"`
	Completed   bool      `json:"completed"`
}

// Note is a note on a client.
type Note struct {
	ID       int64  `json:"id"`
	ClientID int64  `json:"clientID"`
	Text     string `json:"text"`
	Sticky   bool   `json:"sticky,omitempty"`
}

// Email is a message that SendEmail sent.
type Email struct {
	Template string `json:"template,omitempty"`
	Subject  string `json:"subject,omitempty"`
	RelID    int64  `json:"relID"`
}

// Activity is one row of the activity log.
type Activity struct {
	ID          int64     `json:"id"`
	ClientID    int64     `json:"clientID,omitempty"`
	Date        time.Time `json:"date"`
	Description string    `json:"description"`
}
