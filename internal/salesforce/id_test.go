package salesforce

import (
	"strings"
	"testing"
)

// idVectors are 15-character ids with the suffix that Salesforce gives them.
var idVectors = map[string]string{
	"801D0000000G0yS": "IAS",
	"802D0000000CKp8": "IAG",
	"800D0000000PFL8": "IAO",
	"01sD0000000G2Nj": "IAK",
	"01uD0000001c5to": "IAA",
	"00D58000000arpq": "EAA",
	"a0FE000000D6r3F": "MAR",
	"AbCdEfGhIjKlMnO": "VKV",
	"aBcDEfgHIJKLMNO": "025",
}

func TestParseIDVectors(t *testing.T) {
	for short, suffix := range idVectors {
		want := ID(short + suffix)
		forms := map[string]string{
			"15 characters":  short,
			"18 characters":  short + suffix,
			"suffix lowered": short + strings.ToLower(suffix),
			"all lowered":    strings.ToLower(short + suffix),
			"all raised":     strings.ToUpper(short + suffix),
		}
		for name, form := range forms {
			t.Run(short+"/"+name, func(t *testing.T) {
				got, err := ParseID(form)
				if err != nil || got != want {
					t.Errorf("ParseID(%q) = %q, %v; want %q", form, got, err, want)
				}
			})
		}
		if lower := want.Lower(); lower != foldASCII(string(want)) {
			t.Errorf("%s.Lower() = %q", want, lower)
		}
	}
}

func TestParseIDRefuses(t *testing.T) {
	tests := map[string]struct {
		in   string
		want string
	}{
		"empty":                    {"", "has 0 characters"},
		"too short":                {"801D0000000G0y", "has 14 characters"},
		"between the forms":        {"801D0000000G0ySI", "has 16 characters"},
		"too long":                 {"801D0000000G0ySIASX", "has 19 characters"},
		"quote":                    {"801D0000000G0y'", "only letters and digits"},
		"blank":                    {" 801D0000000G0yS", "only letters and digits"},
		"beyond ASCII":             {"801D0000000G0y\u00e4", "only letters and digits"},
		"suffix of another id":     {"801D0000000G0ySIAG", "should be IAS"},
		"suffix outside alphabet":  {"801d0000000g0ys999", "do not belong"},
		"capital where a digit is": {"801d0000000g0ysbas", "do not belong"},
		"very long":                {strings.Repeat("x", 5000), "has 5000 characters"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseID(test.in)
			if err == nil {
				t.Fatalf("ParseID(%q) = %q, want an error", test.in, got)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not contain %q", err, test.want)
			}
			if len(err.Error()) > 200 {
				t.Errorf("error has %d bytes: text from outside must be cut", len(err.Error()))
			}
		})
	}
}

func TestParseOrderID(t *testing.T) {
	if id, err := ParseOrderID("801D0000000G0yS", OrderObject); err != nil || id != "801D0000000G0ySIAS" {
		t.Errorf("order id: %q, %v", id, err)
	}
	if id, err := ParseOrderID("802D0000000CKp8IAG", OrderObject); err == nil {
		t.Errorf("id of an order item was taken for an order: %q", id)
	}
	if id, err := ParseOrderID("nothing", OrderObject); err == nil {
		t.Errorf("nonsense was taken for an order: %q", id)
	}
}

func FuzzParseID(f *testing.F) {
	for short, suffix := range idVectors {
		f.Add(short)
		f.Add(short + suffix)
		f.Add(strings.ToLower(short + suffix))
	}
	f.Add("")
	f.Add("801D0000000G0y\xff")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if err != nil {
			if id != "" {
				t.Fatalf("ParseID(%q) gave %q together with an error", s, id)
			}
			return
		}
		if len(id) != longIDLength || !strings.EqualFold(string(id[:shortIDLength]), s[:shortIDLength]) {
			t.Fatalf("ParseID(%q) = %q: not the same characters", s, id)
		}
		for _, form := range []string{string(id), string(id[:shortIDLength]), id.Lower(), strings.ToUpper(string(id))} {
			if again, err := ParseID(form); err != nil || again != id {
				t.Fatalf("ParseID(%q) = %q, %v; want %q", form, again, err, id)
			}
		}
	})
}

func foldASCII(s string) string {
	folded := []byte(s)
	for i, c := range folded {
		if 'A' <= c && c <= 'Z' {
			folded[i] = c + 'a' - 'A'
		}
	}
	return string(folded)
}
