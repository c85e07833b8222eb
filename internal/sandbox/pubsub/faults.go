package pubsub

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// FaultKind is what goes wrong.
type FaultKind string

const (
	// FaultError ends the call with ErrorCode and Status.
	FaultError FaultKind = "error"
	// FaultEnd ends a stream normally, without a word.
	FaultEnd FaultKind = "end"
	// FaultReset breaks the client's connection.
	FaultReset FaultKind = "reset"
	// FaultStall leaves a stream open and silent, without signs of life, until the client gives up.
	FaultStall FaultKind = "stall"
	// FaultSlow answers after Delay.
	FaultSlow FaultKind = "slow"
	// FaultLimit ends the call as a used-up delivery allowance does.
	FaultLimit FaultKind = "limit"
	// FaultToken ends the call as a revoked token does.
	FaultToken FaultKind = "token"
	// FaultReplay rejects the replay id of a subscription that brings one.
	FaultReplay FaultKind = "replay"
	// FaultDuplicate stores the next published event twice.
	FaultDuplicate FaultKind = "duplicate"
	// FaultGarbled makes the payload of the next published event undecodable.
	FaultGarbled FaultKind = "garbled"
)

// Fault is one switch. The zero values of RPC, Topic and Times mean Subscribe (or what the kind is about), every topic
// and once.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// RPC is Subscribe, GetTopic, GetSchema or Publish.
	RPC   string `json:"rpc,omitempty"`
	Topic string `json:"topic,omitempty"`
	// ErrorCode is the code with or without its common prefix; empty sends none.
	ErrorCode string `json:"errorCode,omitempty"`
	// Status is the name of a gRPC status such as UNAVAILABLE. Default INTERNAL.
	Status string `json:"status,omitempty"`
	// Message is the text of the error. Default: one that names the code.
	Message string `json:"message,omitempty"`
	// AfterEvents lets a stream deliver so many events first, plus up to Spread more at random.
	AfterEvents int `json:"afterEvents,omitempty"`
	Spread      int `json:"spread,omitempty"`
	// Delay is for FaultSlow; it is not scaled.
	Delay time.Duration `json:"delay,omitempty"`
	// Times is how often the fault happens; negative is for ever.
	Times int `json:"times,omitempty"`
}

// Check says what cannot be understood of a fault.
func (f Fault) Check() error {
	kinds := []FaultKind{FaultError, FaultEnd, FaultReset, FaultStall, FaultSlow, FaultLimit, FaultToken, FaultReplay, FaultDuplicate, FaultGarbled}
	if !slices.Contains(kinds, f.Kind) {
		return fmt.Errorf("there is no kind of fault %q: use one of %s", f.Kind, kinds)
	}
	rpcs := []string{"", "Subscribe", "GetTopic", "GetSchema", "Publish"}
	if !slices.Contains(rpcs, f.RPC) {
		return fmt.Errorf("there is no rpc %q: use one of %s", f.RPC, rpcs[1:])
	}
	_, err := statusCode(f.Status)
	return err
}

// Inject adds a fault. It fails if the fault cannot be understood.
func (s *Server) Inject(fault Fault) error {
	if err := fault.Check(); err != nil {
		return err
	}
	switch fault.Kind {
	case FaultDuplicate, FaultGarbled:
		fault.RPC = "Publish"
	default:
		fault.RPC = orElse(fault.RPC, "Subscribe")
	}
	if fault.Times == 0 {
		fault.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &fault)
	return nil
}

// Faults lists the faults that are still to come.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	result := []Fault{}
	for _, fault := range s.faults {
		result = append(result, *fault)
	}
	return result
}

// ClearFaults removes all faults. Stalled streams stay stalled.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Cut lets a fault happen to all open subscriptions now. It returns how many there were.
func (s *Server) Cut(fault Fault) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	cut := 0
	for stream := range s.streams {
		if fault.Topic != "" && stream.topic.name != fault.Topic {
			continue
		}
		select {
		case stream.cut <- fault:
			cut++
			s.fired(fault.Kind)
		default: // it is being cut already
		}
	}
	return cut
}

// SetDeliveryLimit sets how many events may be delivered in 24 hours; 0 is no limit.
func (s *Server) SetDeliveryLimit(events int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = events
}

// SetZeroCreditError says whether a stream without credit is ended by an error or normally: what the real service does is not
// documented.
func (s *Server) SetZeroCreditError(withError bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.options.ZeroCreditError = withError
}

// delivered is what was delivered within one minute.
type delivered struct {
	at    time.Time
	count int64
}

// delivers counts events against the allowance. The caller holds the lock.
func (s *Server) delivers(count int64) {
	s.counters.Delivered += count
	minute := s.options.Now().Truncate(time.Minute)
	if last := len(s.delivery) - 1; last >= 0 && s.delivery[last].at.Equal(minute) {
		s.delivery[last].count += count
		return
	}
	s.delivery = append(s.delivery, delivered{minute, count})
}

