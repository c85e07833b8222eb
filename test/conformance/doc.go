// Package conformance holds no code but a test: third-party clients of Salesforce and WHMCS, unmodified and pinned by
// package-lock.json, are run against the sandbox over TLS. What they accept, the sandbox does as the real services do.
//
// The clients are Node.js packages. Without Node.js the test is left out, and says so; with REQUIRE_NODE=1 it fails.
package conformance
