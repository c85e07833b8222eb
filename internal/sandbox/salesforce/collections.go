package salesforce

import (
	"net/http"
	"strconv"
	"strings"
)

// Limits of a collections request.
const (
	maxCollection = 200
	maxChunks     = 10
)

type collection struct {
	AllOrNone bool             `json:"allOrNone"`
	Records   []map[string]any `json:"records"`
	IDs       []string         `json:"ids"`
	Fields    []string         `json:"fields"`
}

// typeOf reads attributes.type of a record in a request.
func typeOf(input map[string]any) string {
	attributes, _ := input["attributes"].(map[string]any)
	name, _ := attributes["type"].(string)
	return name
}

// readCollection checks what makes a request malformed as a whole.
func (c *call) readCollection(typed bool) (*collection, *response) {
	var in collection
	if refused := decode(c.body, &in); refused != nil {
		return nil, refused
	}
	if len(in.Records) == 0 {
		return nil, failure(http.StatusBadRequest, "INVALID_INPUT", "The records list must not be empty")
	}
	if refused := tooMany(len(in.Records)); refused != nil {
		return nil, refused
	}
	chunks, last := 0, ""
	for i, r := range in.Records {
		name := typeOf(r)
		if typed && name == "" {
			return nil, failure(http.StatusBadRequest, "INVALID_INPUT", "attributes.type is missing in record "+strconv.Itoa(i))
		}
		if chunks == 0 || !strings.EqualFold(name, last) {
			chunks++
		}
		last = name
	}
	if chunks > maxChunks {
		return nil, failure(http.StatusBadRequest, "INVALID_INPUT", "The records change their type more than "+strconv.Itoa(maxChunks-1)+" times; a request takes at most "+strconv.Itoa(maxChunks)+" chunks")
	}
	return &in, nil
}

