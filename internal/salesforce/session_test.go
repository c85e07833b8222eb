package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
)

func TestLogin(t *testing.T) {
	f := newFake(t)
	c := f.client()
	s, err := c.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Session{AccessToken: "00D58000000arpq!AQEAQ1.secretTokenText", InstanceURL: f.URL, OrgID: testOrg}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
	again, err := c.Session(t.Context())
	if err != nil || again != s || f.loginCount() != 1 {
		t.Errorf("second call: %v, %v, %d logins; want the same session", again, err, f.loginCount())
	}
}

func TestAssertionLivesThreeMinutes(t *testing.T) {
	f := newFake(t)
	c := f.client()
	at := time.Unix(1_800_000_000, 0)
	c.now = func() time.Time { return at }
	signed, err := c.assertion()
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(signed, claims); err != nil {
		t.Fatal(err)
	}
	want := jwt.MapClaims{"iss": testClient, "sub": testName, "aud": f.URL, "exp": float64(1_800_000_180)}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestAudienceIsSeparate(t *testing.T) {
	f := newFake(t)
	cfg := f.config()
	cfg.Audience = "https://login.salesforce.com"
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if c.audience != cfg.Audience || c.loginURL != f.URL {
		t.Errorf("audience %q, login URL %q", c.audience, c.loginURL)
	}
}

func TestOrgIDFallsBackToUserinfo(t *testing.T) {
	tests := map[string]string{
		"no identity":       "",
		"foreign shape":     "https://login.salesforce.com/somewhere",
		"another key":       "https://login.salesforce.com/id/0014x000000ABCDEFG/" + testUser,
		"no URL":            "::",
		"org id cut":        "https://login.salesforce.com/id/00D58/" + testUser,
		"wrong path before": "https://login.salesforce.com/x/" + testOrg + "/" + testUser,
	}
	for name, identity := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.token = func(w http.ResponseWriter, token string) {
				writeJSON(w, 200, map[string]any{"access_token": token, "instance_url": f.URL, "id": identity})
			}
			s, err := f.client().Session(t.Context())
			if err != nil || s.OrgID != testOrg {
				t.Errorf("org %q, %v; want %s", s.OrgID, err, testOrg)
			}
			if n := len(f.calls("/userinfo")); n != 1 {
				t.Errorf("%d calls of userinfo, want 1", n)
			}
		})
	}
}

func TestLoginIsSingleFlight(t *testing.T) {
	f := newFake(t)
	release := make(chan struct{})
	f.beforeLogin = func() { <-release }
	c := f.client()
	const callers = 50
	leaver, leave := context.WithCancel(t.Context())
	leaverGone := make(chan error)
	go func() { _, err := c.Session(leaver); leaverGone <- err }()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			if s, err := c.Session(t.Context()); err != nil || s.OrgID != testOrg {
				t.Errorf("session %v, %v", s, err)
			}
		})
	}
	leave()
	if err := <-leaverGone; !errors.Is(err, context.Canceled) {
		t.Errorf("the caller that left got %v, want its own cancellation", err)
	}
	close(release)
	wg.Wait()
	if n := f.loginCount(); n != 1 {
		t.Errorf("%d logins for %d callers, want 1", n, callers)
	}
}

func TestReloginOnce(t *testing.T) {
	f := newFake(t)
	f.rest = func(w http.ResponseWriter, _ received) { writeJSON(w, 200, map[string]any{}) }
	c := f.client()
	if _, err := c.Limits(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.revokeAll()
	if _, err := c.Limits(t.Context()); err != nil {
		t.Fatalf("after the token was revoked: %v", err)
	}
	if n := f.loginCount(); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
	if n := len(f.calls("/limits")); n != 3 {
		t.Errorf("%d calls, want 3: good, expired, repeated", n)
	}
}

func TestReloginStopsAfterOne(t *testing.T) {
	f := newFake(t)
	f.rest = func(w http.ResponseWriter, _ received) {
		writeError(w, 401, "INVALID_SESSION_ID", "Session expired or invalid")
	}
	_, err := f.client().Limits(t.Context())
	if ClassOf(err) != Auth || CodeOf(err) != "INVALID_SESSION_ID" {
		t.Errorf("got %v, want class Auth", err)
	}
	if logins, calls := f.loginCount(), len(f.calls("/limits")); logins != 2 || calls != 2 {
		t.Errorf("%d logins and %d calls, want 2 and 2", logins, calls)
	}
}

func TestReloginWhateverThe401Says(t *testing.T) {
	for name, body := range map[string]string{
		"nothing": "", "a page": "<html>Unauthorized</html>", "an empty list": "[]", "another code": `[{"errorCode":"INVALID_AUTH_HEADER","message":"INVALID_HEADER_TYPE"}]`,
		"the shape of OAuth": `{"error":"invalid_token","error_description":"expired"}`,
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.rest = func(w http.ResponseWriter, _ received) {
				if f.loginCount() > 1 {
					writeJSON(w, 200, map[string]any{})
					return
				}
				w.WriteHeader(http.StatusUnauthorized)
				_, _ = w.Write([]byte(body))
			}
			if _, err := f.client().Limits(t.Context()); err != nil || f.loginCount() != 2 {
				t.Errorf("%v after %d logins, want a new session", err, f.loginCount())
			}
		})
	}
}

