package salesforce

import "strings"

const (
	base62       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	suffixDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
)

// instanceCode stands behind the key prefix of every id of this org.
const instanceCode = "8b0"

// newID makes the 18-character id of the n-th record of a kind. The low
// digits run through all of base 62, so that ids which differ in letter case
// only do occur.
func newID(prefix string, n uint64) string {
	digits := make([]byte, 15-len(prefix)-len(instanceCode))
	// Starting the counter far out spreads upper and lower case over the id,
	// elsewhere for each kind.
	value := n + 0x2f3a1c7d5
	for _, c := range []byte(prefix) {
		value += uint64(c) * 0x51ed27
	}
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = base62[value%62]
		value /= 62
	}
	return withSuffix(prefix + instanceCode + string(digits))
}

func withSuffix(id15 string) string { return id15 + suffix(id15) }

// suffix computes the three characters that tell the letter case of the
// fifteen: one bit per position, five positions per character.
func suffix(id15 string) string {
	var out [3]byte
	for group := range out {
		bits := 0
		for i := range 5 {
			if c := id15[group*5+i]; c >= 'A' && c <= 'Z' {
				bits |= 1 << i
			}
		}
		out[group] = suffixDigits[bits]
	}
	return string(out[:])
}

// parseID accepts the 15- and the 18-character form and returns the latter.
// It refuses an 18-character id whose suffix does not fit.
func parseID(text string) (string, bool) {
	if len(text) != 15 && len(text) != 18 {
		return "", false
	}
	for i := range len(text) {
		if strings.IndexByte(base62, text[i]) < 0 {
			return "", false
		}
	}
	full := withSuffix(text[:15])
	if len(text) == 18 && !strings.EqualFold(text[15:], full[15:]) {
		return "", false
	}
	return full, true
}
