package whmcs

import "fmt"

const (
	pageSize    = 100
	pageOverlap = 5 // rows read twice, so that a row deleted meanwhile hides none
	maxPasses   = 3
)

// page is one page of a list.
type page[T any] struct {
	total int64 // rows that WHMCS says there are in all; negative when it does not say
	rows  []T
}

// allPages reads a list to its end. WHMCS sorts in an undocumented way and lists
// change between two pages, so a pass counts only when as many different rows
// were seen as there are in all: an order that was overlooked would be placed
// again. When a few passes do not come to that, reading fails.
func allPages[T any](action string, id func(T) int64, fetch func(start, num int64) (page[T], error)) ([]T, error) {
	var total, got int64
	for range maxPasses {
		rows, want, err := onePass(id, fetch)
		if err != nil {
			return nil, err
		}
		if total, got = want, int64(len(rows)); got >= total {
			return rows, nil
		}
	}
	return nil, &Error{
		Action: action, Class: Unknown, Code: Incomplete, Answered: true,
		Detail: fmt.Sprintf("WHMCS counts %d rows but lists only %d of them", total, got),
	}
}

func onePass[T any](id func(T) int64, fetch func(start, num int64) (page[T], error)) (rows []T, total int64, err error) {
	seen := map[int64]bool{}
	var start int64
	for {
		p, err := fetch(start, pageSize)
		if err != nil {
			return nil, 0, err
		}
		total = p.total
		fresh := 0
		for _, row := range p.rows {
			if !seen[id(row)] {
				seen[id(row)] = true
				rows = append(rows, row)
				fresh++
			}
		}
		// A page without anything new is the end, or a WHMCS that does not page.
		end := start + int64(len(p.rows))
		if fresh == 0 || total >= 0 && int64(len(rows)) >= total && end >= total {
			return rows, total, nil
		}
		start += int64(max(len(p.rows)-pageOverlap, 1))
	}
}
