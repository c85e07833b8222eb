package pubsub

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// codePrefix starts every error code of the bus.
const codePrefix = "sfdc.platform.eventbus.grpc."

// maxDetail bounds text of the far side that is kept for logs, in runes.
const maxDetail = 300

// Error is a failed call or an ended stream, classified.
type Error struct {
	Verdict
	// Code is the bus' error code without its common prefix; empty when the bus sent none.
	Code string
	// Detail is the far side's own text, cut. It belongs in logs, not in conditions: it changes with every call.
	Detail string
	// Err is the cause.
	Err error
}

// Error says what happened and what to do about it.
func (e *Error) Error() string {
	if e.Code != "" {
		return e.words() + " (" + e.Code + ")"
	}
	return e.words()
}

// words is the message for people. Only a failed login needs its cause to be understood.
func (e *Error) words() string {
	if e.Action == Login && e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// hide takes a token out of the far side's text, in case it repeats it.
func (e *Error) hide(token string) *Error {
	if token == "" {
		return e
	}
	hidden := *e // streams that waited for the same call share its error
	hidden.Detail = strings.ReplaceAll(e.Detail, token, "[redacted]")
	return &hidden
}

// newError classifies the end of a call. The error-code string of the trailer decides; the gRPC status only where there
// is none, because the bus is known to send the same code with different statuses.
func newError(err error, trailer metadata.MD) *Error {
	if already, ok := errors.AsType[*Error](err); ok {
		return already
	}
	result := &Error{Err: err, Detail: cut(err.Error())}
	if values := trailer.Get("error-code"); len(values) > 0 {
		result.Code = cut(strings.TrimPrefix(strings.TrimSpace(values[0]), codePrefix))
	}
	if verdict, ok := verdicts[result.Code]; ok {
		result.Verdict = verdict
		return result
	}
	result.Verdict = byStatus(err)
	return result
}

// byStatus decides where no known code came with the error.
func byStatus(err error) Verdict {
	if errors.Is(err, io.EOF) {
		return streamEnded
	}
	state, ok := status.FromError(err)
	switch {
	case !ok && errors.Is(err, context.DeadlineExceeded), state.Code() == codes.DeadlineExceeded:
		return noAnswer
	case state.Code() == codes.Unauthenticated:
		return sessionRefused
	case state.Code() == codes.Unimplemented:
		return notPubSub
	case state.Code() == codes.ResourceExhausted:
		return tooMuch
	case state.Code() == codes.Unavailable:
		return connectionVerdict(state.Message())
	case state.Code() == codes.PermissionDenied:
		return denied
	case state.Code() == codes.NotFound:
		return notThere
	default:
		return unclear(state.Code())
	}
}

// connectionVerdict finds words for gRPC's one status for everything that went wrong below it.
func connectionVerdict(message string) Verdict {
	for _, row := range []struct {
		text    string
		verdict Verdict
	}{
		{"certificate has expired or is not yet valid", outOfDate},
		{"x509: certificate is valid for", otherHost},
		{"x509: certificate is not valid for", otherHost},
		{"x509: cannot validate certificate for", otherHost},
		{"x509:", untrusted},
		{"tls:", tlsFailed},
		{"authentication handshake failed", tlsFailed},
		{"no such host", unknownHost},
		{"connection refused", unreachable},
		{"i/o timeout", unreachable},
		{"network is unreachable", unreachable},
		{"no route to host", unreachable},
	} {
		if strings.Contains(message, row.text) {
			return row.verdict
		}
	}
	return connectionLost
}

// cut shortens text of the far side at a rune and takes control characters out of it.
func cut(text string) string {
	clean := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?")))
	if len(clean) <= maxDetail {
		return string(clean)
	}
	return string(clean[:maxDetail]) + "…"
}
