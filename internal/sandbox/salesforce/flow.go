package salesforce

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

const orderEvent = "OrderProvisionRequested__e"

// orderFlow is the record-triggered automation of the org: an order that
// becomes Approved, or Reactivate, starts to activate, and the event goes out.
func (t *txn) orderFlow(r *row, old, values map[string]any) {
	status := values["Status"]
	if status != "Approved" && status != "Reactivate" || old != nil && old["Status"] == status {
		return
	}
	faults := &t.s.faults
	if _, off := faults.record(FaultFlowOff, "Order", r.id); off {
		return
	}
	t.s.counters.add("flow.runs")
	values["Activation_Status__c"] = "Activating"
	delete(values, "Activation_Error_Code__c")
	delete(values, "Activation_Error_Message__c")
	t.overtake(r, old)
	if _, lost := faults.record(FaultLoseEvent, "Order", r.id); lost {
		return
	}
	t.emitOrderEvent(r)
	if _, twice := faults.record(FaultDoubleEvent, "Order", r.id); twice {
		t.emitOrderEvent(r)
	}
}

// overtake lets the event be seen before the commit that it tells of.
func (t *txn) overtake(r *row, old map[string]any) {
	hidden, staleUntil, stale := r.hiddenUntil, r.staleUntil, r.stale
	t.undo = append(t.undo, func() { r.hiddenUntil, r.staleUntil, r.stale = hidden, staleUntil, stale })
	if f, on := t.s.faults.record(FaultHideOrder, "Order", r.id); on {
		r.hiddenUntil = t.s.options.Now().Add(time.Duration(f.Delay))
	}
	if f, on := t.s.faults.record(FaultStaleOrder, "Order", r.id); on && old != nil {
		r.staleUntil, r.stale = t.s.options.Now().Add(time.Duration(f.Delay)), old
	}
}

func (t *txn) emitOrderEvent(r *row) {
	t.s.flowRuns++
	fields := map[string]any{
		"OrderId__c":     r.id,
		"IdemKey__c":     r.id + "-" + strconv.FormatInt(t.s.flowRuns, 10),
		"RequestedBy__c": t.s.username(t.user),
		"Version__c":     1.0,
	}
	t.emit(orderEvent, fields, nil)
}

// emit queues a platform event for the commit.
func (t *txn) emit(object string, fields map[string]any, done func(string, error)) {
	fields["CreatedDate"], fields["CreatedById"] = t.s.options.Now().UnixMilli(), t.user
	t.events = append(t.events, &pendingEvent{topic: "/event/" + object, fields: fields, done: done})
}

// change is what happened to one row, for change events.
type change struct {
	object  *object
	kind    string
	id      string
	fields  map[string]any // as the event carries them
	changed []string
	nulled  []string
}

// noteChange remembers a change of a row for the change events of the commit.
func (t *txn) noteChange(r *row, kind string, old, values map[string]any) {
	if !t.s.changeObjects[r.obj.Name] {
		return
	}
	c := change{object: r.obj, kind: kind, id: r.id, fields: map[string]any{}}
	for _, f := range r.obj.fields {
		value := values[f.Name]
		if f.Name == "Id" || f.Name == "IsDeleted" || f.Name == "SystemModstamp" || kind == "DELETE" ||
			old[f.Name] == value && (kind != "UPDATE" || f.Name != "LastModifiedDate") {
			continue
		}
		c.note(f.Name, value)
	}
	if kind == "UPDATE" && !slices.ContainsFunc(c.changed, func(name string) bool { return name != "LastModifiedDate" && name != "LastModifiedById" }) {
		return
	}
	t.changes = append(t.changes, c)
}

// note adds a field to a change. The parts of an address travel inside the
// compound field: BillingCity is BillingAddress.City.
func (c *change) note(name string, value any) {
	into, key, path := c.fields, name, name
	if prefix, part, ok := addressPart(name); ok {
		compound, _ := c.fields[prefix+"Address"].(map[string]any)
		if compound == nil {
			compound = map[string]any{}
		}
		into, key, path = compound, part, prefix+"Address."+part
		if value != nil {
			c.fields[prefix+"Address"] = compound
		}
	}
	if c.kind == "UPDATE" {
		c.changed = append(c.changed, path)
	}
	if value == nil {
		c.nulled = append(c.nulled, path)
	} else {
		into[key] = eventValue(value)
	}
}

func addressPart(name string) (prefix, part string, ok bool) {
	for _, prefix := range []string{"Billing", "Shipping", "Mailing"} {
		part, found := strings.CutPrefix(name, prefix)
		if found && slices.Contains([]string{"Street", "City", "State", "PostalCode", "Country"}, part) {
			return prefix, part, true
		}
	}
	return "", "", false
}

func eventValue(value any) any {
	if at, ok := value.(time.Time); ok {
		return at.UnixMilli()
	}
	return value
}

// changeEvents makes the change events of a commit: rows of one object that
// changed alike, next to each other, share one event.
func (t *txn) changeEvents() []*pendingEvent {
	var out []*pendingEvent
	key := uuid.NewString()
	for i := 0; i < len(t.changes); {
		c := t.changes[i]
		ids := []string{c.id}
		for i++; i < len(t.changes) && t.changes[i].like(c); i++ {
			ids = append(ids, t.changes[i].id)
		}
		if _, off := t.s.faults.record(FaultChangeEventsOff, c.object.Name, ids...); off {
			continue
		}
		fields := maps.Clone(c.fields)
		fields["ChangeEventHeader"] = map[string]any{
			"entityName": c.object.Name, "recordIds": ids, "changeType": c.kind,
			"changeOrigin":   "com/salesforce/api/rest/" + cmp.Or(t.version, latestVersion) + ";client=" + t.client,
			"transactionKey": key, "sequenceNumber": len(out) + 1,
			"commitTimestamp": t.s.options.Now().UnixMilli(), "commitNumber": t.s.commitNumber(), "commitUser": t.user,
			"nulledFields": list(c.nulled), "diffFields": []string{}, "changedFields": list(c.changed),
		}
		out = append(out, &pendingEvent{topic: "/data/" + changeEventName(c.object.Name), fields: fields})
	}
	return out
}

func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func changeEventName(object string) string {
	if hasSuffixFold(object, "__c") {
		return object[:len(object)-1] + "ChangeEvent"
	}
	return object + "ChangeEvent"
}

func (c *change) like(other change) bool {
	return c.object == other.object && c.kind == other.kind && c.id != other.id && c.kind != "CREATE" &&
		slices.Equal(c.changed, other.changed) && reflect.DeepEqual(c.fields, other.fields)
}

// SetChangeEvents chooses the objects whose changes are published; at first
// only Order.
func (s *Server) SetChangeEvents(objects ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.changeObjects)
	for _, name := range objects {
		if o := s.schema.object(name); o != nil {
			s.changeObjects[o.Name] = true
		}
	}
}
