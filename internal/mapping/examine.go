package mapping

import "errors"

// Examination is everything that the mapping says about an order, part by part, whether or not it comes to a plan. It is
// for people: Plan stops at the first part that is missing.
type Examination struct {
	// ClientID is the WHMCS client who is billed, unless Client says why there is none.
	ClientID int64
	// Client, Header and Schedule say what is wrong with the client, with the values of the WHMCS order as a whole, and
	// with the time of the activation; nil is nothing.
	Client, Header, Schedule *Miss
	// Lines are the Salesforce lines in the order in which they are planned.
	Lines []ExaminedLine
}

// ExaminedLine is what the mapping makes of one Salesforce line. Without a Miss and without lines it is left out.
type ExaminedLine struct {
	// OrderItemID and Number are the line in Salesforce, SKU is its product.
	OrderItemID, Number, SKU string
	// Record is the line as it was read.
	Record map[string]any
	// Made are the lines of the WHMCS order.
	Made []Line
	// Miss says why there are none.
	Miss *Miss
}

// Examine applies every part of the mapping to an order, without regard to the gate.
func (m *Mapping) Examine(order map[string]any) Examination {
	s := m.scope(order)
	var e Examination
	var err error
	e.ClientID, err = m.clientID(&s)
	e.Client = missOf(err)
	e.Header = missOf(m.header.fill(&s, &Plan{}))
	_, err = m.scheduledFor(order)
	e.Schedule = missOf(err)
	for _, it := range m.items(s.order) {
		s.item, s.product = it.record, m.product(it.record)
		line := ExaminedLine{OrderItemID: it.id, Number: it.number, Record: it.record}
		if m.fields.sku != "" {
			line.SKU = text(field(s.product, m.fields.sku))
		}
		line.Made, line.Miss = m.planLine(&s, it)
		e.Lines = append(e.Lines, line)
	}
	return e
}

// missOf is the Miss that an error of planning is, or nil.
func missOf(err error) *Miss {
	if err == nil {
		return nil
	}
	if m, ok := errors.AsType[*Miss](err); ok {
		return m
	}
	return &Miss{Reason: MappingInvalid, Message: err.Error()}
}
