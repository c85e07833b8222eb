package salesforce

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"unicode"
)

// Class says what an error means for the caller. The zero value is Transient: what is not understood is tried again.
type Class int

const (
	// Transient means that nothing is known to be wrong for good: try again with back-off.
	Transient Class = iota
	// RowLocked means that another transaction holds the record: try again soon, with jitter.
	RowLocked
	// LimitExceeded means that the org's API allowance is used up: try again after minutes, leave out what is optional.
	LimitExceeded
	// Auth means that Salesforce does not let this user or app log in: an admin must act.
	Auth
	// Denied means that the user is logged in but lacks a permission: an admin must act.
	Denied
	// Misconfigured means that the address, certificate, key, API version or another setting is wrong: an admin must act.
	Misconfigured
	// Schema means that the query or record names an object or field that does not exist or is hidden from the user.
	Schema
	// NotFound means that there is no such record, or that the user cannot see it (yet).
	NotFound
	// Deleted means that the record existed and has been deleted.
	Deleted
	// Rejected means that Salesforce understood the request and refuses it for good.
	Rejected
)

var classNames = [...]string{
	Transient: "Transient", RowLocked: "RowLocked", LimitExceeded: "LimitExceeded", Auth: "Auth", Denied: "Denied",
	Misconfigured: "Misconfigured", Schema: "Schema", NotFound: "NotFound", Deleted: "Deleted", Rejected: "Rejected",
}

// String returns the name of the class.
func (c Class) String() string {
	if c < 0 || int(c) >= len(classNames) {
		return fmt.Sprintf("Class(%d)", int(c))
	}
	return classNames[c]
}

// Retryable reports whether the same call may succeed later without anybody acting.
func (c Class) Retryable() bool {
	return c == Transient || c == RowLocked || c == LimitExceeded
}

// Error is the only error type of this package's calls. Its text is made of stable fields and holds no credentials.
type Error struct {
	// Op is the operation that failed: login, userinfo, query, row, update or limits.
	Op string
	// Class says what the failure means.
	Class Class
	// Code is the error code of Salesforce, such as INVALID_FIELD or invalid_grant; empty if there was none.
	Code string
	// Message is Salesforce's own text, made printable and cut, or our words where Salesforce gave none.
	Message string
	// Advice is a sentence that says what a person must do; empty if there is nothing to do but wait.
	Advice string
	// HTTPStatus is the status of the answer; 0 if there was no answer or the failure is that of a single record.
	HTTPStatus int
	// Fields are the fields that Salesforce blames.
	Fields []string
	// Err is the cause, for errors.Is; it is not part of the text because causes may name ports and addresses.
	Err error
}

// Error returns operation, code, message, fields and advice in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("salesforce " + e.Op + ": ")
	if e.Code != "" {
		b.WriteString(e.Code + ": ")
	}
	b.WriteString(e.Message)
	if len(e.Fields) > 0 {
		b.WriteString(" (fields: " + strings.Join(e.Fields, ", ") + ")")
	}
	if e.Advice != "" {
		b.WriteString(": " + e.Advice)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of the first *Error in err's chain, and Transient if there is none.
func ClassOf(err error) Class {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return Transient
}

// CodeOf returns Salesforce's error code of the first *Error in err's chain, or "".
func CodeOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// transportError turns a failure below HTTP into our words. The texts of package net are not used: they name ports that
// differ from time to time, and *url.Error repeats the whole query.
func transportError(op, host string, err error) *Error {
	e := &Error{Op: op, Class: Transient, Err: err}
	switch {
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		e.Message = host + " did not answer in time"
	case errors.Is(err, context.Canceled):
		e.Message = "cancelled before " + host + " answered"
	case isType[*tls.CertificateVerificationError](err):
		e.Class = Misconfigured
		e.Message = "the certificate of " + host + " is not trusted: " + certificateReason(err)
		e.Advice = "put the CA that signed it into spec.salesforce.caBundle, or correct the URL"
	case errors.Is(err, http.ErrSchemeMismatch) || isType[tls.RecordHeaderError](err):
		e.Class = Misconfigured
		e.Message = host + " does not speak TLS"
		e.Advice = "correct the URL or its port"
	case isType[*net.DNSError](err):
		e.Message = "the name " + host + " cannot be resolved"
		e.Advice = "check the URL and the name service"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Message = host + " refuses connections"
	default:
		e.Message = "the connection to " + host + " failed before the answer was complete"
	}
	return e
}

func certificateReason(err error) string {
	cause, ok := errors.AsType[*tls.CertificateVerificationError](err)
	if !ok || cause.Err == nil {
		return "no reason given"
	}
	return clean(strings.TrimPrefix(cause.Err.Error(), "x509: "))
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

func isType[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// secretShapes match what must never be shown even if the far side repeats it: session ids and signed JWTs.
var secretShapes = regexp.MustCompile(`00D[A-Za-z0-9]{9,15}![A-Za-z0-9._~+/=-]+|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?`)

// clean makes text from the far side fit for a condition: printable, on one line, without credentials, cut at a rune.
func clean(s string) string {
	const longest = 300
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	s = secretShapes.ReplaceAllString(strings.Join(strings.Fields(s), " "), "[redacted]")
	if runes := []rune(s); len(runes) > longest {
		s = string(runes[:longest]) + "…"
	}
	return s
}
