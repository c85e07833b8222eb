package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnifiedDiff(t *testing.T) {
	many := strings.Fields("a b c d e f g h i j k l m n o p q r s t")
	replaced := func(at int, by ...string) []string {
		return append(append(append([]string{}, many[:at]...), by...), many[at+1:]...)
	}
	tests := map[string]struct {
		from, to []string
		want     string
	}{
		"equal":        {many, many, ""},
		"both none":    {nil, nil, ""},
		"one line":     {many, replaced(9, "X"), "--- a\n+++ b\n@@ -7,7 +7,7 @@\n g\n h\n i\n-j\n+X\n k\n l\n m"},
		"at the start": {many, replaced(0), "--- a\n+++ b\n@@ -1,4 +1,3 @@\n-a\n b\n c\n d"},
		"at the end":   {many, replaced(19, "t", "u"), "--- a\n+++ b\n@@ -18,3 +18,4 @@\n r\n s\n t\n+u"},
		"far apart": {replaced(2, "c", "X"), replaced(17), "--- a\n+++ b\n@@ -1,7 +1,6 @@\n a\n b\n c\n-X\n d\n e\n f\n" +
			"@@ -16,6 +15,5 @@\n o\n p\n q\n-r\n s\n t"},
		"near":      {[]string{"a", "b", "c"}, []string{"X", "b", "Y"}, "--- a\n+++ b\n@@ -1,3 +1,3 @@\n-a\n+X\n b\n-c\n+Y"},
		"from none": {nil, []string{"a"}, "--- a\n+++ b\n@@ -0,0 +1 @@\n+a"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(unifiedDiff("a", "b", test.from, test.to), "\n")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("diff (-want +got):\n%s", diff)
			}
		})
	}
}
