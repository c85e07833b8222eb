package whmcs

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func unbase64(t *testing.T, s string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestSerializePHPTexts(t *testing.T) {
	for name, tc := range map[string]struct {
		in   map[int64]string
		want string
	}{
		"nothing":         {nil, `a:0:{}`},
		"sample":          {map[int64]string{1: "Google"}, `a:1:{i:1;s:6:"Google";}`},
		"bytes, no runes": {map[int64]string{1: "O'Brien Zürich €"}, `a:1:{i:1;s:19:"O'Brien Zürich €";}`},
		"no escaping":     {map[int64]string{1: `a"b\c;}`}, `a:1:{i:1;s:7:"a"b\c;}";}`},
		"sorted":          {map[int64]string{10: "c", 2: "b", -1: "a"}, `a:3:{i:-1;s:1:"a";i:2;s:1:"b";i:10;s:1:"c";}`},
		"empty text":      {map[int64]string{1: ""}, `a:1:{i:1;s:0:"";}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := unbase64(t, SerializePHP(tc.in)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestSerializePHPNumbers(t *testing.T) {
	if got, want := unbase64(t, SerializePHP(map[int64]int64{1: 999, 2: -3})), `a:2:{i:1;i:999;i:2;i:-3;}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func FuzzSerializePHP(f *testing.F) {
	f.Add(int64(1), "Google", int64(2), "O'Brien Zürich €", int64(999))
	f.Add(int64(-1), `";i:3;s:1:"`, int64(0), "\x00\xff", int64(-9))
	f.Fuzz(func(t *testing.T, k1 int64, v1 string, k2 int64, v2 string, n int64) {
		texts := map[int64]string{k1: v1, k2: v2}
		got, err := parsePHP(unbase64(t, SerializePHP(texts)))
		if err != nil {
			t.Fatal(err)
		}
		want := map[int64]any{k1: v1}
		want[k2] = v2
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("texts (-want +got):\n%s", diff)
		}
		got, err = parsePHP(unbase64(t, SerializePHP(map[int64]int64{k1: n, k2: k1})))
		if err != nil {
			t.Fatal(err)
		}
		want = map[int64]any{k1: n}
		want[k2] = k1
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("numbers (-want +got):\n%s", diff)
		}
	})
}

// parsePHP reads a flat PHP array with integer keys, as unserialize() does.
func parsePHP(s string) (map[int64]any, error) {
	p := &phpParser{rest: s}
	n, err := p.number("a:", ":{")
	if err != nil {
		return nil, err
	}
	array := map[int64]any{}
	for range n {
		key, err := p.number("i:", ";")
		if err != nil {
			return nil, err
		}
		if array[key], err = p.value(); err != nil {
			return nil, err
		}
	}
	if p.rest != "}" {
		return nil, fmt.Errorf("%q is left", p.rest)
	}
	return array, nil
}

type phpParser struct{ rest string }

func (p *phpParser) number(prefix, end string) (int64, error) {
	rest, ok := strings.CutPrefix(p.rest, prefix)
	digits, rest, found := strings.Cut(rest, end)
	if !ok || !found {
		return 0, fmt.Errorf("%q does not begin with %s…%s", p.rest, prefix, end)
	}
	p.rest = rest
	return strconv.ParseInt(digits, 10, 64)
}

func (p *phpParser) value() (any, error) {
	if strings.HasPrefix(p.rest, "i:") {
		return p.number("i:", ";")
	}
	n, err := p.number("s:", `:"`)
	if err != nil {
		return nil, err
	}
	if n < 0 || int(n) > len(p.rest) {
		return nil, errors.New("a text is shorter than it says")
	}
	text, rest := p.rest[:n], p.rest[n:]
	rest, ok := strings.CutPrefix(rest, `";`)
	if !ok {
		return nil, errors.New("a text does not end where it says")
	}
	p.rest = rest
	return text, nil
}

// FuzzEncodeForm reads the form as PHP does: split at &, cut at the first =,
// decode + and %XX; what comes out is what went in, in the same order.
func FuzzEncodeForm(f *testing.F) {
	f.Add("pid[0]", "5", "pid[10]", "6", "notes", "O'Brien Zürich €")
	f.Add("a", "x+y z%41~", "b&c", "=;&", "a", "\x00\xff\n")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2, n3, v3 string) {
		fields := []Field{{n1, v1}, {n2, v2}, {n3, v3}}
		var got []Field
		for pair := range strings.SplitSeq(EncodeForm(fields), "&") {
			name, value, found := strings.Cut(pair, "=")
			if !found {
				t.Fatalf("%q has no =", pair)
			}
			got = append(got, Field{urldecode(name), urldecode(value)})
		}
		if diff := cmp.Diff(fields, got); diff != "" {
			t.Errorf("fields (-want +got):\n%s", diff)
		}
	})
}

// urldecode does what PHP's function of that name does: an incomplete escape
// stands for itself.
func urldecode(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '+' {
			b.WriteByte(' ')
			continue
		}
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
