package salesforce

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

const (
	// mostRows and mostTypeChunks are Salesforce's limits for one collection: records, and runs of equal type.
	mostRows       = 200
	mostTypeChunks = 10
)

// SaveResult says what became of one record of an update.
type SaveResult struct {
	// ID is the record's id.
	ID ID
	// Err is nil if the record was written, else an *Error.
	Err error
}

// Update sets fields of existing records to absolute values, each record by itself: one that fails does not hold back
// the others. The results stand in the order of the records. The error is that of a whole request; then the records of
// that request and of those after it carry it too. Repeating an update whose answer was lost does no harm.
func (c *Client) Update(ctx context.Context, records []Record) ([]SaveResult, error) {
	if err := checkRecords(records); err != nil {
		return nil, err
	}
	results := resultsFor(records)
	for start := 0; start < len(records); {
		n := oneRequest(records[start:])
		if err := c.updateOnce(ctx, records[start:start+n], false, results[start:start+n]); err != nil {
			for i := range results[start:] {
				results[start+i].Err = err
			}
			return results, err
		}
		start += n
	}
	return results, nil
}

// UpdateTogether is Update for records of which either all are written or none. They must fit into one request. Records
// that are not written because of another carry an error that is RolledBack.
func (c *Client) UpdateTogether(ctx context.Context, records []Record) ([]SaveResult, error) {
	if err := checkRecords(records); err != nil {
		return nil, err
	}
	results := resultsFor(records)
	err := c.updateOnce(ctx, records, true, results)
	if err != nil {
		for i := range results {
			results[i].Err = err
		}
	}
	return results, err
}

func resultsFor(records []Record) []SaveResult {
	results := make([]SaveResult, len(records))
	for i, r := range records {
		results[i].ID = r.ID()
	}
	return results
}

// codeRolledBack is Salesforce's code for a record that was not written because of another.
const codeRolledBack = "ALL_OR_NONE_OPERATION_ROLLED_BACK"

// RolledBack reports that a record was not written because of another, whose error says more.
func RolledBack(err error) bool { return CodeOf(err) == codeRolledBack }

func checkRecords(records []Record) error {
	for i, r := range records {
		if r.Type() == "" || r.ID() == "" {
			return &Error{Op: opUpdate, Class: Rejected, Message: fmt.Sprintf("record %d has no type or no valid id", i), Advice: adviceOurs}
		}
	}
	return nil
}

// oneRequest returns how many of the records, from the first, one collection may hold.
func oneRequest(records []Record) int {
	chunks, lastType := 0, ""
	seen := map[ID]bool{}
	for i, r := range records {
		if t := r.Type(); t != lastType {
			chunks, lastType = chunks+1, t
		}
		// Salesforce refuses a collection that names a record twice.
		if i == mostRows || chunks > mostTypeChunks || seen[r.ID()] {
			return i
		}
		seen[r.ID()] = true
	}
	return len(records)
}

func (c *Client) updateOnce(ctx context.Context, records []Record, together bool, results []SaveResult) error {
	body, err := collection(records, together)
	if err != nil {
		return err
	}
	answer, err := c.do(ctx, request{op: opUpdate, method: http.MethodPatch, path: c.apiPath + "/composite/sobjects", body: body, timeout: updateTimeout, longest: longestAnswer})
	if err != nil {
		return err
	}
	var saved []struct {
		Success bool       `json:"success"`
		Errors  []farError `json:"errors"`
	}
	if err := json.Unmarshal(answer, &saved); err != nil {
		return notJSON(opUpdate, err)
	}
	if len(saved) != len(records) {
		return &Error{Op: opUpdate, Class: Transient, HTTPStatus: http.StatusOK, Message: fmt.Sprintf("%d results for %d records", len(saved), len(records))}
	}
	for i, s := range saved {
		results[i].Err = recordError(s.Errors)
		if !s.Success && results[i].Err == nil {
			results[i].Err = &Error{Op: opUpdate, Class: Transient, Message: "the record was not written, and Salesforce gives no reason"}
		}
		if s.Success {
			results[i].Err = nil
		}
	}
	return nil
}

func collection(records []Record, together bool) ([]byte, error) {
	rows := make([]map[string]any, len(records))
	for i, r := range records {
		row := make(map[string]any, len(r)+1)
		for name, value := range r {
			if name != attributesKey && !strings.EqualFold(name, "Id") {
				row[name] = value
			}
		}
		row[attributesKey] = map[string]any{"type": r.Type()}
		row["id"] = r.ID().String()
		rows[i] = row
	}
	body, err := json.Marshal(map[string]any{"allOrNone": together, "records": rows})
	if err != nil {
		return nil, &Error{Op: opUpdate, Class: Rejected, Message: "a value cannot be written as JSON", Advice: adviceOurs, Err: err}
	}
	return body, nil
}
