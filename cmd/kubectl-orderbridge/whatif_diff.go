package main

import (
	"fmt"
	"slices"
)

// diffContext is how many equal lines stand around a change.
const diffContext = 3

// edit is a line of a comparison: ' ' in both, '-' only in the first, '+' only in the second.
type edit struct {
	sign byte
	line string
}

// unifiedDiff compares texts line by line, in the form of diff -u. It is empty if they are equal.
func unifiedDiff(fromName, toName string, from, to []string) []string {
	if slices.Equal(from, to) {
		return nil
	}
	edits := compareLines(from, to)
	var out []string
	for at := 0; at < len(edits); {
		first := at
		for first < len(edits) && edits[first].sign == ' ' {
			first++
		}
		if first == len(edits) {
			break
		}
		end := hunkEnd(edits, first)
		if out == nil {
			out = append(out, "--- "+fromName, "+++ "+toName)
		}
		out = append(out, hunk(edits, max(at, first-diffContext), end)...)
		at = end
	}
	return out
}

// hunkEnd is where the hunk ends whose first change is at first: changes with less than twice the context between them
// stand in one.
func hunkEnd(edits []edit, first int) int {
	last := first
	for at := first; at < len(edits) && at <= last+2*diffContext; at++ {
		if edits[at].sign != ' ' {
			last = at
		}
	}
	return min(last+1+diffContext, len(edits))
}

func hunk(edits []edit, begin, end int) []string {
	fromAt, toAt := 1, 1
	for _, e := range edits[:begin] {
		if e.sign != '+' {
			fromAt++
		}
		if e.sign != '-' {
			toAt++
		}
	}
	var fromLines, toLines int
	var lines []string
	for _, e := range edits[begin:end] {
		if e.sign != '+' {
			fromLines++
		}
		if e.sign != '-' {
			toLines++
		}
		lines = append(lines, string(e.sign)+e.line)
	}
	return append([]string{fmt.Sprintf("@@ -%s +%s @@", span(fromAt, fromLines), span(toAt, toLines))}, lines...)
}

// span is where lines are: an empty range is named by the line before it.
func span(at, lines int) string {
	switch lines {
	case 0:
		return fmt.Sprintf("%d,0", at-1)
	case 1:
		return fmt.Sprint(at)
	default:
		return fmt.Sprintf("%d,%d", at, lines)
	}
}

// compareLines finds a longest common subsequence. Forms of orders are short, so the table of all pairs is small.
func compareLines(from, to []string) []edit {
	common := make([][]int, len(from)+1)
	for i := range common {
		common[i] = make([]int, len(to)+1)
	}
	for i, left := range slices.Backward(from) {
		for j, right := range slices.Backward(to) {
			if left == right {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var edits []edit
	i, j := 0, 0
	for i < len(from) || j < len(to) {
		switch {
		case i < len(from) && j < len(to) && from[i] == to[j]:
			edits = append(edits, edit{' ', from[i]})
			i++
			j++
		case i < len(from) && (j == len(to) || common[i+1][j] >= common[i][j+1]):
			edits = append(edits, edit{'-', from[i]})
			i++
		default:
			edits = append(edits, edit{'+', to[j]})
			j++
		}
	}
	return edits
}
