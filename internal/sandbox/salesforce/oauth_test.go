package salesforce

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

func TestTokenFromAssertion(t *testing.T) {
	wall := func() time.Time { return testStart.Add(1000 * time.Hour) } // far from the org's clock
	soon := wall().Add(3 * time.Minute).Unix()
	o := newOrg(t, func(options *Options) {
		options.WallNow, options.Audiences = wall, []string{"https://my.example.com"}
	})
	o.server.RegisterUser(User{Username: "locked@example.com", Locked: true})
	if err := o.server.RegisterApp(App{ClientID: "second", PublicKey: &testKey().PublicKey, Approved: []string{"locked@example.com"}}); err != nil {
		t.Fatal(err)
	}
	claims := func(changes ...any) jwt.MapClaims {
		out := jwt.MapClaims{"iss": testClient, "sub": testUser, "aud": "https://login.salesforce.com", "exp": soon}
		for i := 0; i < len(changes); i += 2 {
			out[fmt.Sprint(changes[i])] = changes[i+1]
		}
		return out
	}
	tests := map[string]struct {
		claims jwt.MapClaims
		want   string // error and description, empty for a token
	}{
		"login host":            {claims(), ""},
		"test host":             {claims("aud", "https://test.salesforce.com"), ""},
		"own URL":               {claims("aud", o.url), ""},
		"own URL with slash":    {claims("aud", o.url+"/"), ""},
		"configured":            {claims("aud", "https://my.example.com"), ""},
		"list":                  {claims("aud", []string{"x", "https://login.salesforce.com"}), ""},
		"exp as text":           {claims("exp", strconv.FormatInt(soon, 10)), ""},
		"exp in milliseconds":   {claims("exp", soon*1000), ""},
		"user in capitals":      {claims("sub", strings.ToUpper(testUser)), ""},
		"other audience":        {claims("aud", "https://evil.example.com"), "invalid_grant: audience is invalid"},
		"no audience":           {claims("aud", nil), "invalid_grant: audience is invalid"},
		"unknown app":           {claims("iss", "nobody"), "invalid_client_id: client identifier invalid"},
		"unknown user":          {claims("sub", "nobody@example.com"), "invalid_grant: user hasn't approved this consumer"},
		"user without approval": {claims("sub", "locked@example.com"), "invalid_grant: user hasn't approved this consumer"},
		"locked user":           {claims("iss", "second", "sub", "locked@example.com"), "invalid_grant: user is locked"},
		"expired":               {claims("exp", wall().Add(-time.Second).Unix()), "invalid_grant: invalid assertion"},
		"no expiry":             {claims("exp", nil), "invalid_grant: invalid assertion"},
		"nonsense expiry":       {claims("exp", "soon"), "invalid_grant: invalid assertion"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := o.form("/services/oauth2/token", "grant_type", jwtBearer, "assertion", assertion(t, test.claims))
			if test.want != "" {
				wantStatus(t, r, http.StatusBadRequest)
				if got := fmt.Sprint(r.at(t, "error"), ": ", r.at(t, "error_description")); got != test.want {
					t.Errorf("refusal = %q, want %q", got, test.want)
				}
				return
			}
			wantStatus(t, r, http.StatusOK)
			token, _ := r.at(t, "access_token").(string)
			if !o.server.ValidToken(token) || !strings.HasPrefix(token, o.server.OrgID()[:15]+"!") || len(token) != 112 {
				t.Errorf("token = %q", token)
			}
			if got, want := r.at(t, "id"), o.url+"/id/"+o.server.OrgID()+"/"+o.server.UserID(); got != want {
				t.Errorf("id = %v, want %v", got, want)
			}
			if r.at(t, "instance_url") != o.url || r.at(t, "token_type") != "Bearer" || strings.Contains(r.text, "issued_at") || strings.Contains(r.text, "expires_in") {
				t.Errorf("answer = %s", r.text)
			}
		})
	}
}

