package salesforce

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Limits of composite requests.
const (
	maxSubrequests  = 25
	maxSubqueryRuns = 5
	maxGraphs       = 75
	maxGraphNodes   = 500
	maxFailedGraphs = 14
)

type subrequest struct {
	Method      string            `json:"method"`
	URL         string            `json:"url"`
	ReferenceID string            `json:"referenceId"`
	Body        any               `json:"body"`
	Headers     map[string]string `json:"httpHeaders"`
}

// subresponse points to the response: the answer to an event is complete only
// after the commit.
type subresponse struct {
	Body        any               `json:"body"`
	Headers     map[string]string `json:"httpHeaders"`
	Status      int               `json:"httpStatusCode"`
	ReferenceID string            `json:"referenceId"`
}

func (s *Server) composite(c *call) *response {
	var in struct {
		AllOrNone bool         `json:"allOrNone"`
		Requests  []subrequest `json:"compositeRequest"`
	}
	if refused := decode(c.body, &in); refused != nil {
		return refused
	}
	if refused := checkSubrequests(in.Requests); refused != nil {
		return refused
	}
	results, _ := s.runAll(c, in.Requests, in.AllOrNone)
	return answer(http.StatusOK, map[string]any{"compositeResponse": results})
}

func checkSubrequests(requests []subrequest) *response {
	if len(requests) == 0 {
		return failure(http.StatusBadRequest, "INVALID_INPUT", "compositeRequest must not be empty")
	}
	if len(requests) > maxSubrequests {
		return failure(http.StatusBadRequest, "INVALID_INPUT", fmt.Sprintf("at most %d subrequests are allowed, %d were sent", maxSubrequests, len(requests)))
	}
	queries := 0
	seen := map[string]bool{}
	for _, r := range requests {
		if strings.Contains(r.URL, "/query") || strings.Contains(r.URL, "/composite/sobjects") {
			queries++
		}
		if r.ReferenceID == "" || seen[r.ReferenceID] {
			return failure(http.StatusBadRequest, "INVALID_INPUT", "each subrequest needs a referenceId of its own: '"+r.ReferenceID+"'")
		}
		seen[r.ReferenceID] = true
	}
	if queries > maxSubqueryRuns {
		return failure(http.StatusBadRequest, "INVALID_INPUT", fmt.Sprintf("at most %d query or collections subrequests are allowed", maxSubqueryRuns))
	}
	return nil
}

// runAll runs subrequests in order. With allOrNone the first failure undoes
// everything and the others read as halted.
func (s *Server) runAll(c *call, requests []subrequest, allOrNone bool) ([]*subresponse, bool) {
	out := make([]*subresponse, 0, len(requests))
	known := map[string]any{}
	start, failedAt := c.txn.save(), -1
	for i, r := range requests {
		var result *response
		if failedAt >= 0 && allOrNone {
			result = halted("The transaction was rolled back since another operation in the same transaction failed.")
		} else {
			result = s.runSub(c, r, known)
		}
		if result.failed() && failedAt < 0 {
			failedAt = i
		}
		if !result.failed() {
			known[r.ReferenceID] = result.body
		}
		out = append(out, &subresponse{Body: result.body, Headers: headers(result), Status: result.status, ReferenceID: r.ReferenceID})
	}
	if failedAt >= 0 && allOrNone {
		c.txn.rollback(start)
		for i := range failedAt {
			result := halted("The transaction was rolled back since another operation in the same transaction failed.")
			out[i].Body, out[i].Status, out[i].Headers = result.body, result.status, headers(result)
		}
	}
	return out, failedAt < 0
}

func headers(r *response) map[string]string {
	if r.header == nil {
		return map[string]string{}
	}
	return r.header
}

func halted(message string) *response {
	return failure(http.StatusBadRequest, "PROCESSING_HALTED", message)
}

// runSub runs one subrequest with its references filled in.
func (s *Server) runSub(c *call, r subrequest, known map[string]any) *response {
	target, err := fillText(r.URL, known)
	if err != nil {
		return halted(err.Error())
	}
	body, err := fill(r.Body, known)
	if err != nil {
		return halted(err.Error())
	}
	header := http.Header{}
	for name, value := range r.Headers {
		header.Set(name, value)
	}
	var encoded []byte
	if body != nil {
		if encoded, err = json.Marshal(body); err != nil {
			return halted(err.Error())
		}
	}
	return s.runNested(c, strings.ToUpper(r.Method), target, header, encoded)
}

// runNested dispatches a request that came inside another one.
func (s *Server) runNested(c *call, method, target string, header http.Header, body []byte) *response {
	// SOQL in these URLs is often sent with plain blanks.
	parsed, err := url.Parse(strings.ReplaceAll(target, " ", "+"))
	if err != nil {
		return failure(http.StatusBadRequest, "INVALID_INPUT", "the URL cannot be read: "+target)
	}
	path := parsed.EscapedPath()
	if strings.HasPrefix(path, "v") {
		path = dataPath + "/" + path
	}
	nested := &call{
		method: method, path: strings.TrimRight(path, "/"), base: c.base, query: parsed.Query(), form: url.Values{},
		header: header, body: body, txn: c.txn,
	}
	if !strings.HasPrefix(nested.path, dataPath+"/") {
		return failure(http.StatusBadRequest, "INVALID_INPUT", "the URL must begin with "+dataPath+"/vNN.0: "+target)
	}
	if refused := nested.versioned(); refused != nil {
		return refused
	}
	if found, _, _ := find(nested); found != nil && !found.free {
		return failure(http.StatusBadRequest, "INVALID_INPUT", "this resource cannot be called inside a composite request: "+target)
	}
	return s.dispatch(nested)
}

