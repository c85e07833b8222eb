package salesforce

import (
	"maps"
	"slices"
	"strings"
)

// insert makes a row from the given fields and returns its id.
func (t *txn) insert(o *object, input map[string]any) (string, *recordError) {
	if o.ReadOnly {
		return "", refuse("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type cannot be inserted: "+o.Label)
	}
	values := map[string]any{}
	for _, f := range o.fields {
		if f.Default != nil {
			values[f.Name] = f.Default
		}
	}
	if err := t.assign(o, values, input, true); err != nil {
		return "", err
	}
	id, seq := t.nextID(o)
	maps.Copy(values, map[string]any{
		"Id": id, "CreatedDate": t.now, "CreatedById": t.user, "LastModifiedDate": t.now, "LastModifiedById": t.user, "SystemModstamp": t.now,
	})
	if o.field("OwnerId") != nil && values["OwnerId"] == nil {
		values["OwnerId"] = t.user
	}
	r := &row{id: id, seq: seq, obj: o, values: values}
	if err := t.check(r, nil, values); err != nil {
		return "", err
	}
	t.insertRow(r)
	t.noteChange(r, "CREATE", nil, values)
	return id, t.after(r)
}

// update changes the given fields of a row.
func (t *txn) update(r *row, input map[string]any) *recordError {
	if r.obj.ReadOnly {
		return refuse("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
	}
	values := maps.Clone(r.values)
	if err := t.assign(r.obj, values, input, false); err != nil {
		return err
	}
	values["LastModifiedDate"], values["LastModifiedById"], values["SystemModstamp"] = t.now, t.user, t.now
	old := r.values
	if err := t.check(r, old, values); err != nil {
		return err
	}
	t.replaceRow(r, values)
	t.noteChange(r, "UPDATE", old, values)
	return t.after(r)
}

// assign coerces the input into values. Field names count in any letter case.
func (t *txn) assign(o *object, values, input map[string]any, creating bool) *recordError {
	var locked []string
	for _, name := range slices.Sorted(maps.Keys(input)) {
		if name == "attributes" || !creating && strings.EqualFold(name, "Id") {
			continue
		}
		f, value := o.field(name), input[name]
		if nested, ok := value.(map[string]any); ok && f == nil {
			parent := o.parentField(name)
			if parent == nil {
				return noSuchColumn(o, name)
			}
			id, err := t.byExternalID(parent, nested)
			if err != nil {
				return err
			}
			f, value = parent, id
		}
		if f == nil {
			return noSuchColumn(o, name)
		}
		if f.ReadOnly || f.CreateOnly && !creating {
			locked = append(locked, f.Name)
			continue
		}
		if err := t.assignOne(f, values, value); err != nil {
			return err
		}
	}
	if locked != nil {
		return refuse("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: "+strings.Join(locked, ", ")+
			". Please check the security settings of this field and verify that it is read/write for your profile or permission set.", locked...)
	}
	return nil
}

func (t *txn) assignOne(f *Field, values map[string]any, value any) *recordError {
	kept, err := coerce(f, value)
	if err != nil {
		return err
	}
	if kept == nil && f.Type != TypeBoolean {
		delete(values, f.Name)
		return nil
	}
	if id, ok := kept.(string); ok && f.Type == TypeReference {
		if err := t.checkReference(f, id); err != nil {
			return err
		}
	}
	if kept == nil {
		kept = false
	}
	values[f.Name] = kept
	return nil
}

func noSuchColumn(o *object, name string) *recordError {
	return refuse("INVALID_FIELD", "No such column '"+name+"' on sobject of type "+o.Name)
}

func (t *txn) checkReference(f *Field, id string) *recordError {
	o := t.s.schema.byPrefix(id)
	if o == nil || !slices.Contains(f.References, o.Name) {
		return refuse("FIELD_INTEGRITY_EXCEPTION", f.Label+": id value of incorrect type: "+id, f.Name)
	}
	r := t.s.db.find(id)
	switch {
	case r == nil:
		return refuse("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", f.Name)
	case r.deleted:
		return refuse("ENTITY_IS_DELETED", "entity is deleted", f.Name)
	}
	return nil
}

// byExternalID resolves {"Account": {"Number__c": "7"}} to the parent's id.
func (t *txn) byExternalID(f *Field, nested map[string]any) (any, *recordError) {
	o := t.s.schema.object(f.References[0])
	for name, value := range nested {
		key := o.field(name)
		if name == "attributes" {
			continue
		}
		if key == nil || !key.ExternalID && key.Type != TypeID {
			return nil, refuse("INVALID_FIELD", "Field name provided, "+name+" is not an External ID or indexed field for "+o.Name)
		}
		kept, err := coerce(key, value)
		if err != nil {
			return nil, err
		}
		matches := t.s.db.matching(o, key, kept)
		if len(matches) != 1 {
			return nil, refuse("INVALID_FIELD", "Foreign key external ID: not found for field "+name+" in entity "+o.Name)
		}
		return matches[0].id, nil
	}
	return nil, nil
}

// matching lists the live rows whose field has the value, texts compared as
// the platform compares them.
func (d *store) matching(o *object, f *Field, value any) []*row {
	if id, ok := value.(string); ok && f.Type == TypeID {
		if r := d.live(id); r != nil && r.obj == o {
			return []*row{r}
		}
		return nil
	}
	var out []*row
	for _, r := range d.table(o).sorted {
		if !r.deleted && value != nil && compareValues(f, r.values[f.Name], value) == 0 && r.values[f.Name] != nil {
			out = append(out, r)
		}
	}
	return out
}

// check applies faults, the rules of the object, required and unique fields.
func (t *txn) check(r *row, old, values map[string]any) *recordError {
	if err := t.s.faults.rowError(r.obj.Name, lockIDs(r.id, r.obj, values)); err != nil {
		return err
	}
	if err := t.applyRules(r, old, values); err != nil {
		return err
	}
	var missing []string
	for _, f := range r.obj.fields {
		if f.Required && values[f.Name] == nil {
			missing = append(missing, f.Name)
		}
		if value := values[f.Name]; f.Unique && value != nil && (old == nil || old[f.Name] != value) {
			for _, other := range t.s.db.matching(r.obj, f, value) {
				if other != r {
					return refuse("DUPLICATE_VALUE", "duplicate value found: "+f.Name+" duplicates value on record with id: "+other.id, f.Name)
				}
			}
		}
	}
	if missing != nil {
		return refuse("REQUIRED_FIELD_MISSING", "Required fields are missing: ["+strings.Join(missing, ", ")+"]", missing...)
	}
	return nil
}

// lockIDs are the records that a write must lock: the row, and for a line
// its order too.
func lockIDs(id string, o *object, values map[string]any) []string {
	ids := []string{id}
	for _, f := range o.fields {
		if parent, ok := values[f.Name].(string); ok && f.Cascade {
			ids = append(ids, parent)
		}
	}
	return ids
}

// remove deletes a row and what hangs on it.
func (t *txn) remove(r *row) *recordError {
	if r.obj.ReadOnly {
		return refuse("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
	}
	if err := t.s.faults.rowError(r.obj.Name, lockIDs(r.id, r.obj, r.values)); err != nil {
		return err
	}
	for _, c := range t.s.schema.children(r.obj) {
		for _, child := range slices.Clone(t.s.db.referring(c.child, c.field.Name, r.id)) {
			if child.deleted {
				continue
			}
			if !c.field.Cascade && !c.field.Required {
				continue
			}
			if !c.field.Cascade {
				return refuse("DELETE_FAILED", "Your attempt to delete "+r.id+" could not be completed because it is associated with the following "+
					strings.ToLower(c.child.Plural)+": "+child.id)
			}
			if err := t.remove(child); err != nil {
				return err
			}
		}
	}
	t.deleteRow(r)
	t.noteChange(r, "DELETE", r.values, nil)
	return t.after(r)
}