func TestNoReloginWhereItCannotHelp(t *testing.T) {
	for text := range deadEndTexts {
		for _, code := range []string{"INVALID_SESSION_ID", "INVALID_AUTH", ""} {
			t.Run(text+"/"+code, func(t *testing.T) {
				f := newFake(t)
				f.rest = func(w http.ResponseWriter, _ received) { writeError(w, 401, code, text) }
				_, err := f.client().Limits(t.Context())
				if ClassOf(err) != Auth {
					t.Errorf("got %v, want class Auth", err)
				}
				if e, ok := errors.AsType[*Error](err); ok && e.Advice != deadEndTexts[text] {
					t.Errorf("advice %q, want %q", e.Advice, deadEndTexts[text])
				}
				if logins, calls := f.loginCount(), len(f.calls("/limits")); logins != 1 || calls != 1 {
					t.Errorf("%d logins and %d calls, want 1 and 1", logins, calls)
				}
			})
		}
	}
}

func TestInvalidateKeepsANewerSession(t *testing.T) {
	f := newFake(t)
	c := f.client()
	old, err := c.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Invalidate(old.AccessToken)
	renewed, err := c.Session(t.Context())
	if err != nil || renewed.AccessToken == old.AccessToken {
		t.Fatalf("after Invalidate: the same token, %v", err)
	}
	c.Invalidate(old.AccessToken)
	if s, _ := c.Session(t.Context()); s != renewed {
		t.Error("a session was dropped because an older token was refused")
	}
}

// A session that is refused as soon as it is begun must not use up the login allowance of the user.
func TestLoginsAreLimited(t *testing.T) {
	f := newFake(t)
	at := time.Now()
	f.rest = func(w http.ResponseWriter, _ received) {
		writeError(w, 401, "INVALID_SESSION_ID", "Session expired or invalid")
	}
	c := f.client()
	c.now = func() time.Time { return at }
	for range 50 {
		if _, err := c.Limits(t.Context()); ClassOf(err) != Auth {
			t.Fatalf("got %v, want class Auth", err)
		}
	}
	if n := f.loginCount(); n > 10 {
		t.Errorf("%d logins at one moment, want at most 10", n)
	}
	before := f.loginCount()
	at = at.Add(time.Minute)
	if _, err := c.Limits(t.Context()); ClassOf(err) != Auth {
		t.Fatal(err)
	}
	if f.loginCount() == before {
		t.Error("no login a minute later: the client must heal by itself")
	}
}

// What an admin has to mend is not asked about for every order that waits for it.
func TestRefusedLoginsBecomeRare(t *testing.T) {
	for name, tc := range map[string]struct {
		status            int
		code, description string
		class             Class
		most              int
	}{
		"not approved":    {400, "invalid_grant", "user hasn't approved this consumer", Auth, 15},
		"too many logins": {400, "invalid_grant", "login rate exceeded", LimitExceeded, 5},
		"an outage":       {503, "server_error", "try later", Transient, 160},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			c := f.client()
			at := time.Now()
			c.now = func() time.Time { return at }
			f.token = func(w http.ResponseWriter, _ string) {
				writeJSON(w, tc.status, map[string]any{"error": tc.code, "error_description": tc.description})
			}
			for range 300 {
				if _, err := c.Session(t.Context()); ClassOf(err) != tc.class || !strings.Contains(err.Error(), tc.description) {
					t.Fatalf("got %v, want the reason of the last login", err)
				}
				at = at.Add(time.Second)
			}
			if n := f.loginCount(); n > tc.most {
				t.Errorf("%d logins in five minutes, want at most %d", n, tc.most)
			}
			f.token = nil
			at = at.Add(time.Minute)
			if _, err := c.Session(t.Context()); err != nil {
				t.Errorf("a minute after it was mended: %v", err)
			}
		})
	}
}

