package controllers

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
)

// maxInputs is the most bytes of inputs that an order keeps. It is the limit in the schema of the kind.
const maxInputs = 32 << 10

// inputsOf is the order as the mapping read it, for Plan.Inputs. Fields that are empty stay in it: "empty" and "not read"
// are different things to another mapping. The same record always gives the same text.
func inputsOf(record map[string]any) string {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(record); err != nil || text.Len() > maxInputs {
		// The plan is good without them; only what-if misses them.
		return ""
	}
	return string(bytes.TrimSpace(text.Bytes()))
}

// ErrNoInputs says that a plan was made before inputs were recorded, or that they were too long.
var ErrNoInputs = errors.New("the order has no recorded inputs")

// Inputs are the fields of the Salesforce order that a plan was made from.
func Inputs(plan *v1alpha1.Plan) (map[string]any, error) {
	if plan == nil || plan.Inputs == "" {
		return nil, ErrNoInputs
	}
	var record map[string]any
	if err := json.Unmarshal([]byte(plan.Inputs), &record); err != nil {
		return nil, errors.Join(ErrNoInputs, err)
	}
	return record, nil
}
