// Package mapping turns a Salesforce order into a plan for WHMCS by the rules of mapping.yaml.
//
// The package is pure: it reads no file, clock or network. Parse compiles a file once and reports everything that is
// wrong with it, with line and column; Mapping.Plan is then called for each order. A Mapping is never changed after
// Parse and can be used from many goroutines.
package mapping

import (
	_ "time/tzdata" // time zones must not depend on the machine that reads the mapping
)

//go:generate go run ./schemagen
