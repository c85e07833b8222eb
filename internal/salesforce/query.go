package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// longestURI is what Salesforce accepts for the request line and all headers together, less room for the headers.
const longestURI = 16_384 - 1_024

var (
	errPageLoop    = errors.New("a page names itself as the next one")
	errForeignPage = errors.New("the next page lies outside the REST API")
)

// QuoteSOQL writes a value as a SOQL string literal, quotes included.
func QuoteSOQL(value string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`).Replace(value) + "'"
}

// DateTimeSOQL writes a time as a SOQL dateTime literal, cut to the second.
func DateTimeSOQL(t time.Time) string {
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

// Query runs a SOQL query and returns all its records: it follows the pages of the result and of every child result.
func (c *Client) Query(ctx context.Context, soql string) ([]Record, error) {
	path := c.queryPath(soql)
	if len(path) > c.roomForPath(ctx) {
		return nil, tooLong("the query")
	}
	return c.queryAll(ctx, path)
}

func tooLong(what string) *Error {
	return &Error{Op: opQuery, Class: Schema, Message: what + " is longer than Salesforce accepts", Advice: "name fewer fields in the mapping"}
}

func (c *Client) queryPath(soql string) string {
	return c.apiPath + "/query?q=" + url.QueryEscape(soql)
}

// roomForPath is how long a path may be, given the token in use: some orgs hand out tokens of 2,000 characters.
func (c *Client) roomForPath(ctx context.Context) int {
	s, err := c.Session(ctx)
	if err != nil {
		// The query will fail at the same place and say why.
		return longestURI
	}
	return longestURI - len(s.AccessToken) - len(s.InstanceURL)
}

func (c *Client) queryAll(ctx context.Context, path string) ([]Record, error) {
	var records []Record
	seen := map[string]bool{}
	for path != "" {
		if seen[path] {
			return nil, notJSON(opQuery, errPageLoop)
		}
		seen[path] = true
		more, next, err := c.queryPage(ctx, path)
		if err != nil {
			return nil, err
		}
		records = append(records, more...)
		path = next
	}
	return records, nil
}

// queryPage reads one page and completes the child results in it.
func (c *Client) queryPage(ctx context.Context, path string) ([]Record, string, error) {
	answer, err := c.do(ctx, request{op: opQuery, method: http.MethodGet, path: path, timeout: queryTimeout, longest: longestAnswer})
	if err != nil {
		return nil, "", err
	}
	var p page
	if err := json.Unmarshal(answer, &p); err != nil || p.Records == nil {
		return nil, "", notJSON(opQuery, err)
	}
	records, open, err := decodeRecords(p.Records)
	if err != nil {
		return nil, "", notJSON(opQuery, err)
	}
	for _, child := range open {
		if err := c.complete(ctx, child); err != nil {
			return nil, "", err
		}
	}
	next, err := p.next()
	if err != nil {
		return nil, "", notJSON(opQuery, err)
	}
	if next != "" && !strings.HasPrefix(next, "/services/data/") {
		// The token goes wherever this points.
		return nil, "", notJSON(opQuery, errForeignPage)
	}
	return records, next, nil
}

func (c *Client) complete(ctx context.Context, child childPage) error {
	if !strings.HasPrefix(child.next, "/services/data/") {
		return notJSON(opQuery, errForeignPage)
	}
	more, err := c.queryAll(ctx, child.next)
	if err != nil {
		return err
	}
	child.parent[child.relationship] = append(child.parent.Children(child.relationship), more...)
	return nil
}
