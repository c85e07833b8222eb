package pubsub

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/linkedin/goavro/v2"
)

// changeSchema has the header of the real service and, as field 3, a compound field.
const changeSchema = `{"type":"record","name":"OrderChangeEvent","namespace":"com.sforce.eventbus","fields":[
	{"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[
		{"name":"entityName","type":"string"},
		{"name":"recordIds","type":{"type":"array","items":"string"}},
		{"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["CREATE","UPDATE","DELETE","UNDELETE","GAP_CREATE","GAP_UPDATE","GAP_DELETE","GAP_UNDELETE","GAP_OVERFLOW","SNAPSHOT"]}},
		{"name":"changeOrigin","type":"string"},{"name":"transactionKey","type":"string"},{"name":"sequenceNumber","type":"int"},
		{"name":"commitTimestamp","type":"long"},{"name":"commitNumber","type":"long"},{"name":"commitUser","type":"string"},
		{"name":"nulledFields","type":{"type":"array","items":"string"}},
		{"name":"diffFields","type":{"type":"array","items":"string"}},
		{"name":"changedFields","type":{"type":"array","items":"string"}}]}},
	{"name":"Status","type":["null","string"],"default":null},
	{"name":"LastModifiedDate","type":["null","long"],"default":null},
	{"name":"Address","type":["null",{"type":"record","name":"Address","fields":[
		{"name":"Street","type":["null","string"],"default":null},{"name":"City","type":["null","string"],"default":null}]}],"default":null}
]}`

func writeChange(tb testing.TB, header map[string]any) []byte {
	tb.Helper()
	codec, err := goavro.NewCodec(changeSchema)
	if err != nil {
		tb.Fatal(err)
	}
	full := map[string]any{
		"entityName": "Order", "recordIds": []any{"8014x000000ABCDIAZ"}, "changeType": "UPDATE", "changeOrigin": "com/salesforce/api/rest/66.0",
		"transactionKey": "000046c7-a642-11e2-c29b-229c6786473e", "sequenceNumber": 2, "commitTimestamp": int64(1652978695951),
		"commitNumber": int64(11), "commitUser": "0055e000001mFqSAAU",
		"nulledFields": []any{}, "diffFields": []any{}, "changedFields": []any{},
	}
	maps.Copy(full, header)
	payload, err := codec.BinaryFromNative(nil, map[string]any{"ChangeEventHeader": full, "Status": map[string]any{"string": "Approved"}})
	if err != nil {
		tb.Fatal(err)
	}
	return payload
}

