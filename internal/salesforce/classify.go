package salesforce

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// meaning is what one documented error code stands for.
type meaning struct {
	class  Class
	advice string
	// mute drops Salesforce's text, which differs each time (it holds error ids).
	mute bool
}

const (
	adviceLogin  = "check that the integration user is active and that the app is approved for it"
	adviceAccess = "give the integration user the permission that is named, by profile or permission set"
	adviceFields = "check the field names in the mapping, and that the integration user may see them (field-level security)"
	adviceNobody = "no permission is named: check from which addresses the integration user may call, and what stands between this cluster and Salesforce"
	adviceOutage = "work goes on by itself when Salesforce, or what answers in its place, has recovered"
	adviceLimit  = "reduce other API use of the org or raise its allowance; work goes on by itself"
	adviceRecord = "mend the record or the rule in Salesforce, then ask again"
	adviceOurs   = "this request is wrong whenever it is repeated: please report it with this message"
)

// codeMeanings is the one table of Salesforce's REST error codes, for whole requests and for single records.
var codeMeanings = map[string]meaning{
	"SERVER_UNAVAILABLE":                            {class: Transient},
	"UNKNOWN_EXCEPTION":                             {class: Transient, mute: true},
	"QUERY_TIMEOUT":                                 {class: Transient},
	codeRolledBack:                                  {class: Transient},
	"API_CURRENTLY_DISABLED":                        {class: Transient},
	"INVALID_QUERY_LOCATOR":                         {class: Transient},
	"UNABLE_TO_LOCK_ROW":                            {class: RowLocked},
	"REQUEST_LIMIT_EXCEEDED":                        {class: LimitExceeded, advice: adviceLimit},
	"INVALID_SESSION_ID":                            {class: Auth, advice: adviceLogin},
	"INVALID_AUTH_HEADER":                           {class: Auth, advice: adviceLogin},
	"API_DISABLED_FOR_ORG":                          {class: Denied, advice: "enable the API for the org and for the integration user's profile"},
	"NOT_FOUND":                                     {class: NotFound},
	"ENTITY_IS_DELETED":                             {class: Deleted},
	"INVALID_FIELD":                                 {class: Schema, advice: adviceFields},
	"INVALID_TYPE":                                  {class: Schema, advice: adviceFields},
	"MALFORMED_QUERY":                               {class: Schema, advice: adviceFields},
	"JSON_PARSER_ERROR":                             {class: Schema, advice: adviceFields},
	"INVALID_FIELD_FOR_INSERT_UPDATE":               {class: Schema, advice: adviceFields},
	"NUMBER_OUTSIDE_VALID_RANGE":                    {class: Rejected, advice: adviceOurs},
	"MALFORMED_ID":                                  {class: Rejected, advice: adviceOurs},
	"INVALID_CROSS_REFERENCE_KEY":                   {class: NotFound},
	"INSUFFICIENT_ACCESS_OR_READONLY":               {class: Denied, advice: adviceAccess},
	"INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": {class: Denied, advice: adviceAccess},
	"INSUFFICIENT_ACCESS":                           {class: Denied, advice: adviceAccess},
	"LOGIN_DURING_RESTRICTED_TIME":                  {class: Denied, advice: "allow the integration user to log in at any hour"},
	"LOGIN_DURING_RESTRICTED_DOMAIN":                {class: Denied, advice: "allow the addresses of this cluster in the integration user's profile"},
	"FIELD_CUSTOM_VALIDATION_EXCEPTION":             {class: Rejected, advice: adviceRecord},
	"REQUIRED_FIELD_MISSING":                        {class: Rejected, advice: adviceRecord},
	"STRING_TOO_LONG":                               {class: Rejected, advice: adviceRecord},
	"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST":       {class: Rejected, advice: "add the value to the picklist, or change it in the mapping"},
	"FIELD_INTEGRITY_EXCEPTION":                     {class: Rejected, advice: adviceRecord},
	"CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY":          {class: Rejected, advice: adviceRecord},
	"DUPLICATE_VALUE":                               {class: Rejected, advice: adviceRecord},
	"DUPLICATES_DETECTED":                           {class: Rejected, advice: adviceRecord},
}

// statusMeanings says what an HTTP status means where the body holds no code that codeMeanings knows.
var statusMeanings = map[int]meaning{
	http.StatusUnauthorized:                {class: Auth, advice: adviceLogin},
	http.StatusForbidden:                   {class: Denied, advice: adviceAccess},
	http.StatusNotFound:                    {class: NotFound},
	http.StatusRequestTimeout:              {class: Transient},
	http.StatusGone:                        {class: Misconfigured, advice: "this API version is retired: set spec.salesforce.apiVersion to a current one"},
	http.StatusRequestURITooLong:           {class: Schema, advice: "name fewer fields in the mapping"},
	420:                                    {class: Transient},
	http.StatusTooManyRequests:             {class: LimitExceeded, advice: adviceLimit},
	http.StatusRequestHeaderFieldsTooLarge: {class: Schema, advice: "name fewer fields in the mapping"},
}

