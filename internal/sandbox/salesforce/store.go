package salesforce

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// row is one record. Values are string, bool, float64 or time.Time; absent
// means null.
type row struct {
	id      string
	seq     uint64
	obj     *object
	values  map[string]any
	deleted bool

	// An event may overtake the commit it tells of. Until the instant, other
	// sessions do not see the row at all, or see the values of before.
	hiddenUntil time.Time
	staleUntil  time.Time
	stale       map[string]any
}

// table keeps the rows of one object, also by what they refer to.
type table struct {
	rows   map[string]*row
	sorted []*row                       // by seq
	byRef  map[string]map[string][]*row // field name, then id referred to
	count  uint64
}

type store struct {
	schema *schema
	tables map[*object]*table
}

func newStore(s *schema) *store { return &store{schema: s, tables: map[*object]*table{}} }

func (d *store) table(o *object) *table {
	t := d.tables[o]
	if t == nil {
		t = &table{rows: map[string]*row{}, byRef: map[string]map[string][]*row{}}
		d.tables[o] = t
	}
	return t
}

// find returns the row with this 18-character id, whichever object it is of.
func (d *store) find(id string) *row {
	if o := d.schema.byPrefix(id); o != nil {
		return d.table(o).rows[id]
	}
	return nil
}

// live is find for rows that are not deleted.
func (d *store) live(id string) *row {
	if r := d.find(id); r != nil && !r.deleted {
		return r
	}
	return nil
}

func (d *store) insert(r *row) {
	t := d.table(r.obj)
	t.rows[r.id] = r
	t.sorted = append(t.sorted, r)
	d.index(r, nil, r.values)
}

func (d *store) remove(r *row) {
	t := d.table(r.obj)
	delete(t.rows, r.id)
	t.sorted = slices.DeleteFunc(t.sorted, func(x *row) bool { return x == r })
	d.index(r, r.values, nil)
}

// replace gives r new values and returns the old ones.
func (d *store) replace(r *row, values map[string]any) map[string]any {
	old := r.values
	d.index(r, old, values)
	r.values = values
	return old
}

func (d *store) index(r *row, before, after map[string]any) {
	t := d.table(r.obj)
	for _, f := range r.obj.fields {
		if f.Type != TypeReference || before[f.Name] == after[f.Name] {
			continue
		}
		refs := t.byRef[f.Name]
		if refs == nil {
			refs = map[string][]*row{}
			t.byRef[f.Name] = refs
		}
		if id, ok := before[f.Name].(string); ok {
			refs[id] = slices.DeleteFunc(refs[id], func(x *row) bool { return x == r })
		}
		if id, ok := after[f.Name].(string); ok {
			refs[id] = insertBySeq(refs[id], r)
		}
	}
}

func insertBySeq(rows []*row, r *row) []*row {
	at, _ := slices.BinarySearchFunc(rows, r, func(a, b *row) int { return cmp.Compare(a.seq, b.seq) })
	return slices.Insert(rows, at, r)
}

// referring lists the rows of o whose field points to id.
func (d *store) referring(o *object, field, id string) []*row {
	return d.table(o).byRef[field][id]
}

// view returns what a reader at the instant now sees of the row.
func (d *store) view(r *row, now time.Time) (map[string]any, bool) {
	if now.Before(r.hiddenUntil) {
		return nil, false
	}
	if r.obj.Name == "OrderItem" {
		id, _ := r.values["OrderId"].(string)
		if order := d.find(id); order != nil && now.Before(order.hiddenUntil) {
			return nil, false
		}
	}
	if now.Before(r.staleUntil) {
		return r.stale, true
	}
	return r.values, true
}

// txn is one unit of work: what it did can be undone up to any savepoint, and
// events leave only when it is committed.
type txn struct {
	s       *Server
	user    string // id of the acting user
	client  string // from Sforce-Call-Options
	version string
	now     time.Time // whole seconds: the resolution of audit fields
	undo    []func()
	events  []*pendingEvent
	changes []change
}

// pendingEvent is a platform event that waits for the commit. done learns
// the event's UUID, or why the bus refused it.
type pendingEvent struct {
	topic  string
	fields map[string]any
	done   func(id string, err error)
}

type savepoint struct{ undo, events, changes int }

func (t *txn) save() savepoint { return savepoint{len(t.undo), len(t.events), len(t.changes)} }

func (t *txn) rollback(to savepoint) {
	for i := len(t.undo) - 1; i >= to.undo; i-- {
		t.undo[i]()
	}
	t.undo, t.events, t.changes = t.undo[:to.undo], t.events[:to.events], t.changes[:to.changes]
}

func (t *txn) insertRow(r *row) {
	t.s.db.insert(r)
	t.undo = append(t.undo, func() { t.s.db.remove(r) })
}

func (t *txn) replaceRow(r *row, values map[string]any) {
	old := t.s.db.replace(r, values)
	t.undo = append(t.undo, func() { t.s.db.replace(r, old) })
}

func (t *txn) deleteRow(r *row) {
	values := maps.Clone(r.values)
	values["IsDeleted"] = true
	t.replaceRow(r, values)
	r.deleted = true
	t.undo = append(t.undo, func() { r.deleted = false })
}

func (t *txn) nextID(o *object) (string, uint64) {
	table := t.s.db.table(o)
	table.count++
	return newID(o.KeyPrefix, table.count), table.count
}
