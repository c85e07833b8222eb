package whmcs

import (
	"net/http"
	"strings"
)

// text is one documented or observed error text of WHMCS and what it means.
// A pattern is compared in lower case and as a prefix; an asterisk stands for any
// text before the end, and a dollar sign at the end allows nothing more.
type text struct {
	pattern string
	code    Code
	class   Class
	advice  string
}

// gateTexts come from the gate of the API, before any action runs.
var gateTexts = []text{
	{"authentication failed", AuthenticationFailed, Denied, adviceCredentials},
	{"invalid or missing credentials", AuthenticationFailed, Denied, adviceCredentials},
	{"invalid password provided", AuthenticationFailed, Denied, adviceCredentials},
	{"administrator account disabled", AccountDisabled, Denied, "enable the administrator the API credential belongs to, or use another credential"},
	{"access denied$", AccessDenied, Denied, "give the administrator's role the permission API Access"},
	{"invalid ip", AddressNotAllowed, Denied, adviceAddress},
	{"forbidden ip", AddressNotAllowed, Denied, adviceAddress},
	{"invalid permissions: api action*is not allowed", ActionNotAllowed, Denied, "tick this action in an API role of the credential"},
	{"api command restricted to internal api", InternalOnly, Denied, "this WHMCS does not offer the action to outside callers"},
	{"command not found", CommandNotFound, Denied, "this WHMCS does not know the action: check its version and the URL"},
	{"empty action request", EmptyAction, Refused, "the request arrived without its fields: look for a proxy that drops or shortens bodies"},
}

const (
	adviceCredentials = "check identifier and secret of the API credential"
	adviceAddress     = "allow the operator's outgoing address in WHMCS (General Settings, Security, API IP Access Restriction), or set an access key"
)

// actionTexts come from the actions themselves.
var actionTexts = map[string][]text{
	actionAddOrder: {
		{"client id not found", ClientNotFound, Refused, "check which WHMCS client the account is mapped to"},
		{"unable to add order when client status is closed", ClientClosed, Refused, "reopen the client in WHMCS"},
		{"invalid payment method", InvalidPaymentMethod, Refused, "set a payment method that WHMCS lists as valid"},
		{"invalid or missing payment information", InvalidPaymentInformation, Refused, "check the client's payment method in WHMCS"},
		{"addon id invalid", AddonInvalid, Refused, ""},
		{"service id not owned by client id provided", ServiceNotOwned, Refused, ""},
		{"service id*can not be renewed at this time", ServiceNotRenewable, Refused, ""},
		{"domain status is set to*and cannot be renewed", DomainNotRenewable, Refused, ""},
		{"domain not owned by client id provided", DomainNotOwned, Refused, ""},
		{"no items added to cart so order cannot proceed", NothingToOrder, Refused, "check that the product ids exist in WHMCS and can be ordered"},
		{"expecting parameter*to be an array", ParameterNotArray, Refused, ""},
	},
	actionAcceptOrder: {
		{"order id not found or status not pending", OrderNotPending, Refused, "read the order: it may have been accepted already"},
	},
	actionGetPayMethods: {
		{"client id is required", ClientIDRequired, Refused, ""},
		{"invalid pay method type", InvalidPayMethodType, Refused, ""},
		{"client not found", ClientNotFound, Refused, "check which WHMCS client the account is mapped to"},
	},
	actionGetClientsDetails: {
		{"either clientid or email is required", ClientIDRequired, Refused, ""},
		{"client not found", ClientNotFound, Refused, "check which WHMCS client the account is mapped to"},
	},
}

func (t text) matches(message string) bool {
	if exact, ok := strings.CutSuffix(t.pattern, "$"); ok {
		return message == exact
	}
	prefix, suffix, _ := strings.Cut(t.pattern, "*")
	rest, ok := strings.CutPrefix(message, prefix)
	return ok && strings.HasSuffix(rest, suffix)
}

func lookUp(texts []text, message string) (text, bool) {
	message = strings.TrimRight(strings.Join(strings.Fields(strings.ToLower(message)), " "), ".!")
	for _, t := range texts {
		if t.matches(message) {
			return t, true
		}
	}
	return text{}, false
}

// refusal classes an answer that is well-formed JSON with result "error".
func refusal(action string, status int, message string) *Error {
	e := &Error{Action: action, Class: Refused, Message: message, HTTPStatus: status, Answered: true}
	if t, ok := lookUp(actionTexts[action], message); ok {
		e.Code, e.Class, e.Detail = t.code, t.class, t.advice
		return e
	}
	if t, ok := lookUp(gateTexts, message); ok && (action != actionAcceptOrder || atGate(t, status)) {
		e.Code, e.Class, e.Detail = t.code, t.class, t.advice
		return e
	}
	switch {
	case action == actionAcceptOrder:
		// A module's text can be anything, even the texts of the gate: a
		// reseller's module passes on what another WHMCS said to it.
		e.Class, e.Code = Unknown, ModuleFailed
		e.Detail = "this is a module's or registrar's answer, services may have been set up in part: read the order, its services and the module queue before accepting again"
	case status >= http.StatusInternalServerError && mutating(action):
		e.Class, e.Code = Unknown, UnclearAnswer
		e.Detail = "an undocumented text under HTTP " + statusText(status) + " does not tell whether it was done"
	}
	return e
}

// atGate reports whether t was said by the gate and not by a module: the gate
// answers 400 or 403, or names the action.
func atGate(t text, status int) bool {
	return status == http.StatusForbidden || status == http.StatusBadRequest || status == http.StatusUnauthorized ||
		t.code == ActionNotAllowed
}

// withoutJSON classes an answer in which no WHMCS answer was found. For a
// mutating call it proves nothing: the page may come from a proxy that gave up
// while PHP goes on, or from PHP that died half-way.
func withoutJSON(action string, status int, detail string) *Error {
	e := &Error{Action: action, Class: Unknown, Code: NotJSON, HTTPStatus: status, Detail: detail}
	switch {
	case status >= 300 && status < 400:
		e.Code, e.Detail = Redirected, "HTTP "+statusText(status)+" instead of an answer, redirects are not followed: set the URL it leads to"
	case status == http.StatusNotFound:
		e.Code, e.Detail = HTTPStatus, "HTTP "+statusText(status)+": check that the URL ends in /includes/api.php"
	case status >= 400:
		e.Code, e.Detail = HTTPStatus, "HTTP "+statusText(status)+" without an answer of WHMCS"
	}
	if mutating(action) {
		return e
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Class = Denied
		e.Detail += ": a firewall or the web server in front of WHMCS blocks the call"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		e.Class = Busy
	}
	return e
}

func statusText(status int) string {
	digits := [3]byte{byte('0' + status/100%10), byte('0' + status/10%10), byte('0' + status%10)}
	if name := http.StatusText(status); name != "" {
		return string(digits[:]) + " " + name
	}
	return string(digits[:])
}
