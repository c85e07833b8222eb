package soql

import (
	"testing"
	"time"
)

func TestDateRanges(t *testing.T) {
	now := time.Date(2026, 11, 23, 15, 4, 5, 0, time.UTC) // a Monday
	tests := map[string]struct {
		literal  Literal
		from, to string
	}{
		"yesterday":       {Literal{Text: "YESTERDAY"}, "2026-11-22", "2026-11-23"},
		"today":           {Literal{Text: "TODAY"}, "2026-11-23", "2026-11-24"},
		"tomorrow":        {Literal{Text: "TOMORROW"}, "2026-11-24", "2026-11-25"},
		"last 3 days":     {Literal{Text: "LAST_N_DAYS", N: 3}, "2026-11-20", "2026-11-24"},
		"next 3 days":     {Literal{Text: "NEXT_N_DAYS", N: 3}, "2026-11-24", "2026-11-27"},
		"3 days ago":      {Literal{Text: "N_DAYS_AGO", N: 3}, "2026-11-20", "2026-11-21"},
		"last 90 days":    {Literal{Text: "LAST_90_DAYS"}, "2026-08-25", "2026-11-24"},
		"next 90 days":    {Literal{Text: "NEXT_90_DAYS"}, "2026-11-24", "2027-02-22"},
		"this week":       {Literal{Text: "THIS_WEEK"}, "2026-11-22", "2026-11-29"},
		"last week":       {Literal{Text: "LAST_WEEK"}, "2026-11-15", "2026-11-22"},
		"next month":      {Literal{Text: "NEXT_MONTH"}, "2026-12-01", "2027-01-01"},
		"last 2 months":   {Literal{Text: "LAST_N_MONTHS", N: 2}, "2026-09-01", "2026-11-01"},
		"next 2 weeks":    {Literal{Text: "NEXT_N_WEEKS", N: 2}, "2026-11-29", "2026-12-13"},
		"2 months ago":    {Literal{Text: "N_MONTHS_AGO", N: 2}, "2026-09-01", "2026-10-01"},
		"this quarter":    {Literal{Text: "THIS_QUARTER"}, "2026-10-01", "2027-01-01"},
		"last quarter":    {Literal{Text: "LAST_QUARTER"}, "2026-07-01", "2026-10-01"},
		"this year":       {Literal{Text: "THIS_YEAR"}, "2026-01-01", "2027-01-01"},
		"last 2 years":    {Literal{Text: "LAST_N_YEARS", N: 2}, "2024-01-01", "2026-01-01"},
		"1 quarter ago":   {Literal{Text: "N_QUARTERS_AGO", N: 1}, "2026-07-01", "2026-10-01"},
		"next 1 quarters": {Literal{Text: "NEXT_N_QUARTERS", N: 1}, "2027-01-01", "2027-04-01"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			from, to := test.literal.Range(now)
			if got := from.Format(time.DateOnly); got != test.from {
				t.Errorf("from = %s, want %s", got, test.from)
			}
			if got := to.Format(time.DateOnly); got != test.to {
				t.Errorf("to = %s, want %s", got, test.to)
			}
		})
	}
}
