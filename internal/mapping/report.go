package mapping

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

// Report is what is written to the order in Salesforce for one reason.
type Report struct {
	// Status goes to the activation status field. Empty leaves the field as it is.
	Status string
	// Code goes to the error code field. Empty clears it.
	Code string
	// Message goes to the error message field. Empty clears it. {detail} stands for what exactly is wrong; see Text.
	Message string
	// Set is further fields of the order, with fixed values.
	Set map[string]any

	maxLength int
}

// Text returns the message with the detail filled in, cut to the length that the mapping allows.
func (r Report) Text(detail string) string {
	s := strings.TrimSpace(strings.ReplaceAll(r.Message, "{detail}", strings.TrimSpace(detail)))
	runes := []rune(s)
	if r.maxLength > 0 && len(runes) > r.maxLength {
		s = strings.TrimSpace(string(runes[:r.maxLength-1])) + "…"
	}
	return s
}

// reports is the compiled report section, over the defaults.
type reports struct {
	language  value[string]
	maxLength int
	reasons   map[string]reportEntry
}

type reportEntry struct {
	status, code string
	messages     map[string]string // by language; "" is for all
	set          map[string]any
	silent       bool
}

const defaultLanguage = "en"

func (c *compiler) compileReports(f file.Report) reports {
	r := reports{
		language:  compileValue(c, f.Language, "report.language", textTarget, false, toText),
		maxLength: cmp.Or(f.MaxLength, 255),
		reasons:   map[string]reportEntry{},
	}
	for reason, d := range reasonDefaults {
		r.reasons[reason] = reportEntry{status: d.status(), code: d.code, messages: d.messages, silent: d.class == quiet}
	}
	for _, reason := range sortedKeys(maps.Keys(f.Reasons)) {
		at := file.Join("report.reasons", reason)
		entry, ok := r.reasons[reason]
		if !ok {
			c.problem(at, quote(reason)+" is not a reason", file.Suggest(reason, Reasons(), "the reasons are "))
			c.problems[len(c.problems)-1].Kind = file.Shape // the schema lists the reasons
			continue
		}
		r.reasons[reason] = c.compileReason(entry, f.Reasons[reason], at)
	}
	return r
}

func (c *compiler) compileReason(e reportEntry, f file.Reason, path string) reportEntry {
	if f.Status != nil {
		e.status = *f.Status
	}
	if f.Code != nil {
		e.code = *f.Code
	}
	if f.Silent != nil {
		e.silent = *f.Silent
	} else {
		e.silent = false // an entry for a reason is meant to be seen
	}
	if f.Message != nil {
		if _, one := f.Message[""]; one {
			e.messages = f.Message
		} else {
			e.messages = c.withLanguages(e.messages, f.Message, path+".message")
		}
		c.checkMessages(f.Message, path+".message")
	}
	if f.Set != nil {
		e.set = c.compileSet(f.Set, path+".set")
	}
	return e
}

// withLanguages puts the messages of the file over the default ones.
func (c *compiler) withLanguages(messages map[string]string, given file.Text, path string) map[string]string {
	out, seen := map[string]string{}, map[string]string{}
	maps.Copy(out, messages)
	for _, language := range sortedKeys(maps.Keys(given)) {
		key := languageKey(language)
		if first, twice := seen[key]; twice {
			c.problem(file.Join(path, language), fmt.Sprintf("%s is the same language as %s: what follows - or _ does not count", quote(language), quote(first)), "keep one of them")
		}
		seen[key] = language
		out[key] = given[language]
	}
	return out
}

// checkMessages refuses placeholders that would be written out as they are.
func (c *compiler) checkMessages(t file.Text, path string) {
	for _, language := range sortedKeys(maps.Keys(t)) {
		at := path
		if language != "" {
			at = file.Join(path, language)
		}
		if strings.ContainsAny(strings.ReplaceAll(t[language], "{detail}", ""), "{}") {
			c.problem(at, "only {detail} can stand in braces in a message", "delete the other braces")
		}
	}
}

