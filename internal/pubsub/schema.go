package pubsub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	eventbusv1 "github.com/orderbridge/orderbridge/internal/pubsub/eventbus/v1"
)

const (
	// maxSchemas bounds the cache: a topic has one or two versions within the retention of the bus.
	maxSchemas = 64
	// patience is how often an unclear refusal of a schema is asked again before its events are handed over undecoded.
	// An event must not hold up the stream for ever; a service that is down must not make orders malformed.
	patience = 5
	// refusalLasts is how long a refused schema is not asked for again. A schema that was deployed just now, or whose
	// service was out of order for a while, must not make orders malformed until the next restart.
	refusalLasts = time.Minute
)

// schemaCache holds parsed schemas by id. Concurrent requests for one id share one call; requests for different ids do
// not wait for each other.
type schemaCache struct {
	fetch func(ctx context.Context, id string) (*avroNode, error)

	mu       sync.Mutex
	entries  map[string]*schemaEntry
	clock    int // counts uses
	inFlight map[string]*schemaFetch
	refusals map[string]int
}

type schemaEntry struct {
	lastUse int
	schema  *avroNode
	// err is why the schema cannot be had; it counts until expires, or for ever if that is zero.
	err     error
	expires time.Time
}

func (e *schemaEntry) expired() bool { return !e.expires.IsZero() && !time.Now().Before(e.expires) }

// schemaFetch is a call under way. It serves everybody who asks for the id meanwhile, and ends with the last of them.
type schemaFetch struct {
	waiters int
	cancel  context.CancelFunc
	done    chan struct{}
	schema  *avroNode
	err     error
}

func newSchemaCache(fetch func(context.Context, string) (*avroNode, error)) *schemaCache {
	return &schemaCache{
		fetch: fetch, entries: map[string]*schemaEntry{}, inFlight: map[string]*schemaFetch{}, refusals: map[string]int{},
	}
}

// get returns the schema with the id. An error with action Undecodable is final for the event; any other ends the
// stream, so that the event comes again.
func (c *schemaCache) get(ctx context.Context, id string) (*avroNode, error) {
	c.mu.Lock()
	c.clock++
	if entry, ok := c.entries[id]; ok && !entry.expired() {
		entry.lastUse = c.clock
		c.mu.Unlock()
		return entry.schema, entry.err
	}
	running, ok := c.inFlight[id]
	if !ok {
		running = &schemaFetch{done: make(chan struct{})}
		// Detached: the others must not fail because the first to ask went away.
		detached, cancel := context.WithCancel(context.WithoutCancel(ctx))
		running.cancel = cancel
		c.inFlight[id] = running
		go c.run(detached, id, running)
	}
	running.waiters++
	c.mu.Unlock()
	select {
	case <-running.done:
		return running.schema, running.err
	case <-ctx.Done():
		c.leave(id, running)
		return nil, ctx.Err()
	}
}

func (c *schemaCache) leave(id string, running *schemaFetch) {
	c.mu.Lock()
	running.waiters--
	last := running.waiters == 0
	if last && c.inFlight[id] == running {
		delete(c.inFlight, id)
	}
	c.mu.Unlock()
	if last {
		running.cancel()
		<-running.done
	}
}

func (c *schemaCache) run(ctx context.Context, id string, running *schemaFetch) {
	defer running.cancel()
	running.schema, running.err = c.fetch(ctx, id)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer close(running.done)
	if c.inFlight[id] != running {
		return // everybody left
	}
	delete(c.inFlight, id)
	running.err = c.judge(id, running.err)
	if running.err != nil && actionOf(running.err) != Undecodable {
		return
	}
	entry := &schemaEntry{lastUse: c.clock, schema: running.schema, err: running.err}
	if running.err == nil {
		delete(c.refusals, id)
	} else if !errors.Is(running.err, errUnreadable) {
		entry.expires = time.Now().Add(refusalLasts)
	}
	c.entries[id] = entry
	if len(c.entries) > maxSchemas {
		oldest := slices.MinFunc(slices.Collect(maps.Keys(c.entries)), func(a, b string) int {
			return c.entries[a].lastUse - c.entries[b].lastUse
		})
		delete(c.entries, oldest)
	}
}

// judge makes a refusal final that is about this id and does not go away.
func (c *schemaCache) judge(id string, err error) error {
	refused, ok := errors.AsType[*Error](err)
	if !ok || refused.Code != "" && verdicts[refused.Code].Action != "" {
		return err
	}
	switch status.Code(refused.Err) {
	case codes.InvalidArgument, codes.NotFound, codes.Internal, codes.Unknown, codes.FailedPrecondition, codes.OutOfRange, codes.ResourceExhausted:
	default:
		return err
	}
	if len(c.refusals) >= maxSchemas {
		clear(c.refusals)
	}
	if c.refusals[id]++; c.refusals[id] < patience {
		return err
	}
	final := *refused
	final.Verdict = verdicts["schema.validation.failed"]
	return &final
}

// errUnreadable marks a schema whose text cannot be read. It stays that way: an id stands for one text.
var errUnreadable = errors.New("unreadable schema")

// fetchSchema reads a schema from the bus.
func (c *Client) fetchSchema(ctx context.Context, id string) (*avroNode, error) {
	var reply *eventbusv1.SchemaInfo
	err := c.call(ctx, func(ctx context.Context, client eventbusv1.PubSubClient, options ...grpc.CallOption) (err error) {
		reply, err = client.GetSchema(ctx, &eventbusv1.SchemaRequest{SchemaId: id}, options...)
		return err
	})
	if err != nil {
		return nil, err
	}
	schema, err := parseSchema(reply.GetSchemaJson())
	if err != nil {
		return nil, &Error{Verdict: Verdict{Undecodable, "SchemaUnreadable", "The event's schema cannot be read"}, Err: fmt.Errorf("%w %.40q: %w", errUnreadable, id, err)}
	}
	return schema, nil
}

func actionOf(err error) Action {
	if classified, ok := errors.AsType[*Error](err); ok {
		return classified.Action
	}
	return Resume
}
