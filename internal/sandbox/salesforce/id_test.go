package salesforce

import (
	"strings"
	"testing"
)

func TestParseID(t *testing.T) {
	tests := map[string]struct {
		text, want string
	}{
		"15":                  {"801D0000000G0yS", "801D0000000G0ySIAS"},
		"18":                  {"802D0000000CKp8IAG", "802D0000000CKp8IAG"},
		"suffix in lower":     {"800D0000000PFL8iao", "800D0000000PFL8IAO"},
		"mixed":               {"aBcDEfgHIJKLMNO", "aBcDEfgHIJKLMNO025"},
		"digits in suffix":    {"AbCdEfGhIjKlMnO", "AbCdEfGhIjKlMnOVKV"},
		"organisation":        {"00D58000000arpq", "00D58000000arpqEAA"},
		"wrong suffix":        {"801D0000000G0ySIAT", ""},
		"folded to lower":     {"801d0000000g0ysias", ""},
		"short":               {"801D0000000G0y", ""},
		"sixteen":             {"801D0000000G0ySI", ""},
		"foreign characters":  {"801D0000000G0y'", ""},
		"unicode of 15 bytes": {"801D0000000Gé0", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := parseID(test.text)
			if got != test.want || ok != (test.want != "") {
				t.Errorf("parseID(%q) = %q, %v, want %q", test.text, got, ok, test.want)
			}
		})
	}
}

// Ids whose 15 characters differ in letter case only must occur, and their 18
// characters must not fold to the same text.
func TestNewIDsCollideOnlyWhenCutAndFolded(t *testing.T) {
	short, full := map[string]bool{}, map[string]bool{}
	collisions := 0
	const n = 5000
	for i := range uint64(n) {
		id := newID("801", i)
		if parsed, ok := parseID(id[:15]); !ok || parsed != id || !strings.HasPrefix(id, "801") {
			t.Fatalf("id %q is not well formed", id)
		}
		if cut := strings.ToLower(id[:15]); short[cut] {
			collisions++
		} else {
			short[cut] = true
		}
		full[strings.ToLower(id)] = true
	}
	if collisions == 0 || len(full) != n {
		t.Errorf("%d of the cut and %d of the full ids collide, want some and none", collisions, n-len(full))
	}
}
