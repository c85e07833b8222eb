package whmcs

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEncodeForm(t *testing.T) {
	for name, tc := range map[string]struct {
		fields []Field
		want   string
	}{
		"nothing":          {nil, ""},
		"indexes":          {[]Field{{"pid[0]", "1"}, {"pid[1]", "1"}}, "pid%5B0%5D=1&pid%5B1%5D=1"},
		"order is kept":    {[]Field{{"pid[10]", "a"}, {"pid[2]", "b"}, {"action", "x"}}, "pid%5B10%5D=a&pid%5B2%5D=b&action=x"},
		"base64 alphabet":  {[]Field{{"c[0]", "a+b/c=="}}, "c%5B0%5D=a%2Bb%2Fc%3D%3D"},
		"space and tilde":  {[]Field{{"n", "a b~c*"}}, "n=a+b%7Ec%2A"},
		"unicode":          {[]Field{{"n", "Zürich €"}}, "n=Z%C3%BCrich+%E2%82%AC"},
		"separators":       {[]Field{{"n", "a&b=c;d%"}}, "n=a%26b%3Dc%3Bd%25"},
		"empty value":      {[]Field{{"n", ""}}, "n="},
		"same name twice":  {[]Field{{"n", "1"}, {"n", "2"}}, "n=1&n=2"},
		"newline and zero": {[]Field{{"n", "a\nb\x00"}}, "n=a%0Ab%00"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, EncodeForm(tc.fields)); diff != "" {
				t.Errorf("EncodeForm (-want +got):\n%s", diff)
			}
		})
	}
}
