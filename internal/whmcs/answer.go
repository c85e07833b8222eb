package whmcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// answer is a JSON object that WHMCS answered with.
type answer struct {
	object json.RawMessage
	status int
	head   answerHead
}

// answerHead is what every answer has in common. A few actions say "status"
// where the others say "result".
type answerHead struct {
	Result  flexString `json:"result"`
	Status  flexString `json:"status"`
	Message flexString `json:"message"`
	Warning flexString `json:"warning"`
}

func (h answerHead) verdict() string {
	if h.Result != "" {
		return strings.ToLower(string(h.Result))
	}
	return strings.ToLower(string(h.Status))
}

func (h answerHead) text() string {
	if h.Message != "" {
		return string(h.Message)
	}
	return string(h.Warning)
}

// maxCandidates bounds how many opening braces are tried as the start of the answer.
const maxCandidates = 64

var errTruncated = errors.New("the JSON ends too early")

// findAnswer finds WHMCS' answer in a body that may begin with a byte order
// mark or with notices that PHP printed, and may have text after it. It returns
// the object's bytes and where they begin.
func findAnswer(body []byte) (object json.RawMessage, head answerHead, at int, err error) {
	err = errors.New("there is no JSON answer in it")
	for range maxCandidates {
		i := bytes.IndexByte(body[at:], '{')
		if i < 0 {
			return nil, answerHead{}, 0, err
		}
		at += i
		var candidate json.RawMessage
		decodeErr := json.NewDecoder(bytes.NewReader(body[at:])).Decode(&candidate)
		if errors.Is(decodeErr, io.ErrUnexpectedEOF) {
			// What lies further in may be whole, a row with a "status" of its
			// own for instance, but it is not the answer.
			return nil, answerHead{}, 0, errTruncated
		}
		var h answerHead
		if decodeErr == nil && json.Unmarshal(candidate, &h) == nil && h.isAnswer() {
			return candidate, h, at, nil
		}
		at++
	}
	return nil, answerHead{}, 0, err
}

func (h answerHead) isAnswer() bool {
	switch h.verdict() {
	case "success", "error", "warning":
		return true
	}
	return h.Result == "" && h.Warning != ""
}

// interpret turns a body into an answer with result "success", or an error.
func (c *Client) interpret(ctx context.Context, action string, status int, body []byte, tooLarge bool, readErr error) (*answer, error) {
	object, head, at, err := findAnswer(body)
	switch {
	case err != nil && readErr != nil:
		e := c.transportError(ctx, action, readErr, nil)
		e.HTTPStatus, e.Class = status, Unknown
		return nil, e
	case err != nil && tooLarge:
		return nil, &Error{Action: action, Class: Unknown, Code: AnswerTooLarge, HTTPStatus: status, Detail: "the answer is larger than can be read"}
	case err != nil:
		return nil, withoutJSON(action, status, "the answer is no WHMCS answer: "+err.Error())
	}
	if at > 0 && c.odd != nil {
		c.odd(action, "Text before the JSON answer: turn off display_errors in WHMCS' PHP")
	}
	switch head.verdict() {
	case "success":
		if head.Warning != "" && c.odd != nil {
			c.odd(action, "The answer carries a warning: "+c.sanitise(string(head.Warning)))
		}
		return &answer{object: object, status: status, head: head}, nil
	case "error":
		return nil, refusal(action, status, c.sanitise(head.text()))
	}
	return nil, &Error{
		Action: action, Class: Unknown, Code: UnclearAnswer, HTTPStatus: status, Answered: true,
		Message: c.sanitise(head.text()), Detail: "a warning without a result does not tell whether it was done",
	}
}

func (c *Client) sanitise(s string) string { return sanitise(s, c.secrets()...) }

// decode fills v from the answer.
func (a *answer) decode(action string, v any) error {
	if err := json.Unmarshal(a.object, v); err != nil {
		return a.unclear(action, "a field has a form that is not understood"+fieldOf(err))
	}
	return nil
}

// unclear is the error for an answer that says success without what must come with it.
func (a *answer) unclear(action, detail string) *Error {
	return &Error{Action: action, Class: Unknown, Code: UnclearAnswer, HTTPStatus: a.status, Answered: true, Detail: detail}
}

// fieldOf names the field a JSON error is about; its value is never quoted.
func fieldOf(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && e.Field != "" {
		return " (" + e.Field + ")"
	}
	return ""
}
