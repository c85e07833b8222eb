package main

import (
	"os"
	"strings"
	"testing"
)

// TestTheDocumentedOrdersAreGolden looks for each line that the page shows as the output of status and orders in the golden
// files, which are real outputs.
func TestTheDocumentedOrdersAreGolden(t *testing.T) {
	page, err := os.ReadFile("../../docs/kubectl-orderbridge.md")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"$ kubectl orderbridge status ": "status.txt", "$ kubectl orderbridge orders\n": "orders.txt"}
	shown := 0
	for _, block := range fence.FindAllStringSubmatch(string(page), -1) {
		for command, file := range files {
			if !strings.HasPrefix(block[2], command) {
				continue
			}
			output, err := os.ReadFile("testdata/" + file)
			if err != nil {
				t.Fatal(err)
			}
			shown++
			_, lines, _ := strings.Cut(block[2], "\n")
			for line := range strings.Lines(lines) {
				if !strings.Contains(string(output), line) {
					t.Errorf("%s does not print %q", strings.TrimSpace(command[2:]), line)
				}
			}
		}
	}
	if shown != len(files) {
		t.Errorf("%d outputs are shown, want %d", shown, len(files))
	}
}
