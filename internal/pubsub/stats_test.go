package pubsub_test

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/stats"
)

// connCounter counts connections.
type connCounter struct{ begun *atomic.Int32 }

func (c connCounter) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c connCounter) HandleRPC(context.Context, stats.RPCStats)                         {}
func (c connCounter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (c connCounter) HandleConn(_ context.Context, event stats.ConnStats) {
	if _, ok := event.(*stats.ConnBegin); ok {
		c.begun.Add(1)
	}
}
