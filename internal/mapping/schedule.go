package mapping

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/internal/mapping/file"
)

func (c *compiler) compileSchedule(f file.Schedule) schedule {
	s := schedule{values: f.Values, location: time.UTC}
	if len(s.values) == 0 {
		s.values = []string{"Scheduled"}
	}
	for i, v := range s.values {
		if isEmpty(v) {
			at := "schedule.values"
			if c.doc.Has(fmt.Sprintf("%s[%d]", at, i)) {
				at = fmt.Sprintf("%s[%d]", at, i)
			}
			c.problem(at, "an order without activation type would have to wait for a time", "name the value of the activation type that means later")
		}
	}
	if c.doc.Has("schedule") && (c.fields.activationType == "" || c.fields.scheduledAt == "") {
		c.problem("schedule", "the file says that orders have no field for a scheduled activation",
			"name both fields in salesforce.order, activationType and scheduledAt, or delete schedule")
	}
	if f.TimeZone != "" {
		zone, err := time.LoadLocation(f.TimeZone)
		switch {
		case err != nil || f.TimeZone == "Local":
			c.problem("schedule.timeZone", fmt.Sprintf("%s is not a time zone", quote(f.TimeZone)), "use a name of the IANA list, such as Asia/Tokyo, or UTC")
		default:
			s.location = zone
		}
	}
	if f.TimeOfDay != "" {
		t, err := time.Parse("15:04", f.TimeOfDay)
		if err != nil {
			c.problem("schedule.timeOfDay", fmt.Sprintf("%s is not a time of day", quote(f.TimeOfDay)), `write hours and minutes in quotes, such as "09:00"`)
		}
		s.clock = time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute
	}
	return s
}

// timeForms are the forms in which Salesforce and staff write a time, with and without a zone.
var timeForms = []string{
	"2006-01-02T15:04:05.000-0700",
	"2006-01-02T15:04:05-0700",
	time.RFC3339Nano,
	"2006-01-02T15:04:05",
	time.DateTime,
	"2006-01-02T15:04",
	"2006-01-02 15:04",
}

// scheduledFor returns the time the order asks for, or zero for at once.
func (m *Mapping) scheduledFor(order map[string]any) (time.Time, error) {
	f := m.fields
	if f.activationType == "" || f.scheduledAt == "" {
		return time.Time{}, nil
	}
	kind := strings.TrimSpace(text(field(order, f.activationType)))
	if !slices.ContainsFunc(m.schedule.values, func(v string) bool { return strings.EqualFold(v, kind) }) {
		return time.Time{}, nil
	}
	when := strings.TrimSpace(text(field(order, f.scheduledAt)))
	at := rootOrder + "." + f.scheduledAt
	if when == "" {
		return time.Time{}, miss(GateClosed, at,
			"The order is to be activated later, but %s is empty. Fill it in, or change order.%s.", at, f.activationType)
	}
	t, ok := m.schedule.parse(when)
	if !ok {
		return time.Time{}, miss(GateClosed, at, "The order is to be activated later, but %s is no date and time: %s. Correct it.", at, quote(when))
	}
	return t, nil
}

func (s schedule) parse(when string) (time.Time, bool) {
	for _, layout := range timeForms {
		if t, err := time.ParseInLocation(layout, when, s.location); err == nil {
			return t.UTC(), true
		}
	}
	day, err := time.ParseInLocation(time.DateOnly, when, s.location)
	if err != nil {
		return time.Time{}, false
	}
	// Date takes the clock of the place, also on a day of 23 or 25 hours.
	return time.Date(day.Year(), day.Month(), day.Day(), 0, int(s.clock/time.Minute), 0, 0, s.location).UTC(), true
}

// CreatedAt returns when a Salesforce order was made, or zero if that was not read.
func CreatedAt(order map[string]any) time.Time {
	made, _ := schedule{location: time.UTC}.parse(text(field(order, createdDate)))
	return made
}