func TestForeignSignaturesAreRefused(t *testing.T) {
	o := newOrg(t)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	claims := jwt.MapClaims{"iss": testClient, "sub": testUser, "aud": "https://login.salesforce.com", "exp": time.Now().Add(time.Minute).Unix()}
	sign := func(method jwt.SigningMethod, key any) string {
		text, err := jwt.NewWithClaims(method, claims).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	tests := map[string]string{
		"other key":       sign(jwt.SigningMethodRS256, other),
		"other algorithm": sign(jwt.SigningMethodRS512, testKey()),
		"shared secret":   sign(jwt.SigningMethodHS256, []byte("x")),
		"unsigned":        sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType),
		"not a JWT":       "abc",
		"broken base64":   "a.%.c",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			r := o.form("/services/oauth2/token", "grant_type", jwtBearer, "assertion", text)
			if wantStatus(t, r, http.StatusBadRequest); r.at(t, "error") != "invalid_grant" {
				t.Errorf("answer = %s", r.text)
			}
		})
	}
	if c := o.server.Counters(); c["login"] != 6 || c["login.refused"] != 6 {
		t.Errorf("counters = %v", c)
	}
}

func TestOtherGrants(t *testing.T) {
	o := newOrg(t)
	tests := map[string]struct {
		form []string
		want string
	}{
		"password":          {[]string{"grant_type", "password", "client_id", testClient, "client_secret", "s3cret", "username", testUser, "password", "pw"}, ""},
		"wrong password":    {[]string{"grant_type", "password", "client_id", testClient, "client_secret", "s3cret", "username", testUser, "password", "no"}, "invalid_grant"},
		"client":            {[]string{"grant_type", "client_credentials", "client_id", testClient, "client_secret", "s3cret"}, ""},
		"wrong secret":      {[]string{"grant_type", "client_credentials", "client_id", testClient, "client_secret", "no"}, "invalid_client"},
		"unknown client":    {[]string{"grant_type", "client_credentials", "client_id", "no"}, "invalid_client_id"},
		"unknown grant":     {[]string{"grant_type", "authorization_code"}, "unsupported_grant_type"},
		"no grant":          {nil, "unsupported_grant_type"},
		"empty assertion":   {[]string{"grant_type", jwtBearer}, "invalid_grant"},
		"no user in client": {[]string{"grant_type", "client_credentials", "client_id", "lonely", "client_secret", "x"}, "invalid_grant"},
	}
	if err := o.server.RegisterApp(App{ClientID: "lonely", ClientSecret: "x"}); err != nil {
		t.Fatal(err)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := o.form("/services/oauth2/token", test.form...)
			if test.want == "" {
				if wantStatus(t, r, http.StatusOK); r.at(t, "issued_at") == nil {
					t.Errorf("answer = %s", r.text)
				}
				return
			}
			if wantStatus(t, r, http.StatusBadRequest); r.at(t, "error") != test.want {
				t.Errorf("answer = %s, want %s", r.text, test.want)
			}
		})
	}
}

func TestSessions(t *testing.T) {
	o := newOrg(t)
	alive := func(token string) bool {
		o.token = token
		r := o.call("GET", "limits", nil)
		if r.status == http.StatusUnauthorized && r.text != `[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]` {
			t.Errorf("refusal = %s", r.text)
		}
		return r.status == http.StatusOK
	}
	first, second := o.server.IssueToken(), o.server.IssueToken()
	o.move(90 * time.Minute)
	if !alive(first) {
		t.Error("the session ended before its idle time")
	}
	o.move(90 * time.Minute)
	if !alive(first) || alive(second) {
		t.Error("want the used session alive and the idle one ended")
	}
	third, fourth := o.server.IssueToken(), o.server.IssueToken()
	wantStatus(t, o.form("/services/oauth2/revoke", "token", first), http.StatusOK)
	wantStatus(t, o.form("/services/oauth2/revoke", "token", first), http.StatusBadRequest)
	if alive(first) || !alive(third) || !o.server.RevokeToken(third) || alive(third) {
		t.Error("revoking did not end exactly the one session")
	}
	if n := o.server.RevokeTokens(); n == 0 || alive(fourth) || o.server.ValidToken(fourth) {
		t.Errorf("%d sessions revoked; none may live on", n)
	}
	if alive("") {
		t.Error("no token was taken for one")
	}
}