func TestLoginRefusesWhatIsNotTLS(t *testing.T) {
	f := newFake(t)
	f.token = func(w http.ResponseWriter, token string) {
		writeJSON(w, 200, map[string]any{"access_token": token, "instance_url": strings.Replace(f.URL, "https", "http", 1), "id": "/id/" + testOrg + "/x"})
	}
	_, err := f.client().Session(t.Context())
	if ClassOf(err) != Misconfigured || !strings.Contains(fmt.Sprint(err), "https://") {
		t.Errorf("got %v, want a refusal of the plain instance URL", err)
	}
}

// TestUserinfoThatIsForbidden has a token answer without an identity URL and an app without the scope to ask for it.
func TestUserinfoThatIsForbidden(t *testing.T) {
	f := newFake(t)
	f.token = func(w http.ResponseWriter, token string) {
		writeJSON(w, 200, map[string]any{"access_token": token, "instance_url": f.URL})
	}
	next := f.Config.Handler
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/userinfo") {
			http.Error(w, "Bad_OAuth_Token", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
	_, err := f.client().Session(t.Context())
	if ClassOf(err) != Denied || !strings.Contains(fmt.Sprint(err), "OAuth scope id") {
		t.Errorf("got %v (%v), want %v and the scope to give", err, ClassOf(err), Denied)
	}
}

func TestLoginAnswers(t *testing.T) {
	tests := map[string]struct {
		answer func(w http.ResponseWriter)
		class  Class
		want   string
	}{
		"outage page with 200": {func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>maintenance</html>")) }, Transient, "not the JSON"},
		"empty object":         {func(w http.ResponseWriter) { writeJSON(w, 200, map[string]any{}) }, Transient, "not the JSON"},
		"503":                  {func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, Transient, "HTTP status 503"},
		"429":                  {func(w http.ResponseWriter) { w.WriteHeader(http.StatusTooManyRequests) }, LimitExceeded, "HTTP status 429"},
		"404 of another host":  {func(w http.ResponseWriter) { http.NotFound(w, nil) }, Misconfigured, "login host of the org"},
		"redirect": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "https://example.com/")
			w.WriteHeader(http.StatusFound)
		},
			Misconfigured, "HTTP status 302"},
		"endless": {func(w http.ResponseWriter) { _, _ = w.Write([]byte(strings.Repeat(" ", longestSmallAnswer+2))) }, Transient, "longer than"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.token = func(w http.ResponseWriter, _ string) { test.answer(w) }
			_, err := f.client().Session(t.Context())
			if ClassOf(err) != test.class || !strings.Contains(fmt.Sprint(err), test.want) {
				t.Errorf("got %v (%v), want class %v and %q", err, ClassOf(err), test.class, test.want)
			}
		})
	}
}

func TestSessionNeverShowsItsToken(t *testing.T) {
	s := Session{AccessToken: "00D58000000arpq!secret", InstanceURL: "https://x.example", OrgID: testOrg}
	asJSON, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{string(asJSON), s.String(), fmt.Sprint(s, &s)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, &s), fmt.Sprintf(verb, []Session{s}))
	}
	for _, text := range shown {
		if strings.Contains(text, "secret") {
			t.Errorf("the token shows in %s", text)
		}
		if !strings.Contains(text, testOrg) {
			t.Errorf("the org does not show in %s", text)
		}
	}
}

func TestSessionWaitEndsWithItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &Client{}
		block := make(chan struct{})
		c.flight.DoChan(opLogin, func() (any, error) { <-block; return Session{}, nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Session(ctx); !errors.Is(err, context.DeadlineExceeded) || ClassOf(err) != Transient {
			t.Errorf("got %v, want the caller's deadline", err)
		}
		close(block)
	})
}
