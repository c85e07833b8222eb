package salesforce

import (
	"fmt"
	"strings"
)

// OrderObject is the standard object for orders.
const OrderObject = "Order"

// OrderPrefix is the key prefix of the standard object Order: the first three characters of every id of an Order. The
// prefixes of custom objects differ from org to org.
const OrderPrefix = "801"

// suffixAlphabet maps the five case bits of a third of an id to its suffix character.
const suffixAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

const (
	shortIDLength = 15
	longIDLength  = 18
	idGroup       = 5
)

// ID is a Salesforce record id in its one canonical form: 18 characters, original letter case, correct suffix.
// Two ids name the same record exactly if they are equal. ParseID makes one.
type ID string

// String returns the 18 characters.
func (id ID) String() string { return string(id) }

// Lower returns the id in lower case. The suffix keeps the letter case of the rest, so distinct ids stay distinct and
// ParseID restores the original: it is safe in a Kubernetes object name.
func (id ID) Lower() string { return strings.ToLower(string(id)) }

// IsOrder reports whether the id can be that of an order, where orders are records of the object. Only of Order is the
// prefix known; an object of "" is one that is not known yet.
func (id ID) IsOrder(object string) bool {
	return !strings.EqualFold(object, OrderObject) || strings.HasPrefix(string(id), OrderPrefix)
}

// ParseID accepts the 15-character form, the 18-character form, and an 18-character form whose letters were all
// lowered or all raised, and returns the canonical 18 characters. A suffix that contradicts the letter case is an error.
func ParseID(s string) (ID, error) {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) {
			return "", fmt.Errorf("salesforce id %s: only letters and digits are allowed", quoteID(s))
		}
	}
	switch len(s) {
	case shortIDLength:
		return ID(s + caseSuffix(s)), nil
	case longIDLength:
		return parseLongID(s)
	default:
		return "", fmt.Errorf("salesforce id %s: has %d characters, want 15 or 18", quoteID(s), len(s))
	}
}

// ParseOrderID is ParseID for ids that must name an order, where orders are records of the object; see IsOrder.
func ParseOrderID(s, object string) (ID, error) {
	id, err := ParseID(s)
	if err != nil {
		return "", err
	}
	if !id.IsOrder(object) {
		return "", fmt.Errorf("salesforce id %s: begins with %q, but ids of orders begin with %q", quoteID(s), s[:3], OrderPrefix)
	}
	return id, nil
}

func parseLongID(s string) (ID, error) {
	short, suffix := s[:shortIDLength], strings.ToUpper(s[shortIDLength:])
	if caseSuffix(short) == suffix {
		return ID(short + suffix), nil
	}
	// Only an id whose case was folded as a whole may be repaired; a mixed-case id with another suffix is a typing error.
	if short != strings.ToLower(short) && short != strings.ToUpper(short) {
		return "", fmt.Errorf("salesforce id %s: the last three characters should be %s: copy the id again", quoteID(s), caseSuffix(short))
	}
	restored, ok := restoreCase(short, suffix)
	if !ok {
		return "", fmt.Errorf("salesforce id %s: the last three characters do not belong to the first fifteen: copy the id again", quoteID(s))
	}
	return ID(restored + suffix), nil
}

// caseSuffix computes the three characters that encode which letters of a 15-character id are capitals.
func caseSuffix(short string) string {
	var suffix [3]byte
	for g := range suffix {
		bits := 0
		for j := range idGroup {
			if c := short[g*idGroup+j]; 'A' <= c && c <= 'Z' {
				bits |= 1 << j
			}
		}
		suffix[g] = suffixAlphabet[bits]
	}
	return string(suffix[:])
}

// restoreCase rebuilds the letter case that suffix encodes; false if suffix asks for a capital where a digit stands.
func restoreCase(short, suffix string) (string, bool) {
	restored := []byte(strings.ToLower(short))
	for g := range suffix {
		bits := strings.IndexByte(suffixAlphabet, suffix[g])
		if bits < 0 {
			return "", false
		}
		for j := range idGroup {
			if bits&(1<<j) == 0 {
				continue
			}
			c := &restored[g*idGroup+j]
			if *c < 'a' || *c > 'z' {
				return "", false
			}
			*c -= 'a' - 'A'
		}
	}
	return string(restored), true
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// quoteID keeps text from outside short and printable in an error.
func quoteID(s string) string {
	const longest = 40
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return fmt.Sprintf("%q", s)
}