var (
	referencePattern = regexp.MustCompile(`@\{([^}]*)\}`)
	wholeReference   = regexp.MustCompile(`^@\{([^}]*)\}$`)
)

// fill replaces references in all texts of a body.
func fill(v any, known map[string]any) (any, error) {
	switch v := v.(type) {
	case string:
		if m := wholeReference.FindStringSubmatch(v); len(m) == 2 {
			return lookUpReference(m[1], known)
		}
		return fillText(v, known)
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			filled, err := fill(value, known)
			if err != nil {
				return nil, err
			}
			out[key] = filled
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			filled, err := fill(value, known)
			if err != nil {
				return nil, err
			}
			out[i] = filled
		}
		return out, nil
	}
	return v, nil
}

func fillText(text string, known map[string]any) (string, error) {
	var failed error
	out := referencePattern.ReplaceAllStringFunc(text, func(ref string) string {
		value, err := lookUpReference(ref[2:len(ref)-1], known)
		if err != nil {
			failed = err
		}
		return fmt.Sprint(value)
	})
	return out, failed
}

var stepPattern = regexp.MustCompile(`^([^\[\]]*)((?:\[\d+\])*)$`)

// lookUpReference resolves ref.records[0].Id in the answers so far. Names are
// case-sensitive.
func lookUpReference(path string, known map[string]any) (any, error) {
	missing := fmt.Errorf("invalid reference specified: no value for %s found", path)
	name, rest, _ := strings.Cut(path, ".")
	bare, _, indexed := strings.Cut(name, "[")
	if indexed {
		rest = strings.TrimSuffix(name[len(bare):]+"."+rest, ".")
	}
	body, ok := known[bare]
	if !ok {
		return nil, missing
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		return nil, missing
	}
	var at any
	if err := json.Unmarshal(encoded, &at); err != nil {
		return nil, missing
	}
	for step := range strings.SplitSeq(rest, ".") {
		m := stepPattern.FindStringSubmatch(step)
		if m == nil {
			return nil, missing
		}
		if at, ok = descend(at, m[1], m[2]); !ok {
			return nil, missing
		}
	}
	return at, nil
}

func descend(at any, key, indexes string) (any, bool) {
	if key != "" {
		object, ok := at.(map[string]any)
		if at, ok = object[key], ok && object[key] != nil; !ok {
			return nil, false
		}
	}
	for index := range strings.SplitSeq(strings.Trim(indexes, "[]"), "][") {
		if index == "" {
			break
		}
		n, err := strconv.Atoi(index)
		many, ok := at.([]any)
		if err != nil || !ok || n >= len(many) {
			return nil, false
		}
		at = many[n]
	}
	return at, true
}

// batch serves composite/batch: independent requests.
func (s *Server) batch(c *call) *response {
	var in struct {
		HaltOnError bool `json:"haltOnError"`
		Requests    []struct {
			Method    string          `json:"method"`
			URL       string          `json:"url"`
			RichInput json.RawMessage `json:"richInput"`
		} `json:"batchRequests"`
	}
	if refused := decode(c.body, &in); refused != nil {
		return refused
	}
	if len(in.Requests) == 0 || len(in.Requests) > maxSubrequests {
		return failure(http.StatusBadRequest, "INVALID_INPUT", fmt.Sprintf("a batch takes 1 to %d requests", maxSubrequests))
	}
	type result struct {
		Status int `json:"statusCode"`
		Result any `json:"result"`
	}
	var results []result
	failed := false
	for _, r := range in.Requests {
		if failed && in.HaltOnError {
			results = append(results, result{http.StatusPreconditionFailed, halted("Batch processing halted.").body})
			continue
		}
		out := s.runNested(c, strings.ToUpper(r.Method), r.URL, http.Header{}, r.RichInput)
		failed = failed || out.failed()
		results = append(results, result{out.status, out.body})
	}
	return answer(http.StatusOK, map[string]any{"hasErrors": failed, "results": results})
}

type graphRequest struct {
	ID       string       `json:"graphId"`
	Requests []subrequest `json:"compositeRequest"`
}

// graph serves composite/graph: each graph succeeds or is undone as a whole.
func (s *Server) graph(c *call) *response {
	var in struct {
		Graphs []graphRequest `json:"graphs"`
	}
	if refused := decode(c.body, &in); refused != nil {
		return refused
	}
	if refused := checkGraphs(in.Graphs); refused != nil {
		return refused
	}
	results := make([]any, 0, len(in.Graphs))
	failures := 0
	for _, g := range in.Graphs {
		var parts []*subresponse
		ok := false
		if failures >= maxFailedGraphs {
			for _, r := range g.Requests {
				parts = append(parts, &subresponse{Body: halted("Too many graphs failed.").body, Headers: map[string]string{}, Status: http.StatusBadRequest, ReferenceID: r.ReferenceID})
			}
		} else {
			parts, ok = s.runAll(c, g.Requests, true)
		}
		if !ok {
			failures++
		}
		results = append(results, map[string]any{
			"graphId": g.ID, "graphResponse": map[string]any{"compositeResponse": parts}, "isSuccessful": ok,
		})
	}
	return answer(http.StatusOK, map[string]any{"graphs": results})
}

func checkGraphs(graphs []graphRequest) *response {
	nodes := 0
	for _, g := range graphs {
		nodes += len(g.Requests)
		if g.ID == "" || len(g.Requests) == 0 {
			return failure(http.StatusBadRequest, "INVALID_INPUT", "each graph needs a graphId and a compositeRequest")
		}
	}
	if len(graphs) == 0 || len(graphs) > maxGraphs || nodes > maxGraphNodes {
		return failure(http.StatusBadRequest, "INVALID_INPUT", fmt.Sprintf("a request takes 1 to %d graphs with at most %d nodes", maxGraphs, maxGraphNodes))
	}
	return nil
}
