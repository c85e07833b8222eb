// Package php reproduces the few behaviours of PHP that a caller of a PHP application can see on the wire: how form
// data becomes arrays, how serialised values are read, and how JSON is written.
package php

import (
	"iter"
	"strconv"
	"strings"
)

// Key is the key of an Array element: an integer or a string, as in PHP.
type Key struct {
	text  string
	num   int64
	isStr bool
}

// IntKey returns the integer key n.
func IntKey(n int64) Key { return Key{num: n} }

// KeyOf returns the key that PHP uses for the text s: a canonical decimal number becomes an integer key.
func KeyOf(s string) Key {
	if n, ok := canonicalInt(s); ok {
		return Key{num: n}
	}
	return Key{text: s, isStr: true}
}

// Int returns the number of an integer key.
func (k Key) Int() (int64, bool) { return k.num, !k.isStr }

// String returns the key as text.
func (k Key) String() string {
	if k.isStr {
		return k.text
	}
	return strconv.FormatInt(k.num, 10)
}

// canonicalInt reports whether s is written exactly as PHP would print an integer ("01", "+1" and "-0" are not).
func canonicalInt(s string) (int64, bool) {
	if s == "" || len(s) > 20 {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != s {
		return 0, false
	}
	return n, true
}

// Array is a PHP array: ordered by arrival, keyed by integers and strings. Its values are nil, bool, int64, float64,
// string or *Array.
type Array struct {
	keys []Key
	vals map[Key]any
	next int64
}

// NewArray returns an empty array.
func NewArray() *Array { return &Array{vals: map[Key]any{}} }

// Map returns an array of the given name and value pairs, in their order.
func Map(pairs ...any) *Array {
	a := NewArray()
	for i := 0; i+1 < len(pairs); i += 2 {
		name, _ := pairs[i].(string)
		a.Set(KeyOf(name), pairs[i+1])
	}
	return a
}

// List returns an array of the given values under the keys 0, 1, 2 and so on.
func List(values ...any) *Array {
	a := NewArray()
	for _, v := range values {
		a.Append(v)
	}
	return a
}

// Set stores v under k; an existing key keeps its place.
func (a *Array) Set(k Key, v any) {
	if _, exists := a.vals[k]; !exists {
		a.keys = append(a.keys, k)
	}
	a.vals[k] = v
	if n, ok := k.Int(); ok && n >= a.next {
		a.next = n + 1
	}
}

// Put stores v under the name and returns the array, to build answers in one expression.
func (a *Array) Put(name string, v any) *Array {
	a.Set(KeyOf(name), v)
	return a
}

// Append stores v under the next free integer key.
func (a *Array) Append(v any) { a.Set(IntKey(a.next), v) }

// Get returns the value under k.
func (a *Array) Get(k Key) (any, bool) {
	if a == nil {
		return nil, false
	}
	v, ok := a.vals[k]
	return v, ok
}

// Len returns the number of elements.
func (a *Array) Len() int {
	if a == nil {
		return 0
	}
	return len(a.keys)
}

// All yields the elements in the order of their arrival.
func (a *Array) All() iter.Seq2[Key, any] {
	return func(yield func(Key, any) bool) {
		if a == nil {
			return
		}
		for _, k := range a.keys {
			if !yield(k, a.vals[k]) {
				return
			}
		}
	}
}

// IsList reports whether the keys are 0, 1, 2 … in this order, which is when PHP writes a JSON array.
func (a *Array) IsList() bool {
	for i, k := range a.keys {
		if n, ok := k.Int(); !ok || n != int64(i) {
			return false
		}
	}
	return true
}

// Text returns the scalar under name as PHP would print it; an array or a missing name gives the empty string.
func (a *Array) Text(name string) string {
	v, _ := a.Get(KeyOf(name))
	return ToText(v)
}

// Has reports whether name is present.
func (a *Array) Has(name string) bool {
	_, ok := a.Get(KeyOf(name))
	return ok
}

// Number returns the value under name as PHP's (int) cast reads it.
func (a *Array) Number(name string) int64 { return ToInt(a.Text(name)) }

// Truthy reports whether PHP takes the value under name for true: anything but a missing value, "", "0" and an empty array.
func (a *Array) Truthy(name string) bool {
	switch v, _ := a.Get(KeyOf(name)); v := v.(type) {
	case *Array:
		return v.Len() > 0
	default:
		s := ToText(v)
		return s != "" && s != "0"
	}
}

// ToText prints a scalar as PHP does.
func ToText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	case int:
		return strconv.Itoa(v)
	case float64:
		return formatFloat(v)
	case bool:
		if v {
			return "1"
		}
	}
	return ""
}

// ToInt reads the leading integer of s as PHP's (int) cast does; text without one is 0.
func ToInt(s string) int64 {
	s = strings.TrimLeft(s, " \t\n\r\v\f")
	end := 0
	if end < len(s) && (s[end] == '-' || s[end] == '+') {
		end++
	}
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.ParseInt(s[:end], 10, 64)
	return n
}
