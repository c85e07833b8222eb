// Package file is the shape of mapping.yaml: its Go types, from which the JSON Schema is generated, and a strict
// reader that reports every departure from them with line and column. What the entries mean is the business of
// package mapping.
package file

// Mapping is the content of mapping.yaml: how an approved Salesforce order becomes a WHMCS order.
type Mapping struct {
	// Version is the version of the file format. It is 1.
	Version int `json:"version" jsonschema:"enum=1"`
	// Salesforce names the objects and fields of this Salesforce org. Write only what differs from the defaults.
	Salesforce Salesforce `json:"salesforce,omitzero"`
	// Gate names the values that let an order through, by field: {order.Status: [Approved]}. Every field must match.
	// Default: order.Status is Approved or Reactivate, and the activation status is Activating.
	Gate *Gate `json:"gate,omitzero"`
	// Client finds the id of the WHMCS client who is billed. Sources are tried in order.
	Client Value `json:"client"`
	// AddOrder sets what belongs to the WHMCS order as a whole.
	AddOrder AddOrder `json:"addOrder,omitzero"`
	// Line sets what holds for every order line unless a product rule says otherwise.
	Line Line `json:"line,omitzero"`
	// Products are rules for products. The first rule that matches a line decides; what it leaves open is taken from line.
	Products []Product `json:"products,omitzero"`
	// Cycles translates words of Salesforce into WHMCS billing cycles, on top of the WHMCS names themselves.
	// Case, spaces and punctuation of the words do not matter.
	Cycles *Cycles `json:"cycles,omitzero"`
	// Schedule says how an order asks to be provisioned later.
	Schedule Schedule `json:"schedule,omitzero"`
	// Report says what staff read in Salesforce, by reason.
	Report Report `json:"report,omitzero"`
}

// Salesforce names the objects of this Salesforce org and their fields. An empty name says that the org has no such field.
type Salesforce struct {
	// Order names the object that holds orders, and its fields.
	Order OrderNames `json:"order,omitzero"`
	// Item names the object that holds order lines, and its fields.
	Item ItemNames `json:"item,omitzero"`
	// Product says where the product of a line is found, and names its fields.
	Product ProductNames `json:"product,omitzero"`
	// Account says where the account of an order is found.
	Account AccountNames `json:"account,omitzero"`
	// IDsAs is the type of the fields that receive WHMCS ids: text (the default) or number.
	IDsAs string `json:"idsAs,omitzero" jsonschema:"enum=text,enum=number"`
}

// OrderNames names the object that holds orders, and its fields.
type OrderNames struct {
	// Object is the API name of the object. Default: Order.
	Object string `json:"object,omitzero" jsonschema:"minLength=1"`
	// Number is the field with the number by which staff know the order. Default: OrderNumber; of another object Name.
	Number *string `json:"number,omitzero"`
	// ActivationStatus is the field that says how far provisioning is. Default: Activation_Status__c.
	ActivationStatus *string `json:"activationStatus,omitzero"`
	// WHMCSOrderID is the field that receives the WHMCS order id. Default: WHMCS_Order_ID__c.
	WHMCSOrderID *string `json:"whmcsOrderID,omitzero"`
	// ErrorCode is the field that receives the code of what holds the order up. Default: Activation_Error_Code__c.
	ErrorCode *string `json:"errorCode,omitzero"`
	// ErrorMessage is the field that receives the sentence for staff. Default: Activation_Error_Message__c.
	ErrorMessage *string `json:"errorMessage,omitzero"`
	// ActivationType is the field that tells immediate from scheduled orders. Default: Activation_Type__c.
	ActivationType *string `json:"activationType,omitzero"`
	// ScheduledAt is the field that holds the time of a scheduled order. Default: Activation_Scheduled_At__c.
	ScheduledAt *string `json:"scheduledAt,omitzero"`
}

// ItemNames names the object that holds order lines, and its fields.
type ItemNames struct {
	// Object is the API name of the object. Default: OrderItem.
	Object string `json:"object,omitzero" jsonschema:"minLength=1"`
	// Path is the child relationship that leads from the order to its lines. Default: OrderItems.
	Path string `json:"path,omitzero" jsonschema:"minLength=1"`
	// Number is the field by which the lines are sorted. Default: OrderItemNumber; of another object Name.
	Number *string `json:"number,omitzero"`
	// Quantity is the number of units. Default: Quantity.
	Quantity *string `json:"quantity,omitzero"`
	// BillingCycle is the billing cycle of the line, stronger than that of the product. Default: Billing_Cycle__c.
	BillingCycle *string `json:"billingCycle,omitzero"`
	// WHMCSServiceID is the field that receives the WHMCS service id. Default: WHMCS_Service_ID__c.
	WHMCSServiceID *string `json:"whmcsServiceID,omitzero"`
}