func (c *compiler) compileSet(f *file.Fixed, path string) map[string]any {
	roles := []string{c.fields.activationStatus, c.fields.whmcsOrderID, c.fields.errorCode, c.fields.errorMessage}
	set := map[string]any{}
	for _, e := range f.Entries {
		at := file.Join(path, e.Key)
		switch {
		case !fieldName.MatchString(e.Key):
			c.problem(at, quote(e.Key)+" is not an API name of a field", "write the API name of a field of the order alone, such as Status")
		case strings.EqualFold(e.Key, "Id"):
			c.problem(at, "the id of an order cannot be changed", "delete it")
		case slices.ContainsFunc(slices.Collect(maps.Keys(set)), func(k string) bool { return strings.EqualFold(k, e.Key) }):
			c.problem(at, e.Key+" stands here twice: case does not matter to Salesforce", "keep one of them")
		case slices.ContainsFunc(roles, func(r string) bool { return strings.EqualFold(r, e.Key) }):
			c.problem(at, e.Key+" is written already", "use status, code or message for it")
		case lacks(c.fields.objects.Order, e.Key):
			c.problem(at, lackOf(c.fields.objects.Order, e.Key), "name a field of it: they end in __c")
		default:
			set[e.Key] = e.Value.Value
		}
	}
	return set
}

// languageKey reduces en_US, en-us and EN to en.
func languageKey(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	if i := strings.IndexAny(s, "-_"); i > 0 {
		s = s[:i]
	}
	return s
}

// Report returns what is to be written for a reason, in the default language. ok is false if nothing is to be written.
func (m *Mapping) Report(reason string) (Report, bool) {
	return m.ReportFor(reason, nil)
}

// ReportFor is Report in the language that the mapping chooses for this order.
func (m *Mapping) ReportFor(reason string, order map[string]any) (Report, bool) {
	e, ok := m.reports.reasons[reason]
	if !ok || e.silent {
		return Report{}, false
	}
	return Report{
		Status: e.status, Code: e.code, Message: e.message(m.languageOf(order)),
		Set: maps.Clone(e.set), maxLength: m.reports.maxLength,
	}, true
}

// languageOf returns the language for an order. An order in no known language is no reason to keep staff uninformed.
func (m *Mapping) languageOf(order map[string]any) string {
	s := m.scope(order)
	language, ok, err := m.reports.language.eval(&s)
	if err != nil || !ok {
		return defaultLanguage
	}
	return languageKey(language)
}

func (e reportEntry) message(language string) string {
	for _, l := range []string{"", language, defaultLanguage} {
		if message, ok := e.messages[l]; ok {
			return message
		}
	}
	for _, l := range sortedKeys(maps.Keys(e.messages)) {
		return e.messages[l]
	}
	return ""
}

// Result is what has become of an order, for WriteBack.
type Result struct {
	// Reason is the reason to report, such as Provisioned or PaymentMethodMissing.
	Reason string
	// Detail says what exactly is wrong. It takes the place of {detail} in the message.
	Detail string
	// WHMCSOrderID is written to the order unless it is 0.
	WHMCSOrderID int64
	// Services are the WHMCS service ids by Salesforce line.
	Services map[string][]int64
}

// WriteBack is the fields to write to Salesforce. The values are absolute: writing them twice changes nothing. nil
// clears a field.
type WriteBack struct {
	// Order is fields of the order.
	Order map[string]any
	// Items is fields of the lines, by id of the line.
	Items map[string]map[string]any
}

// WriteBack returns what to write for a result. order chooses the language and may be nil. ok is false if nothing is to
// be written.
func (m *Mapping) WriteBack(order map[string]any, res Result) (wb WriteBack, ok bool) {
	r, ok := m.ReportFor(res.Reason, order)
	if !ok {
		return WriteBack{}, false
	}
	f := m.fields
	wb.Order = map[string]any{}
	maps.Copy(wb.Order, r.Set)
	if r.Status != "" {
		wb.Order[f.activationStatus] = r.Status
	}
	if f.errorCode != "" {
		wb.Order[f.errorCode] = textOrNull(r.Code)
	}
	if f.errorMessage != "" {
		wb.Order[f.errorMessage] = textOrNull(r.Text(res.Detail))
	}
	if res.WHMCSOrderID > 0 {
		wb.Order[f.whmcsOrderID] = m.ids([]int64{res.WHMCSOrderID})
	}
	if f.serviceID == "" {
		return wb, true
	}
	for item, services := range res.Services {
		if len(services) == 0 {
			continue
		}
		if wb.Items == nil {
			wb.Items = map[string]map[string]any{}
		}
		wb.Items[item] = map[string]any{f.serviceID: m.ids(services)}
	}
	return wb, true
}

func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// ids writes WHMCS ids in the type of the fields. A number field holds only the first of several.
func (m *Mapping) ids(list []int64) any {
	list = slices.Sorted(slices.Values(list))
	if m.fields.numericIDs {
		return list[0]
	}
	texts := make([]string, len(list))
	for i, id := range list {
		texts[i] = fmt.Sprint(id)
	}
	return strings.Join(texts, ",")
}

func sortedKeys(keys iter.Seq[string]) []string { return slices.Sorted(keys) }
