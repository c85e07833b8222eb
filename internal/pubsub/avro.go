package pubsub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
)

// Limits on what one payload may cost. Anybody who may publish chooses the payload, and the bus does not validate it: no
// length and no count in it is believed before the bytes are there.
const (
	maxPayload = 4 << 20 // an event is at most 1 MB
	maxValues  = 200_000
	maxDepth   = 32
)

var errShort = errors.New("the payload ends in the middle of a value")

// decodeRecord reads one record in plain Avro binary encoding: no container, no header. Records and maps become
// map[string]any, arrays []any, int and long int64, float and double float64, enums their symbol, bytes and fixed
// []byte; a union is the value of its branch. Every value of the result can be written as JSON.
//
// The package decodes by itself because no public library both takes unions as they come and stays within bounds on
// a payload that lies about its block counts.
func decodeRecord(schema *avroNode, payload []byte) (map[string]any, error) {
	if len(payload) > maxPayload {
		return nil, fmt.Errorf("the payload of %d bytes is larger than %d", len(payload), maxPayload)
	}
	reader := avroReader{rest: payload, values: maxValues}
	value, err := reader.read(schema, 0)
	if err != nil {
		return nil, err
	}
	if len(reader.rest) > 0 {
		return nil, fmt.Errorf("%d bytes are left over after the record: it was written with another schema", len(reader.rest))
	}
	record, ok := value.(map[string]any)
	if !ok {
		return nil, errors.New("the schema's top type is no record")
	}
	return record, nil
}

type avroReader struct {
	rest   []byte
	values int
}

func (r *avroReader) read(node *avroNode, depth int) (any, error) {
	// Counting values, not bytes, also stops arrays of values that take no bytes at all.
	if r.values--; r.values < 0 {
		return nil, fmt.Errorf("the payload holds more than %d values", maxValues)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("the payload is nested more than %d deep", maxDepth)
	}
	switch node.kind {
	case kindUnion:
		branch, err := r.index(len(node.branches), "union branch")
		if err != nil {
			return nil, err
		}
		return r.read(node.branches[branch], depth+1)
	case kindRecord:
		return r.record(node, depth)
	case kindArray:
		return r.array(node, depth)
	case kindMap:
		return r.mapping(node, depth)
	default:
		return r.scalar(node)
	}
}

func (r *avroReader) scalar(node *avroNode) (any, error) {
	switch node.kind {
	case kindBoolean:
		return r.boolean()
	case kindInt:
		return r.int()
	case kindLong:
		return r.long()
	case kindFloat, kindDouble:
		return r.float(node.kind)
	case kindString:
		text, err := r.bytes()
		return strings.ToValidUTF8(string(text), "\uFFFD"), err
	case kindBytes:
		data, err := r.bytes()
		return append([]byte{}, data...), err
	case kindFixed:
		data, err := r.take(int64(node.size))
		return append([]byte{}, data...), err
	case kindEnum:
		return r.enum(node)
	default: // null takes no bytes
		return nil, nil
	}
}

func (r *avroReader) record(node *avroNode, depth int) (any, error) {
	result := make(map[string]any, len(node.fields))
	for _, field := range node.fields {
		value, err := r.read(field.node, depth+1)
		if err != nil {
			return nil, fmt.Errorf("%.80s: %w", field.name, err)
		}
		result[field.name] = value
	}
	return result, nil
}

func (r *avroReader) array(node *avroNode, depth int) (any, error) {
	result := []any{}
	err := r.blocks(func() error {
		value, err := r.read(node.item, depth+1)
		result = append(result, value)
		return err
	})
	return result, err
}

func (r *avroReader) mapping(node *avroNode, depth int) (any, error) {
	result := map[string]any{}
	err := r.blocks(func() error {
		raw, err := r.bytes()
		if err != nil {
			return err
		}
		key := strings.ToValidUTF8(string(raw), "\uFFFD")
		if _, twice := result[key]; twice {
			return fmt.Errorf("the key %.80q stands twice in a map", key)
		}
		result[key], err = r.read(node.item, depth+1)
		return err
	})
	return result, err
}

// blocks calls each once per element of an array or map, which come in counted blocks that end with an empty one.
func (r *avroReader) blocks(each func() error) error {
	for {
		count, err := r.long()
		if err != nil || count == 0 {
			return err
		}
		if count < 0 {
			// A negative count is followed by the block's size, which only those need who skip it.
			if _, err := r.long(); err != nil {
				return err
			}
			count = -count
		}
		if count < 0 || count > int64(r.values) {
			return fmt.Errorf("the payload holds more than %d values", maxValues)
		}
		for range count {
			if err := each(); err != nil {
				return err
			}
		}
	}
}

func (r *avroReader) boolean() (any, error) {
	data, err := r.take(1)
	if err != nil {
		return nil, err
	}
	if data[0] > 1 {
		return nil, fmt.Errorf("byte %#x is no boolean", data[0])
	}
	return data[0] == 1, nil
}

func (r *avroReader) long() (int64, error) {
	value, size := binary.Varint(r.rest)
	if size == 0 {
		return 0, errShort
	}
	if size < 0 {
		return 0, errors.New("a number has more than 64 bits")
	}
	r.rest = r.rest[size:]
	return value, nil
}

func (r *avroReader) int() (any, error) {
	value, err := r.long()
	if err == nil && value != int64(int32(value)) {
		return nil, fmt.Errorf("the number %d has more than 32 bits", value)
	}
	return value, err
}

func (r *avroReader) float(kind avroKind) (any, error) {
	size := int64(8)
	if kind == kindFloat {
		size = 4
	}
	data, err := r.take(size)
	if err != nil {
		return nil, err
	}
	var value float64
	if kind == kindFloat {
		value = float64(math.Float32frombits(binary.LittleEndian.Uint32(data)))
	} else {
		value = math.Float64frombits(binary.LittleEndian.Uint64(data))
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, errors.New("a number is not finite")
	}
	return value, nil
}

func (r *avroReader) enum(node *avroNode) (any, error) {
	symbol, err := r.index(len(node.symbols), "enum symbol")
	if err != nil {
		return nil, err
	}
	return node.symbols[symbol], nil
}

func (r *avroReader) index(count int, what string) (int, error) {
	index, err := r.long()
	if err != nil {
		return 0, err
	}
	if index < 0 || index >= int64(count) {
		return 0, fmt.Errorf("%s %d of %d", what, index, count)
	}
	return int(index), nil
}

func (r *avroReader) bytes() ([]byte, error) {
	size, err := r.long()
	if err != nil {
		return nil, err
	}
	return r.take(size)
}

func (r *avroReader) take(size int64) ([]byte, error) {
	if size < 0 || size > int64(len(r.rest)) {
		return nil, errShort
	}
	data := r.rest[:size]
	r.rest = r.rest[size:]
	return data, nil
}
