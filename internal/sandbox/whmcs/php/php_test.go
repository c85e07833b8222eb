package php

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestParseQuery(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"plain":                     {"a=1&b=x+y%21", `{"a":"1","b":"x y!"}`},
		"last scalar wins":          {"pid=5&pid=6", `{"pid":"6"}`},
		"append":                    {"pid[]=5&pid[]=6", `{"pid":["5","6"]}`},
		"explicit index":            {"pid%5B0%5D=5&pid%5B1%5D=6", `{"pid":["5","6"]}`},
		"arrival order":             {"p[0]=a&p[10]=b&p[1]=c", `{"p":{"0":"a","10":"b","1":"c"}}`},
		"nested":                    {"a[k][x]=1&a[k][y]=2", `{"a":{"k":{"x":"1","y":"2"}}}`},
		"append under key":          {"a[k][]=1&a[k][]=2", `{"a":{"k":["1","2"]}}`},
		"append after index":        {"a[5]=1&a[]=2", `{"a":{"5":"1","6":"2"}}`},
		"array replaces scalar":     {"a=1&a[]=2", `{"a":["2"]}`},
		"scalar replaces array":     {"a[]=1&a=2", `{"a":"2"}`},
		"dots and spaces":           {"a.b=1&c d=2&+e=3", `{"a_b":"1","c_d":"2","e":"3"}`},
		"unclosed bracket":          {"a[b=1", `{"a_b":"1"}`},
		"text after bracket":        {"a[0]x=1", `{"a":["1"]}`},
		"no name":                   {"=1&[x]=2&b=3", `{"b":"3"}`},
		"no value":                  {"a&b=", `{"a":"","b":""}`},
		"leading zero is no number": {"a[01]=x&a[-1]=y&a[-0]=z", `{"a":{"01":"x","-1":"y","-0":"z"}}`},
		"broken escape":             {"a=%zz&b=100%", `{"a":"%zz","b":"100%"}`},
		"empty pairs":               {"&&a=1&&", `{"a":"1"}`},
		"blank index appends":       {"a[+]=1", `{"a":["1"]}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			vars, warnings := ParseQuery(tc.in, DefaultLimits)
			if got := EncodeJSON(vars); got != tc.want || len(warnings) > 0 {
				t.Errorf("ParseQuery(%q) = %s, %v, want %s", tc.in, got, warnings, tc.want)
			}
		})
	}
}

func TestParseQueryDropsPastMaxInputVars(t *testing.T) {
	text := strings.TrimSuffix(strings.Repeat("a[]=1&", 1001), "&")
	vars, warnings := ParseQuery(text, DefaultLimits)
	list, _ := vars.Get(KeyOf("a"))
	if n := list.(*Array).Len(); n != 1000 || len(warnings) != 1 {
		t.Errorf("kept %d variables with warnings %q, want 1000 with one", n, warnings)
	}
}

func TestParseRequest(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	multi := "--b\r\nContent-Disposition: form-data; name=\"p[0]\"\r\n\r\n7\r\n--b--\r\n"
	tests := map[string]struct{ query, contentType, body, want string }{
		"body over query":   {"a=1&b=2", form + "; charset=utf-8", "a=3", `{"a":"3","b":"2"}`},
		"query alone":       {"a=1", "", "", `{"a":"1"}`},
		"json body ignored": {"a=1", "application/json", `{"b":1}`, `{"a":"1"}`},
		"multipart":         {"", "multipart/form-data; boundary=b", multi, `{"p":["7"]}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			vars, _ := ParseRequest(tc.query, tc.contentType, []byte(tc.body), DefaultLimits)
			if got := EncodeJSON(vars); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
	big := Limits{MaxInputVars: 10, MaxPostBytes: 3}
	if vars, warnings := ParseRequest("", form, []byte("a=12345"), big); vars.Len() != 0 || len(warnings) != 1 {
		t.Errorf("a body over post_max_size left %s, %q", EncodeJSON(vars), warnings)
	}
}

func TestUnserialize(t *testing.T) {
	tests := map[string]struct {
		in, want string
		fails    bool
	}{
		"documented sample":    {in: `a:1:{i:1;s:6:"Google";}`, want: `{"1":"Google"}`},
		"string key to int":    {in: `a:1:{s:1:"1";i:999;}`, want: `{"1":999}`},
		"bytes not runes":      {in: `a:1:{i:0;s:19:"O'Brien Zürich €";}`, want: `["O'Brien Z\u00fcrich \u20ac"]`},
		"nested":               {in: `a:1:{i:2;a:2:{s:8:"optionid";i:5;s:3:"qty";i:3;}}`, want: `{"2":{"optionid":5,"qty":3}}`},
		"scalars":              {in: `a:4:{i:0;b:1;i:1;d:1.5;i:2;N;i:3;i:-4;}`, want: `[true,1.5,null,-4]`},
		"quote inside":         {in: `s:3:"a"b";`, want: `"a\u0022b"`},
		"trailing data":        {in: `i:1;junk`, want: `1`},
		"object refused":       {in: `O:8:"stdClass":0:{}`, fails: true},
		"reference refused":    {in: `a:2:{i:0;i:1;i:1;R:2;}`, fails: true},
		"length too long":      {in: `s:9:"abc";`, fails: true},
		"length too short":     {in: `s:1:"abc";`, fails: true},
		"huge length":          {in: `s:9223372036854775807:"abc";`, fails: true},
		"count too high":       {in: `a:2:{i:0;i:1;}`, fails: true},
		"empty":                {in: ``, fails: true},
		"array as key refused": {in: `a:1:{a:0:{}i:1;}`, fails: true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			v, err := Unserialize(tc.in)
			if tc.fails {
				if err == nil {
					t.Errorf("Unserialize(%q) = %s, want an error", tc.in, EncodeJSON(v))
				}
				return
			}
			if got := EncodeJSON(v); err != nil || got != tc.want {
				t.Errorf("Unserialize(%q) = %s, %v, want %s", tc.in, got, err, tc.want)
			}
		})
	}
}

