package pubsub

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func TestConnectionFaultsHaveWords(t *testing.T) {
	const handshake = "connection error: desc = \"transport: authentication handshake failed: "
	tests := map[string]struct {
		message string
		want    Verdict
	}{
		"unknown CA":       {handshake + `tls: failed to verify certificate: x509: certificate signed by unknown authority"`, untrusted},
		"expired":          {handshake + `tls: failed to verify certificate: x509: certificate has expired or is not yet valid: current time 2026-01-01 is after 2025-01-01"`, outOfDate},
		"another name":     {handshake + `tls: failed to verify certificate: x509: certificate is valid for a.example.com, not b.example.com"`, otherHost},
		"no IP address":    {handshake + `tls: failed to verify certificate: x509: cannot validate certificate for 127.0.0.1 because it doesn't contain any IP SANs"`, otherHost},
		"no TLS":           {handshake + `tls: first record does not look like a TLS handshake"`, tlsFailed},
		"TLS broken off":   {handshake + `EOF"`, tlsFailed},
		"nobody listens":   {`connection error: desc = "dial tcp 127.0.0.1:1: connect: connection refused"`, unreachable},
		"firewall":         {`connection error: desc = "dial tcp 10.0.0.1:7443: i/o timeout"`, unreachable},
		"no name":          {`connection error: desc = "dial tcp: lookup bus.invalid: no such host"`, unknownHost},
		"stream reset":     {"RST_STREAM closed stream", connectionLost},
		"connection ended": {"error reading from server: EOF", connectionLost},
		"proxy":            {"upstream connect error or disconnect/reset before headers. reset reason: remote reset", connectionLost},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := newError(status.Error(codes.Unavailable, test.message), nil); got.Verdict != test.want {
				t.Errorf("verdict %+v, want %+v", got.Verdict, test.want)
			}
		})
	}
}

// TestErrorsWithoutACodeHaveWords has calls fail as they do when a proxy, and not the bus, answers: somebody has to learn
// at least what to look at.
func TestErrorsWithoutACodeHaveWords(t *testing.T) {
	tests := map[codes.Code]string{
		codes.PermissionDenied:   "check that the integration user may read the event, and that no proxy stands before pubSubEndpoint",
		codes.NotFound:           "check the spelling of the topic",
		codes.Internal:           "gRPC status Internal",
		codes.FailedPrecondition: "gRPC status FailedPrecondition",
	}
	for code, want := range tests {
		got := newError(status.Error(code, "stream terminated by RST_STREAM"), nil)
		if got.Action != Resume || !strings.Contains(got.Error(), want) {
			t.Errorf("%s: %s, %q; want %s with %q", code, got.Action, got, Resume, want)
		}
	}
}

func TestErrorKeepsTheFarSidesTextOutOfTheMessage(t *testing.T) {
	far := status.Error(codes.Internal, "Oops\x00\n "+strings.Repeat("ö", 500)+" rpcId: 1-2-3")
	for _, code := range []string{"service.unavailable", codePrefix + "service.unavailable", " " + codePrefix + "service.unavailable\n"} {
		got := newError(far, metadata.Pairs("error-code", code))
		if got.Code != "service.unavailable" || got.Reason != "ServiceUnavailable" || strings.Contains(got.Error(), "rpcId") {
			t.Errorf("error %q with code %q", got, got.Code)
		}
		if len([]rune(got.Detail)) > maxDetail+1 || strings.ContainsAny(got.Detail, "\x00\n") || !strings.HasSuffix(got.Detail, "ö…") {
			t.Errorf("detail %q", got.Detail)
		}
	}
}

func TestErrorHidesTheToken(t *testing.T) {
	got := newError(status.Error(codes.Internal, "the session 00D!secret is odd"), nil).hide("00D!secret")
	if strings.Contains(got.Detail, "secret") || !strings.Contains(got.Detail, "is odd") {
		t.Errorf("detail %q", got.Detail)
	}
}

func TestBackoffDoublesToItsMaximum(t *testing.T) {
	backoff := Backoff{Base: time.Second, Max: time.Minute}
	for attempt, want := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 6: 32 * time.Second, 7: time.Minute, 1000: time.Minute,
	} {
		if got := backoff.bound(attempt); got != want {
			t.Errorf("bound of attempt %d is %s, want %s", attempt, got, want)
		}
	}
	short, long := 0, 0
	for range 1000 {
		switch pause := backoff.pause(7); {
		case pause < 0 || pause > time.Minute:
			t.Fatalf("pause %s", pause)
		case pause < 15*time.Second:
			short++
		case pause > 45*time.Second:
			long++
		}
	}
	if short < 150 || long < 150 {
		t.Errorf("%d short and %d long pauses of 1000: no full jitter", short, long)
	}
}

func TestCreditFollowsTheBus(t *testing.T) {
	type step struct {
		events  int
		pending int32
		want    int32 // asked for after the batch is stored
	}
	tests := map[string][]step{
		"in one batch":                  {{100, 0, 100}, {100, 0, 100}},
		"half is used up first":         {{49, 51, 0}, {1, 50, 50}, {10, 90, 0}},
		"request under way is counted":  {{60, 40, 60}, {10, 30, 0}, {10, 80, 0}, {30, 50, 50}},
		"request arrived with a batch":  {{60, 40, 60}, {40, 60, 0}, {60, 0, 100}},
		"sign of life changes nothing":  {{0, 100, 0}, {0, 100, 0}},
		"bus lost count":                {{0, 100, 0}, {10, 0, 100}},
		"bus never says what is left":   {{10, 0, 0}, {10, 0, 0}, {30, 0, 50}},
		"more than was asked for":       {{120, -20, 100}, {100, 0, 100}},
		"pending beyond all reason":     {{0, 1 << 30, 0}, {100, 0, 100}},
		"one by one, never above a 100": {{1, 99, 0}, {1, 98, 0}, {48, 50, 50}, {1, 99, 0}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			var c credit
			c.requested(maxCredit)
			for i, step := range steps {
				c.received(step.events, step.pending)
				got := c.refill(maxCredit)
				if got != step.want || c.pending+c.inFlight+got > maxCredit {
					t.Errorf("step %d: asks for %d with %d pending and %d under way, want %d", i, got, c.pending, c.inFlight, step.want)
				}
				c.requested(got)
			}
		})
	}
}
