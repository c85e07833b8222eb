package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestStatusError(t *testing.T) {
	one := func(code, message string) string {
		return fmt.Sprintf(`[{"errorCode":%q,"message":%q}]`, code, message)
	}
	tests := map[string]struct {
		status int
		body   string
		record bool
		want   Class
	}{
		"SERVER_UNAVAILABLE":                            {503, one("SERVER_UNAVAILABLE", "x"), false, Transient},
		"UNKNOWN_EXCEPTION":                             {500, one("UNKNOWN_EXCEPTION", "x"), false, Transient},
		"QUERY_TIMEOUT":                                 {400, one("QUERY_TIMEOUT", "x"), false, Transient},
		"ALL_OR_NONE_OPERATION_ROLLED_BACK":             {200, one("ALL_OR_NONE_OPERATION_ROLLED_BACK", "x"), true, Transient},
		"API_CURRENTLY_DISABLED":                        {503, one("API_CURRENTLY_DISABLED", "x"), false, Transient},
		"INVALID_QUERY_LOCATOR":                         {400, one("INVALID_QUERY_LOCATOR", "x"), false, Transient},
		"UNABLE_TO_LOCK_ROW":                            {400, one("UNABLE_TO_LOCK_ROW", "x"), false, RowLocked},
		"REQUEST_LIMIT_EXCEEDED":                        {403, one("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."), false, LimitExceeded},
		"INVALID_SESSION_ID":                            {401, one("INVALID_SESSION_ID", "x"), false, Auth},
		"INVALID_AUTH_HEADER":                           {401, one("INVALID_AUTH_HEADER", "x"), false, Auth},
		"API_DISABLED_FOR_ORG":                          {403, one("API_DISABLED_FOR_ORG", "x"), false, Denied},
		"NOT_FOUND of a record":                         {404, one("NOT_FOUND", "x"), true, NotFound},
		"NOT_FOUND of the API":                          {404, one("NOT_FOUND", "x"), false, Misconfigured},
		"ENTITY_IS_DELETED":                             {404, one("ENTITY_IS_DELETED", "x"), true, Deleted},
		"INVALID_FIELD":                                 {400, one("INVALID_FIELD", "x"), false, Schema},
		"INVALID_TYPE":                                  {400, one("INVALID_TYPE", "x"), false, Schema},
		"MALFORMED_QUERY":                               {400, one("MALFORMED_QUERY", "x"), false, Schema},
		"JSON_PARSER_ERROR":                             {400, one("JSON_PARSER_ERROR", "x"), false, Schema},
		"INVALID_FIELD_FOR_INSERT_UPDATE":               {400, one("INVALID_FIELD_FOR_INSERT_UPDATE", "x"), false, Schema},
		"NUMBER_OUTSIDE_VALID_RANGE":                    {400, one("NUMBER_OUTSIDE_VALID_RANGE", "x"), false, Rejected},
		"MALFORMED_ID":                                  {400, one("MALFORMED_ID", "x"), false, Rejected},
		"INVALID_CROSS_REFERENCE_KEY":                   {400, one("INVALID_CROSS_REFERENCE_KEY", "x"), false, NotFound},
		"INSUFFICIENT_ACCESS_OR_READONLY":               {400, one("INSUFFICIENT_ACCESS_OR_READONLY", "x"), false, Denied},
		"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": {400, one("INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", "x"), false, Denied},
		"INSUFFICIENT_ACCESS":                           {403, one("INSUFFICIENT_ACCESS", "x"), false, Denied},
		"LOGIN_DURING_RESTRICTED_TIME":                  {403, one("LOGIN_DURING_RESTRICTED_TIME", "x"), false, Denied},
		"LOGIN_DURING_RESTRICTED_DOMAIN":                {403, one("LOGIN_DURING_RESTRICTED_DOMAIN", "x"), false, Denied},
		"TXN_SECURITY_NO_ACCESS":                        {403, one("TXN_SECURITY_NO_ACCESS", "x"), false, Denied},
		"FIELD_CUSTOM_VALIDATION_EXCEPTION":             {400, one("FIELD_CUSTOM_VALIDATION_EXCEPTION", "x"), false, Rejected},
		"REQUIRED_FIELD_MISSING":                        {400, one("REQUIRED_FIELD_MISSING", "x"), false, Rejected},
		"STRING_TOO_LONG":                               {400, one("STRING_TOO_LONG", "x"), false, Rejected},
		"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST":       {400, one("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "x"), false, Rejected},
		"FIELD_INTEGRITY_EXCEPTION":                     {400, one("FIELD_INTEGRITY_EXCEPTION", "x"), false, Rejected},
		"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":          {400, one("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "OrderTrigger: execution of BeforeUpdate"), false, Rejected},
		"trigger that met a lock":                       {400, one("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "first error: UNABLE_TO_LOCK_ROW, unable to obtain"), false, RowLocked},
		"DUPLICATE_VALUE":                               {400, one("DUPLICATE_VALUE", "x"), false, Rejected},
		"DUPLICATES_DETECTED":                           {400, one("DUPLICATES_DETECTED", "x"), false, Rejected},
		"unknown code, 400":                             {400, one("SOMETHING_NEW", "x"), false, Rejected},
		"unknown code, 500":                             {500, one("SOMETHING_NEW", "x"), false, Transient},
		"bare object":                                   {400, `{"errorCode":"INVALID_FIELD","message":"x"}`, false, Schema},
		"OAuth shape":                                   {403, `{"error":"insufficient_scope","error_description":"x"}`, false, Denied},
		"302 empty":                                     {302, ``, false, Misconfigured},
		"400 empty":                                     {400, ``, false, Rejected},
		"401 HTML":                                      {401, `<html>`, false, Auth},
		"403 HTML":                                      {403, `<html>`, false, Denied},
		"404 of a record, HTML":                         {404, `<html>`, true, NotFound},
		"404 of the API, HTML":                          {404, `<html>`, false, Misconfigured},
		"408":                                           {408, ``, false, Transient},
		"410":                                           {410, one("GONE", "x"), false, Misconfigured},
		"412":                                           {412, ``, false, Rejected},
		"414":                                           {414, `[]`, false, Schema},
		"420":                                           {420, ``, false, Transient},
		"429":                                           {429, ``, false, LimitExceeded},
		"431":                                           {431, ``, false, Schema},
		"500 HTML":                                      {500, `<html>`, false, Transient},
		"502 HTML":                                      {502, `<html>`, false, Transient},
		"503 null":                                      {503, `null`, false, Transient},
	}
	tested := map[string]bool{}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := statusError(opQuery, test.status, []byte(test.body), test.record)
			if e.Class != test.want {
				t.Errorf("class %v, want %v", e.Class, test.want)
			}
			if e.Message == "" || e.HTTPStatus != test.status {
				t.Errorf("message %q, status %d", e.Message, e.HTTPStatus)
			}
			if !e.Class.Retryable() && e.Class != NotFound && e.Class != Deleted && e.Advice == "" {
				t.Error("no advice, though somebody must act")
			}
			tested[e.Code] = true
		})
	}
	for code := range codeMeanings {
		if !tested[code] {
			t.Errorf("%s stands in the table but not in the test", code)
		}
	}
}

// TestAnswersWithoutACodeHaveWords has something answer that is not Salesforce's API: no permission is named that somebody
// could give, and nothing is said of what happens next.
func TestAnswersWithoutACodeHaveWords(t *testing.T) {
	for status, want := range map[int]string{http.StatusForbidden: "what stands between", http.StatusInternalServerError: "by itself", http.StatusServiceUnavailable: "by itself"} {
		if got := statusError(opQuery, status, []byte("<html>"), false).Error(); !strings.Contains(got, want) {
			t.Errorf("%d: %q, want %q in it", status, got, want)
		}
	}
}

func TestOAuthErrors(t *testing.T) {
	tests := map[string]struct {
		status            int
		code, description string
		class             Class
		advice            string
	}{
		"not approved":         {400, "invalid_grant", "user hasn't approved this consumer", Auth, "pre-authorise the app"},
		"audience":             {400, "invalid_grant", "audience is invalid", Auth, "spec.salesforce.audience"},
		"locked":               {400, "invalid_grant", "user is locked", Auth, "unlock"},
		"inactive":             {400, "invalid_grant", "inactive user", Auth, "activate"},
		"authentication":       {400, "invalid_grant", "authentication failure", Auth, "username"},
		"expired":              {400, "invalid_grant", "expired access/refresh token", Auth, "approve"},
		"assertion":            {400, "invalid_grant", "invalid assertion", Auth, "privateKey"},
		"another grant error":  {400, "invalid_grant", "something new", Auth, "privateKey"},
		"client id":            {400, "invalid_client_id", "client identifier invalid", Auth, "clientId"},
		"client":               {401, "invalid_client", "invalid client credentials", Auth, "clientId"},
		"app access":           {400, "invalid_app_access", "user is not admin approved to access this app", Auth, "allow"},
		"grant type":           {400, "unsupported_grant_type", "grant type not supported", Misconfigured, "JWT bearer flow"},
		"login rate":           {400, "invalid_grant", "Login Rate Exceeded", LimitExceeded, "wait"},
		"server error":         {500, "server_error", "", Transient, ""},
		"temporarily":          {503, "temporarily_unavailable", "", Transient, ""},
		"unknown, 400":         {400, "brand_new", "no idea", Auth, "approved"},
		"unknown, server side": {500, "brand_new", "no idea", Transient, ""},
	}
	reached := map[string]bool{}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			body, err := json.Marshal(map[string]string{"error": test.code, "error_description": test.description})
			if err != nil {
				t.Fatal(err)
			}
			e := oauthError(test.status, body)
			if e.Class != test.class || e.Code != test.code || !strings.Contains(e.Advice, test.advice) {
				t.Errorf("class %v, code %s, advice %q", e.Class, e.Code, e.Advice)
			}
			if !e.Class.Retryable() && e.Advice == "" {
				t.Error("an admin must act, and is not told how")
			}
			reached[e.Advice] = true
		})
	}
	for _, m := range oauthMeanings {
		if !reached[m.advice] {
			t.Errorf("row %s %q stands in the table but is not reached by the test", m.code, m.description)
		}
	}
}

