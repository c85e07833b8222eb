package whmcs

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
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

var (
	errNoAnswer  = errors.New("there is no JSON answer in it")
	errTruncated = errors.New("the JSON ends too early")
	errSeveral   = errors.New("there are several JSON answers in it: a hook or module of WHMCS prints what it should not")
)

// found is an object in a body that has the form of an answer.
type found struct {
	object json.RawMessage
	head   answerHead
	at     int
}

// findAnswer finds WHMCS' answer in a body that may begin with a byte order
// mark or with notices that PHP printed, and may have text after it. Hooks and
// modules print as well, for instance what some other system answered them: only
// an object with "result" goes before one with "status", and of several equals
// none is believed.
func findAnswer(body []byte) (found, error) {
	all, err := answersIn(body)
	if err != nil {
		return found{}, err
	}
	if named := slices.DeleteFunc(slices.Clone(all), func(f found) bool { return f.head.Result == "" }); len(named) > 0 {
		all = named
	}
	switch len(all) {
	case 0:
		return found{}, errNoAnswer
	case 1:
		return all[0], nil
	}
	return found{}, errSeveral
}

// answersIn returns the objects of a body that have the form of an answer. What
// lies inside an object, a row with a "status" of its own for instance, is none.
func answersIn(body []byte) ([]found, error) {
	var all []found
	at := 0
	for range maxCandidates {
		i := bytes.IndexByte(body[at:], '{')
		if i < 0 {
			break
		}
		at += i
		f := found{at: at}
		decoder := json.NewDecoder(bytes.NewReader(body[at:]))
		err := decoder.Decode(&f.object)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, errTruncated
		}
		if err != nil {
			at++ // a brace in a text
			continue
		}
		if json.Unmarshal(f.object, &f.head) == nil && f.head.isAnswer() {
			all = append(all, f)
		}
		at += int(decoder.InputOffset())
	}
	return all, nil
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
	answered, err := findAnswer(body)
	head := answered.head
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
	if answered.at > 0 {
		c.odd(action, "there is text before the JSON: turn off display_errors in WHMCS' PHP", "")
	}
	switch head.verdict() {
	case "success":
		if head.Warning != "" {
			c.odd(action, "it carries a warning: ", string(head.Warning))
		}
		return &answer{object: answered.object, status: status, head: head}, nil
	case "error":
		return nil, refusal(action, status, c.sanitise(head.text()))
	}
	return nil, &Error{
		Action: action, Class: Unknown, Code: UnclearAnswer, HTTPStatus: status, Answered: true,
		Message: c.sanitise(head.text()), Detail: "a warning without a result does not tell whether it was done",
	}
}

// odd tells of an answer that is not clean, unless it was told of one like it.
func (c *Client) odd(action, oddity, text string) {
	if c.onOdd == nil {
		return
	}
	if _, told := c.oddities.LoadOrStore([2]string{action, oddity}, true); !told {
		c.onOdd(action, oddity+c.sanitise(text))
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