func TestDecodeArray(t *testing.T) {
	a, err := DecodeArray("YToxOntpOjE7czo2OiJHb29nbGUiO30=")
	if err != nil || EncodeJSON(a) != `{"1":"Google"}` {
		t.Errorf("got %s, %v", EncodeJSON(a), err)
	}
	if a, err = DecodeArray("YToxOntp OjE7czo2OiJHb29n\nbGUiO30"); err != nil || a.Len() != 1 {
		t.Errorf("stray blanks and missing padding are forgiven by PHP, got %v", err)
	}
	for _, bad := range []string{"", "aTox", "%%%", "aToxOw=="} {
		if _, err := DecodeArray(bad); err == nil {
			t.Errorf("DecodeArray(%q) succeeded", bad)
		}
	}
}

func TestEncodeJSON(t *testing.T) {
	tests := map[string]struct {
		in   any
		want string
	}{
		"escapes":      {"a/b \"q\" \\ \n\t\x01 ü € 😀 '<&>", `"a\/b \u0022q\u0022 \\ \n\t\u0001 \u00fc \u20ac \ud83d\ude00 '<&>"`},
		"list":         {List("a", int64(1), 2.5, true, nil), `["a",1,2.5,true,null]`},
		"object":       {Map("b", 1, "a", List()), `{"b":1,"a":[]}`},
		"empty object": {EmptyObject{}, `{}`},
		"raw":          {Raw(`""`), `""`},
		"whole float":  {3.0, `3`},
		"invalid utf8": {"a\xffb", `"a\ufffdb"`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := EncodeJSON(tc.in)
			if got != tc.want || !json.Valid([]byte(got)) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestCasts(t *testing.T) {
	for in, want := range map[string]int64{"12": 12, "\t7x": 7, "-3.9": -3, "abc": 0, "": 0, "+5": 5} {
		if got := ToInt(in); got != want {
			t.Errorf("ToInt(%q) = %d, want %d", in, got, want)
		}
	}
	a := Map("t", "false", "z", "0", "e", "", "l", List(), "m", List("x"))
	for name, want := range map[string]bool{"t": true, "z": false, "e": false, "l": false, "m": true, "absent": false} {
		if got := a.Truthy(name); got != want {
			t.Errorf("Truthy(%s) = %t, want %t", name, got, want)
		}
	}
}

func FuzzUnserialize(f *testing.F) {
	f.Add(`a:1:{i:1;s:6:"Google";}`)
	f.Add(`a:1:{s:1:"1";a:1:{i:0;d:1.5;}}`)
	f.Fuzz(func(t *testing.T, s string) {
		if v, err := Unserialize(s); err == nil && !json.Valid([]byte(EncodeJSON(v))) {
			t.Errorf("invalid JSON for %q", s)
		}
	})
}

func FuzzParseQuery(f *testing.F) {
	f.Add("a[0]=1&a[][b]=%20&c.d=2")
	f.Add("a[b=1&[x]=2&a[ ]=3")
	f.Fuzz(func(t *testing.T, s string) {
		vars, _ := ParseQuery(s, DefaultLimits)
		if out := EncodeJSON(vars); !json.Valid([]byte(out)) {
			t.Errorf("invalid JSON %s for %q", out, s)
		}
	})
}