func TestRecordErrorOfSeveral(t *testing.T) {
	lock := farError{StatusCode: "UNABLE_TO_LOCK_ROW", Message: "locked"}
	refused := farError{StatusCode: "STRING_TOO_LONG", Message: "too long"}
	for name, errs := range map[string][]farError{"lock first": {lock, refused}, "lock last": {refused, lock}} {
		if err := recordError(errs); CodeOf(err) != "STRING_TOO_LONG" {
			t.Errorf("%s: got %v, want the one that waiting does not mend", name, err)
		}
	}
	if err := recordError(nil); err != nil {
		t.Errorf("no errors gave %v", err)
	}
	if err := recordError([]farError{{StatusCode: "UNKNOWN_EXCEPTION", Message: "ErrorId: 123-456"}}); strings.Contains(fmt.Sprint(err), "123") {
		t.Errorf("%v holds an id that differs each time", err)
	}
}

func TestErrorHelpers(t *testing.T) {
	plain := errors.New("x")
	if ClassOf(plain) != Transient || CodeOf(plain) != "" || ClassOf(nil) != Transient {
		t.Error("what is not ours must count as Transient, without a code")
	}
	wrapped := fmt.Errorf("order: %w", &Error{Class: Deleted, Code: "ENTITY_IS_DELETED", Err: ErrDeleted})
	if ClassOf(wrapped) != Deleted || CodeOf(wrapped) != "ENTITY_IS_DELETED" || !errors.Is(wrapped, ErrDeleted) {
		t.Error("a wrapped error is not found")
	}
	for c := Transient; c <= Rejected; c++ {
		if c.String() == "" || strings.HasPrefix(c.String(), "Class(") {
			t.Errorf("class %d has no name", int(c))
		}
	}
	if got := Class(99).String(); got != "Class(99)" {
		t.Errorf("unknown class prints as %s", got)
	}
}

