package mapping

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestToInt takes what people and formulas write, and nothing that only a programmer would take for a number: a wrong id
// bills the wrong customer.
func TestToInt(t *testing.T) {
	for _, v := range []any{188.0, json.Number("188"), json.Number("188.00"), json.Number("1.88e2"), "188", " 188 ", "188.0", "188.", "+188", 188} {
		if i, err := toInt(v); err != nil || i != 188 {
			t.Errorf("toInt(%#v) = %d, %v", v, i, err)
		}
	}
	for _, v := range []any{"12e5", "0x10", "0x1p4", "1_0", "1,234", "#188", "１８８", "188.5", "inf", "NaN", "1 8", "99999999999999999999", 188.5, 1e300, true, []any{1.0}, map[string]any{}} {
		if i, err := toInt(v); err == nil {
			t.Errorf("toInt(%#v) = %d", v, i)
		}
	}
	if _, err := toInt(nil); err == nil || err.Error() != "it is empty" {
		t.Errorf("toInt(nil): %v", err)
	}
}

func TestParseOptions(t *testing.T) {
	for text, want := range map[string]int64{`{"12": 101}`: 101, `{"12": "101"}`: 101, "\n{ \"12\": 101.0 }\n": 101, `{" 12 ": true}`: 1, `{"12": false}`: 0} {
		got, err := parseOptions(text)
		if err != nil || len(got) != 1 || got[12] != want {
			t.Errorf("parseOptions(%s) = %v, %v", text, got, err)
		}
	}
	if got, err := parseOptions("{}"); err != nil || len(got) != 0 {
		t.Errorf("parseOptions({}) = %v, %v", got, err)
	}
	for text, want := range map[string]string{
		`{"12": 1, "12": 2}`: "twice", `{"12": 1, "012": 2}`: "twice", `{"x": 1}`: "not the id", `{"0": 1}`: "not the id", `{"12": null}`: "option 12: it is empty",
		`{"12": -1}`: "negative", `{"12": 1.5}`: "whole", `{"12": "1e3"}`: "whole", `{"12": {"a": 1}}`: "an object", `{"12": [1]}`: "a list",
		`[12]`: "not a JSON object", `null`: "not a JSON object", `{'12': 1}`: "not a JSON object", `{"12": 1`: "not a JSON object", `{"12": 1} x`: "text follows", `{} {}`: "text follows",
	} {
		if got, err := parseOptions(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseOptions(%s) = %v, %v; want an error with %q", text, got, err, want)
		}
	}
	if _, err := parseOptions(12.0); err == nil {
		t.Error("a number was taken for an object")
	}
}
