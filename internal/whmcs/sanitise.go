package whmcs

import (
	"html"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxMessage = 256  // runes of WHMCS' text that are kept
	maxScanned = 4096 // runes of it that are looked at
)

var (
	tagPattern    = regexp.MustCompile(`<[^<>]*>`)
	bearerPattern = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}`)
	pairPattern   = regexp.MustCompile(`(?i)\b([a-z0-9_-]*(?:password|passwd|passwort|pwd|secret|token|api[_-]?key|access[_-]?key|identifier|authorization|credential)s?)(["']?\s*(?:=>|[:=])\s*)("[^"]*"|'[^']*'|[^\s,;&]+)`)
	longPattern   = regexp.MustCompile(`[A-Za-z0-9+/=_-]{32,}`)
	mailPattern   = regexp.MustCompile(`[^\s<>"'(),:;@]+@[^\s<>"'(),:;@]+`)
)

// sanitise makes a text of WHMCS fit for conditions, events and logs: one line,
// without markup, credentials and mail addresses, and cut at a rune.
func sanitise(s string, secrets ...string) string {
	s = html.UnescapeString(cutRunes(s, maxScanned))
	s = oneLine(tagPattern.ReplaceAllString(s, " "))
	for _, secret := range secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[redacted]")
		}
	}
	s = bearerPattern.ReplaceAllString(s, "$1 [redacted]")
	s = pairPattern.ReplaceAllString(s, "$1$2[redacted]")
	s = longPattern.ReplaceAllString(s, "[redacted]")
	s = mailPattern.ReplaceAllString(s, "[mail address]")
	return cutRunes(s, maxMessage)
}

// oneLine removes what does not print and folds white space.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r), r == utf8.RuneError:
			return -1
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// cutRunes cuts s to at most n runes, the last of which is then an ellipsis.
func cutRunes(s string, n int) string {
	count, keep := 0, 0
	for i := range s {
		if count == n-1 {
			keep = i
		}
		if count++; count > n {
			return s[:keep] + "…"
		}
	}
	return s
}
