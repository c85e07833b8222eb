package salesforce

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce/soql"
)

// cursor keeps the rest of an answer that did not fit in one page.
type cursor struct {
	records []any
	batch   int
	user    string
	expires time.Time
}

// Limits of query locators.
const (
	locatorLifetime = 48 * time.Hour
	maxCursors      = 1000
)

// page is one page of a query, or of its child query.
type page struct {
	TotalSize      int
	Done           bool
	NextRecordsURL string
	Records        []any
}

// MarshalJSON implements json.Marshaler.
func (p page) MarshalJSON() ([]byte, error) { return appendPage(nil, p) }

func (s *Server) runQuery(c *call) *response {
	text := c.query.Get("q")
	if text == "" {
		return failure(http.StatusBadRequest, "MALFORMED_QUERY", "A query string has to be specified")
	}
	all := strings.Contains(c.path, "/queryAll")
	if c.query.Get("columns") == "true" {
		return s.queryColumns(text, all)
	}
	return s.query(c, text, all)
}

// query runs a query and answers its first page. The caller holds s.mu.
func (s *Server) query(c *call, text string, all bool) *response {
	q, compiler, err := s.compileQuery(text, all)
	if err != nil {
		return queryFailure(err)
	}
	if q.query.IsCount() && q.shape != nil {
		return answer(http.StatusOK, page{TotalSize: len(compiler.rows(q)), Done: true, Records: []any{}})
	}
	records := compiler.records(q, c.prefix)
	batch := s.batchSize(c)
	for _, r := range records {
		s.pageChildren(c, r, batch)
	}
	return answer(http.StatusOK, s.page(c, &cursor{records: records, batch: batch, user: c.txn.user}, 0, ""))
}

func (s *Server) compileQuery(text string, all bool) (*compiled, *compiler, error) {
	parsed, err := soql.Parse(text)
	if err != nil {
		return nil, nil, err
	}
	c := &compiler{s: s, text: text, now: s.options.Now(), all: all}
	q, _, err := c.compile(parsed, nil)
	return q, c, err
}

func queryFailure(err error) *response {
	if known, ok := errors.AsType[*soql.Error](err); ok {
		return failure(http.StatusBadRequest, known.Code, known.Message)
	}
	return failure(http.StatusInternalServerError, "UNKNOWN_EXCEPTION", err.Error())
}

// batchSize reads Sforce-Query-Options: batchSize=n within its bounds.
func (s *Server) batchSize(c *call) int {
	for part := range strings.SplitSeq(c.header.Get("Sforce-Query-Options"), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		n, err := strconv.Atoi(value)
		if err == nil && strings.EqualFold(name, "batchSize") {
			return max(min(n, s.options.QueryBatch), min(s.options.MinQueryBatch, s.options.QueryBatch))
		}
	}
	return s.options.QueryBatch
}

// pageChildren turns the child results of a record into pages.
func (s *Server) pageChildren(c *call, v any, batch int) {
	r, ok := v.(*record)
	if !ok {
		return
	}
	for i, value := range r.values {
		switch value := value.(type) {
		case *childResult:
			for _, child := range value.records {
				s.pageChildren(c, child, batch)
			}
			r.values[i] = s.page(c, &cursor{records: value.records, batch: batch, user: c.txn.user}, 0, "")
		case *record:
			s.pageChildren(c, value, batch)
		}
	}
}

// page cuts a page from the cursor and keeps the cursor if more is left. The
// rows of child queries count towards the size of the page.
func (s *Server) page(c *call, cur *cursor, from int, locator string) page {
	end, weight := from, 0
	for end < len(cur.records) && (end == from || weight+heft(cur.records[end]) <= cur.batch) {
		weight += heft(cur.records[end])
		end++
	}
	out := page{TotalSize: len(cur.records), Done: end == len(cur.records), Records: cur.records[from:end]}
	if out.Records == nil {
		out.Records = []any{}
	}
	if !out.Done {
		if locator == "" {
			locator = s.keep(cur)
		}
		out.NextRecordsURL = c.prefix + "/query/" + locator + "-" + strconv.Itoa(end)
	}
	return out
}

func heft(v any) int {
	n := 1
	if r, ok := v.(*record); ok {
		for _, value := range r.values {
			if child, ok := value.(page); ok {
				n += len(child.Records)
			}
		}
	}
	return n
}

func (s *Server) keep(cur *cursor) string {
	if len(s.cursors) >= maxCursors {
		for locator, old := range s.cursors {
			if len(s.cursors) >= maxCursors || s.options.Now().After(old.expires) {
				delete(s.cursors, locator)
			}
		}
	}
	s.cursorCount++
	cur.expires = s.options.Now().Add(locatorLifetime)
	locator := newID("01g", s.cursorCount)
	s.cursors[locator] = cur
	return locator
}

func (s *Server) queryMore(c *call) *response {
	locator, from, ok := strings.Cut(c.args[0], "-")
	start, err := strconv.Atoi(from)
	cur := s.cursors[locator]
	if !ok || err != nil || cur == nil || cur.user != c.txn.user || s.options.Now().After(cur.expires) || start < 0 || start > len(cur.records) {
		return failure(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
	}
	return answer(http.StatusOK, s.page(c, cur, start, locator))
}
