// Package sandbox runs the far sides of Orderbridge on loopback: a Salesforce org, its event bus and a WHMCS, over TLS
// with a certificate authority of its own, on one clock that can be moved. It seeds customers and orders, switches faults,
// and compares the books of both sides. Tests, cmd/sandbox and the demo use it; production code does not.
package sandbox
