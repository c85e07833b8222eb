package mapping

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var yamlBlock = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func TestExamplesOfTheDocumentationCompile(t *testing.T) {
	page, err := os.ReadFile("../../docs/spec/v1alpha1/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := yamlBlock.FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 10 {
		t.Fatalf("the page has %d examples, want at least 10", len(blocks))
	}
	for _, b := range blocks {
		text := b[1]
		if !strings.Contains(text, "version: 1") {
			text += "version: 1\n"
		}
		if !strings.Contains(text, "client:") {
			text += "client: 9\n"
		}
		if _, err := Parse([]byte(text)); err != nil {
			t.Errorf("%v\nin:\n%s", err, b[1])
		}
	}
}

func TestDocumentationNamesEveryReason(t *testing.T) {
	page, err := os.ReadFile("../../docs/spec/v1alpha1/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range Reasons() {
		d := reasonDefaults[reason]
		row := "| " + reason + " | "
		switch {
		case d.class == quiet:
			row = reason
		case d.status() != "":
			row += d.status()
		default:
			row += "unchanged | " + d.code
		}
		if !strings.Contains(string(page), row) {
			t.Errorf("the page lacks %q", row)
		}
	}
}