// deliveredIn24h is what counts against the allowance now. The caller holds the lock.
func (s *Server) deliveredIn24h() int64 {
	since := s.options.Now().Add(-24 * time.Hour)
	for len(s.delivery) > 0 && s.delivery[0].at.Before(since) {
		s.delivery = s.delivery[1:]
	}
	var sum int64
	for _, minute := range s.delivery {
		sum += minute.count
	}
	return sum
}

// takeFault uses up one occurrence of a fault of a kind. The caller holds the lock.
func (s *Server) takeFault(kind FaultKind, rpc, topic string) *Fault {
	return s.take(func(f *Fault) bool { return f.Kind == kind && f.RPC == rpc && (f.Topic == "" || f.Topic == topic) })
}

func (s *Server) take(matches func(*Fault) bool) *Fault {
	for i, fault := range s.faults {
		if !matches(fault) {
			continue
		}
		if fault.Times > 0 {
			if fault.Times--; fault.Times == 0 {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			}
		}
		s.fired(fault.Kind)
		fired := *fault
		if fired.Spread > 0 {
			fired.AfterEvents += rand.IntN(fired.Spread + 1)
		}
		return &fired
	}
	return nil
}

// fired counts a fault. The caller holds the lock.
func (s *Server) fired(kind FaultKind) {
	if s.counters.FaultsFired == nil {
		s.counters.FaultsFired = map[string]int64{}
	}
	s.counters.FaultsFired[string(kind)]++
}

// faultOnCall lets the next fault of a unary call happen.
func (s *Server) faultOnCall(ctx context.Context, rpc, topic string) error {
	s.mu.Lock()
	fault := s.take(func(f *Fault) bool { return f.RPC == rpc && (f.Topic == "" || f.Topic == topic) })
	s.mu.Unlock()
	if fault == nil {
		return nil
	}
	return s.happen(ctx, rpc, *fault)
}

// happen lets a fault happen to a call. A nil result means that the call goes on, or for a stream ends normally.
func (s *Server) happen(ctx context.Context, rpc string, fault Fault) error {
	switch fault.Kind {
	case FaultSlow:
		wait(ctx, fault.Delay)
		return ctx.Err()
	case FaultStall:
		<-ctx.Done()
		return ctx.Err()
	case FaultEnd:
		return nil
	case FaultReset:
		wait(ctx, 10*time.Millisecond) // what was sent before is still on its way out
		if s.conns.abort(ctx) {
			<-ctx.Done()
		}
		// Without a wrapped listener the connection is out of reach; this is what clients see of a reset stream.
		return status.Error(codes.Unavailable, "RST_STREAM closed stream")
	case FaultToken:
		return fail(ctx, rpc, codes.Unauthenticated, "service.auth.error", "An authentication exception occurred. The session is expired or not valid.")
	case FaultLimit:
		return limitExceeded(ctx, rpc)
	case FaultReplay:
		return replayCorrupted(ctx, rpc)
	default:
		code, err := statusCode(fault.Status)
		if err != nil {
			return err
		}
		return fail(ctx, rpc, code, fault.ErrorCode, orElse(fault.Message, "The sandbox was told to fail."))
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func limitExceeded(ctx context.Context, rpc string) error {
	return fail(ctx, rpc, codes.ResourceExhausted, "subscription.limit.exceeded", "The org's daily limit of delivered events was exceeded.")
}

func replayCorrupted(ctx context.Context, rpc string) error {
	return fail(ctx, rpc, codes.InvalidArgument, "subscription.fetch.replayid.corrupted", "The Replay ID validation failed. Ensure that the Replay ID is valid.")
}

const codePrefix = "sfdc.platform.eventbus.grpc."

// fail ends a call as the real service does: code and call id in the trailer, the id once more at the end of the text.
func fail(ctx context.Context, rpc string, code codes.Code, errorCode, message string) error {
	id := uuid()
	trailer := metadata.Pairs("rpc-id", id, "type", `["`+rpc+`"]`)
	if errorCode != "" {
		trailer.Set("error-code", codePrefix+strings.TrimPrefix(errorCode, codePrefix))
	}
	// Fails only outside of a call.
	_ = grpc.SetTrailer(ctx, trailer)
	return status.Errorf(code, "%s rpcId: %s", message, id)
}

// statusCode reads the name of a gRPC status.
func statusCode(name string) (codes.Code, error) {
	var code codes.Code
	if name == "" {
		return codes.Internal, nil
	}
	if err := code.UnmarshalJSON([]byte(`"` + name + `"`)); err != nil || code == codes.OK {
		return 0, fmt.Errorf("there is no gRPC status for errors called %q", name)
	}
	return code, nil
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
