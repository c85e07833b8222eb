package php

import (
	"bytes"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
)

// Limits are the php.ini settings that cut a request short.
type Limits struct {
	// MaxInputVars is max_input_vars: variables past it are dropped with a warning.
	MaxInputVars int
	// MaxPostBytes is post_max_size: a longer body leaves no variables at all.
	MaxPostBytes int
}

// DefaultLimits are PHP's own defaults.
var DefaultLimits = Limits{MaxInputVars: 1000, MaxPostBytes: 8 << 20}

const maxNesting = 64

// ParseRequest returns what PHP's $_REQUEST holds for a request: the query string, overridden by the body. The warnings
// are the texts PHP would print.
func ParseRequest(query, contentType string, body []byte, limits Limits) (request *Array, warnings []string) {
	request, warnings = ParseQuery(query, limits)
	post, more := parseBody(contentType, body, limits)
	warnings = append(warnings, more...)
	for k, v := range post.All() {
		request.Set(k, v)
	}
	return request, warnings
}

func parseBody(contentType string, body []byte, limits Limits) (*Array, []string) {
	if limits.MaxPostBytes > 0 && len(body) > limits.MaxPostBytes {
		return NewArray(), []string{"POST Content-Length exceeds the limit"}
	}
	mediaType, params, _ := mime.ParseMediaType(contentType)
	switch mediaType {
	case "application/x-www-form-urlencoded":
		return ParseQuery(string(body), limits)
	case "multipart/form-data":
		return parseMultipart(body, params["boundary"], limits)
	}
	return NewArray(), nil
}

// ParseQuery reads name=value pairs as PHP does: brackets make arrays that keep the order of arrival, a repeated plain
// name keeps its last value.
func ParseQuery(text string, limits Limits) (*Array, []string) {
	vars := NewArray()
	count := 0
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		if count++; limits.MaxInputVars > 0 && count > limits.MaxInputVars {
			return vars, []string{tooManyVars(limits)}
		}
		name, value, _ := strings.Cut(pair, "=")
		register(vars, unescape(name), unescape(value))
	}
	return vars, nil
}

func tooManyVars(limits Limits) string {
	return "Input variables exceeded " + ToText(limits.MaxInputVars) +
		". To increase the limit change max_input_vars in php.ini."
}

func parseMultipart(body []byte, boundary string, limits Limits) (*Array, []string) {
	vars := NewArray()
	reader := multipart.NewReader(bytes.NewReader(body), boundary)
	for count := 1; ; count++ {
		part, err := reader.NextPart()
		if err != nil {
			return vars, nil
		}
		if limits.MaxInputVars > 0 && count > limits.MaxInputVars {
			return vars, []string{tooManyVars(limits)}
		}
		value, err := io.ReadAll(part)
		if err == nil && part.FileName() == "" {
			register(vars, part.FormName(), string(value))
		}
	}
}

// unescape decodes %XX and +; PHP leaves a broken escape as it stands, so each is tried by itself.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
		case s[i] == '%' && i+2 < len(s):
			decoded, err := url.PathUnescape(s[i : i+3])
			if err != nil {
				b.WriteByte('%')
				continue
			}
			b.WriteString(decoded)
			i += 2
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// register stores one variable under its name with brackets, by the rules of PHP's variable registration.
func register(vars *Array, name, value string) {
	name = strings.TrimLeft(name, " ")
	if i := strings.IndexByte(name, 0); i >= 0 {
		name = name[:i]
	}
	base, rest := name, ""
	if i := strings.IndexByte(name, '['); i >= 0 {
		base, rest = name[:i], name[i:]
	}
	if base == "" {
		return
	}
	keys, ok := bracketKeys(rest)
	if !ok {
		base, keys = name, nil
	}
	base = strings.NewReplacer(" ", "_", ".", "_", "[", "_").Replace(base)
	if len(keys) > maxNesting {
		return
	}
	store(vars, base, keys, value)
}

// bracketKeys splits "[a][][0]rest" into its keys. Text after the last bracket is ignored; an opening bracket that never
// closes makes the whole name plain, unless complete brackets came before it.
func bracketKeys(s string) (keys []string, ok bool) {
	for strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return keys, len(keys) > 0
		}
		key := s[1:end]
		if strings.Trim(key, " ") == "" {
			key = ""
		}
		keys = append(keys, key)
		s = s[end+1:]
	}
	return keys, true
}

func store(vars *Array, base string, keys []string, value string) {
	at, key := vars, KeyOf(base)
	for _, name := range keys {
		next, isArray := at.vals[key].(*Array)
		if !isArray {
			next = NewArray()
			at.Set(key, next)
		}
		at = next
		if name == "" {
			key = IntKey(at.next)
		} else {
			key = KeyOf(name)
		}
	}
	at.Set(key, value)
}
