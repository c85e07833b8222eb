package php

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrSerial is returned for text that PHP's unserialize refuses, and for objects and references, which are not accepted here.
var ErrSerial = errors.New("not a serialised PHP value")

const maxSerialDepth = 32

// Unserialize reads a value written by PHP's serialize: null, booleans, numbers, strings (lengths in bytes) and arrays.
func Unserialize(s string) (any, error) {
	d := serialReader{s: s}
	v, err := d.value(0)
	if err != nil {
		return nil, fmt.Errorf("%w: at byte %d: %w", ErrSerial, d.at, err)
	}
	return v, nil
}

// DecodeArray reads base64(serialize(array)), the form in which WHMCS takes custom fields and configurable options.
// Base64 is decoded as PHP does without its strict flag: characters outside the alphabet are skipped.
func DecodeArray(s string) (*Array, error) {
	v, err := Unserialize(Base64Decode(s))
	if err != nil {
		return nil, err
	}
	a, ok := v.(*Array)
	if !ok {
		return nil, fmt.Errorf("%w: not an array", ErrSerial)
	}
	return a, nil
}

// Base64Decode decodes like PHP's base64_decode without strict: foreign characters are skipped, missing padding is forgiven.
func Base64Decode(s string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z', r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '+', r == '/':
			return r
		}
		return -1
	}, s)
	if len(clean)%4 == 1 {
		clean = clean[:len(clean)-1]
	}
	out, _ := base64.RawStdEncoding.DecodeString(clean)
	return string(out)
}

type serialReader struct {
	s  string
	at int
}

func (d *serialReader) value(depth int) (any, error) {
	if depth > maxSerialDepth {
		return nil, errors.New("nested too deep")
	}
	if d.take("N;") {
		return nil, nil
	}
	if d.at+2 > len(d.s) || d.s[d.at+1] != ':' {
		return nil, errors.New("no type here")
	}
	kind := d.s[d.at]
	d.at += 2
	switch kind {
	case 'i':
		return d.integer(';')
	case 'b':
		n, err := d.integer(';')
		return n != 0, err
	case 'd':
		return d.float()
	case 's':
		s, err := d.text()
		if err == nil && !d.take(";") {
			err = errors.New("string length does not match")
		}
		return s, err
	case 'a':
		return d.array(depth)
	}
	return nil, fmt.Errorf("type %q is not accepted", kind)
}

func (d *serialReader) take(token string) bool {
	if !strings.HasPrefix(d.s[d.at:], token) {
		return false
	}
	d.at += len(token)
	return true
}

func (d *serialReader) until(end byte) (string, error) {
	i := strings.IndexByte(d.s[d.at:], end)
	if i < 0 {
		return "", fmt.Errorf("%q is missing", end)
	}
	out := d.s[d.at : d.at+i]
	d.at += i + 1
	return out, nil
}

func (d *serialReader) integer(end byte) (int64, error) {
	text, err := d.until(end)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

func (d *serialReader) float() (float64, error) {
	text, err := d.until(';')
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(text, 64)
}

func (d *serialReader) text() (string, error) {
	n, err := d.integer(':')
	if err != nil {
		return "", err
	}
	if n < 0 || n > int64(len(d.s)) || int64(d.at)+n+2 > int64(len(d.s)) || d.s[d.at] != '"' {
		return "", errors.New("string length does not match")
	}
	out := d.s[d.at+1 : d.at+1+int(n)]
	d.at += 1 + int(n)
	if !d.take(`"`) {
		return "", errors.New("string length does not match")
	}
	return out, nil
}

func (d *serialReader) array(depth int) (*Array, error) {
	n, err := d.integer(':')
	if err != nil {
		return nil, err
	}
	if n < 0 || n > int64(len(d.s)) || !d.take("{") {
		return nil, errors.New("bad array header")
	}
	out := NewArray()
	for range n {
		k, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		switch k := k.(type) {
		case int64:
			out.Set(IntKey(k), v)
		case string:
			out.Set(KeyOf(k), v)
		default:
			return nil, errors.New("bad array key")
		}
	}
	if !d.take("}") {
		return nil, errors.New("array does not end")
	}
	return out, nil
}
