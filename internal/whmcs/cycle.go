package whmcs

import "strings"

var billingCycles = map[string]string{
	"free":         "free",
	"freeaccount":  "free",
	"onetime":      "onetime",
	"monthly":      "monthly",
	"quarterly":    "quarterly",
	"semiannually": "semiannually",
	"annually":     "annually",
	"biennially":   "biennially",
	"triennially":  "triennially",
}

// BillingCycle returns the canonical form of a billing cycle, which is the one
// AddOrder takes: free, onetime, monthly, quarterly, semiannually, annually,
// biennially or triennially. It understands what WHMCS answers with ("One-Time",
// "One Time", "Free Account", "Semi-Annually"). The second result is false when
// s is no billing cycle.
func BillingCycle(s string) (string, bool) {
	letters := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(s))
	cycle, ok := billingCycles[letters]
	return cycle, ok
}
