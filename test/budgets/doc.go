// Package budgets measures what an order costs, on the processes that users run: a control plane, the far sides and the
// manager. `make bench` runs it; each benchmark says what it measured beside the budget for it.
package budgets
