package whmcs

// Kind names a misbehaviour of the server.
type Kind string

// Faults of the transport: what happens to a request or its answer on the way.
const (
	Latency        Kind = "latency"
	LatencyAfter   Kind = "latencyAfter"
	DropBefore     Kind = "dropBefore"
	DropAfter      Kind = "dropAfter"
	ResetBefore    Kind = "resetBefore"
	ResetAfter     Kind = "resetAfter"
	HTMLBefore     Kind = "htmlBefore"
	HTMLAfter      Kind = "htmlAfter"
	Maintenance    Kind = "maintenance"
	Outage         Kind = "outage"
	LateCommit     Kind = "lateCommit"
	HangCommit     Kind = "hangCommit"
	TruncatedJSON  Kind = "truncatedJSON"
	EmptyBody      Kind = "emptyBody"
	PHPNotice      Kind = "phpNotice"
	ByteOrderMark  Kind = "byteOrderMark"
	TrailingText   Kind = "trailingText"
	HTMLType       Kind = "htmlContentType"
	IPDenied       Kind = "ipDenied"
	AuthFailed     Kind = "authFailed"
	RoleDenied     Kind = "roleDenied"
	UnknownCommand Kind = "commandNotFound"
	Refuse         Kind = "refuse"
	Warning        Kind = "warning"
)

// Faults of the answers: shapes that differ between versions and actions.
const (
	IDsAsStrings    Kind = "idsAsStrings"
	IDsAsInts       Kind = "idsAsInts"
	EmptyList       Kind = "emptyList"
	SingleObject    Kind = "singleObject"
	FlatKeys        Kind = "flatKeys"
	ServiceIDsMixed Kind = "serviceIDsShuffled"
	NoProductIDs    Kind = "noProductIDs"
	OnlyProductIDs  Kind = "onlyProductIDs"
	InvoiceIDShape  Kind = "invoiceIDShape"
	SortDescending  Kind = "sortDescending"
	PagingInserts   Kind = "pagingInserts"
	NoPayMethods    Kind = "noPayMethods"
	DomainPartial   Kind = "domainFilterPartial"
)

// Faults of the behaviour: what an installation does differently.
const (
	NotesIgnored      Kind = "notesIgnored"
	DomainIgnored     Kind = "domainIgnored"
	DomainLowered     Kind = "domainLowered"
	AdminFieldIgnored Kind = "adminFieldsIgnored"
	FieldsIgnored     Kind = "customFieldsIgnored"
	OptionQtyIgnored  Kind = "optionQuantityIgnored"
	QtyIgnored        Kind = "qtyIgnored"
	QtyScaling        Kind = "qtyScaling"
	QtyServices       Kind = "qtyServices"
	BadPIDRefused     Kind = "badPIDRefused"
	CycleRefused      Kind = "cycleRefused"
	StrictArrays      Kind = "strictArrays"
	ModuleLatency     Kind = "moduleLatency"
	ModuleError       Kind = "moduleError"
	ModuleErrorMade   Kind = "moduleErrorAfterCreate"
	ModuleErrorActive Kind = "moduleErrorOrderActive"
	ModulePartial     Kind = "modulePartial"
	ModuleAsync       Kind = "moduleAsync"
	ModuleSilent      Kind = "moduleNeverRuns"
)

type kindRow struct {
	doc     string
	actions []string // empty: every action
	texts   []string // empty: any text
}

var (
	onAddOrder  = []string{"AddOrder"}
	onModule    = []string{"AcceptOrder", "ModuleCreate"}
	onAccept    = []string{"AcceptOrder"}
	onGetOrders = []string{"GetOrders"}
)

