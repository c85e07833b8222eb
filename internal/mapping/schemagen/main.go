// Command schemagen writes the JSON Schema of mapping.yaml, generated from the Go types that read it. It runs in the
// directory of package mapping:
//
//	go generate ./internal/mapping
package main

import (
	"fmt"
	"os"
)

const (
	sources = "file"
	output  = "../../docs/mapping.schema.json"
)

func main() {
	os.Exit(run())
}

func run() int {
	schema, err := build(sources)
	if err == nil {
		err = os.WriteFile(output, schema, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		return 1
	}
	return 0
}
