package pubsub

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// shapes has each shape that events have: unions in either order and of more than two, a record that is used again by
// name, annotations that do not change the encoding.
const shapes = `{"type":"record","name":"E","namespace":"com.sforce.eventbus","fields":[
	{"name":"First","type":["null","string"],"default":null},
	{"name":"Last","type":["double","null"],"default":null},
	{"name":"Many","type":["null","string","double"],"default":null},
	{"name":"Count","type":"int"},
	{"name":"Ratio","type":"float"},
	{"name":"When","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"Raw","type":"bytes"},
	{"name":"Check","type":"boolean"},
	{"name":"Kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]}},
	{"name":"Home","type":["null",{"type":"record","name":"Address","fields":[{"name":"City","type":["null","string"],"default":null}]}],"default":null},
	{"name":"Work","type":["Address","null"]},
	{"name":"List","type":{"type":"array","items":["null","long"]}}]}`

// The bytes were written by another library first, and compared. The two differ only in that this one leaves the size of
// an array's blocks out, which Avro leaves to the writer.
func TestEncode(t *testing.T) {
	tests := map[string]struct {
		schema string
		fields map[string]any
		want   string
	}{
		"every shape": {shapes, map[string]any{
			"First": "größe", "Last": 1.5, "Many": 2.0, "Count": -7, "Ratio": 0.25, "When": time.UnixMilli(1652978695951), "Raw": []byte{0xff},
			"Check": true, "Kind": "B", "Home": map[string]any{"City": "Osaka"}, "Work": map[string]any{}, "List": []any{1, nil, 3},
		}, "02 0e6772c3b6c39f65 00000000000000f83f 04 0000000000000040 0d 0000803e 9efca9d39b60 02ff 01 02 02 02 0a4f73616b61 00 00 06 0202 00 0206 00"},
		"nothing given": {shapes, nil, "00 02 00 00 00000000 00 00 00 00 00 02 00"},
		"platform event": {defaultTopics[ProvisionTopic], map[string]any{
			"CreatedDate": 1652978695951, "CreatedById": "0055e000001mFqSAAU", "OrderId__c": "8014x000000ABCDIAZ", "Version__c": 1,
		}, "9efca9d39b60 2430303535653030303030316d467153414155 02 2438303134783030303030304142434449415a 00 00 00 02 000000000000f03f"},
		"change event": {defaultTopics[OrderChangeTopic], map[string]any{
			"ChangeEventHeader": map[string]any{"entityName": "Order", "recordIds": []string{"8014x"}, "changeType": "UPDATE", "changedFields": []any{"0x0202"}},
			"Status":            "Approved", "BillingAddress": map[string]any{"City": "Osaka", "Latitude": 1.25},
		}, "0a4f72646572 02 0a3830313478 00 02 00 00 00 00 00 00 00 00 02 0c307830323032 00" + strings.Repeat("00", 8) +
			"02 10417070726f766564" + strings.Repeat("00", 4) + "02 00 02 0a4f73616b61 0000000000 02 000000000000f43f 0000" + strings.Repeat("00", 17)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			defined, err := newSchema(test.schema)
			if err != nil {
				t.Fatal(err)
			}
			payload, err := encode(defined, test.fields)
			if want := strings.ReplaceAll(test.want, " ", ""); err != nil || fmt.Sprintf("%x", payload) != want {
				t.Errorf("encode = %x, %v\nwant     %s", payload, err, want)
			}
		})
	}
}

func TestSchemasThatAreRefused(t *testing.T) {
	tests := map[string]struct{ schema, want string }{
		"no JSON":      {`{`, "no JSON"},
		"no record":    {`{"type":"array","items":"string"}`, "no record but array"},
		"unknown type": {`{"type":"record","name":"E","fields":[{"name":"F","type":"Money"}]}`, "Money"},
		"no fields":    {`{"type":"record","name":"E"}`, "fields"},
		"nameless":     {`{"type":"record","fields":[]}`, "name"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := newSchema(test.schema); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("newSchema = %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestRecordThatRequiresItselfIsNoEvent(t *testing.T) {
	defined, err := newSchema(`{"type":"record","name":"E","fields":[{"name":"Inner","type":"E"}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := encode(defined, nil); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("encode = %v", err)
	}
}
