package salesforce

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func oauthFailure(code, description string) *response {
	return answer(http.StatusBadRequest, oauthError{code, description})
}

const jwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer"

// token serves /services/oauth2/token.
func (s *Server) token(c *call) *response {
	if c.method != http.MethodPost {
		return oauthFailure("invalid_request", "must use HTTP POST")
	}
	if f, struck := s.faults.request(FaultLoginError, c); struck {
		s.counters.add("login.refused")
		code, message := f.Code, f.Message
		if code == "" {
			code, message = "invalid_grant", "user hasn't approved this consumer"
		}
		return oauthFailure(code, message)
	}
	s.mu.Lock()
	r := s.grant(c)
	s.mu.Unlock()
	if r.failed() {
		s.counters.add("login.refused")
	}
	return r
}

func (s *Server) grant(c *call) *response {
	switch grant := c.form.Get("grant_type"); grant {
	case jwtBearer:
		return s.assertionGrant(c)
	case "password":
		return s.passwordGrant(c)
	case "client_credentials":
		return s.clientGrant(c)
	case "":
		return oauthFailure("unsupported_grant_type", "grant type not supported")
	default:
		return oauthFailure("unsupported_grant_type", "grant type not supported")
	}
}

// claims are read leniently: exp comes as number or string, in seconds or
// even milliseconds, aud as a string or a list.
type claims struct {
	Issuer   string      `json:"iss"`
	Subject  string      `json:"sub"`
	Audience any         `json:"aud"`
	Expiry   json.Number `json:"exp"`
}

func (s *Server) assertionGrant(c *call) *response {
	assertion := c.form.Get("assertion")
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return oauthFailure("invalid_grant", "invalid assertion")
	}
	var got claims
	payload, err := jwt.NewParser(jwt.WithPaddingAllowed()).DecodeSegment(parts[1])
	if err != nil || json.Unmarshal(payload, &got) != nil {
		return oauthFailure("invalid_grant", "invalid assertion")
	}
	app, known := s.apps[got.Issuer]
	if !known {
		return oauthFailure("invalid_client_id", "client identifier invalid")
	}
	if !signedBy(app, assertion) || !s.timely(got.Expiry) {
		return oauthFailure("invalid_grant", "invalid assertion")
	}
	if !s.audienceAccepted(got.Audience, c.base) {
		return oauthFailure("invalid_grant", "audience is invalid")
	}
	user, known := s.users[strings.ToLower(got.Subject)]
	if !known || !slices.ContainsFunc(app.Approved, func(name string) bool { return strings.EqualFold(name, got.Subject) }) {
		return oauthFailure("invalid_grant", "user hasn't approved this consumer")
	}
	if user.Locked {
		return oauthFailure("invalid_grant", "user is locked")
	}
	return s.granted(c, user, "api web", s.options.TokenExtras)
}

func signedBy(app App, assertion string) bool {
	if app.PublicKey == nil {
		return false
	}
	// Only the signature is judged here: the claims are read leniently.
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithoutClaimsValidation())
	_, err := parser.ParseWithClaims(assertion, jwt.MapClaims{}, func(*jwt.Token) (any, error) { return app.PublicKey, nil })
	return err == nil
}

// millisecondsFrom tells seconds and milliseconds apart.
const millisecondsFrom = 1e11

func (s *Server) timely(expiry json.Number) bool {
	seconds, err := strconv.ParseFloat(expiry.String(), 64)
	if err != nil {
		return false
	}
	if seconds > millisecondsFrom {
		seconds /= 1000
	}
	left := time.Duration((seconds - float64(s.options.WallNow().Unix())) * float64(time.Second))
	return left > 0 && (s.options.MaxAssertionAge == 0 || left <= s.options.MaxAssertionAge)
}

func (s *Server) audienceAccepted(audience any, base string) bool {
	accepted := append([]string{"https://login.salesforce.com", "https://test.salesforce.com", base}, s.options.Audiences...)
	ok := func(v any) bool {
		name, _ := v.(string)
		return name != "" && slices.Contains(accepted, strings.TrimSuffix(name, "/"))
	}
	if many, isList := audience.([]any); isList {
		return slices.ContainsFunc(many, ok)
	}
	return ok(audience)
}

