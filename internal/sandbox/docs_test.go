package sandbox

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// The page must name every route, every fault and every product, and what it says of WHMCS faults is what the code says.
func TestDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("control.go")
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{}
	for _, m := range regexp.MustCompile(`"((?:GET|POST|DELETE) /v1/[^"]*)"`).FindAllStringSubmatch(string(source), -1) {
		wants = append(wants, "| `"+m[1]+"` |")
	}
	if len(wants) < 25 {
		t.Errorf("only %d routes were found in the source", len(wants))
	}
	for _, k := range whmcs.KindNames() {
		wants = append(wants, "| `"+k+"` |", whmcs.KindDoc(whmcs.Kind(k)))
	}
	for _, name := range salesforce.FaultNames() {
		wants = append(wants, "`"+name+"`")
	}
	for _, it := range Catalogue() {
		wants = append(wants, it.SKU)
	}
	for _, want := range wants {
		if !strings.Contains(string(page), want) {
			t.Errorf("docs/sandbox.md does not have %s", want)
		}
	}
}