func tooMany(n int) *response {
	if n > maxCollection {
		return failure(http.StatusBadRequest, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than "+strconv.Itoa(maxCollection)+" records in this request")
	}
	return nil
}

// each writes the records one by one: a refused one leaves no trace, and with
// allOrNone none of the others does either.
func (t *txn) each(n int, allOrNone bool, write func(i int) (*saveResult, *recordError)) []*saveResult {
	start, failed := t.save(), false
	out := make([]*saveResult, n)
	for i := range n {
		before := t.save()
		result, err := write(i)
		if err != nil {
			t.rollback(before)
			result, failed = unsaved(err), true
		}
		out[i] = result
	}
	if failed && allOrNone {
		t.rollback(start)
		for i, result := range out {
			if result.Success {
				out[i] = unsaved(refuse("ALL_OR_NONE_OPERATION_ROLLED_BACK",
					"Record rolled back because not all records were valid and the request was using AllOrNone header"))
			}
		}
	}
	return out
}

func (*Server) createMany(c *call) *response {
	in, refused := c.readCollection(true)
	if refused != nil {
		return refused
	}
	return answer(http.StatusOK, c.txn.each(len(in.Records), in.AllOrNone, func(i int) (*saveResult, *recordError) {
		o, err := c.typed(in.Records[i])
		if err != nil {
			return nil, err
		}
		if o.isEvent() {
			return c.txn.publish(o, in.Records[i])
		}
		if hasKey(in.Records[i], "Id") {
			return nil, refuse("INVALID_FIELD_FOR_INSERT_UPDATE", "cannot specify Id in an insert call", "Id")
		}
		id, err := c.txn.insert(o, in.Records[i])
		return saved(id), err
	}))
}

func (c *call) typed(input map[string]any) (*object, *recordError) {
	o := c.txn.s.schema.object(typeOf(input))
	if o == nil {
		return nil, refuse("INVALID_TYPE", "sObject type '"+typeOf(input)+"' is not supported.")
	}
	return o, nil
}

func (*Server) updateMany(c *call) *response {
	in, refused := c.readCollection(true)
	if refused != nil {
		return refused
	}
	return answer(http.StatusOK, c.txn.each(len(in.Records), in.AllOrNone, func(i int) (*saveResult, *recordError) {
		o, err := c.typed(in.Records[i])
		if err != nil {
			return nil, err
		}
		r, err := c.byID(o, idOf(in.Records[i]))
		if err != nil {
			return nil, err
		}
		return saved(r.id), c.txn.update(r, in.Records[i])
	}))
}

func idOf(input map[string]any) string {
	for key, value := range input {
		if strings.EqualFold(key, "Id") {
			id, _ := value.(string)
			return id
		}
	}
	return ""
}

// byID finds the row that one record of a collection names. o may be nil.
func (c *call) byID(o *object, text string) (*row, *recordError) {
	if text == "" {
		return nil, refuse("MISSING_ARGUMENT", "Id not specified in an update call")
	}
	id, ok := parseID(text)
	if !ok {
		return nil, refuse("MALFORMED_ID", "malformed id "+text, "Id")
	}
	if o != nil && !strings.HasPrefix(id, o.KeyPrefix) {
		return nil, refuse("MALFORMED_ID", o.Label+" ID: id value of incorrect type: "+text, "Id")
	}
	r := c.txn.s.db.find(id)
	if r == nil {
		return nil, refuse("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	}
	if r.deleted {
		return nil, refuse("ENTITY_IS_DELETED", "entity is deleted")
	}
	return r, nil
}

func (*Server) deleteMany(c *call) *response {
	ids := strings.Split(c.query.Get("ids"), ",")
	if c.query.Get("ids") == "" {
		return failure(http.StatusBadRequest, "MISSING_ARGUMENT", "the parameter ids is missing")
	}
	if refused := tooMany(len(ids)); refused != nil {
		return refused
	}
	return answer(http.StatusOK, c.txn.each(len(ids), c.query.Get("allOrNone") == "true", func(i int) (*saveResult, *recordError) {
		r, err := c.byID(nil, ids[i])
		if err != nil {
			return nil, err
		}
		return saved(r.id), c.txn.remove(r)
	}))
}

// upsertMany serves PATCH composite/sobjects/{object}/{external id field}.
func (s *Server) upsertMany(c *call) *response {
	in, refused := c.readCollection(false)
	if refused != nil {
		return refused
	}
	o, refused := c.target(c.args[0])
	if refused != nil {
		return refused
	}
	f := o.field(c.args[1])
	if f == nil || !f.ExternalID && f.Type != TypeID {
		return failure(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+c.args[1])
	}
	return answer(http.StatusOK, c.txn.each(len(in.Records), in.AllOrNone, func(i int) (*saveResult, *recordError) {
		input := in.Records[i]
		var raw any
		for key, value := range input {
			if strings.EqualFold(key, f.Name) {
				raw = value
				delete(input, key)
			}
		}
		if raw == nil {
			if f.Type == TypeID {
				id, err := c.txn.insert(o, input)
				result := saved(id)
				result.Created = new(true)
				return result, err
			}
			return nil, refuse("MISSING_ARGUMENT", f.Name+" not specified")
		}
		value, err := coerce(f, raw)
		if err != nil {
			return nil, err
		}
		return c.txn.upsert(o, f, s.db.matching(o, f, value), raw, input)
	}))
}

// getMany serves GET composite/sobjects/{object}?ids=&fields= and the same as
// POST with a body. A row that is not there is null in the list.
func (s *Server) getMany(c *call) *response {
	o, refused := c.target(c.args[0])
	if refused != nil {
		return refused
	}
	in := collection{}
	if c.method == http.MethodPost {
		if refused := decode(c.body, &in); refused != nil {
			return refused
		}
	} else {
		in.IDs, in.Fields = commaList(c.query.Get("ids")), commaList(c.query.Get("fields"))
	}
	if len(in.IDs) == 0 || len(in.Fields) == 0 {
		return failure(http.StatusBadRequest, "MISSING_ARGUMENT", "ids and fields are required")
	}
	shape, refused := s.rowShape(o, strings.Join(in.Fields, ","))
	if refused != nil {
		return refused
	}
	compiler := &compiler{s: s, now: s.options.Now()}
	out := make([]any, len(in.IDs))
	for i, text := range in.IDs {
		id, ok := parseID(text)
		if !ok || !strings.HasPrefix(id, o.KeyPrefix) {
			return failure(http.StatusBadRequest, "MALFORMED_ID", "malformed id "+text)
		}
		if r, absent := c.visible(o, id); absent == nil {
			values, _ := s.db.view(r, compiler.now)
			out[i] = compiler.write(shape, seenRow{r, values}, c.prefix)
		}
	}
	return answer(http.StatusOK, out)
}

func commaList(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
