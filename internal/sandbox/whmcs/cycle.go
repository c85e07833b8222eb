package whmcs

import (
	"strings"
	"time"
)

// cycles are the recurring billing cycles from the shortest to the longest, with their months.
var cycles = []struct {
	name, label string
	months      int
}{
	{"monthly", "Monthly", 1},
	{"quarterly", "Quarterly", 3},
	{"semiannually", "Semi-Annually", 6},
	{"annually", "Annually", 12},
	{"biennially", "Biennially", 24},
	{"triennially", "Triennially", 36},
}

// canonicalCycle reduces "Semi-Annually", "One Time" or "Free Account" to the name that AddOrder takes.
func canonicalCycle(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, strings.ToLower(s))
	if s == "freeaccount" {
		return "free"
	}
	return s
}

// cycleLabel is the spelling in which WHMCS shows a cycle; one-time products have two, and the caller chooses.
func cycleLabel(cycle, oneTime string) string {
	switch cycle {
	case "free":
		return "Free Account"
	case "onetime":
		return oneTime
	}
	for _, c := range cycles {
		if c.name == cycle {
			return c.label
		}
	}
	return cycle
}

func nextDue(cycle string, from time.Time) time.Time {
	for _, c := range cycles {
		if c.name == cycle {
			return from.AddDate(0, c.months, 0)
		}
	}
	return time.Time{}
}

// cycleFor decides the cycle of an ordered line: what the product's payment type dictates, else the one asked for, else
// the shortest one offered. The flag tells whether the one asked for was good.
func (p *Product) cycleFor(asked string) (cycle string, asAsked bool) {
	asked = canonicalCycle(asked)
	switch p.PayType {
	case PayFree:
		return "free", true
	case PayOneTime:
		return "onetime", true
	}
	if price, ok := p.Pricing[asked]; ok && price >= 0 && asked != "" {
		return asked, true
	}
	for _, c := range cycles {
		if price, ok := p.Pricing[c.name]; ok && price >= 0 {
			return c.name, asked == ""
		}
	}
	return "monthly", false
}

// price is what one unit costs in the given cycle; WHMCS keeps one-time prices in the monthly column.
func (p *Product) price(cycle string) Money {
	switch cycle {
	case "free":
		return 0
	case "onetime":
		cycle = "monthly"
	}
	return max(p.Pricing[cycle], 0)
}