func TestUserinfoAndIdentity(t *testing.T) {
	o := newOrg(t)
	r := o.call("GET", "/services/oauth2/userinfo", nil)
	wantStatus(t, r, http.StatusOK)
	for field, want := range map[string]string{"organization_id": o.server.OrgID(), "user_id": o.server.UserID(), "preferred_username": testUser} {
		if got := r.at(t, field); got != want {
			t.Errorf("%s = %v, want %v", field, got, want)
		}
	}
	path := "/id/" + o.server.OrgID() + "/" + o.server.UserID()
	if r := o.call("GET", path+"?format=json", nil); r.at(t, "username") != testUser {
		t.Errorf("identity = %s", r.text)
	}
	wantStatus(t, o.call("GET", "/id/"+o.server.OrgID()+"/"+o.server.OrgID(), nil), http.StatusNotFound)
	o.server.RevokeTokens()
	wantStatus(t, o.call("GET", "/services/oauth2/userinfo", nil), http.StatusForbidden)
	wantStatus(t, o.call("GET", path, nil), http.StatusForbidden)
}

func TestSoapLogin(t *testing.T) {
	o := newOrg(t)
	envelope := func(password string) string {
		return `<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><login xmlns="urn:partner.soap.sforce.com">` +
			`<username>` + testUser + `</username><password>` + password + `</password></login></e:Body></e:Envelope>`
	}
	r := o.call("POST", "/services/Soap/u/59.0", envelope("pw"), "Content-Type: text/xml")
	wantStatus(t, r, http.StatusOK)
	_, rest, _ := strings.Cut(r.text, "<sessionId>")
	token, _, _ := strings.Cut(rest, "</sessionId>")
	if !o.server.ValidToken(token) || !strings.Contains(r.text, "<serverUrl>"+o.url+"/services/Soap/u/59.0/") {
		t.Errorf("answer = %s", r.text)
	}
	var answer struct {
		UserInfo struct {
			Children []struct {
				XMLName xml.Name
				Text    string `xml:",chardata"`
			} `xml:",any"`
		} `xml:"Body>loginResponse>result>userInfo"`
	}
	if err := xml.Unmarshal([]byte(r.text), &answer); err != nil {
		t.Fatal(err)
	}
	// The vendor's Python sample takes the ninth element for the id of the org.
	children := answer.UserInfo.Children
	if len(children) < 9 || children[8].XMLName.Local != "organizationId" || children[8].Text != o.server.OrgID() {
		t.Errorf("userInfo = %v, want organizationId in the ninth place", children)
	}
	for name, test := range map[string]struct{ path, body, want string }{
		"wrong password":  {"/services/Soap/u/59.0", envelope("no"), "INVALID_LOGIN"},
		"too new":         {"/services/Soap/u/66.0", envelope("pw"), "UNSUPPORTED_API_VERSION"},
		"no such version": {"/services/Soap/u/99.0", envelope("pw"), "Invalid Api version"},
		"not XML":         {"/services/Soap/c/59.0", "{}", "cannot be read"},
		"another call":    {"/services/Soap/m/66.0", `<E><Body><describeMetadata/></Body></E>`, "login and logout only"},
	} {
		r := o.call("POST", test.path, test.body, "Content-Type: text/xml")
		if wantStatus(t, r, http.StatusInternalServerError); !strings.Contains(r.text, test.want) {
			t.Errorf("%s: answer = %s, want %s", name, r.text, test.want)
		}
	}
}

func TestSoapLogout(t *testing.T) {
	o := newOrg(t)
	logout := `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><e:Header>` +
		`<SessionHeader><sessionId>` + o.token + `</sessionId></SessionHeader></e:Header><e:Body><logout/></e:Body></e:Envelope>`
	r := o.call("POST", "/services/Soap/u/66.0", logout, "Content-Type: text/xml")
	if wantStatus(t, r, http.StatusOK); o.server.ValidToken(o.token) {
		t.Error("the session outlived its logout")
	}
	r = o.call("POST", "/services/Soap/u/66.0", logout, "Content-Type: text/xml")
	if wantStatus(t, r, http.StatusInternalServerError); !strings.Contains(r.text, "INVALID_SESSION_ID") {
		t.Errorf("answer = %s", r.text)
	}
}