// deadEndTexts stand in 401 answers that no new login mends.
var deadEndTexts = map[string]string{
	"This session is not valid for use with the REST API": "give the app the OAuth scope api",
	"Connected app is not attached to Agent":              "attach the connected app to the agent, or use another app",
}

// farError is one error as Salesforce writes it: errorCode for a whole request, statusCode for a record.
type farError struct {
	ErrorCode  string   `json:"errorCode"`
	StatusCode string   `json:"statusCode"`
	Message    string   `json:"message"`
	Fields     []string `json:"fields"`
}

func (f farError) code() string {
	if f.ErrorCode != "" {
		return f.ErrorCode
	}
	return f.StatusCode
}

// statusError classes the answer to a whole request. ofRecord says that the request named one record by its path, so
// that 404 means the record and not the API.
func statusError(op string, status int, body []byte, ofRecord bool) *Error {
	far := parseFarError(body)
	e := &Error{Op: op, Code: clean(far.code()), HTTPStatus: status, Fields: cleanAll(far.Fields)}
	m := meaningOf(far, status)
	if status == http.StatusNotFound && m.class == NotFound && !ofRecord {
		m = meaning{class: Misconfigured, advice: "check spec.salesforce.apiVersion and spec.salesforce.loginURL"}
	}
	e.Class, e.Advice = m.class, m.advice
	if advice, ok := deadEnd(far.Message); ok && status == http.StatusUnauthorized {
		e.Class, e.Advice = Auth, advice
	}
	switch {
	case far.Message == "" || m.mute:
		e.Message = "HTTP status " + strconv.Itoa(status)
	default:
		e.Message = clean(far.Message)
	}
	return e
}

// recordError classes the errors of one record of a collection; nil if there are none. Of several, one that cannot be
// waited out decides.
func recordError(errs []farError) error {
	var worst *Error
	for _, far := range errs {
		m := meaningOf(far, http.StatusBadRequest)
		e := &Error{Op: opUpdate, Class: m.class, Code: clean(far.code()), Message: clean(far.Message), Advice: m.advice, Fields: cleanAll(far.Fields)}
		if m.mute || e.Message == "" {
			e.Message = "the record was not written"
		}
		if worst == nil || worst.Class.Retryable() && !e.Class.Retryable() {
			worst = e
		}
	}
	if worst == nil {
		return nil
	}
	return worst
}

func meaningOf(far farError, status int) meaning {
	// Apex triggers wrap the lock error in their own.
	if strings.Contains(far.Message, "UNABLE_TO_LOCK_ROW") && far.code() == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY" {
		return codeMeanings["UNABLE_TO_LOCK_ROW"]
	}
	if m, ok := codeMeanings[far.code()]; ok {
		return m
	}
	if strings.HasPrefix(far.code(), "TXN_SECURITY") {
		return meaning{class: Denied, advice: "exempt the integration user from the transaction security policy"}
	}
	if status == http.StatusForbidden && far.code() == "" {
		return meaning{class: Denied, advice: adviceNobody}
	}
	if m, ok := statusMeanings[status]; ok {
		return m
	}
	switch {
	case status >= 500:
		return meaning{class: Transient, advice: adviceOutage}
	case 300 <= status && status < 400:
		return meaning{class: Misconfigured, advice: "set spec.salesforce.loginURL to the org's present My Domain address"}
	default:
		return meaning{class: Rejected, advice: adviceRecord}
	}
}

// parseFarError reads the documented array, the bare object some pages show, the OAuth shape, or nothing (HTML).
func parseFarError(body []byte) farError {
	var list []farError
	if json.Unmarshal(body, &list) == nil {
		if len(list) > 0 {
			return list[0]
		}
		return farError{}
	}
	var one struct {
		farError
		OAuthError       string `json:"error"`
		OAuthDescription string `json:"error_description"`
	}
	if json.Unmarshal(body, &one) != nil {
		return farError{}
	}
	if one.code() == "" && one.OAuthError != "" {
		return farError{ErrorCode: one.OAuthError, Message: one.OAuthDescription}
	}
	return one.farError
}

func deadEnd(message string) (string, bool) {
	for text, advice := range deadEndTexts {
		if strings.Contains(message, text) {
			return advice, true
		}
	}
	return "", false
}

func cleanAll(values []string) []string {
	var out []string
	for _, v := range values {
		out = append(out, clean(v))
	}
	return out
}
