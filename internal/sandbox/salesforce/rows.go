package salesforce

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// saveResult is the answer about one written row.
type saveResult struct {
	ID      string         `json:"id,omitempty"`
	Success bool           `json:"success"`
	Errors  []*recordError `json:"errors"`
	Created *bool          `json:"created,omitempty"`
}

func saved(id string) *saveResult {
	return &saveResult{ID: id, Success: true, Errors: []*recordError{}}
}

func unsaved(err *recordError) *saveResult { return &saveResult{Errors: []*recordError{err}} }

// decode reads a JSON body, numbers kept as they were written.
func decode(body []byte, into any) *response {
	if len(bytes.TrimSpace(body)) == 0 {
		return failure(http.StatusBadRequest, "JSON_PARSER_ERROR", "The HTTP entity body is required, but this request has no entity body.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	err := d.Decode(into)
	if err == nil {
		if _, extra := d.Token(); !errors.Is(extra, io.EOF) {
			err = errors.New("unexpected text after the JSON value")
		}
	}
	if err != nil {
		return failure(http.StatusBadRequest, "JSON_PARSER_ERROR", "The HTTP entity body could not be read: "+err.Error())
	}
	return nil
}

// target resolves the object of a path.
func (c *call) target(name string) (*object, *response) {
	o := c.txn.s.schema.object(name)
	if o == nil {
		return nil, notFound()
	}
	return o, nil
}

// row resolves object and id of a path.
func (c *call) row() (*row, *response) {
	o, refused := c.target(c.args[0])
	if refused != nil {
		return nil, refused
	}
	text := c.args[1]
	if len(text) != 15 && len(text) != 18 {
		return nil, failure(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+text)
	}
	id, ok := parseID(text)
	if !ok {
		return nil, failure(http.StatusBadRequest, "MALFORMED_ID", "malformed id "+text)
	}
	if !strings.HasPrefix(id, o.KeyPrefix) {
		return nil, failure(http.StatusBadRequest, "MALFORMED_ID", o.Label+" ID: id value of incorrect type: "+text)
	}
	return c.visible(o, id)
}

func (c *call) visible(o *object, id string) (*row, *response) {
	r := c.txn.s.db.find(id)
	if r == nil || r.obj != o {
		return nil, notFound()
	}
	if _, seen := c.txn.s.db.view(r, c.txn.s.options.Now()); !seen {
		return nil, notFound()
	}
	if r.deleted {
		return nil, failure(http.StatusNotFound, "ENTITY_IS_DELETED", "entity is deleted")
	}
	return r, nil
}

func (s *Server) createRow(c *call) *response {
	o, refused := c.target(c.args[0])
	if refused != nil {
		return refused
	}
	var input map[string]any
	if refused := decode(c.body, &input); refused != nil {
		return refused
	}
	if o.isEvent() {
		return s.publishOne(c, o, input)
	}
	if hasKey(input, "Id") {
		return failure(http.StatusBadRequest, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
	}
	id, err := c.txn.insert(o, input)
	if err != nil {
		return refusal(err)
	}
	out := answer(http.StatusCreated, saved(id))
	out.header = map[string]string{"Location": c.prefix + "/sobjects/" + o.Name + "/" + id}
	return out
}

func hasKey(input map[string]any, name string) bool {
	for key := range input {
		if strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}

// publishOne queues a platform event; the UUID comes back in errors, as the
// real answer has it.
func (*Server) publishOne(c *call, o *object, input map[string]any) *response {
	result, err := c.txn.publish(o, input)
	if err != nil {
		return refusal(err)
	}
	return answer(http.StatusCreated, result)
}

func (t *txn) publish(o *object, input map[string]any) (*saveResult, *recordError) {
	values := map[string]any{}
	if err := t.assign(o, values, input, true); err != nil {
		return nil, err
	}
	fields := map[string]any{}
	for _, f := range o.fields {
		value, given := values[f.Name]
		if f.Required && !given {
			return nil, refuse("REQUIRED_FIELD_MISSING", "Required fields are missing: ["+f.Name+"]", f.Name)
		}
		if given {
			fields[f.Name] = eventValue(value)
		}
	}
	id, _ := t.nextID(o)
	result := saved(id)
	t.emit(o.Name, fields, func(eventID string, err error) {
		if err != nil {
			*result = *unsaved(refuse("PLATFORM_EVENT_PUBLISHING_UNAVAILABLE", err.Error()))
			return
		}
		result.Errors = []*recordError{refuse("OPERATION_ENQUEUED", eventID)}
	})
	return result, nil
}

// getRow answers all fields, or those of the fields parameter.
func (s *Server) getRow(c *call) *response {
	r, refused := c.row()
	if refused != nil {
		return refused
	}
	return s.getOne(c, r)
}

func (s *Server) getOne(c *call, r *row) *response {
	values, _ := s.db.view(r, s.options.Now())
	modified, _ := values["LastModifiedDate"].(time.Time)
	validators := map[string]string{"Last-Modified": modified.Format(http.TimeFormat)}
	tag := etag(r, values)
	if tag != "" {
		validators["ETag"] = tag
	}
	if c.known(tag, modified) {
		return &response{status: http.StatusNotModified, header: validators}
	}
	if refused := c.unmodified(r); refused != nil {
		return refused
	}
	shape, refused := s.rowShape(r.obj, c.query.Get("fields"))
	if refused != nil {
		return refused
	}
	compiler := &compiler{s: s, now: s.options.Now()}
	out := answer(http.StatusOK, compiler.write(shape, seenRow{r, values}, c.prefix))
	out.header = validators
	return out
}

// etag is the entity tag of a row. Only accounts have one.
func etag(r *row, values map[string]any) string {
	if r.obj.Name != "Account" {
		return ""
	}
	sum := sha256.Sum256(fmt.Append(nil, values)) // maps are printed in the order of their keys
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// known reports whether the caller of a GET has the row already. If-None-Match
// counts before If-Modified-Since.
func (c *call) known(tag string, modified time.Time) bool {
	if tags := c.header.Get("If-None-Match"); tags != "" && tag != "" {
		return listed(tags, tag)
	}
	since, err := http.ParseTime(c.header.Get("If-Modified-Since"))
	return err == nil && !modified.After(since)
}

// listed reports whether the tag is in the list of If-Match or If-None-Match.
func listed(tags, tag string) bool {
	for have := range strings.SplitSeq(tags, ",") {
		if have = strings.TrimPrefix(strings.TrimSpace(have), "W/"); have == "*" || have == tag {
			return true
		}
	}
	return false
}

// rowShape is the list of fields of a GET on rows. Unknown fields are
// refused; without a list all fields come.
func (*Server) rowShape(o *object, fields string) (*shape, *response) {
	out := &shape{object: o}
	if fields == "" {
		for _, f := range o.visible() {
			out.items = append(out.items, shapeItem{key: f.Name, column: column{field: f}})
		}
		return out, nil
	}
	for name := range strings.SplitSeq(fields, ",") {
		f := o.field(strings.TrimSpace(name))
		if f == nil {
			return nil, failure(http.StatusBadRequest, "INVALID_FIELD", "No such column '"+strings.TrimSpace(name)+"' on sobject of type "+o.Name)
		}
		out.items = append(out.items, shapeItem{key: f.Name, column: column{field: f}})
	}
	return out, nil
}

// unmodified applies If-Match, and If-Unmodified-Since in whole seconds.
func (c *call) unmodified(r *row) *response {
	if tags, tag := c.header.Get("If-Match"), etag(r, r.values); tags != "" && tag != "" && !listed(tags, tag) {
		return failure(http.StatusPreconditionFailed, "PRECONDITION_FAILED", "The record has another ETag than the given one")
	}
	text := c.header.Get("If-Unmodified-Since")
	if text == "" {
		return nil
	}
	since, err := http.ParseTime(text)
	if err != nil {
		if c.method == http.MethodGet {
			return nil
		}
		return failure(http.StatusBadRequest, "INVALID_HEADER", "If-Unmodified-Since is not an HTTP date: "+text)
	}
	if modified, _ := r.values["LastModifiedDate"].(time.Time); modified.After(since) {
		return failure(http.StatusPreconditionFailed, "PRECONDITION_FAILED", "The record was modified after the given time")
	}
	return nil
}

func (*Server) updateRow(c *call) *response {
	r, refused := c.row()
	if refused == nil {
		refused = c.unmodified(r)
	}
	if refused != nil {
		return refused
	}
	var input map[string]any
	if refused := decode(c.body, &input); refused != nil {
		return refused
	}
	if hasKey(input, "Id") {
		return failure(http.StatusBadRequest, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
	}
	if err := c.txn.update(r, input); err != nil {
		return refusal(err)
	}
	return answer(http.StatusNoContent, nil)
}

func (*Server) deleteRow(c *call) *response {
	r, refused := c.row()
	if refused != nil {
		return refused
	}
	if err := c.txn.remove(r); err != nil {
		return refusal(err)
	}
	return answer(http.StatusNoContent, nil)
}

// externalMatches finds the rows that a path with an external id names.
func (c *call) externalMatches(o *object, fieldName, text string) (*Field, []*row, *response) {
	f := o.field(fieldName)
	if f == nil || !f.ExternalID && f.Type != TypeID {
		return nil, nil, failure(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+fieldName)
	}
	value, err := coerce(f, text)
	if err != nil {
		return f, nil, refusal(err)
	}
	return f, c.txn.s.db.matching(o, f, value), nil
}

func (s *Server) getByExternalID(c *call) *response {
	o, refused := c.target(c.args[0])
	if refused != nil {
		return refused
	}
	if id, ok := parseID(c.args[1]); ok && o.field(c.args[1]) == nil {
		r, refused := c.visible(o, id)
		if refused != nil {
			return refused
		}
		return s.related(c, r)
	}
	_, matches, refused := c.externalMatches(o, c.args[1], c.args[2])
	switch {
	case refused != nil:
		return refused
	case len(matches) == 0:
		return notFound()
	case len(matches) > 1:
		return c.severalMatches(matches)
	}
	return s.getOne(c, matches[0])
}

// related follows a relationship: /sobjects/Order/801.../OrderItems.
func (s *Server) related(c *call, r *row) *response {
	if up := r.obj.parentField(c.args[2]); up != nil {
		id, _ := r.values[up.Name].(string)
		parent := s.db.live(id)
		if parent == nil {
			return notFound()
		}
		return s.getOne(c, parent)
	}
	down, ok := s.schema.childRelation(r.obj, c.args[2])
	if !ok {
		return notFound()
	}
	fields := cmp.Or(c.query.Get("fields"), "FIELDS(ALL)")
	soqlText := "SELECT " + fields + " FROM " + down.child.Name + " WHERE " + down.field.Name + " = '" + r.id + "' LIMIT 200"
	return s.query(c, soqlText, false)
}

func (c *call) severalMatches(matches []*row) *response {
	var urls []string
	for _, r := range matches {
		urls = append(urls, c.prefix+"/sobjects/"+r.obj.Name+"/"+r.id)
	}
	return answer(http.StatusMultipleChoices, urls)
}

// upsertRow creates or updates by an external id.
func (*Server) upsertRow(c *call) *response {
	o, refused := c.target(c.args[0])
	if refused != nil {
		return refused
	}
	var input map[string]any
	if refused := decode(c.body, &input); refused != nil {
		return refused
	}
	value := c.args[2]
	f, matches, refused := c.externalMatches(o, c.args[1], value)
	if refused != nil {
		return refused
	}
	if len(matches) > 1 {
		return c.severalMatches(matches)
	}
	if hasKey(input, f.Name) {
		return failure(http.StatusBadRequest, "INVALID_FIELD", "The "+f.Name+" field should not be specified in the sobject data.")
	}
	if len(matches) == 0 && (c.query.Get("updateOnly") == "true" || f.Type == TypeID) {
		return notFound()
	}
	result, rowErr := c.txn.upsert(o, f, matches, value, input)
	if rowErr != nil {
		return refusal(rowErr)
	}
	if *result.Created {
		return answer(http.StatusCreated, result)
	}
	return answer(http.StatusOK, result)
}

func (t *txn) upsert(o *object, f *Field, matches []*row, value any, input map[string]any) (*saveResult, *recordError) {
	if len(matches) > 1 {
		return nil, refuse("DUPLICATE_EXTERNAL_ID", "more than one record found for external id field: "+f.Name, f.Name)
	}
	if len(matches) == 1 {
		result := saved(matches[0].id)
		result.Created = new(false)
		return result, t.update(matches[0], input)
	}
	if f.Type == TypeID {
		return nil, refuse("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	input[f.Name] = value
	id, err := t.insert(o, input)
	if err != nil {
		return nil, err
	}
	result := saved(id)
	result.Created = new(true)
	return result, nil
}