func TestChangeEventHeader(t *testing.T) {
	schema, err := parseSchema(changeSchema)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := decodeRecord(schema, writeChange(t, map[string]any{
		"recordIds": []any{"8014x000000ABCDIAZ", "8014x000000ABCEIAZ"}, "changedFields": []any{"0x06", "3-0x02"}, "nulledFields": []any{"0x04"},
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := &ChangeEventHeader{
		EntityName: "Order", RecordIDs: []string{"8014x000000ABCDIAZ", "8014x000000ABCEIAZ"}, ChangeType: "UPDATE",
		ChangeOrigin: "com/salesforce/api/rest/66.0", TransactionKey: "000046c7-a642-11e2-c29b-229c6786473e", SequenceNumber: 2,
		CommitTime: time.UnixMilli(1652978695951).UTC(), CommitNumber: 11, CommitUser: "0055e000001mFqSAAU",
		ChangedFields: []string{"Status", "LastModifiedDate", "Address.City"}, NulledFields: []string{"LastModifiedDate"},
	}
	if diff := cmp.Diff(want, changeHeader(schema, fields)); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	raw, _ := fields["ChangeEventHeader"].(map[string]any)
	if diff := cmp.Diff([]any{"Status", "LastModifiedDate", "Address.City"}, raw["changedFields"]); diff != "" {
		t.Errorf("changedFields among the fields (-want +got):\n%s", diff)
	}
}

func TestEventsWithoutHeaderHaveNone(t *testing.T) {
	tests := map[string]map[string]any{
		"platform event":   {"OrderId__c": "801"},
		"header is null":   {"ChangeEventHeader": nil},
		"header is a text": {"ChangeEventHeader": "x"},
	}
	for name, fields := range tests {
		t.Run(name, func(t *testing.T) {
			if got := changeHeader(&avroNode{kind: kindRecord}, fields); got != nil {
				t.Errorf("header %+v", got)
			}
		})
	}
}

func TestHeaderOfAnotherShapeIsReadAsFarAsItGoes(t *testing.T) {
	fields := map[string]any{"ChangeEventHeader": map[string]any{
		"entityName": int64(7), "recordIds": []any{"8014x000000ABCDIAZ", int64(1), nil}, "commitTimestamp": 1e300, "sequenceNumber": 3.0,
		"changedFields": "0x01",
	}}
	want := &ChangeEventHeader{RecordIDs: []string{"8014x000000ABCDIAZ"}, SequenceNumber: 3}
	if diff := cmp.Diff(want, changeHeader(&avroNode{kind: kindRecord}, fields)); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}

func TestExpandBitmaps(t *testing.T) {
	schema, err := parseSchema(changeSchema)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ bitmaps, want []string }{
		"none":                       {nil, nil},
		"lowest bit first":           {[]string{"0x02"}, []string{"Status"}},
		"capitals and leading zeros": {[]string{"0x000E"}, []string{"Status", "LastModifiedDate", "Address"}},
		"lower case":                 {[]string{"0x0e"}, []string{"Status", "LastModifiedDate", "Address"}},
		"inside a compound field":    {[]string{"3-0x03"}, []string{"Address.Street", "Address.City"}},
		"no bit":                     {[]string{"0x00"}, []string{}},
		"bit beyond the fields":      {[]string{"0xF0"}, []string{"0xF0"}},
		"parent beyond the fields":   {[]string{"9-0x01"}, []string{"9-0x01"}},
		"negative parent":            {[]string{"-3-0x01"}, []string{"-3-0x01"}},
		"parent that is no compound": {[]string{"1-0x01"}, []string{"1-0x01"}},
		"names instead of bitmaps":   {[]string{"Status"}, []string{"Status"}},
		"no digits":                  {[]string{"0x"}, []string{"0x"}},
		"sign among the digits":      {[]string{"0x-1"}, []string{"0x-1"}},
		"far too many digits":        {[]string{"0x" + string(make([]byte, 1<<16))}, []string{"0x" + string(make([]byte, 1<<16))}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := expandBitmaps(schema, test.bitmaps)
			if len(got) == 0 && len(test.want) == 0 {
				return
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzBitmaps reads hostile bitmaps. A bitmap either names fields that exist or is kept as it came.
func FuzzBitmaps(f *testing.F) {
	for _, seed := range []string{"0x650004E0", "4-0x10", "7-0x06", "3-0x03", "-", "0x", "0x-1", "1-2-0x1", "99999999999999999999-0x1"} {
		f.Add(seed)
	}
	schema, err := parseSchema(changeSchema)
	if err != nil {
		f.Fatal(err)
	}
	known := map[string]bool{"ChangeEventHeader": true, "Status": true, "LastModifiedDate": true, "Address": true, "Address.Street": true, "Address.City": true}
	for _, inner := range schema.fields[0].node.fields {
		known["ChangeEventHeader."+inner.name] = true
	}
	f.Fuzz(func(t *testing.T, bitmap string) {
		for _, name := range expandBitmaps(schema, []string{bitmap}) {
			if !known[name] && name != bitmap {
				t.Errorf("%q was expanded to %q", bitmap, name)
			}
		}
	})
}

// FuzzChangeHeader reads hostile payloads by the schema of a change event. Whatever is read must keep what the rest of
// the program builds on: ids that were on the wire, and names that exist or stand as they came.
func FuzzChangeHeader(f *testing.F) {
	f.Add(writeChange(f, nil))
	f.Add(writeChange(f, map[string]any{"changedFields": []any{"0x06", "3-0x02"}, "nulledFields": []any{"0x04"}, "diffFields": []any{"0x"}}))
	f.Add(writeChange(f, map[string]any{"changeType": "GAP_OVERFLOW", "recordIds": []any{"000000000000000AAA"}}))
	f.Add(writeChange(f, map[string]any{"changeType": "GAP_UPDATE", "recordIds": []any{"801*", "8014x000000ABCDIAZ"}, "commitTimestamp": int64(math.MaxInt64)}))
	f.Add(writeChange(f, map[string]any{"recordIds": []any{}, "sequenceNumber": -1, "commitNumber": int64(math.MinInt64)}))
	schema, err := parseSchema(changeSchema)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		fields, err := decodeRecord(schema, payload)
		if err != nil {
			return
		}
		header := changeHeader(schema, fields)
		if header == nil {
			t.Fatalf("no header in %v", fields)
		}
		ids, wildcard := header.Records()
		if len(ids) < len(header.RecordIDs) && !wildcard {
			t.Errorf("of %q only %q are left, without a wildcard", header.RecordIDs, ids)
		}
		for _, id := range header.RecordIDs {
			if !onTheWire(payload, id) {
				t.Errorf("the id %q was not on the wire", id)
			}
		}
		for _, name := range slices.Concat(header.ChangedFields, header.NulledFields, header.DiffFields) {
			if !knownChangeField(name) && !onTheWire(payload, name) {
				t.Errorf("the name %q neither exists nor was it on the wire", name)
			}
		}
		if _, err := json.Marshal(fields); err != nil {
			t.Errorf("the fields are no JSON: %v", err)
		}
	})
}

// onTheWire reports whether a payload holds a text. What was no UTF-8 there has become U+FFFD.
func onTheWire(payload []byte, text string) bool {
	return strings.Contains(text, "\uFFFD") || bytes.Contains(payload, []byte(text))
}

// knownChangeField reports whether changeSchema has a field or part of this name.
func knownChangeField(name string) bool {
	return slices.Contains([]string{"ChangeEventHeader", "Status", "LastModifiedDate", "Address", "Address.Street", "Address.City"}, name) ||
		strings.HasPrefix(name, "ChangeEventHeader.")
}

func TestRecordsOfGapEvents(t *testing.T) {
	tests := map[string]struct {
		header   ChangeEventHeader
		ids      []string
		wildcard bool
		gap      bool
	}{
		"update":          {ChangeEventHeader{ChangeType: "UPDATE", RecordIDs: []string{"801A", "801B"}}, []string{"801A", "801B"}, false, false},
		"gap with ids":    {ChangeEventHeader{ChangeType: "GAP_UPDATE", RecordIDs: []string{"801A"}}, []string{"801A"}, false, true},
		"gap by prefix":   {ChangeEventHeader{ChangeType: "GAP_UPDATE", RecordIDs: []string{"801*"}}, nil, true, true},
		"overflow":        {ChangeEventHeader{ChangeType: "GAP_OVERFLOW", RecordIDs: []string{"000000000000000AAA"}}, nil, true, true},
		"overflow, named": {ChangeEventHeader{ChangeType: "GAP_OVERFLOW", RecordIDs: []string{"801A"}}, []string{"801A"}, true, true},
		"no record":       {ChangeEventHeader{ChangeType: "UPDATE"}, nil, true, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ids, wildcard := test.header.Records()
			if diff := cmp.Diff(test.ids, ids); diff != "" || wildcard != test.wildcard || test.header.Gap() != test.gap {
				t.Errorf("records %v, wildcard %v, gap %v; want %v, %v, %v", ids, wildcard, test.header.Gap(), test.ids, test.wildcard, test.gap)
			}
		})
	}
}

func TestClientOfAChange(t *testing.T) {
	for origin, want := range map[string]string{
		"": "", "com/salesforce/api/rest/66.0": "", "com/salesforce/api/rest/66.0;client=orderbridge": "orderbridge",
		"com/salesforce/api/soap/66.0;client=SfdcInternalAPI/": "SfdcInternalAPI",
	} {
		if got := (&ChangeEventHeader{ChangeOrigin: origin}).Client(); got != want {
			t.Errorf("Client of %q = %q, want %q", origin, got, want)
		}
	}
}
