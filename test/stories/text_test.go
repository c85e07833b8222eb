package stories

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// pass is what one pass did.
type pass struct {
	at     time.Time
	order  v1alpha1.ProvisioningOrder
	calls  []farCall
	writes []string
	events []event
	told   []string
	learnt []string
	again  time.Duration
}

// farCall is a call to a far side, and how it ended if not well.
type farCall struct{ name, ended string }

// event is an event of the API server.
type event struct{ what, words string }

// text is a story as it is told.
type text struct {
	b strings.Builder
	// says is the message told last.
	says string
	// row is the last row, and how often it came again with nothing to add.
	row  string
	last time.Time
	same int
}

const (
	clockLayout = "15:04:05"
	margin      = "          "
	width       = 140
)

// head begins the story.
func (x *text) head(title, about string) {
	fmt.Fprintf(&x.b, "%s\n%s\n\n", title, strings.Repeat("=", utf8.RuneCountInString(title)))
	for _, words := range []string{about, legend} {
		for line := range lines(words, width) {
			x.b.WriteString(line + "\n")
		}
		x.b.WriteString("\n")
	}
	x.b.WriteString(format("TIME", "V O A S", "STATE", "REASON", "WRITES", "AGAIN IN", "CALLS") + "\n")
}

func format(at string, columns ...string) string {
	return strings.TrimRight(fmt.Sprintf("%-8s  %-7s  %-11s  %-20s  %-6s  %-8s  %s", at, columns[0], columns[1], columns[2], columns[3], columns[4], columns[5]), " ")
}

// legend explains the columns.
const legend = "V Validated, O WhmcsOrdered, A Accepted, S SalesforceSynced: + True, x False, . not reached. WRITES counts those of the reconciler, " +
	"after the one of the intake. A row that comes again with nothing new is told once, with how often it came."

// say tells what happens outside.
func (x *text) say(at time.Time, words string) {
	x.flush()
	x.row = ""
	fmt.Fprintf(&x.b, "%s  -- %s\n", at.Format(clockLayout), words)
}

// add tells a pass.
func (x *text) add(p pass) {
	row := format("", marks(&p.order), string(p.order.Status.State), reason(&p.order), fmt.Sprint(len(p.writes)), "%s", calls(p.calls))
	again := "-"
	if p.again > 0 {
		again = p.again.Round(time.Second / 10).String()
	}
	extras := x.extras(p)
	if row == x.row && len(extras) == 0 {
		x.same++
		x.last = p.at
		return
	}
	x.flush()
	x.row = row
	x.b.WriteString(p.at.Format(clockLayout) + strings.Replace(row[len(clockLayout):], fmt.Sprintf("%-8s", "%s"), fmt.Sprintf("%-8s", again), 1) + "\n")
	for _, extra := range extras {
		x.b.WriteString(extra + "\n")
	}
}

// flush tells of the passes that were like the one before.
func (x *text) flush() {
	if x.same > 0 {
		times := "once"
		if x.same > 1 {
			times = fmt.Sprintf("%d times", x.same)
		}
		fmt.Fprintf(&x.b, "%s  ... the same, %s up to now\n", x.last.Format(clockLayout), times)
	}
	x.same = 0
}

// extras are what a pass showed beside its row.
func (x *text) extras(p pass) []string {
	var all []string
	tell := func(label, words string) {
		for line := range lines(plain(words), width-len(margin)-12) {
			all = append(all, fmt.Sprintf("%s%-12s%s", margin, label, line))
			label = ""
		}
	}
	ready := meta.FindStatusCondition(p.order.Status.Conditions, v1alpha1.ReadyCondition)
	if ready != nil && ready.Message != x.says {
		x.says = ready.Message
		tell("says", x.says)
	}
	for _, e := range p.events {
		if ready != nil && e.words == ready.Message {
			e.words = "as above"
		}
		tell("event", e.what+": "+e.words)
	}
	for _, words := range p.told {
		tell("Salesforce", words)
	}
	for _, words := range p.learnt {
		tell("pipeline", words)
	}
	return all
}

// marks are the steps' conditions.
func marks(order *v1alpha1.ProvisioningOrder) string {
	var all []string
	for _, name := range []string{v1alpha1.ValidatedCondition, v1alpha1.WhmcsOrderedCondition, v1alpha1.AcceptedCondition, v1alpha1.SalesforceSyncedCondition} {
		mark := "."
		if c := meta.FindStatusCondition(order.Status.Conditions, name); c != nil && c.Status != metav1.ConditionUnknown {
			mark = map[metav1.ConditionStatus]string{metav1.ConditionTrue: "+", metav1.ConditionFalse: "x"}[c.Status]
		}
		all = append(all, mark)
	}
	return strings.Join(all, " ")
}

func reason(order *v1alpha1.ProvisioningOrder) string {
	if c := meta.FindStatusCondition(order.Status.Conditions, v1alpha1.ReadyCondition); c != nil {
		return c.Reason
	}
	return ""
}

// calls lists calls in their order. The two reads of a validation go out at the same time, and end in any order.
func calls(all []farCall) string {
	list := slices.Clone(all)
	methods := slices.IndexFunc(list, func(c farCall) bool { return c.name == "GetPayMethods" })
	orders := slices.IndexFunc(list, func(c farCall) bool { return c.name == "GetOrders" })
	if methods >= 0 && orders >= 0 {
		list[orders] = farCall{"GetOrders + GetPayMethods", cmp.Or(list[orders].ended, list[methods].ended)}
		list = slices.Delete(list, methods, methods+1)
	}
	var names []string
	for _, c := range list {
		name := c.name
		if c.ended != "" {
			name += " (" + c.ended + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// changes are the fields of Salesforce that a pass changed.
func changes(before, after map[string]string) []string {
	var all []string
	names := slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for name := range maps.Keys(before) {
			if !yield(name) {
				return
			}
		}
		for name := range maps.Keys(after) {
			if !yield(name) {
				return
			}
		}
	}))
	for _, name := range names {
		if before[name] != after[name] {
			all = append(all, name+" = "+cmp.Or(after[name], "(empty)"))
		}
	}
	return all
}

// instant is an instant of the story's day.
var instant = regexp.MustCompile(`2100-01-01T(\d\d:\d\d:\d\d)(\.\d+)?Z`)

// address is where the sandbox listens.
var address = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// plain leaves the date out of instants, as in the column of times, and names WHMCS.
func plain(words string) string {
	return address.ReplaceAllString(instant.ReplaceAllString(words, "$1"), "billing.example.com")
}

// lines breaks words into lines.
func lines(words string, most int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		line := ""
		for word := range strings.FieldsSeq(words) {
			if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > most {
				if !yield(line) {
					return
				}
				line = ""
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		yield(line)
	}
}

// String is the story so far.
func (x *text) String() string {
	x.flush()
	return x.b.String()
}
