package salesforce

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

const (
	testOrg    = "00D58000000arpqEAA"
	testUser   = "0054x000000ABCDEFG"
	testClient = "3MVG9consumer"
	testName   = "integration@example.com"
)

var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func testKeyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(testKey())})
}

// received is one request as the fake got it.
type received struct {
	method, path, query, body string
	header                    http.Header
}

// fake is a login host and an instance in one TLS server. Its token endpoint verifies the assertion; what the REST
// resources answer is up to each test.
type fake struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	logins   int
	valid    map[string]bool
	requests []received

	// rest answers requests that carry a valid token.
	rest func(w http.ResponseWriter, r received)
	// token, if set, replaces the answer to a good assertion.
	token func(w http.ResponseWriter, accessToken string)
	// beforeLogin, if set, runs before each login is answered.
	beforeLogin func()
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{t: t, valid: map[string]bool{}}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	f.EnableHTTP2 = true
	f.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	f.StartTLS()
	t.Cleanup(f.Close)
	return f
}

func (f *fake) caPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
}

func (f *fake) config() Config {
	return Config{LoginURL: f.URL, ClientID: testClient, Username: testName, PrivateKey: testKeyPEM(), CABundle: f.caPEM()}
}

func (f *fake) client() *Client {
	f.t.Helper()
	c, err := New(f.config())
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	got := received{method: r.Method, path: r.URL.Path, query: r.URL.RawQuery, body: string(body), header: r.Header}
	f.mu.Lock()
	f.requests = append(f.requests, got)
	f.mu.Unlock()
	if r.URL.Path == "/services/oauth2/token" {
		f.login(w, got)
		return
	}
	f.mu.Lock()
	ok := f.valid[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	f.mu.Unlock()
	if !ok {
		writeError(w, 401, "INVALID_SESSION_ID", "Session expired or invalid")
		return
	}
	if r.URL.Path == "/services/oauth2/userinfo" {
		writeJSON(w, 200, map[string]any{"organization_id": testOrg, "user_id": testUser})
		return
	}
	if f.rest == nil {
		writeError(w, 404, "NOT_FOUND", "The requested resource does not exist")
		return
	}
	f.rest(w, got)
}

func (f *fake) login(w http.ResponseWriter, got received) {
	if f.beforeLogin != nil {
		f.beforeLogin()
	}
	form := parseForm(got.body)
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(form["assertion"], claims, func(*jwt.Token) (any, error) { return &testKey().PublicKey, nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired())
	_, audIsText := claims["aud"].(string)
	if err != nil || form["grant_type"] != jwtGrant || claims["iss"] != testClient || claims["sub"] != testName || !audIsText || claims["aud"] != f.URL {
		writeJSON(w, 400, map[string]any{"error": "invalid_grant", "error_description": "invalid assertion"})
		return
	}
	f.mu.Lock()
	f.logins++
	token := fmt.Sprintf("00D58000000arpq!AQEAQ%d.secretTokenText", f.logins)
	f.valid[token] = true
	f.mu.Unlock()
	if f.token != nil {
		f.token(w, token)
		return
	}
	writeJSON(w, 200, map[string]any{"access_token": token, "instance_url": f.URL, "token_type": "Bearer", "scope": "api",
		"id": f.URL + "/id/" + testOrg + "/" + testUser})
}

func (f *fake) revokeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.valid)
}

func (f *fake) loginCount() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logins
}

// calls returns the requests to the REST resource whose path ends so.
func (f *fake) calls(suffix string) []received {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []received
	for _, r := range f.requests {
		if strings.HasSuffix(r.path, suffix) {
			out = append(out, r)
		}
	}
	return out
}

func parseForm(body string) map[string]string {
	r := &http.Request{Method: http.MethodPost, Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: io.NopCloser(strings.NewReader(body))}
	out := map[string]string{}
	if r.ParseForm() != nil {
		return out
	}
	for k := range r.PostForm {
		out[k] = r.PostForm.Get(k)
	}
	return out
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func writeError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, []map[string]any{{"errorCode": code, "message": message}})
}

// orderID makes the n-th of many valid order ids.
func orderID(n int) ID {
	id, err := ParseOrderID(fmt.Sprintf("8014x0000%06d", n), OrderObject)
	if err != nil {
		panic(err)
	}
	return id
}

func itemID(n int) ID {
	id, err := ParseID(fmt.Sprintf("8024x0000%06d", n))
	if err != nil {
		panic(err)
	}
	return id
}