func TestTransportErrors(t *testing.T) {
	closed := newFake(t)
	gone := closed.config()
	closed.Close()
	f := newFake(t)
	systemRoots := f.config()
	systemRoots.CABundle = nil
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	notTLS := f.config()
	notTLS.LoginURL = strings.Replace(plain.URL, "http:", "https:", 1)
	wrongName := f.config()
	wrongName.LoginURL = strings.Replace(f.URL, "127.0.0.1", "localhost", 1)
	dropped := newFake(t)
	dropped.beforeLogin = func() { panic(http.ErrAbortHandler) }
	tests := map[string]struct {
		cfg   Config
		class Class
		want  string
	}{
		"nobody listens":       {gone, Transient, "refuses connections"},
		"certificate":          {systemRoots, Misconfigured, "not trusted: certificate signed by unknown authority: put the CA"},
		"name not in the cert": {wrongName, Misconfigured, "not trusted"},
		"plain HTTP":           {notTLS, Misconfigured, "does not speak TLS"},
		"dropped":              {dropped.config(), Transient, "failed before the answer was complete"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, err := New(test.cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Session(t.Context())
			if ClassOf(err) != test.class || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("got %v (class %v), want class %v and %q", err, ClassOf(err), test.class, test.want)
			}
		})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 1)
	defer cancel()
	if _, err := f.client().login(ctx); !strings.Contains(fmt.Sprint(err), "did not answer in time") {
		t.Errorf("deadline gave %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	f := newFake(t)
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"plain http":      {func(c *Config) { c.LoginURL = "http://login.salesforce.com" }, "https://"},
		"no URL":          {func(c *Config) { c.LoginURL = "" }, "loginURL"},
		"no host":         {func(c *Config) { c.LoginURL = "https://" }, "loginURL"},
		"user in URL":     {func(c *Config) { c.LoginURL = "https://me:hush@example.com" }, "loginURL"},
		"key":             {func(c *Config) { c.PrivateKey = []byte("-----BEGIN hush-----") }, "privateKey"},
		"no client":       {func(c *Config) { c.ClientID = "" }, "clientId"},
		"no user":         {func(c *Config) { c.Username = "" }, "username"},
		"version":         {func(c *Config) { c.APIVersion = "66" }, "apiVersion"},
		"version as path": {func(c *Config) { c.APIVersion = "v66.0/../.." }, "apiVersion"},
		"CA":              {func(c *Config) { c.CABundle = []byte("hush") }, "caBundle"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := f.config()
			test.change(&cfg)
			_, err := New(cfg)
			if err == nil || ClassOf(err) != Misconfigured || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want class Misconfigured naming %s, and no secret", err, test.want)
			}
		})
	}
}

func TestClean(t *testing.T) {
	tests := map[string]string{
		"a\n\tb  c":                           "a b c",
		"bell\a and \x1b[31mred":              "bell and [31mred",
		"bad\xff":                             "bad\uFFFD",
		"token 00D58000000arpq!AQE.xyz_1 end": "token [redacted] end",
		"jwt eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln": "jwt [redacted]",
		"": "",
	}
	for in, want := range tests {
		if diff := cmp.Diff(want, clean(in)); diff != "" {
			t.Errorf("clean(%q) (-want +got):\n%s", in, diff)
		}
	}
	if cut := clean(strings.Repeat("\u6771", 1000)); !utf8.ValidString(cut) || utf8.RuneCountInString(cut) != 301 {
		t.Errorf("cut to %d runes", utf8.RuneCountInString(cut))
	}
}
