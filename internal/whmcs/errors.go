package whmcs

import (
	"context"
	"errors"
	"fmt"
)

// Class says what is known about a call that failed.
type Class string

const (
	// Refused means that nothing was done: WHMCS said so in so many words, or the
	// request was found wanting here and never sent.
	Refused Class = "Refused"
	// Busy means that WHMCS could not be reached: nothing of the request got there.
	Busy Class = "Busy"
	// Denied means that credentials, address or role are not accepted: nothing was done.
	Denied Class = "Denied"
	// NotSent means that NotAfter had passed, or the caller gave up, before anything left.
	NotSent Class = "NotSent"
	// Unknown means everything else. A read has failed; a mutating call may or may
	// not have taken effect, entirely or in part.
	Unknown Class = "Unknown"
)

// Code names a failure more closely than its Class; it is empty for texts of
// WHMCS that are not documented.
type Code string

// Codes of answers that WHMCS documents, or that were seen in the wild.
const (
	ClientNotFound            Code = "ClientNotFound"
	ClientClosed              Code = "ClientClosed"
	ClientIDRequired          Code = "ClientIDRequired"
	InvalidPaymentMethod      Code = "InvalidPaymentMethod"
	InvalidPaymentInformation Code = "InvalidPaymentInformation"
	InvalidPayMethodType      Code = "InvalidPayMethodType"
	NothingToOrder            Code = "NothingToOrder"
	AddonInvalid              Code = "AddonInvalid"
	ServiceNotOwned           Code = "ServiceNotOwned"
	ServiceNotRenewable       Code = "ServiceNotRenewable"
	DomainNotOwned            Code = "DomainNotOwned"
	DomainNotRenewable        Code = "DomainNotRenewable"
	ParameterNotArray         Code = "ParameterNotArray"
	// OrderNotPending means that the order is unknown or no longer pending;
	// WHMCS does not say which. GetOrders with the id tells.
	OrderNotPending Code = "OrderNotPending"
	// ModuleFailed comes with class Unknown: AcceptOrder passes a module's own
	// text on, and other lines, or the remote side, may have been set up.
	ModuleFailed Code = "ModuleFailed"

	AuthenticationFailed Code = "AuthenticationFailed"
	AccountDisabled      Code = "AccountDisabled"
	AccessDenied         Code = "AccessDenied"
	AddressNotAllowed    Code = "AddressNotAllowed"
	ActionNotAllowed     Code = "ActionNotAllowed"
	InternalOnly         Code = "InternalOnly"
	CommandNotFound      Code = "CommandNotFound"
	EmptyAction          Code = "EmptyAction"
)

// Codes of what happened on the way.
const (
	InvalidRequest  Code = "InvalidRequest"  // found here, never sent
	DeadlinePassed  Code = "DeadlinePassed"  // NotAfter
	Canceled        Code = "Canceled"        // by the caller's context
	Timeout         Code = "Timeout"         // no answer, or no connection, in time
	NameNotResolved Code = "NameNotResolved" // DNS
	ConnectFailed   Code = "ConnectFailed"   // refused, unreachable, proxy
	Untrusted       Code = "Untrusted"       // the server's certificate
	TLSFailed       Code = "TLSFailed"       // the handshake
	ConnectionLost  Code = "ConnectionLost"  // after something may have been sent
	HTTPStatus      Code = "HTTPStatus"      // an HTTP error that is not WHMCS' own
	Redirected      Code = "Redirected"      // never followed
	NotJSON         Code = "NotJSON"         // no complete JSON answer of WHMCS
	AnswerTooLarge  Code = "AnswerTooLarge"
	UnclearAnswer   Code = "UnclearAnswer" // JSON, but not what was asked for
	Incomplete      Code = "Incomplete"    // a list that cannot be read to its end
)

// Error is what every method of Client returns when it fails. Its text holds no
// secret, no body and no personal data, and is the same for the same cause.
type Error struct {
	// Action is WHMCS' name of the action, for instance AddOrder.
	Action string
	Class  Class
	Code   Code
	// Message is WHMCS' own text, sanitised and cut, when it sent one.
	Message string
	// Detail is our own sentence: what happened and what to do.
	Detail string
	// HTTPStatus is 0 when there was no answer.
	HTTPStatus int
	// Answered is true when WHMCS itself answered in well-formed JSON: it is up,
	// whatever became of the call.
	Answered bool
	// Err is the cause, for errors.Is; nil when there is none worth keeping.
	Err error
}

// Error returns what happened to which action, what WHMCS said and what to do.
func (e *Error) Error() string {
	var what string
	switch e.Class {
	case Refused:
		what = "refused, nothing was done"
	case Busy:
		what = "WHMCS cannot be reached, nothing was sent"
	case Denied:
		what = "WHMCS denied access, nothing was done"
	case NotSent:
		what = "not sent"
	default:
		what = "no clear answer"
	}
	text := e.Action + ": " + what
	if e.Message != "" {
		text += fmt.Sprintf(": WHMCS said %q", e.Message)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of err: "" for nil, Unknown for an error that is
// not from this package.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Class
	}
	return Unknown
}

// CodeOf returns the code of err, or "" when it has none.
func CodeOf(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// unhealthy reports whether err says that WHMCS, or the way to it, is out of
// order. Refusals and denials are answers of a healthy WHMCS.
func unhealthy(err error) bool {
	if err == nil {
		return false
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return true
	}
	return !e.Answered && (e.Class == Busy || e.Class == Unknown)
}

// unrelated reports whether err says nothing about WHMCS at all: the caller
// gave up, the request never left, or this client and the server agree on no
// TLS, such as on a certificate that others may trust.
func unrelated(err error) bool {
	if errors.Is(err, context.Canceled) {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Class == NotSent || e.Code == Canceled || e.Code == InvalidRequest || e.Code == Untrusted || e.Code == TLSFailed && e.Class == Busy)
}
