package pubsub

import (
	"math/big"
	"strconv"
	"strings"
	"time"
)

// ChangeEventHeader says which records a change event is about and what happened to them.
type ChangeEventHeader struct {
	// EntityName is the object, such as Order.
	EntityName string
	// RecordIDs are the records, several where one transaction changed them alike. Gap events can hold wildcards.
	RecordIDs []string
	// ChangeType is CREATE, UPDATE, DELETE, UNDELETE, or one of these after GAP_, or GAP_OVERFLOW.
	ChangeType string
	// ChangeOrigin names the API and client that made the change, such as com/salesforce/api/rest/66.0;client=Name.
	ChangeOrigin string
	// TransactionKey and SequenceNumber order the events of one transaction.
	TransactionKey string
	SequenceNumber int64
	CommitTime     time.Time
	CommitNumber   int64
	// CommitUser is the id of the user who made the change.
	CommitUser string
	// ChangedFields, NulledFields and DiffFields are field names, dotted inside compound fields. They are expanded from
	// the bitmaps on the wire; what cannot be expanded is kept as it came.
	ChangedFields []string
	NulledFields  []string
	DiffFields    []string
}

// Gap tells whether the event carries no data: something changed that Salesforce could not describe, so that the
// records have to be read.
func (h *ChangeEventHeader) Gap() bool { return strings.HasPrefix(h.ChangeType, "GAP_") }

// Client is the name by which the program that made the change called itself, see ChangeOrigin; "" if it did not.
func (h *ChangeEventHeader) Client() string {
	_, name, _ := strings.Cut(h.ChangeOrigin, ";client=")
	return strings.TrimSuffix(name, "/")
}

// Records returns the ids of single records. Wildcard is true if the event also stands for records that it does not
// name: a prefix with *, the empty id of an overflow, or no id at all.
func (h *ChangeEventHeader) Records() (ids []string, wildcard bool) {
	for _, id := range h.RecordIDs {
		if strings.Contains(id, "*") || strings.HasPrefix(id, "000000000000000") {
			wildcard = true
			continue
		}
		ids = append(ids, id)
	}
	return ids, wildcard || h.ChangeType == "GAP_OVERFLOW" || len(h.RecordIDs) == 0
}

// changeHeader reads the header out of a decoded change event; nil if there is none. The expanded field names also
// replace the bitmaps in fields.
func changeHeader(schema *avroNode, fields map[string]any) *ChangeEventHeader {
	raw, ok := fields["ChangeEventHeader"].(map[string]any)
	if !ok {
		return nil
	}
	header := &ChangeEventHeader{
		EntityName:     text(raw["entityName"]),
		RecordIDs:      texts(raw["recordIds"]),
		ChangeType:     text(raw["changeType"]),
		ChangeOrigin:   text(raw["changeOrigin"]),
		TransactionKey: text(raw["transactionKey"]),
		CommitUser:     text(raw["commitUser"]),
		SequenceNumber: number(raw["sequenceNumber"]),
		CommitNumber:   number(raw["commitNumber"]),
	}
	if millis := number(raw["commitTimestamp"]); millis != 0 {
		header.CommitTime = time.UnixMilli(millis).UTC()
	}
	for key, target := range map[string]*[]string{
		"changedFields": &header.ChangedFields, "nulledFields": &header.NulledFields, "diffFields": &header.DiffFields,
	} {
		*target = expandBitmaps(schema, texts(raw[key]))
		if raw[key] != nil {
			names := make([]any, len(*target))
			for i, name := range *target {
				names[i] = name
			}
			raw[key] = names
		}
	}
	return header
}

// expandBitmaps turns 0x650004E0 (fields of the event by position, lowest bit first) and 4-0x10 (fields inside the
// compound field at position 4) into names.
func expandBitmaps(schema *avroNode, bitmaps []string) []string {
	var names []string
	for _, bitmap := range bitmaps {
		expanded, ok := expandBitmap(schema, bitmap)
		if !ok {
			expanded = []string{bitmap}
		}
		names = append(names, expanded...)
	}
	return names
}

func expandBitmap(schema *avroNode, bitmap string) ([]string, bool) {
	prefix := ""
	if parent, rest, found := strings.Cut(bitmap, "-"); found {
		position, err := strconv.Atoi(parent)
		if err != nil || position < 0 || position >= len(schema.fields) {
			return nil, false
		}
		field := schema.fields[position]
		if schema = field.node.asRecord(); schema == nil {
			return nil, false
		}
		prefix, bitmap = field.name+".", rest
	}
	hex, found := strings.CutPrefix(strings.ToLower(bitmap), "0x")
	// Four bits a digit: more digits than fields can only be noise.
	if !found || hex == "" || len(hex) > len(schema.fields)/4+16 {
		return nil, false
	}
	bits, ok := new(big.Int).SetString(hex, 16)
	if !ok || bits.Sign() < 0 || bits.BitLen() > len(schema.fields) {
		return nil, false
	}
	names := []string{}
	for position := range bits.BitLen() {
		if bits.Bit(position) == 1 {
			names = append(names, prefix+schema.fields[position].name)
		}
	}
	return names, true
}

// asRecord is the record that a compound field holds, directly or as a branch of a union.
func (n *avroNode) asRecord() *avroNode {
	for _, candidate := range append([]*avroNode{n}, n.branches...) {
		if candidate.kind == kindRecord {
			return candidate
		}
	}
	return nil
}

func text(value any) string {
	result, _ := value.(string)
	return result
}

func texts(value any) []string {
	list, _ := value.([]any)
	var result []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			result = append(result, text)
		}
	}
	return result
}

func number(value any) int64 {
	switch value := value.(type) {
	case int64:
		return value
	case float64:
		// Out of range is undefined in Go; no date or count of ours is that large.
		if value > -1<<53 && value < 1<<53 {
			return int64(value)
		}
	}
	return 0
}
