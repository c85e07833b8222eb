package pubsub

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/linkedin/goavro/v2"
)

// everything is a schema with each type of Avro, in the shapes that events use and in those that they might.
const everything = `{"type":"record","name":"Order__e","namespace":"com.sforce.eventbus","fields":[
	{"name":"CreatedDate","type":"long","doc":"CreatedDate:DateTime"},
	{"name":"CreatedById","type":"string","doc":"CreatedBy:EntityId"},
	{"name":"NullFirst__c","type":["null","string"],"default":null},
	{"name":"NullLast__c","type":["double","null"]},
	{"name":"Absent__c","type":["null","string"],"default":null},
	{"name":"Plain__c","type":"string"},
	{"name":"Check__c","type":["null","boolean"],"default":null},
	{"name":"Int__c","type":"int"},
	{"name":"Float__c","type":"float"},
	{"name":"Kind","type":{"type":"enum","name":"Kind","symbols":["A","B","C"]}},
	{"name":"KindAgain","type":"Kind"},
	{"name":"Hash","type":{"type":"fixed","name":"Hash","size":3}},
	{"name":"Raw","type":"bytes"},
	{"name":"List","type":{"type":"array","items":["null","long"]}},
	{"name":"Table","type":{"type":"map","values":"string"}},
	{"name":"Address","type":["null",{"type":"record","name":"Address","fields":[
		{"name":"City","type":["null","string"],"default":null},
		{"name":"Next","type":["null","Address"],"default":null}]}],"default":null},
	{"name":"Wrapped","type":{"type":"long","logicalType":"timestamp-millis"}}
]}`

