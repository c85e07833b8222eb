package whmcs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
)

// said is an answer of WHMCS and what must be made of it.
type said struct {
	action string
	status int
	text   string
	class  Class
	code   Code
}

// everyText holds each documented or observed text at least once.
var everyText = []said{
	{actionAddOrder, 200, "Client ID Not Found", Refused, ClientNotFound},
	{actionAddOrder, 200, "  client id  NOT found.", Refused, ClientNotFound},
	{actionAddOrder, 500, "Client ID Not Found", Refused, ClientNotFound},
	{actionAddOrder, 200, "Unable to add order when client status is Closed", Refused, ClientClosed},
	{actionAddOrder, 200, "Invalid Payment Method. Valid options include paypal,mailin", Refused, InvalidPaymentMethod},
	{actionAddOrder, 200, "Invalid or Missing Payment Information - Please Reload and Try Again", Refused, InvalidPaymentInformation},
	{actionAddOrder, 200, "Addon ID invalid", Refused, AddonInvalid},
	{actionAddOrder, 200, "Service ID not owned by Client ID provided", Refused, ServiceNotOwned},
	{actionAddOrder, 200, "Domain status is set to 'Cancelled' and cannot be renewed", Refused, DomainNotRenewable},
	{actionAddOrder, 200, "Domain not owned by Client ID provided", Refused, DomainNotOwned},
	{actionAddOrder, 200, "No items added to cart so order cannot proceed", Refused, NothingToOrder},
	{actionAddOrder, 200, "Expecting parameter 'pid' to be an array", Refused, ParameterNotArray},
	{actionAddOrder, 200, "Service ID 12 can not be renewed at this time.", Refused, ServiceNotRenewable},
	{actionAddOrder, 200, "A text nobody has documented", Refused, ""},
	{actionAddOrder, 400, "A text nobody has documented", Refused, ""},
	{actionAddOrder, 500, "A text nobody has documented", Unknown, UnclearAnswer},
	{actionAddOrder, 503, "A text nobody has documented", Unknown, UnclearAnswer},
	{actionAddOrder, 200, "", Refused, ""},

	{actionAcceptOrder, 200, "Order ID not found or Status not Pending", Refused, OrderNotPending},
	{actionAcceptOrder, 200, "Server response: quota exceeded", Unknown, ModuleFailed},
	{actionAcceptOrder, 500, "Server response: quota exceeded", Unknown, ModuleFailed},
	// What a module passes on may look like the gate's own texts.
	{actionAcceptOrder, 200, "Authentication Failed", Unknown, ModuleFailed},
	{actionAcceptOrder, 200, "Access Denied", Unknown, ModuleFailed},
	{actionAcceptOrder, 200, "Invalid IP 192.0.2.1", Unknown, ModuleFailed},
	{actionAcceptOrder, 200, "Client ID Not Found", Unknown, ModuleFailed},
	{actionAcceptOrder, 403, "Authentication Failed", Denied, AuthenticationFailed},
	{actionAcceptOrder, 400, "Invalid IP 192.0.2.1", Denied, AddressNotAllowed},
	{actionAcceptOrder, 200, `Invalid Permissions: API action "acceptorder" is not allowed`, Denied, ActionNotAllowed},

	{actionGetPayMethods, 200, "Client ID Is Required", Refused, ClientIDRequired},
	{actionGetPayMethods, 200, "Invalid Pay Method Type. Should be 'BankAccount' or 'CreditCard'", Refused, InvalidPayMethodType},
	{actionGetPayMethods, 200, "Client Not Found", Refused, ClientNotFound},
	{actionGetClientsDetails, 200, "Either clientid Or email Is Required", Refused, ClientIDRequired},
	{actionGetClientsDetails, 200, "Client Not Found", Refused, ClientNotFound},
	{actionGetOrders, 200, "Something else", Refused, ""},

	{actionGetOrders, 403, "Authentication Failed", Denied, AuthenticationFailed},
	{actionAddOrder, 403, "Invalid or missing credentials", Denied, AuthenticationFailed},
	{actionAddOrder, 200, "Invalid password provided", Denied, AuthenticationFailed},
	{actionAddOrder, 403, "Administrator Account Disabled", Denied, AccountDisabled},
	{actionAddOrder, 403, "Access Denied", Denied, AccessDenied},
	{actionAddOrder, 200, "Access denied for user 'whmcs'@'localhost'", Refused, ""},
	{actionAddOrder, 403, "Invalid IP 192.0.2.1", Denied, AddressNotAllowed},
	{actionAddOrder, 400, "Forbidden IP 2001:db8::1", Denied, AddressNotAllowed},
	{actionAddOrder, 200, `Invalid Permissions: API action "addorder" is not allowed`, Denied, ActionNotAllowed},
	{actionAddOrder, 200, "API Command Restricted to Internal API", Denied, InternalOnly},
	{actionWhmcsDetails, 200, "Command Not Found", Denied, CommandNotFound},
	{actionAddOrder, 400, "Empty action request", Refused, EmptyAction},
}

