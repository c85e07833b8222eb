package main

import (
	"cmp"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	diff "github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/internal/sandbox"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a text with a file of testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := cmp.Or(os.MkdirAll("testdata", 0o755), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: go test -update makes it", err)
	}
	if d := diff.Diff(strings.Split(string(want), "\n"), strings.Split(text, "\n")); d != "" {
		t.Errorf("%s (-want +got); go test -update takes it over:\n%s", file, d)
	}
}

// What differs from run to run.
var changing = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`sha256 [0-9a-f]{12}`), "sha256 000000000000"},
	{regexp.MustCompile(`127\.0\.0\.1:[0-9]+`), "HOST"},
	{regexp.MustCompile(`[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?Z`), "TIME"},
	{regexp.MustCompile(`\(([0-9]+s|[0-9]+m[0-9]*s?) ago\)`), "(AGO)"},
	{regexp.MustCompile(`Line 0{4,}[0-9]+`), "Line NUMBER"},
	{regexp.MustCompile(` {3,}`), "   "},
}

// plain replaces what differs from run to run: ids, names, times and the widths of columns.
func (w *world) plain(t *testing.T, namespace string, order sandbox.SeededOrder, text string) string {
	t.Helper()
	pairs := []string{namespace, "NAMESPACE", order.ID, "ORDER18", strings.ToLower(order.ID), "order18"}
	record, ok := w.far.Salesforce.Record(order.ID)
	if !ok {
		t.Fatalf("Salesforce has no order %s", order.ID)
	}
	number, _ := record["OrderNumber"].(string)
	pairs = append(pairs, number, "NUMBER")
	for i, line := range order.Lines {
		pairs = append(pairs, line.ID, "LINE"+string(rune('1'+i)))
	}
	text = strings.NewReplacer(pairs...).Replace(text)
	client := regexp.MustCompile(`(?i)(client(?:id)?(?: of WHMCS)? +)` + formatID(order.ClientID) + `\b`)
	text = client.ReplaceAllString(text, "${1}CLIENT")
	for _, c := range changing {
		text = c.pattern.ReplaceAllString(text, c.by)
	}
	return text
}

func formatID(id int64) string {
	return strconv.FormatInt(id, 10)
}