// writeEverything encodes with an independent library.
func writeEverything(tb testing.TB) []byte {
	tb.Helper()
	codec, err := goavro.NewCodec(everything)
	if err != nil {
		tb.Fatal(err)
	}
	address := "com.sforce.eventbus.Address"
	payload, err := codec.BinaryFromNative(nil, map[string]any{
		"CreatedDate": int64(1652978695951), "CreatedById": "0055e000001mFqSAAU",
		"NullFirst__c": map[string]any{"string": "8014x000000ABCDIAZ"}, "NullLast__c": map[string]any{"double": 1.5}, "Absent__c": nil,
		"Plain__c": "größe", "Check__c": map[string]any{"boolean": true}, "Int__c": -7, "Float__c": float32(0.25),
		"Kind": "C", "KindAgain": "A", "Hash": []byte{1, 2, 3}, "Raw": []byte{0xff},
		"List":  []any{map[string]any{"long": int64(1)}, nil, map[string]any{"long": int64(math.MinInt64)}},
		"Table": map[string]any{"k": "v", "": "empty"},
		"Address": map[string]any{address: map[string]any{
			"City": map[string]any{"string": "Osaka"},
			"Next": map[string]any{address: map[string]any{"City": nil, "Next": nil}},
		}},
		"Wrapped": time.UnixMilli(12),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return payload
}

func TestDecodeReadsEveryType(t *testing.T) {
	schema, err := parseSchema(everything)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRecord(schema, writeEverything(t))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"CreatedDate": int64(1652978695951), "CreatedById": "0055e000001mFqSAAU",
		"NullFirst__c": "8014x000000ABCDIAZ", "NullLast__c": 1.5, "Absent__c": nil, "Plain__c": "größe", "Check__c": true,
		"Int__c": int64(-7), "Float__c": 0.25, "Kind": "C", "KindAgain": "A", "Hash": []byte{1, 2, 3}, "Raw": []byte{0xff},
		"List":  []any{int64(1), nil, int64(math.MinInt64)},
		"Table": map[string]any{"k": "v", "": "empty"},
		"Address": map[string]any{
			"City": "Osaka",
			"Next": map[string]any{"City": nil, "Next": nil},
		},
		"Wrapped": int64(12),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

// record wraps types into the schema of a record with one field each.
func record(types ...string) string {
	var fields []string
	for i, kind := range types {
		fields = append(fields, `{"name":"f`+string(rune('0'+i))+`","type":`+kind+`}`)
	}
	return `{"type":"record","name":"R","fields":[` + strings.Join(fields, ",") + `]}`
}

func varint(values ...int64) []byte {
	var result []byte
	for _, value := range values {
		result = binary.AppendVarint(result, value)
	}
	return result
}

func TestDecodeRefusesWhatLies(t *testing.T) {
	nan := binary.LittleEndian.AppendUint64(nil, math.Float64bits(math.NaN()))
	tests := map[string]struct {
		schema  string
		payload []byte
		want    string
	}{
		"empty":                          {record(`"long"`), nil, "ends in the middle"},
		"bytes left over":                {record(`"long"`), varint(1, 2), "left over"},
		"string longer than the payload": {record(`"string"`), varint(1 << 40), "ends in the middle"},
		"negative length":                {record(`"bytes"`), varint(-5), "ends in the middle"},
		"fixed longer than the payload":  {record(`{"type":"fixed","name":"F","size":4000000}`), []byte{1}, "ends in the middle"},
		"number without an end":          {record(`"long"`), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "64 bits"},
		"key that stands twice":          {record(`{"type":"map","values":"null"}`), varint(2, 0, 0, 0), "stands twice"},
		"number too large for an int":    {record(`"int"`), varint(math.MaxInt32 + 1), "32 bits"},
		"number too small for an int":    {record(`"int"`), varint(math.MinInt32 - 1), "32 bits"},
		"union branch too high":          {record(`["null","string"]`), varint(2), "union branch 2 of 2"},
		"union branch negative":          {record(`["null","string"]`), varint(-1), "union branch -1"},
		"empty union":                    {record(`[]`), varint(0), "union branch 0 of 0"},
		"enum symbol too high":           {record(`{"type":"enum","name":"E","symbols":["A"]}`), varint(1), "enum symbol 1 of 1"},
		"no boolean":                     {record(`"boolean"`), []byte{2}, "no boolean"},
		"not a number":                   {record(`"double"`), nan, "not finite"},
		"array of countless nothings":    {record(`{"type":"array","items":"null"}`), varint(math.MaxInt64), "more than 200000 values"},
		"negative block count":           {record(`{"type":"array","items":"null"}`), varint(math.MinInt64, 0), "more than 200000 values"},
		"many blocks of nothings": {record(`{"type":"array","items":"null"}`), func() []byte {
			var result []byte
			for range 3 {
				result = append(result, varint(90_000)...)
			}
			return append(result, 0)
		}(), "more than 200000 values"},
		"map of countless nothings": {record(`{"type":"map","values":"null"}`), varint(1 << 30), "more than 200000 values"},
		"bottomless recursion":      {`{"type":"record","name":"R","fields":[{"name":"f","type":"R"}]}`, nil, "nested more than 32 deep"},
		"recursion by array":        {`{"type":"record","name":"R","fields":[{"name":"f","type":{"type":"array","items":"R"}}]}`, []byte(strings.Repeat("\x02", 1000)), "nested more than 32 deep"},
		"payload too large":         {record(`"bytes"`), make([]byte, maxPayload+1), "larger than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			schema, err := parseSchema(test.schema)
			if err != nil {
				t.Fatal(err)
			}
			fields, err := decodeRecord(schema, test.payload)
			if err == nil || !strings.Contains(err.Error(), test.want) || fields != nil {
				t.Errorf("decodeRecord = %v, %v; want an error with %q", fields, err, test.want)
			}
		})
	}
}

func TestDecodeReadsBlocksWithSizes(t *testing.T) {
	schema, err := parseSchema(record(`{"type":"array","items":"long"}`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRecord(schema, varint(-2, 2, 5, 6, 1, 7, 0))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{"f0": []any{int64(5), int64(6), int64(7)}}, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

func TestParseSchemaRefuses(t *testing.T) {
	tests := map[string]struct{ schema, want string }{
		"nothing":            {``, "missing"},
		"no JSON":            {`{`, "unexpected end"},
		"no record":          {`"long"`, "no record"},
		"unknown type":       {record(`"Money"`), `unknown type "Money"`},
		"field without":      {`{"type":"record","name":"R","fields":[{"name":"f"}]}`, "missing"},
		"nameless":           {`{"type":"record","fields":[]}`, "no name"},
		"defined twice":      {record(`{"type":"fixed","name":"R","size":1}`), "defined twice"},
		"huge fixed":         {record(`{"type":"fixed","name":"F","size":99999999999}`), "fixed type"},
		"negative fixed":     {record(`{"type":"fixed","name":"F","size":-1}`), "fixed type"},
		"array of nothing":   {record(`{"type":"array"}`), "missing"},
		"deep nesting":       {record(strings.Repeat(`{"type":"array","items":`, 100) + `"long"` + strings.Repeat(`}`, 100)), "deeply nested"},
		"type of wrong JSON": {record(`17`), "cannot unmarshal"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := parseSchema(test.schema); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("parseSchema = %v, want an error with %q", err, test.want)
			}
		})
	}
}

func TestParseSchemaResolvesNames(t *testing.T) {
	schema, err := parseSchema(`{"type":"record","name":"a.b.R","fields":[
		{"name":"one","type":{"type":"record","name":"Inner","fields":[{"name":"x","type":"long"}]}},
		{"name":"two","type":"Inner"},{"name":"three","type":"a.b.Inner"},
		{"name":"four","type":{"type":{"type":"array","items":"Inner"}}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRecord(schema, varint(1, 2, 3, 1, 4, 0))
	if err != nil {
		t.Fatal(err)
	}
	inner := func(x int64) map[string]any { return map[string]any{"x": x} }
	want := map[string]any{"one": inner(1), "two": inner(2), "three": inner(3), "four": []any{inner(4)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decoded (-want +got):\n%s", diff)
	}
}

// FuzzDecode feeds hostile schemas and payloads to everything that reads them. Whatever decodes must be bounded by the
// number of values allowed, and must be writable as JSON, because it ends up in an object of the API server.
func FuzzDecode(f *testing.F) {
	f.Add(everything, writeEverything(f))
	f.Add(record(`["null","string"]`), varint(1, 2, 'a'))
	f.Add(record(`{"type":"array","items":"null"}`), varint(1000, 0))
	f.Add(record(`{"type":"map","values":"R"}`), varint(-1, 0, 0, 0))
	f.Add(changeSchema, writeChange(f, map[string]any{"changedFields": []any{"0x06", "3-0x02"}}))
	f.Fuzz(func(t *testing.T, text string, payload []byte) {
		schema, err := parseSchema(text)
		if err != nil {
			return
		}
		fields, err := decodeRecord(schema, payload)
		if err != nil {
			return
		}
		if header := changeHeader(schema, fields); header != nil {
			header.Gap()
			header.Records()
		}
		if _, err := json.Marshal(fields); err != nil {
			t.Errorf("decoded fields are no JSON: %v", err)
		}
		if count := countValues(fields); count > maxValues {
			t.Errorf("%d values were decoded", count)
		}
	})
}

// FuzzPayload feeds hostile payloads to a schema with every type, and compares what is read with another implementation.
func FuzzPayload(f *testing.F) {
	f.Add(writeEverything(f))
	schema, err := parseSchema(everything)
	if err != nil {
		f.Fatal(err)
	}
	codec, err := goavro.NewCodec(strings.ReplaceAll(everything, `,"logicalType":"timestamp-millis"`, ""))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := decodeRecord(schema, payload)
		if err != nil {
			return
		}
		got["Table"] = plainTable(got["Table"])
		// The other one believes what a payload says of its size: only what was decoded here is safe for it.
		other, rest, err := codec.NativeFromBinary(payload)
		if err != nil || len(rest) > 0 {
			t.Fatalf("decoded %v; the other one left %d bytes over, %v", got, len(rest), err)
		}
		if diff := cmp.Diff(plain(other), any(got), cmp.Comparer(bytes.Equal)); diff != "" {
			t.Errorf("decoded (-other +got):\n%s", diff)
		}
	})
}

// plain turns what goavro reads of the schema everything into what is read here: unions without the name of the branch,
// numbers of one size, texts that are UTF-8.
func plain(value any) any {
	switch value := value.(type) {
	case string:
		return strings.ToValidUTF8(value, "\uFFFD")
	case map[string]any:
		result := map[string]any{}
		for key, item := range value {
			switch key {
			case "string", "double", "boolean", "long", "com.sforce.eventbus.Address":
				return plain(item)
			case "Table":
				result[key] = plainTable(item)
			default:
				result[key] = plain(item)
			}
		}
		return result
	case []any:
		result := make([]any, 0, len(value))
		for _, item := range value {
			result = append(result, plain(item))
		}
		return result
	case int32:
		return int64(value)
	case float32:
		return float64(value)
	default:
		return value
	}
}

// plainTable is plain for the one field that is a map: its keys are data. Keys that are no UTF-8 may become one here, so
// that there is no telling which value is left.
func plainTable(value any) any {
	table, ok := value.(map[string]any)
	if !ok {
		return value
	}
	result := map[string]any{}
	for key, item := range table {
		if key = strings.ToValidUTF8(key, "\uFFFD"); !strings.Contains(key, "\uFFFD") {
			result[key] = plain(item)
		}
	}
	return result
}

func countValues(value any) int {
	count := 1
	switch value := value.(type) {
	case map[string]any:
		for _, item := range value {
			count += countValues(item)
		}
	case []any:
		for _, item := range value {
			count += countValues(item)
		}
	}
	return count
}
