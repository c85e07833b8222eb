// Package e2e holds the end-to-end tests: a control plane, the sandbox and managers as processes of their own, killed,
// stopped and misconfigured the way it happens to users.
package e2e