func TestEveryTextIsClassed(t *testing.T) {
	for _, tc := range everyText {
		t.Run(fmt.Sprintf("%s/%d/%s", tc.action, tc.status, tc.text), func(t *testing.T) {
			fake := newFake(t, func(w http.ResponseWriter, _ url.Values) {
				w.WriteHeader(tc.status)
				_ = json.NewEncoder(w).Encode(map[string]string{"result": "error", "message": tc.text})
			})
			err := callAction(t, fake.client(t), tc.action)
			if ClassOf(err) != tc.class || CodeOf(err) != tc.code {
				t.Errorf("got %v (%s, %q), want %s, %q", err, ClassOf(err), CodeOf(err), tc.class, tc.code)
			}
			if n := len(fake.received()); n != 1 {
				t.Errorf("the server saw %d requests, want 1", n)
			}
		})
	}
}

func TestEveryRowOfTheTableIsTested(t *testing.T) {
	tested := map[string]bool{}
	for _, tc := range everyText {
		for _, texts := range [][]text{actionTexts[tc.action], gateTexts} {
			if row, ok := lookUp(texts, tc.text); ok {
				tested[row.pattern] = true
			}
		}
	}
	for _, texts := range append([][]text{gateTexts}, valuesOf(actionTexts)...) {
		for _, row := range texts {
			if !tested[row.pattern] {
				t.Errorf("no test for %q", row.pattern)
			}
		}
	}
}

func valuesOf(m map[string][]text) (all [][]text) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

func callAction(t *testing.T, c *Client, action string) error {
	t.Helper()
	var err error
	switch action {
	case actionAddOrder, actionAcceptOrder:
		return mutations[action](t, c)
	case actionGetPayMethods:
		_, err = c.GetPayMethods(t.Context(), 1)
	case actionGetClientsDetails:
		_, err = c.GetClientsDetails(t.Context(), 1)
	case actionGetOrders:
		_, err = c.GetOrders(t.Context(), OrderFilter{UserID: 1})
	case actionGetClientsProducts:
		_, err = c.GetClientsProducts(t.Context(), ServiceFilter{ClientID: 1})
	case actionGetProducts:
		_, err = c.GetProducts(t.Context(), ProductFilter{})
	case actionGetModuleQueue:
		_, err = c.GetModuleQueue(t.Context(), 1)
	case actionWhmcsDetails:
		_, err = c.WhmcsDetails(t.Context())
	default:
		t.Fatalf("no call for %s", action)
	}
	return err
}

func TestErrorText(t *testing.T) {
	for name, tc := range map[string]struct {
		err  *Error
		want string
	}{
		"refused": {refusal(actionAddOrder, 200, "Client ID Not Found"),
			`AddOrder: refused, nothing was done: WHMCS said "Client ID Not Found": check which WHMCS client the account is mapped to`},
		"denied": {refusal(actionGetOrders, 403, "Invalid IP 192.0.2.1"),
			`GetOrders: WHMCS denied access, nothing was done: WHMCS said "Invalid IP 192.0.2.1": ` + adviceAddress},
		"unknown":  {withoutJSON(actionAddOrder, 502, ""), "AddOrder: no clear answer: HTTP 502 Bad Gateway without an answer of WHMCS"},
		"redirect": {withoutJSON(actionGetOrders, 301, ""), "GetOrders: no clear answer: HTTP 301 Moved Permanently instead of an answer, redirects are not followed: set the URL it leads to"},
		"odd code": {withoutJSON(actionAddOrder, 599, ""), "AddOrder: no clear answer: HTTP 599 without an answer of WHMCS"},
		"busy":     {&Error{Action: actionAddOrder, Class: Busy, Detail: "x"}, "AddOrder: WHMCS cannot be reached, nothing was sent: x"},
		"not sent": {&Error{Action: actionAddOrder, Class: NotSent, Detail: "x"}, "AddOrder: not sent: x"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.err.Error(); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestClassOfOthers(t *testing.T) {
	if got := ClassOf(nil); got != "" {
		t.Errorf("ClassOf(nil) = %q", got)
	}
	if got := ClassOf(fmt.Errorf("x")); got != Unknown {
		t.Errorf("ClassOf(foreign) = %q", got)
	}
	if got := CodeOf(fmt.Errorf("ordering: %w", errRefused)); got != ClientNotFound {
		t.Errorf("CodeOf(wrapped) = %q", got)
	}
}
