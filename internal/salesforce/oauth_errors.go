package salesforce

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// oauthMeaning is what one answer of the token endpoint stands for. An empty description matches any.
type oauthMeaning struct {
	code, description string
	class             Class
	advice            string
}

// oauthMeanings is read from the top: the first row whose code is equal and whose description is contained decides.
var oauthMeanings = []oauthMeaning{
	{"", "login rate exceeded", LimitExceeded, "wait: work goes on by itself; look for other programs that log in as the same user"},
	{"invalid_grant", "user hasn't approved this consumer", Auth, "pre-authorise the app: set its permitted users to \"Admin approved users are pre-authorized\" and assign it to the integration user by profile or permission set"},
	{"invalid_grant", "audience is invalid", Auth, "set spec.salesforce.audience to https://login.salesforce.com, for a sandbox org to https://test.salesforce.com"},
	{"invalid_grant", "user is locked", Auth, "unlock the integration user in Setup, Users"},
	{"invalid_grant", "inactive user", Auth, "activate the integration user in Setup, Users"},
	{"invalid_grant", "authentication failure", Auth, "check the username in the credentials Secret, and that the user belongs to the org of spec.salesforce.loginURL"},
	{"invalid_grant", "expired access/refresh token", Auth, "approve the app for the integration user again"},
	{"invalid_grant", "invalid assertion", Auth, "check that privateKey in the credentials Secret belongs to the certificate of the app, and that the clock of this cluster is right"},
	{"invalid_grant", "", Auth, "check username, clientId and privateKey in the credentials Secret, and that the app is approved for the user"},
	{"invalid_client_id", "", Auth, "check clientId in the credentials Secret; a new app may take ten minutes to be known"},
	{"invalid_client", "", Auth, "check clientId in the credentials Secret, and that the app holds the certificate of privateKey"},
	{"invalid_app_access", "", Auth, "allow the integration user to use the app, by profile or permission set"},
	{"unsupported_grant_type", "", Misconfigured, "enable the JWT bearer flow on the app, and check that spec.salesforce.loginURL is a Salesforce login host"},
	{"server_error", "", Transient, ""},
	{"temporarily_unavailable", "", Transient, ""},
}

// oauthError classes an answer of the token endpoint that is not 200.
func oauthError(status int, body []byte) *Error {
	var far struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(body, &far) != nil || far.Code == "" {
		return oauthStatusError(status)
	}
	e := &Error{Op: opLogin, HTTPStatus: status, Code: clean(far.Code), Message: cmp.Or(clean(far.Description), "no description given")}
	for _, m := range oauthMeanings {
		if (m.code == "" || m.code == far.Code) && strings.Contains(strings.ToLower(far.Description), m.description) {
			e.Class, e.Advice = m.class, m.advice
			return e
		}
	}
	if e.Class = Auth; status >= http.StatusInternalServerError {
		e.Class = Transient
		return e
	}
	e.Advice = adviceLogin
	return e
}

// oauthStatusError is for answers without the OAuth error body: outages, proxies, and hosts that are not Salesforce.
func oauthStatusError(status int) *Error {
	e := &Error{Op: opLogin, HTTPStatus: status, Message: "the login host answered HTTP status " + strconv.Itoa(status)}
	switch {
	case status == http.StatusTooManyRequests:
		e.Class, e.Advice = LimitExceeded, adviceLimit
	case status >= http.StatusInternalServerError || status == http.StatusRequestTimeout:
		e.Class = Transient
	default:
		e.Class, e.Advice = Misconfigured, "check that spec.salesforce.loginURL is the login host of the org"
	}
	return e
}