func (s *Server) client(c *call) (App, *response) {
	id, secret := c.form.Get("client_id"), c.form.Get("client_secret")
	if id == "" {
		id, secret, _ = c.basicAuth()
	}
	app, known := s.apps[id]
	if !known {
		return app, oauthFailure("invalid_client_id", "client identifier invalid")
	}
	if app.ClientSecret == "" || app.ClientSecret != secret {
		return app, oauthFailure("invalid_client", "invalid client credentials")
	}
	return app, nil
}

func (s *Server) passwordGrant(c *call) *response {
	if _, refused := s.client(c); refused != nil {
		return refused
	}
	user, known := s.users[strings.ToLower(c.form.Get("username"))]
	if !known || user.Password == "" || user.Password != c.form.Get("password") {
		return oauthFailure("invalid_grant", "authentication failure")
	}
	return s.granted(c, user, "", true)
}

func (s *Server) clientGrant(c *call) *response {
	app, refused := s.client(c)
	if refused != nil {
		return refused
	}
	user, known := s.users[strings.ToLower(app.RunAs)]
	if !known {
		return oauthFailure("invalid_grant", "no client credentials user enabled")
	}
	return s.granted(c, user, "api", true)
}

func (s *Server) granted(c *call, user User, scope string, extras bool) *response {
	body := &record{}
	body.set("access_token", s.login(user.ID))
	if scope != "" {
		body.set("scope", scope)
	}
	body.set("instance_url", c.base)
	body.set("id", c.base+"/id/"+s.org+"/"+user.ID)
	body.set("token_type", "Bearer")
	if extras {
		body.set("issued_at", strconv.FormatInt(s.options.Now().UnixMilli(), 10))
		body.set("signature", "c2FuZGJveC1zaWduYXR1cmUtbm90LXNlY3JldA==")
	}
	return answer(http.StatusOK, body)
}

// revoke serves /services/oauth2/revoke.
func (s *Server) revoke(c *call) *response {
	token := c.form.Get("token")
	if token == "" {
		token = c.query.Get("token")
	}
	if !s.RevokeToken(token) {
		return oauthFailure("invalid_token", "invalid token: it is not known")
	}
	return answer(http.StatusOK, nil)
}

// identity serves /services/oauth2/userinfo and /id/{org}/{user}.
func (s *Server) identity(c *call) *response {
	user, ok := s.touch(c.bearer())
	if !ok {
		return &response{status: http.StatusForbidden, text: "Bad_OAuth_Token"}
	}
	if c.endpoint == "identity" && c.path != "/id/"+s.org+"/"+user && c.path != "/id/"+s.org[:15]+"/"+user[:15] {
		return &response{status: http.StatusNotFound, text: "Bad_Id"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	values := s.db.find(user).values
	body := &record{}
	if c.endpoint == "identity" {
		body.set("id", c.base+"/id/"+s.org+"/"+user)
		body.set("asserted_user", true)
		body.set("username", values["Username"])
		body.set("display_name", values["Name"])
	} else {
		body.set("sub", c.base+"/id/"+s.org+"/"+user)
		body.set("preferred_username", values["Username"])
		body.set("name", values["Name"])
		body.set("email_verified", true)
	}
	body.set("user_id", user)
	body.set("organization_id", s.org)
	body.set("nick_name", values["LastName"])
	body.set("email", values["Email"])
	body.set("urls", s.identityURLs(c))
	body.set("active", true)
	body.set("user_type", "STANDARD")
	body.set("language", "en_US")
	body.set("locale", "en_US")
	body.set("utcOffset", 0)
	return answer(http.StatusOK, body)
}

func (s *Server) identityURLs(c *call) *record {
	urls := &record{}
	urls.set("rest", c.base+"/services/data/v{version}/")
	urls.set("sobjects", c.base+"/services/data/v{version}/sobjects/")
	urls.set("query", c.base+"/services/data/v{version}/query/")
	urls.set("profile", c.base+"/"+s.integration)
	return urls
}
