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
)

// encode writes fields as one plain Avro record. Absent fields are null, or empty where the schema wants a value; a
// field that the schema does not have is an error, as it is in Salesforce.
func encode(to *schema, fields map[string]any) ([]byte, error) {
	record, err := shape(to.record, fields, "")
	if err != nil {
		return nil, err
	}
	return to.codec.BinaryFromNative(nil, record)
}

// shape turns plain Go and JSON values into what the encoder takes.
func shape(want *avroType, value any, path string) (any, error) {
	switch want.kind {
	case avroUnion:
		return shapeUnion(want, value, path)
	case avroRecord:
		return shapeRecord(want, value, path)
	case avroArray:
		return shapeArray(want, value, path)
	case avroEnum:
		if value == nil {
			return want.symbols[0], nil
		}
		symbol, ok := value.(string)
		if !ok || !slices.Contains(want.symbols, symbol) {
			return nil, fmt.Errorf("%s: %v is none of %s", path, value, strings.Join(want.symbols, ", "))
		}
		return symbol, nil
	default:
		return shapePrimitive(want.kind, value, path)
	}
}

func shapeUnion(want *avroType, value any, path string) (any, error) {
	if value == nil && slices.ContainsFunc(want.branches, isNull) {
		return nil, nil
	}
	for _, branch := range want.branches {
		if isNull(branch) {
			continue
		}
		shaped, err := shape(branch, value, path)
		if err != nil {
			if len(want.branches) <= 2 {
				return nil, err
			}
			continue
		}
		return map[string]any{branch.branch: shaped}, nil
	}
	return nil, fmt.Errorf("%s: %T fits no branch of the union", path, value)
}

func isNull(branch *avroType) bool { return branch.kind == avroNull }

// maxDepth ends what a record that requires itself would never end.
const maxDepth = 32

func shapeRecord(want *avroType, value any, path string) (any, error) {
	given, ok := value.(map[string]any)
	if !ok && value != nil {
		return nil, fmt.Errorf("%s: %T is no record", path, value)
	}
	if strings.Count(path, ".") > maxDepth {
		return nil, fmt.Errorf("%s: nested more than %d deep", path, maxDepth)
	}
	result := map[string]any{}
	for _, field := range want.fields {
		shaped, err := shape(field.of, given[field.name], strings.TrimPrefix(path+"."+field.name, "."))
		if err != nil {
			return nil, err
		}
		result[field.name] = shaped
	}
	for name := range given {
		if _, known := result[name]; !known {
			return nil, fmt.Errorf("%s has no field %s", want.branch, name)
		}
	}
	return result, nil
}

func shapeArray(want *avroType, value any, path string) (any, error) {
	result := []any{}
	if value == nil {
		return result, nil
	}
	list := reflect.ValueOf(value)
	if list.Kind() != reflect.Slice {
		return nil, fmt.Errorf("%s: %T is no list", path, value)
	}
	for i := range list.Len() {
		shaped, err := shape(want.items, list.Index(i).Interface(), fmt.Sprintf("%s[%d]", path, i))
		if err != nil {
			return nil, err
		}
		result = append(result, shaped)
	}
	return result, nil
}

func shapePrimitive(want string, value any, path string) (any, error) {
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
	case "int", "long", "float", "double":
		return shapeNumber(want, value, path)
	case "string":
		if value == nil {
			return "", nil
		}
		if text, ok := value.(string); ok {
			return text, nil
		}
	case "boolean":
		if value == nil {
			return false, nil
		}
		if truth, ok := value.(bool); ok {
			return truth, nil
		}
	case "bytes":
		if value == nil {
			return []byte{}, nil
		}
		if data, ok := value.([]byte); ok {
			return data, nil
		}
	default: // maps and fixed types do not occur in events
	}
	return nil, fmt.Errorf("%s: %T is no %s", path, value, want)
}

func shapeNumber(want string, value any, path string) (any, error) {
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
	case "int":
		return int(whole), nil
	case "long":
		return whole, nil
	case "float":
		return float32(number), nil
	default:
		return number, nil
	}
}

// headerBitmaps replaces field names in a change event's header by the bitmaps that the real service sends.
func headerBitmaps(record *avroType, fields map[string]any) map[string]any {
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
func bitmaps(record *avroType, names []string) []string {
	top, nested := new(big.Int), map[int]*big.Int{}
	for position, field := range record.fields {
		if slices.Contains(names, field.name) {
			top.SetBit(top, position, 1)
		}
		for index, part := range compound(field.of) {
			if slices.Contains(names, field.name+"."+part.name) {
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
	for position := range record.fields {
		if nested[position] != nil {
			result = append(result, fmt.Sprintf("%d-%s", position, hex(nested[position])))
		}
	}
	return result
}

// compound returns the parts of a compound field.
func compound(of *avroType) []avroField {
	switch of.kind {
	case avroUnion:
		for _, branch := range of.branches {
			if fields := compound(branch); fields != nil {
				return fields
			}
		}
	case avroRecord:
		if namespaced := "." + of.branch; !strings.HasSuffix(namespaced, ".ChangeEventHeader") {
			return of.fields
		}
	}
	return nil
}

// hex writes whole bytes in capital digits.
func hex(bits *big.Int) string { return fmt.Sprintf("0x%X", bits.Bytes()) }
