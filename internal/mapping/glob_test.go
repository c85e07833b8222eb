package mapping

import (
	"strings"
	"testing"
	"time"
)

func TestGlob(t *testing.T) {
	tests := map[string]struct {
		pattern string
		yes, no []string
	}{
		"exact":              {"INT-1", []string{"INT-1"}, []string{"INT-10", "int-1", ""}},
		"run":                {"INT-*", []string{"INT-", "INT-1/2", "INT-インターネット"}, []string{"INT", "XINT-"}},
		"run in the middle":  {"A*B*C", []string{"ABC", "AxBxBxC"}, []string{"ABCx", "AC"}},
		"run of everything":  {"*", []string{"", "A"}, nil},
		"two runs":           {"**", []string{"", "AB"}, nil},
		"one character":      {"S?M", []string{"SIM", "S商M"}, []string{"SM", "SIIM"}},
		"range":              {"SIM-[0-9a]G", []string{"SIM-5G", "SIM-aG"}, []string{"SIM-bG", "SIM-G"}},
		"escaped":            {`A\*\[`, []string{"A*["}, []string{"AB["}},
		"dash in a class":    {"[a-]", []string{"a", "-"}, []string{"b"}},
		"caret in a class":   {"[A^]", []string{"A", "^"}, []string{"B"}},
		"caret alone":        {"[^]", []string{"^"}, []string{"A"}},
		"run before a class": {"*[0-9]", []string{"A1", "12"}, []string{"1A"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			g, err := parseGlob(tt.pattern)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range tt.yes {
				if !g.match(s) {
					t.Errorf("%s does not match %q", tt.pattern, s)
				}
			}
			for _, s := range tt.no {
				if g.match(s) {
					t.Errorf("%s matches %q", tt.pattern, s)
				}
			}
		})
	}
}

func TestGlobDoesNotExplode(t *testing.T) {
	g, err := parseGlob(strings.Repeat("*a", 30) + "b")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan bool, 1)
	go func() { done <- g.match(strings.Repeat("a", 10_000)) }()
	select {
	case got := <-done:
		if got {
			t.Error("the pattern matches")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("matching takes more than 10 s")
	}
}

func TestCoversIsNeverWrong(t *testing.T) {
	patterns := []string{"*", "A", "AB", "A*", "AB*", "A?", "[AB]", "*B", "A*B", `\*`, ""}
	texts := []string{"", "A", "B", "AB", "AC", "ABC", "AXB", "*", "BA"}
	for _, p := range patterns {
		for _, q := range patterns {
			g, _ := parseGlob(p)
			h, _ := parseGlob(q)
			if !g.covers(h) {
				continue
			}
			for _, s := range texts {
				if h.match(s) && !g.match(s) {
					t.Errorf("%q is said to cover %q, but only the second matches %q", p, q, s)
				}
			}
		}
	}
}
