package pubsub

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hamba/avro/v2"
)

// encode writes fields as one plain Avro record. Absent fields are null, or empty where the schema wants a value; a
// field that the schema does not have is an error, as it is in Salesforce.
func encode(to *schema, fields map[string]any) ([]byte, error) {
	record, err := shape(to.record, fields, "")
	if err != nil {
		return nil, err
	}
	return avro.Marshal(to.record, record)
}

// shape turns plain Go and JSON values into what the encoder takes.
func shape(want avro.Schema, value any, path string) (any, error) {
	switch want := want.(type) {
	case *avro.RefSchema:
		return shape(want.Schema(), value, path)
	case *avro.UnionSchema:
		return shapeUnion(want, value, path)
	case *avro.RecordSchema:
		return shapeRecord(want, value, path)
	case *avro.ArraySchema:
		return shapeArray(want, value, path)
	case *avro.EnumSchema:
		if value == nil {
			return want.Symbols()[0], nil
		}
		symbol, ok := value.(string)
		if !ok || !slices.Contains(want.Symbols(), symbol) {
			return nil, fmt.Errorf("%s: %v is none of %s", path, value, strings.Join(want.Symbols(), ", "))
		}
		return symbol, nil
	case *avro.PrimitiveSchema:
		return shapePrimitive(want.Type(), value, path)
	default:
		return nil, fmt.Errorf("%s: type %s is not supported here", path, want.Type())
	}
}

func shapeUnion(want *avro.UnionSchema, value any, path string) (any, error) {
	if value == nil && want.Contains(avro.Null) {
		return nil, nil
	}
	for _, branch := range want.Types() {
		if branch.Type() == avro.Null {
			continue
		}
		shaped, err := shape(branch, value, path)
		if err != nil {
			if len(want.Types()) <= 2 {
				return nil, err
			}
			continue
		}
		return map[string]any{branchName(branch): shaped}, nil
	}
	return nil, fmt.Errorf("%s: %T fits no branch of the union", path, value)
}

func branchName(branch avro.Schema) string {
	if reference, ok := branch.(*avro.RefSchema); ok {
		return reference.Schema().FullName()
	}
	if named, ok := branch.(avro.NamedSchema); ok {
		return named.FullName()
	}
	return string(branch.Type())
}

func shapeRecord(want *avro.RecordSchema, value any, path string) (any, error) {
	given, ok := value.(map[string]any)
	if !ok && value != nil {
		return nil, fmt.Errorf("%s: %T is no record", path, value)
	}
	result := map[string]any{}
	for _, field := range want.Fields() {
		shaped, err := shape(field.Type(), given[field.Name()], strings.TrimPrefix(path+"."+field.Name(), "."))
		if err != nil {
			return nil, err
		}
		result[field.Name()] = shaped
	}
	for name := range given {
		if _, known := result[name]; !known {
			return nil, fmt.Errorf("%s has no field %s", want.Name(), name)
		}
	}
	return result, nil
}

func shapeArray(want *avro.ArraySchema, value any, path string) (any, error) {
	result := []any{}
	if value == nil {
		return result, nil
	}
	list := reflect.ValueOf(value)
	if list.Kind() != reflect.Slice {
		return nil, fmt.Errorf("%s: %T is no list", path, value)
	}
	for i := range list.Len() {
		shaped, err := shape(want.Items(), list.Index(i).Interface(), fmt.Sprintf("%s[%d]", path, i))
		if err != nil {
			return nil, err
		}
		result = append(result, shaped)
	}
	return result, nil
}

func shapePrimitive(want avro.Type, value any, path string) (any, error) {
	if moment, ok := value.(time.Time); ok {
		value = moment.UnixMilli()
	}
	if number, ok := value.(json.Number); ok {
		parsed, err := number.Float64()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		value = parsed
	}
	switch want {
	case avro.Int, avro.Long, avro.Float, avro.Double:
		return shapeNumber(want, value, path)
	case avro.String:
		if value == nil {
			return "", nil
		}
		if text, ok := value.(string); ok {
			return text, nil
		}
	case avro.Boolean:
		if value == nil {
			return false, nil
		}
		if truth, ok := value.(bool); ok {
			return truth, nil
		}
	case avro.Bytes:
		if data, ok := value.([]byte); ok || value == nil {
			return data, nil
		}
	default: // no other type is primitive
	}
	return nil, fmt.Errorf("%s: %T is no %s", path, value, want)
}

func shapeNumber(want avro.Type, value any, path string) (any, error) {
	given := reflect.ValueOf(value)
	var number float64
	var whole int64
	switch {
	case value == nil:
	case given.CanInt():
		whole = given.Int()
		number = float64(whole)
	case given.CanFloat():
		number = given.Float()
		whole = int64(number)
	default:
		return nil, fmt.Errorf("%s: %T is no number", path, value)
	}
	switch want {
	case avro.Int:
		return int(whole), nil
	case avro.Long:
		return whole, nil
	case avro.Float:
		return float32(number), nil
	default:
		return number, nil
	}
}

// headerBitmaps replaces field names in a change event's header by the bitmaps that the real service sends.
func headerBitmaps(record *avro.RecordSchema, fields map[string]any) map[string]any {
	header, ok := fields["ChangeEventHeader"].(map[string]any)
	if !ok {
		return fields
	}
	copied := maps.Clone(header)
	for _, key := range []string{"changedFields", "nulledFields", "diffFields"} {
		if names := stringList(header[key]); len(names) > 0 && !strings.Contains(names[0], "0x") {
			copied[key] = bitmaps(record, names)
		}
	}
	result := maps.Clone(fields)
	result["ChangeEventHeader"] = copied
	return result
}

func stringList(value any) []string {
	switch value := value.(type) {
	case []string:
		return value
	case []any:
		var result []string
		for _, item := range value {
			if text, ok := item.(string); ok {
				result = append(result, text)
			}
		}
		return result
	}
	return nil
}

// bitmaps writes names as the real service does: one bitmap for the fields of the event, one more for each compound
// field, lowest bit first.
func bitmaps(record *avro.RecordSchema, names []string) []string {
	top, nested := new(big.Int), map[int]*big.Int{}
	for position, field := range record.Fields() {
		if slices.Contains(names, field.Name()) {
			top.SetBit(top, position, 1)
		}
		for index, part := range compound(field.Type()) {
			if slices.Contains(names, field.Name()+"."+part.Name()) {
				if nested[position] == nil {
					nested[position] = new(big.Int)
				}
				nested[position].SetBit(nested[position], index, 1)
			}
		}
	}
	var result []string
	if top.Sign() > 0 {
		result = append(result, hex(top))
	}
	for position := range record.Fields() {
		if nested[position] != nil {
			result = append(result, fmt.Sprintf("%d-%s", position, hex(nested[position])))
		}
	}
	return result
}

func compound(of avro.Schema) []*avro.Field {
	switch of := of.(type) {
	case *avro.UnionSchema:
		for _, branch := range of.Types() {
			if fields := compound(branch); fields != nil {
				return fields
			}
		}
	case *avro.RefSchema:
		return compound(of.Schema())
	case *avro.RecordSchema:
		if of.Name() != "ChangeEventHeader" {
			return of.Fields()
		}
	}
	return nil
}

// hex writes whole bytes in capital digits.
func hex(bits *big.Int) string { return fmt.Sprintf("0x%X", bits.Bytes()) }