// kindTable documents each kind and says which actions it can concern.
var kindTable = map[Kind]kindRow{
	Latency:        {doc: "Waits Delay of real time before the request is worked on."},
	LatencyAfter:   {doc: "Waits Delay of real time after the work is done, before the answer."},
	DropBefore:     {doc: "Closes the connection without an answer; nothing was done."},
	DropAfter:      {doc: "Does the work, then closes the connection without an answer."},
	ResetBefore:    {doc: "Resets the connection (RST); nothing was done."},
	ResetAfter:     {doc: "Does the work, then resets the connection (RST)."},
	HTMLBefore:     {doc: "Answers an HTML page with Status (default 502); nothing was done."},
	HTMLAfter:      {doc: "Does the work, then answers an HTML page with Status (default 502)."},
	Maintenance:    {doc: "Answers the HTML page of maintenance mode with Status (default 200); nothing was done."},
	Outage:         {doc: "Answers 503 HTML to everything, or with Text=drop closes every connection, until removed or For is over.", texts: []string{"", "drop"}},
	LateCommit:     {doc: "Closes the connection at once; the work is done Delay later on the sandbox's clock."},
	HangCommit:     {doc: "Gives no answer until the client gives up; the work is done Delay later on the sandbox's clock."},
	TruncatedJSON:  {doc: "Does the work, then sends half of the answer and closes the connection."},
	EmptyBody:      {doc: "Does the work, then answers 200 with an empty body."},
	PHPNotice:      {doc: "Prints a PHP notice before the JSON."},
	ByteOrderMark:  {doc: "Prints a UTF-8 byte order mark before the JSON."},
	TrailingText:   {doc: "Prints Text (default an HTML comment) after the JSON."},
	HTMLType:       {doc: "Sends the JSON as text/html."},
	IPDenied:       {doc: "Refuses the address with Status (default 403); a correct access key passes."},
	AuthFailed:     {doc: "Refuses the credentials: 403 and Text (default Authentication Failed)."},
	RoleDenied:     {doc: "Refuses the action by API role, with Status (default 403)."},
	UnknownCommand: {doc: "Answers Command Not Found, with Status (default 200)."},
	Refuse:         {doc: "Answers result=error with Text; nothing was done."},
	Warning:        {doc: "Adds a warning key with Text to a successful answer."},

	IDsAsStrings:    {doc: "Writes every id as a JSON string."},
	IDsAsInts:       {doc: "Writes every id and every count as a JSON number."},
	EmptyList:       {doc: "Writes empty lists in the shape of Text: missing, null, string, array, object, wrapped.", texts: []string{"missing", "null", "string", "array", "object", "wrapped"}},
	SingleObject:    {doc: "Writes a list with one entry as that entry, without the list."},
	FlatKeys:        {doc: "Writes the rows of GetModuleQueue as flat keys such as queue[0][id].", actions: []string{"GetModuleQueue"}},
	ServiceIDsMixed: {doc: "Shuffles the service ids in the answer.", actions: onAddOrder},
	NoProductIDs:    {doc: "Leaves productids out.", actions: onAddOrder},
	OnlyProductIDs:  {doc: "Leaves serviceids out, as before version 7.8.", actions: onAddOrder},
	InvoiceIDShape:  {doc: "Writes the invoice id of an order without invoice as Text: zero, zeroString, empty, null, missing.", actions: onAddOrder, texts: []string{"zero", "zeroString", "empty", "null", "missing"}},
	SortDescending:  {doc: "Lists the newest first.", actions: []string{"GetOrders", "GetClientsProducts"}},
	PagingInserts:   {doc: "A foreign order of the same client appears before each page is read.", actions: onGetOrders},
	NoPayMethods:    {doc: "Shows no pay methods.", actions: []string{"GetPayMethods"}},
	DomainPartial:   {doc: "The domain filter finds parts of a name.", actions: []string{"GetClientsProducts"}},

	NotesIgnored:      {doc: "Does not store the notes of an order.", actions: onAddOrder},
	DomainIgnored:     {doc: "Does not store the domain of a line.", actions: onAddOrder},
	DomainLowered:     {doc: "Stores the domain of a line in lower case.", actions: onAddOrder},
	AdminFieldIgnored: {doc: "Does not store custom fields that only administrators see.", actions: onAddOrder},
	FieldsIgnored:     {doc: "Does not store custom fields at all.", actions: onAddOrder},
	OptionQtyIgnored:  {doc: "Gives quantity options their minimum instead of the number sent.", actions: onAddOrder},
	QtyIgnored:        {doc: "Ignores qty, as before version 8.12.", actions: onAddOrder},
	QtyScaling:        {doc: "Makes one service that carries the quantity, whatever the product says.", actions: onAddOrder},
	QtyServices:       {doc: "Makes one service for each unit, whatever the product says.", actions: onAddOrder},
	BadPIDRefused:     {doc: "Refuses an order with any unknown product instead of dropping its line.", actions: onAddOrder},
	CycleRefused:      {doc: "Refuses a billing cycle that is not offered instead of taking the shortest one.", actions: onAddOrder},
	StrictArrays:      {doc: "Refuses every line parameter that is not an array.", actions: onAddOrder},
	ModuleLatency:     {doc: "The module takes Delay of real time; other requests go on meanwhile.", actions: onModule},
	ModuleError:       {doc: "The module fails with Text; order and services stay Pending.", actions: onModule},
	ModuleErrorMade:   {doc: "The module creates the account, then fails with Text; order and services stay Pending.", actions: onModule},
	ModuleErrorActive: {doc: "The module fails with Text; the services stay Pending but the order turns Active.", actions: onAccept},
	ModulePartial:     {doc: "The first service is created, the module fails with Text on the second; the order stays Pending.", actions: onAccept},
	ModuleAsync:       {doc: "The module only queues the work: success at once, Active after Delay on the sandbox's clock.", actions: onModule},
	ModuleSilent:      {doc: "The order turns Active and AcceptOrder succeeds, but the services stay Pending with a queue entry.", actions: onAccept},
}
