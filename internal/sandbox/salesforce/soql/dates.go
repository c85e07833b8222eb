package soql

import (
	"strings"
	"time"
)

// maxRange bounds n of LAST_N_DAYS:n and its like, so that dates stay dates.
const maxRange = 20_000

// rangeWords are the date literals; true for those that take :n.
var rangeWords = func() map[string]bool {
	words := map[string]bool{
		"YESTERDAY": false, "TODAY": false, "TOMORROW": false, "LAST_90_DAYS": false, "NEXT_90_DAYS": false,
		"LAST_N_DAYS": true, "NEXT_N_DAYS": true, "N_DAYS_AGO": true,
	}
	for _, unit := range []string{"WEEK", "MONTH", "QUARTER", "YEAR"} {
		for _, which := range []string{"LAST_", "THIS_", "NEXT_"} {
			words[which+unit] = false
		}
		words["LAST_N_"+unit+"S"], words["NEXT_N_"+unit+"S"], words["N_"+unit+"S_AGO"] = true, true, true
	}
	return words
}()

// Range returns the half-open interval [from, to) that a date literal stands
// for at the instant now, in UTC.
func (l Literal) Range(now time.Time) (from, to time.Time) {
	now = now.UTC()
	today := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	day := func(n int) time.Time { return today.AddDate(0, 0, n) }
	switch l.Text {
	case "YESTERDAY":
		return day(-1), today
	case "TODAY":
		return today, day(1)
	case "TOMORROW":
		return day(1), day(2)
	case "LAST_90_DAYS":
		return day(-90), day(1)
	case "NEXT_90_DAYS":
		return day(1), day(91)
	case "LAST_N_DAYS":
		return day(-l.N), day(1)
	case "NEXT_N_DAYS":
		return day(1), day(l.N + 1)
	case "N_DAYS_AGO":
		return day(-l.N), day(1 - l.N)
	}
	return l.unitRange(today)
}

func (l Literal) unitRange(today time.Time) (from, to time.Time) {
	unit := l.Text[strings.LastIndexByte(strings.TrimSuffix(l.Text, "_AGO"), '_')+1:]
	unit = strings.TrimSuffix(strings.TrimSuffix(unit, "_AGO"), "S")
	start := unitStart(unit, today)
	switch {
	case strings.HasSuffix(l.Text, "_AGO"):
		return addUnits(unit, start, -l.N), addUnits(unit, start, 1-l.N)
	case strings.HasPrefix(l.Text, "LAST_N_"):
		return addUnits(unit, start, -l.N), start
	case strings.HasPrefix(l.Text, "NEXT_N_"):
		return addUnits(unit, start, 1), addUnits(unit, start, l.N+1)
	case strings.HasPrefix(l.Text, "LAST_"):
		return addUnits(unit, start, -1), start
	case strings.HasPrefix(l.Text, "NEXT_"):
		return addUnits(unit, start, 1), addUnits(unit, start, 2)
	}
	return start, addUnits(unit, start, 1)
}

func unitStart(unit string, today time.Time) time.Time {
	year, month := today.Year(), today.Month()
	switch unit {
	case "WEEK": // weeks start on Sunday in the default locale
		return today.AddDate(0, 0, -int(today.Weekday()))
	case "QUARTER":
		month -= (month - 1) % 3
	case "YEAR":
		month = time.January
	}
	return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
}

func addUnits(unit string, start time.Time, n int) time.Time {
	switch unit {
	case "WEEK":
		return start.AddDate(0, 0, 7*n)
	case "MONTH":
		return start.AddDate(0, n, 0)
	case "QUARTER":
		return start.AddDate(0, 3*n, 0)
	}
	return start.AddDate(n, 0, 0)
}
