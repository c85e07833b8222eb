package salesforce

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// Limits of a tree request.
const (
	maxTreeRecords  = 200
	maxTreeLevels   = 5
	maxPlaceRecords = 2000
)

// planter inserts nested records.
type planter struct {
	t       *txn
	results []any // of a tree: referenceId and id
	errors  []any // of a tree: referenceId and errors
	refs    map[string]bool
	count   int
	max     int
}

// tree serves composite/tree/{object}: nested records, all or none.
func (*Server) tree(c *call) *response {
	o, refused := c.target(c.args[0])
	if refused != nil {
		return refused
	}
	var in struct {
		Records []map[string]any `json:"records"`
	}
	if refused := decode(c.body, &in); refused != nil {
		return refused
	}
	if len(in.Records) == 0 {
		return failure(http.StatusBadRequest, "INVALID_INPUT", "The records list must not be empty")
	}
	p := &planter{t: c.txn, refs: map[string]bool{}, max: maxTreeRecords, results: []any{}}
	for _, r := range in.Records {
		if refused := p.checkNode(r); refused != nil {
			return refused
		}
	}
	for _, r := range in.Records {
		p.plant(o, r, nil, "", 1)
	}
	if p.errors != nil {
		// 400 makes the caller undo the whole tree.
		return answer(http.StatusBadRequest, map[string]any{"hasErrors": true, "results": p.errors})
	}
	return answer(http.StatusCreated, map[string]any{"hasErrors": false, "results": p.results})
}

// checkNode wants a referenceId of its own on every record of a tree.
func (p *planter) checkNode(input map[string]any) *response {
	attributes, _ := input["attributes"].(map[string]any)
	ref, _ := attributes["referenceId"].(string)
	if ref == "" || p.refs[ref] {
		return failure(http.StatusBadRequest, "INVALID_INPUT", "each record needs an attributes.referenceId of its own: '"+ref+"'")
	}
	p.refs[ref] = true
	if len(p.refs) > p.max {
		return failure(http.StatusBadRequest, "INVALID_INPUT", fmt.Sprintf("a tree takes at most %d records", p.max))
	}
	for _, children := range nestedRecords(input) {
		for _, child := range children {
			if refused := p.checkNode(child); refused != nil {
				return refused
			}
		}
	}
	return nil
}

// nestedRecords finds the child lists of a record: name -> {"records": [...]}.
func nestedRecords(input map[string]any) map[string][]map[string]any {
	out := map[string][]map[string]any{}
	for name, value := range input {
		nested, _ := value.(map[string]any)
		records, ok := nested["records"].([]any)
		if !ok || name == "attributes" {
			continue
		}
		for _, r := range records {
			if child, ok := r.(map[string]any); ok {
				out[name] = append(out[name], child)
			}
		}
	}
	return out
}

// plant inserts a record and what is nested in it. It returns the answer of
// the place-order resource: the record with its ids.
func (p *planter) plant(o *object, input map[string]any, via *Field, parent string, level int) *record {
	attributes, _ := input["attributes"].(map[string]any)
	ref := attributes["referenceId"]
	fail := func(err *recordError) *record {
		p.errors = append(p.errors, map[string]any{"referenceId": ref, "errors": []*recordError{err}})
		return nil
	}
	if name := typeOf(input); name != "" && p.t.s.schema.object(name) != o {
		return fail(refuse("INVALID_INPUT", "the record is of type "+name+", not "+o.Name))
	}
	if level > maxTreeLevels {
		return fail(refuse("INVALID_INPUT", fmt.Sprintf("records are nested more than %d levels deep", maxTreeLevels)))
	}
	nested := nestedRecords(input)
	own := maps.Clone(input)
	for name := range nested {
		delete(own, name)
	}
	if via != nil {
		own[via.Name] = parent
	}
	id, err := p.t.insert(o, own)
	if err != nil {
		return fail(err)
	}
	p.count++
	p.results = append(p.results, map[string]any{"referenceId": ref, "id": id})
	out := &record{}
	out.set("attributes", map[string]any{"type": o.Name, "url": dataPath + "/v" + p.t.version + "/sobjects/" + o.Name + "/" + id})
	out.set("Id", id)
	for _, name := range slices.Sorted(maps.Keys(nested)) {
		down, ok := p.t.s.schema.childRelation(o, name)
		if !ok {
			return fail(noSuchColumn(o, name))
		}
		children := []any{}
		for _, child := range nested[name] {
			children = append(children, p.plant(down.child, child, down.field, id, level+1))
		}
		out.set(name, page{TotalSize: len(children), Done: true, Records: children})
	}
	return out
}

// placeOrder serves commerce/sale/order: one order with its lines.
func (s *Server) placeOrder(c *call) *response {
	var in struct {
		Orders []map[string]any `json:"order"`
	}
	if refused := decode(c.body, &in); refused != nil {
		return refused
	}
	if len(in.Orders) != 1 {
		return failure(http.StatusBadRequest, "INVALID_INPUT", "exactly one order can be placed at once")
	}
	if hasKey(in.Orders[0], "Id") {
		return failure(http.StatusBadRequest, "INVALID_INPUT", "an existing order cannot be updated with this resource")
	}
	p := &planter{t: c.txn, max: maxPlaceRecords}
	placed := p.plant(s.schema.object("Order"), in.Orders[0], nil, "", 1)
	if p.errors != nil {
		first, _ := p.errors[0].(map[string]any)
		errs, _ := first["errors"].([]*recordError)
		return refusal(errs[0])
	}
	if p.count > p.max {
		return failure(http.StatusBadRequest, "INVALID_INPUT", fmt.Sprintf("an order takes at most %d records", p.max))
	}
	return answer(http.StatusCreated, page{TotalSize: 1, Done: true, Records: []any{placed}})
}
