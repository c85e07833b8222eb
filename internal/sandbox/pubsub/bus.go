package pubsub

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
)

// entry is a place in a topic's log: an event, or only a position that was named in a sign of life.
type entry struct {
	number uint64
	at     time.Time
	event  *eventbusv1.ProducerEvent
}

// Publish stores an event written with the topic's current schema and returns its UUID. CreatedDate and CreatedById are
// filled in. In a change event's header, field names are turned into bitmaps, and fields that the schema lacks are
// left out.
func (s *Server) Publish(topicName string, fields map[string]any) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.topics[topicName]
	if !ok {
		return "", fmt.Errorf("there is no topic %q", topicName)
	}
	complete := map[string]any{}
	maps.Copy(complete, fields)
	s.complete(found, complete)
	payload, err := encode(found.current, headerBitmaps(found.current.record, complete))
	if err != nil {
		return "", fmt.Errorf("publishing to %s: %w", topicName, err)
	}
	event := &eventbusv1.ProducerEvent{Id: uuid(), SchemaId: found.current.id, Payload: payload}
	s.store(found, event)
	return event.Id, nil
}

// complete adds what the system itself writes into an event.
func (s *Server) complete(to *topic, fields map[string]any) {
	change := strings.HasPrefix(to.name, "/data/")
	known := map[string]bool{}
	for _, field := range to.current.record.fields {
		known[field.name] = true
	}
	for name := range fields {
		if change && !known[name] {
			delete(fields, name)
		}
	}
	if change {
		return
	}
	if fields["CreatedDate"] == nil && known["CreatedDate"] {
		fields["CreatedDate"] = s.options.Now().UnixMilli()
	}
	if fields["CreatedById"] == nil && known["CreatedById"] {
		fields["CreatedById"] = s.options.CreatedByID
	}
}

// PublishRaw stores an event as it is, decodable or not, and returns its UUID.
func (s *Server) PublishRaw(topicName, schemaID string, payload []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.topics[topicName]
	if !ok {
		return "", fmt.Errorf("there is no topic %q", topicName)
	}
	event := &eventbusv1.ProducerEvent{Id: uuid(), SchemaId: schemaID, Payload: payload}
	s.store(found, event)
	return event.Id, nil
}

// Duplicate stores the newest event of a topic once more, with the same UUID and a new replay id, as a publish that was
// retried inside Salesforce does.
func (s *Server) Duplicate(topicName string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.topics[topicName]
	if !ok {
		return fmt.Errorf("there is no topic %q", topicName)
	}
	for _, entry := range slices.Backward(found.log) {
		if entry.event != nil {
			s.append(found, entry.event)
			return nil
		}
	}
	return errors.New("the topic has no event to duplicate")
}

// store appends an event and applies the faults of publishing. The caller holds the lock.
func (s *Server) store(to *topic, event *eventbusv1.ProducerEvent) uint64 {
	if s.takeFault(FaultGarbled, "Publish", to.name) != nil {
		event.Payload = []byte{0xff, 0xfe, 0xfd}
	}
	s.counters.Published++
	number := s.append(to, event)
	if s.takeFault(FaultDuplicate, "Publish", to.name) != nil {
		s.append(to, event)
	}
	return number
}

func (s *Server) append(to *topic, event *eventbusv1.ProducerEvent) uint64 {
	number := s.nextNumber()
	to.log = append(to.log, entry{number: number, at: s.options.Now(), event: event})
	s.wake(to)
	return number
}

// nextNumber leaves gaps as the real, shared bus does.
func (s *Server) nextNumber() uint64 {
	s.sequence += 1 + rand.Uint64N(9)
	return s.sequence
}

func (s *Server) wake(to *topic) {
	close(to.changed)
	to.changed = make(chan struct{})
}

// expire forgets what is older than the retention. The caller holds the lock.
func (s *Server) expire(of *topic) {
	oldest := s.options.Now().Add(-Retention)
	kept := 0
	for kept < len(of.log) && of.log[kept].at.Before(oldest) {
		kept++
	}
	if kept > 0 {
		of.log = slices.Clone(of.log[kept:])
	}
}

// tip is the newest position of a topic. It is renewed when it grows old, so that an idle subscriber that stores it does
// not age out. The caller holds the lock.
func (s *Server) tip(of *topic) uint64 {
	s.expire(of)
	now := s.options.Now()
	if last := len(of.log) - 1; last >= 0 && now.Sub(of.log[last].at) < time.Minute {
		return of.log[last].number
	}
	number := s.nextNumber()
	of.log = append(of.log, entry{number: number, at: now})
	return number
}

// known tells whether a position can be resumed from. The caller holds the lock.
func (s *Server) known(of *topic, number uint64) bool {
	s.expire(of)
	_, found := slices.BinarySearchFunc(of.log, number, compareNumber)
	return found
}

// after returns up to limit events that follow a position, and where the last of them is. The caller holds the lock.
func (s *Server) after(of *topic, position uint64, limit int) []entry {
	start, found := slices.BinarySearchFunc(of.log, position, compareNumber)
	if found {
		start++
	}
	var result []entry
	size := 0
	for _, entry := range of.log[start:] {
		if entry.event == nil {
			continue
		}
		size += len(entry.event.Payload) + 100
		if len(result) == limit || len(result) > 0 && size > maxBatchBytes {
			break
		}
		result = append(result, entry)
	}
	return result
}

func compareNumber(e entry, number uint64) int {
	switch {
	case e.number < number:
		return -1
	case e.number > number:
		return 1
	default:
		return 0
	}
}

// Reset does to the bus what a refresh or migration of the org does: what was retained is gone, old positions mean
// nothing any more, and open streams end.
func (s *Server) Reset() {
	s.mu.Lock()
	for _, topic := range s.topics {
		topic.log = nil
	}
	s.sequence += 1_000_000
	s.mu.Unlock()
	s.Cut(Fault{Kind: FaultError, ErrorCode: "service.unavailable", Status: "UNAVAILABLE"})
}

// Retained is the number of events on a topic.
func (s *Server) Retained(topicName string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.topics[topicName]
	if !ok {
		return 0
	}
	s.expire(found)
	count := 0
	for _, entry := range found.log {
		if entry.event != nil {
			count++
		}
	}
	return count
}

// replayID writes a position as the real service does: eight bytes, then two zeros.
func replayID(number uint64) []byte {
	return append(binary.BigEndian.AppendUint64(nil, number), 0, 0)
}

// parseReplayID takes ten bytes as they were sent, or eight as some clients keep them.
func parseReplayID(id []byte) (uint64, bool) {
	if len(id) == 10 && id[8] == 0 && id[9] == 0 {
		id = id[:8]
	}
	if len(id) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64(id), true
}