// ProductNames says where the product of a line is found, and names its fields.
type ProductNames struct {
	// Object is the API name of the object that path leads to. Only catalogues need it. Default: Product2.
	Object string `json:"object,omitzero" jsonschema:"minLength=1"`
	// Path leads from the line to its product. Default: PricebookEntry.Product2.
	Path string `json:"path,omitzero" jsonschema:"minLength=1"`
	// SKU is the stock keeping unit that product rules match. Default: StockKeepingUnit.
	SKU *string `json:"sku,omitzero"`
	// WHMCSProductID is the field that holds the WHMCS product id. Default: WHMCS_Product_Id__c.
	WHMCSProductID *string `json:"whmcsProductID,omitzero"`
	// BillingCycle is the billing cycle of the product. Default: Billing_Cycle__c.
	BillingCycle *string `json:"billingCycle,omitzero"`
	// Class is the kind of product, from which a billing cycle follows when none is set. Default: Item_Class__c.
	Class *string `json:"class,omitzero"`
	// ConfigOptions is the field with a JSON object of WHMCS config options: option id to value.
	// Default: Portal_ConfigOptions_JSON__c.
	ConfigOptions *string `json:"configOptions,omitzero"`
}

// AccountNames says where the account of an order is found.
type AccountNames struct {
	// Path leads from the order to its account. Default: Account.
	Path string `json:"path,omitzero" jsonschema:"minLength=1"`
}

// AddOrder holds the parameters of the WHMCS order as a whole.
type AddOrder struct {
	// PaymentMethod is the WHMCS name of the gateway. Default: that of the pipeline.
	PaymentMethod Value `json:"paymentMethod,omitzero"`
	// PromoCode is a WHMCS promotion code.
	PromoCode Value `json:"promoCode,omitzero"`
	// NoInvoice suppresses the invoice.
	NoInvoice Value `json:"noInvoice,omitzero"`
	// NoInvoiceEmail suppresses the mail about the invoice.
	NoInvoiceEmail Value `json:"noInvoiceEmail,omitzero"`
	// NoEmail suppresses the order confirmation.
	NoEmail Value `json:"noEmail,omitzero"`
}

// Line says how an order line becomes a WHMCS line.
type Line struct {
	// PID is the WHMCS product id. Default: the WHMCS product id field of the product.
	PID Value `json:"pid,omitzero"`
	// Cycle is the billing cycle. Default: that of the line, else that of the product, else by the class of the product.
	Cycle Value `json:"cycle,omitzero"`
	// Quantity says how a quantity reaches WHMCS: qty sends it as a number (WHMCS 8.12 and later), repeat sends the
	// line as many times. Default: qty.
	Quantity string `json:"quantity,omitzero" jsonschema:"enum=qty,enum=repeat"`
	// Domain is the domain of the WHMCS service.
	Domain Value `json:"domain,omitzero"`
	// ConfigOptions sets WHMCS config options: option id to value.
	ConfigOptions *ByID `json:"configOptions,omitzero"`
	// CustomFields sets WHMCS product custom fields: field id to text.
	CustomFields *ByID `json:"customFields,omitzero"`
}

// Product is a rule for the lines of some products.
type Product struct {
	// SKU is one stock keeping unit or several. * stands for any text, ? for one character, [a-f] for one of a range.
	SKU Strings `json:"sku,omitzero"`
	// When is a CEL condition. With sku, both must hold.
	When string `json:"when,omitzero" jsonschema:"minLength=1"`
	// Skip leaves the line out of the WHMCS order.
	Skip bool `json:"skip,omitzero"`
	// PID is the WHMCS product id.
	PID Value `json:"pid,omitzero"`
	// Cycle is the billing cycle.
	Cycle Value `json:"cycle,omitzero"`
	// Quantity says how a quantity reaches WHMCS: qty or repeat.
	Quantity string `json:"quantity,omitzero" jsonschema:"enum=qty,enum=repeat"`
	// Domain is the domain of the WHMCS service.
	Domain Value `json:"domain,omitzero"`
	// ConfigOptions sets WHMCS config options: option id to value. They are added to those of line.
	ConfigOptions *ByID `json:"configOptions,omitzero"`
	// CustomFields sets WHMCS product custom fields: field id to text. They are added to those of line.
	CustomFields *ByID `json:"customFields,omitzero"`
}

// Schedule says how an order asks to be provisioned later.
type Schedule struct {
	// Values of the activation type field that mean later. Default: Scheduled.
	Values Strings `json:"values,omitzero"`
	// TimeZone is the IANA zone of dates and times that name none. Default: UTC.
	TimeZone string `json:"timeZone,omitzero" jsonschema:"minLength=1"`
	// TimeOfDay is the hour and minute meant by a date without time, such as 09:00. Default: 00:00.
	TimeOfDay string `json:"timeOfDay,omitzero" jsonschema:"minLength=1"`
}

// Report says what staff read in Salesforce.
type Report struct {
	// Language chooses among the languages of the messages. Default: en.
	Language Value `json:"language,omitzero"`
	// MaxLength is the length in characters at which a message is cut. Default: 255.
	MaxLength int `json:"maxLength,omitzero" jsonschema:"minimum=40"`
	// Reasons sets what is written for a reason. What a reason leaves open keeps its default.
	Reasons map[string]Reason `json:"reasons,omitzero"`
}

// Reason is what is written to the order in Salesforce for one reason.
type Reason struct {
	// Status is written to the activation status field. Empty leaves the field as it is.
	Status *string `json:"status,omitzero"`
	// Code is written to the error code field. Empty clears it.
	Code *string `json:"code,omitzero"`
	// Message is the sentence for staff, alone or by language. {detail} stands for what exactly is wrong.
	Message Text `json:"message,omitzero"`
	// Set writes further fields of the order: field name to a fixed value.
	Set *Fixed `json:"set,omitzero"`
	// Silent writes nothing to Salesforce for this reason.
	Silent *bool `json:"silent,omitzero"`
}
