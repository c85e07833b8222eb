package salesforce

// packing lays the records of several calls out as one collection with few runs of equal type: Salesforce allows ten.
type packing struct {
	chunks []typeChunk
	rows   int
	sizes  []int // records per call
	ids    map[ID]bool
}

type typeChunk struct {
	objectType string
	rows       []packedRow
}

type packedRow struct {
	record      Record
	call, index int
}

// add places the records of one more call, keeping their order of types; false, and nothing changed, if they do not fit.
func (p *packing) add(records []Record) bool {
	ids := map[ID]bool{}
	for _, r := range records {
		if ids[r.ID()] || p.ids[r.ID()] {
			return false
		}
		ids[r.ID()] = true
	}
	places, types := p.place(records)
	if p.rows+len(records) > mostRows || len(types) > mostTypeChunks {
		return false
	}
	for i := len(p.chunks); i < len(types); i++ {
		p.chunks = append(p.chunks, typeChunk{objectType: types[i]})
	}
	for i, r := range records {
		chunk := &p.chunks[places[i]]
		chunk.rows = append(chunk.rows, packedRow{record: r, call: len(p.sizes), index: i})
	}
	if p.ids == nil {
		p.ids = map[ID]bool{}
	}
	for id := range ids {
		p.ids[id] = true
	}
	p.rows += len(records)
	p.sizes = append(p.sizes, len(records))
	return true
}

// place finds for each record the first chunk of its type that does not lie before the record ahead of it, adding chunks
// at the end. It returns the chunk of each record and the types of all chunks.
func (p *packing) place(records []Record) (places []int, types []string) {
	for _, c := range p.chunks {
		types = append(types, c.objectType)
	}
	at := 0
	for _, r := range records {
		for at < len(types) && types[at] != r.Type() {
			at++
		}
		if at == len(types) {
			types = append(types, r.Type())
		}
		places = append(places, at)
	}
	return places, types
}

func (p *packing) records() []Record {
	out := make([]Record, 0, p.rows)
	for _, c := range p.chunks {
		for _, row := range c.rows {
			out = append(out, row.record)
		}
	}
	return out
}

// split deals the results of records() out: for each call, in the order of its records.
func (p *packing) split(results []SaveResult) [][]SaveResult {
	out := make([][]SaveResult, len(p.sizes))
	for i, size := range p.sizes {
		out[i] = make([]SaveResult, size)
	}
	at := 0
	for _, c := range p.chunks {
		for _, row := range c.rows {
			out[row.call][row.index] = results[at]
			at++
		}
	}
	return out
}
