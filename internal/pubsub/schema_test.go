package pubsub

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func TestSchemaCacheAsksOncePerID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		cache := newSchemaCache(func(context.Context, string) (*avroNode, error) {
			calls.Add(1)
			<-time.After(time.Second)
			return &avroNode{}, nil
		})
		start := time.Now()
		for i := range 20 {
			go func() {
				if _, err := cache.get(t.Context(), fmt.Sprint("schema ", i%2)); err != nil {
					t.Error(err)
				}
			}()
		}
		<-time.After(time.Second)
		synctest.Wait()
		if _, err := cache.get(t.Context(), "schema 1"); err != nil {
			t.Error(err)
		}
		if got := calls.Load(); got != 2 || time.Since(start) != time.Second {
			t.Errorf("%d calls in %s for two ids, want one each, side by side", got, time.Since(start))
		}
	})
}

func TestSchemaCacheIsBounded(t *testing.T) {
	calls := map[string]int{}
	cache := newSchemaCache(func(_ context.Context, id string) (*avroNode, error) {
		calls[id]++
		return &avroNode{}, nil
	})
	get := func(id string) {
		if _, err := cache.get(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	get("often used")
	for i := range 3 * maxSchemas {
		get(fmt.Sprint(i))
		get("often used")
	}
	get("0")
	if calls["often used"] != 1 || calls["0"] != 2 || len(cache.entries) > maxSchemas {
		t.Errorf("%d entries, %d calls for the one in use, %d for the oldest", len(cache.entries), calls["often used"], calls["0"])
	}
}

func TestSchemaCacheOutlivesWhoAskedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Bool
		cache := newSchemaCache(func(ctx context.Context, _ string) (*avroNode, error) {
			select {
			case <-time.After(time.Second):
				return &avroNode{name: "answer"}, nil
			case <-ctx.Done():
				ended.Store(true)
				return nil, ctx.Err()
			}
		})
		impatient, cancel := context.WithCancel(t.Context())
		go func() {
			if _, err := cache.get(impatient, "id"); !errors.Is(err, context.Canceled) {
				t.Errorf("the first got %v", err)
			}
		}()
		synctest.Wait()
		go func() {
			if schema, err := cache.get(t.Context(), "id"); err != nil || schema.name != "answer" {
				t.Errorf("the second got %v, %v", schema, err)
			}
		}()
		synctest.Wait()
		cancel()
		<-time.After(2 * time.Second)
		if ended.Load() {
			t.Error("the call ended with who asked first")
		}
		alone, cancelAlone := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancelAlone()
		if _, err := cache.get(alone, "other"); !errors.Is(err, context.DeadlineExceeded) || !ended.Load() {
			t.Errorf("the only one who asked got %v; its call ended: %v", err, ended.Load())
		}
	})
}

func TestSchemaCacheKeepsNoFailureButFinalOnes(t *testing.T) {
	failure := func(code codes.Code, name string) error {
		return newError(status.Error(code, "no"), metadata.Pairs("error-code", codePrefix+name))
	}
	tests := map[string]struct {
		err       error
		wantCalls int // of ten requests
		wantFinal bool
	}{
		"service down":              {failure(codes.Unavailable, "schema.api.unavailable"), 10, false},
		"no permission":             {failure(codes.PermissionDenied, "schema.meta.permission"), 10, false},
		"unknown schema":            {failure(codes.InvalidArgument, "schema.validation.failed"), 1, true},
		"unclear, about the schema": {failure(codes.InvalidArgument, "schema.brand.new"), patience, true},
		"no code, not found":        {newError(status.Error(codes.NotFound, "no"), nil), patience, true},
		"no code, connection lost":  {newError(status.Error(codes.Unavailable, "no"), nil), 10, false},
		"login failed":              {&Error{Verdict: loginFailed}, 10, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			calls := 0
			cache := newSchemaCache(func(context.Context, string) (*avroNode, error) {
				calls++
				return nil, test.err
			})
			var err error
			for range 10 {
				if _, err = cache.get(t.Context(), "id"); err == nil {
					t.Fatal("a failure was lost")
				}
			}
			if calls != test.wantCalls || (actionOf(err) == Undecodable) != test.wantFinal {
				t.Errorf("%d calls, action %s; want %d, final %v", calls, actionOf(err), test.wantCalls, test.wantFinal)
			}
		})
	}
}

// A refusal may be about a moment: the schema is new, or the service was out of order.
func TestSchemaIsAskedForAgainAfterARefusal(t *testing.T) {
	for name, refused := range map[string]error{
		"unknown schema":      newError(status.Error(codes.InvalidArgument, "no"), metadata.Pairs("error-code", codePrefix+"schema.validation.failed")),
		"unclear, persistent": newError(status.Error(codes.Internal, "no"), nil),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answer, calls := refused, 0
				cache := newSchemaCache(func(context.Context, string) (*avroNode, error) {
					calls++
					return &avroNode{}, answer
				})
				for range patience {
					_, _ = cache.get(t.Context(), "id")
				}
				<-time.After(refusalLasts)
				before := calls
				if _, err := cache.get(t.Context(), "id"); actionOf(err) != Undecodable || calls != before+1 {
					t.Errorf("a minute later: %v after %d more calls, want one that decides", err, calls-before)
				}
				answer = nil
				<-time.After(refusalLasts)
				if _, err := cache.get(t.Context(), "id"); err != nil {
					t.Errorf("once the bus knows the schema: %v", err)
				}
			})
		})
	}
}
