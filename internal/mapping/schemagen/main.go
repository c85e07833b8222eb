// Command schemagen writes the JSON Schema of mapping.yaml, generated from the Go types that read it.
//
//	go run ./schemagen DIR-OF-PACKAGE-FILE OUTPUT
package main

import (
	"fmt"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	if len(args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: schemagen DIR-OF-PACKAGE-FILE OUTPUT")
		return 2
	}
	schema, err := build(args[0])
	if err == nil {
		err = os.WriteFile(args[1], schema, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schemagen:", err)
		return 1
	}
	return 0
}
