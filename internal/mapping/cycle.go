package mapping

import (
	"fmt"
	"maps"
	"strings"
	"unicode"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// billingCycles are the names WHMCS uses, in the spelling of AddOrder.
var billingCycles = []string{"free", "onetime", "monthly", "quarterly", "semiannually", "annually", "biennially", "triennially"}

// defaultCycles are words of Salesforce that need no entry in the file.
var defaultCycles = map[string]string{
	"freeaccount":  "free",
	"service":      "monthly",
	"activation":   "onetime",
	"installation": "onetime",
}

// cycleKey reduces a word to its letters and digits, in lower case.
func cycleKey(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

func (c *compiler) compileCycles(given *file.Cycles) map[string]string {
	table := map[string]string{}
	for _, name := range billingCycles {
		table[name] = name
	}
	maps.Copy(table, defaultCycles)
	if given == nil {
		return table
	}
	seen := map[string]string{}
	for _, e := range given.Entries {
		at := file.Join("cycles", e.Key)
		key := cycleKey(e.Key)
		name, _ := e.Value.Value.(string)
		cycle, known := canonicalCycle(name)
		switch first, repeated := seen[key]; {
		case key == "":
			c.problem(at, "this word has neither letter nor digit", "write the word as Salesforce shows it")
		case repeated:
			c.problem(at, fmt.Sprintf("this is the same word as %s: case, spaces and punctuation do not matter", quote(first)), "keep one of them")
		case !known:
			c.problem(at, fmt.Sprintf("%s is not a billing cycle of WHMCS", describe(e.Value.Value)), "use one of "+strings.Join(billingCycles, ", "))
		default:
			table[key] = cycle
		}
		seen[key] = e.Key
	}
	return table
}

// canonicalCycle returns the AddOrder spelling of a name that WHMCS itself uses.
func canonicalCycle(s string) (string, bool) {
	key := cycleKey(s)
	if key == "freeaccount" {
		return "free", true
	}
	for _, name := range billingCycles {
		if key == name {
			return name, true
		}
	}
	return "", false
}

// toCycle converts a word of Salesforce or of the file to a billing cycle.
func toCycle(cycles map[string]string) func(any) (string, error) {
	return func(v any) (string, error) {
		s, ok := v.(string)
		if !ok {
			return "", fmt.Errorf("%s is not a billing cycle", describe(v))
		}
		if cycle, ok := cycles[cycleKey(s)]; ok {
			return cycle, nil
		}
		return "", fmt.Errorf("%s is neither a billing cycle of WHMCS nor a word of cycles", quote(s))
	}
}
