package salesforce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	jwtGrant    = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	jwtLifetime = 3 * time.Minute
	orgPrefix   = "00D"
)

// Session is what a login gives: the token, shared by REST and Pub/Sub, and where and whose it is. However it is
// printed or logged, the token does not show.
type Session struct {
	// AccessToken is the bearer token.
	AccessToken string `json:"-"`
	// InstanceURL is the https address of the org's REST API, without a slash at the end.
	InstanceURL string `json:"instanceURL"`
	// OrgID is the 18-character id of the org; Pub/Sub calls it tenantid.
	OrgID string `json:"orgID"`
}

// Format prints the session without its token, whatever the verb.
func (s Session) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String())
}

// String returns the session without its token.
func (s Session) String() string {
	return "session of org " + s.OrgID + " at " + s.InstanceURL
}

// Session returns the present session, and logs in if there is none. However many callers wait, one login is under way.
func (c *Client) Session(ctx context.Context) (Session, error) {
	if s, ok := c.current(); ok {
		return s, nil
	}
	// The login belongs to all who wait for it, so it must survive that one of them gives up.
	result := c.flight.DoChan(opLogin, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loginTimeout)
		defer cancel()
		return c.loginAndKeep(ctx)
	})
	select {
	case r := <-result:
		if r.Err != nil {
			return Session{}, r.Err
		}
		s, _ := r.Val.(Session)
		return s, nil
	case <-ctx.Done():
		return Session{}, &Error{Op: opLogin, Class: Transient, Message: "cancelled while waiting for the login", Err: ctx.Err()}
	}
}

// Invalidate drops the session if it still holds this token; a session that somebody has renewed meanwhile stays.
func (c *Client) Invalidate(accessToken string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session.AccessToken == accessToken {
		c.session = Session{}
	}
}

func (c *Client) current() (Session, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session, c.session.AccessToken != ""
}

func (c *Client) loginAndKeep(ctx context.Context) (Session, error) {
	// A caller that saw no session may come here after another has already finished logging in.
	if s, ok := c.current(); ok {
		return s, nil
	}
	if !c.mayLogIn() {
		return Session{}, c.tooManyLogins()
	}
	s, err := c.login(ctx)
	c.keep(s, err)
	return s, err
}

func (c *Client) mayLogIn() bool {
	now := c.now()
	c.mu.Lock()
	defer c.mu.Unlock()
	return !now.Before(c.noLoginBefore) && c.logins.AllowN(now, 1)
}

const (
	// firstLoginPause is the pause after a login that Salesforce refused. It doubles with each that follows.
	firstLoginPause   = 2 * time.Second
	longestLoginPause = 30 * time.Second
	// loginRatePause is the pause after too many logins: each further one counts.
	loginRatePause = time.Minute
)

// keep takes over the outcome of a login. One that Salesforce refuses needs an admin, who needs minutes; it must not be
// repeated for every order that waits meanwhile.
func (c *Client) keep(s Session, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session, c.lastLogin = s, err
	e, failed := errors.AsType[*Error](err)
	switch {
	case !failed:
		c.refusals = 0
	case e.HTTPStatus == 0 || e.Class == Transient:
		// Nobody has judged the credentials: the next may succeed at once.
	case e.Class == LimitExceeded:
		c.noLoginBefore = c.now().Add(loginRatePause)
	default:
		c.noLoginBefore = c.now().Add(min(firstLoginPause<<min(c.refusals, 4), longestLoginPause))
		c.refusals++
	}
}

// tooManyLogins repeats why the last login failed, without asking Salesforce again.
func (c *Client) tooManyLogins() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lastLogin != nil {
		return c.lastLogin
	}
	return &Error{Op: opLogin, Class: Auth, Message: "Salesforce ends every session as soon as it is begun", Advice: "check the session policies of the app and the login history of the integration user"}
}

// login signs an assertion and trades it for a session.
func (c *Client) login(ctx context.Context) (Session, error) {
	assertion, err := c.assertion()
	if err != nil {
		return Session{}, &Error{Op: opLogin, Class: Misconfigured, Message: "the private key cannot sign", Err: err}
	}
	form := url.Values{"grant_type": {jwtGrant}, "assertion": {assertion}}.Encode()
	ctx = context.WithValue(ctx, operationKey{}, opLogin)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.loginURL+"/services/oauth2/token", strings.NewReader(form))
	if err != nil {
		return Session{}, &Error{Op: opLogin, Class: Misconfigured, Message: "the login URL is no URL", Err: err}
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, _, answer, err := c.roundTrip(req, opLogin, longestSmallAnswer)
	if err != nil {
		return Session{}, err
	}
	if status != http.StatusOK {
		return Session{}, withoutSecret(oauthError(status, answer), assertion)
	}
	return c.readToken(ctx, answer)
}

func (c *Client) assertion() (string, error) {
	// MapClaims, because Salesforce wants aud as one string and exp as a number.
	return jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": c.clientID,
		"sub": c.username,
		"aud": c.audience,
		"exp": c.now().Add(jwtLifetime).Unix(),
	}).SignedString(c.key)
}

func (c *Client) readToken(ctx context.Context, answer []byte) (Session, error) {
	var token struct {
		AccessToken string `json:"access_token"`
		InstanceURL string `json:"instance_url"`
		ID          string `json:"id"`
	}
	// The cause of a failure is not kept: json errors may repeat parts of the answer, and the answer holds the token.
	if json.Unmarshal(answer, &token) != nil || token.AccessToken == "" {
		return Session{}, notJSON(opLogin, nil)
	}
	instance, err := parseHTTPS(token.InstanceURL)
	if err != nil {
		return Session{}, &Error{Op: opLogin, Class: Misconfigured, HTTPStatus: http.StatusOK, Message: "the instance_url that Salesforce gave " + err.Error(), Advice: "check that spec.salesforce.loginURL is the login host of the org"}
	}
	s := Session{AccessToken: token.AccessToken, InstanceURL: instance.String()}
	if org, ok := orgFromIdentity(token.ID); ok {
		s.OrgID = org.String()
		return s, nil
	}
	org, err := c.orgFromUserinfo(ctx, s)
	if err != nil {
		return Session{}, err
	}
	s.OrgID = org.String()
	return s, nil
}

// orgFromIdentity takes the org from an identity URL, which ends in /id/{org}/{user}.
func orgFromIdentity(identity string) (ID, bool) {
	u, err := url.Parse(identity)
	if err != nil {
		return "", false
	}
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	if len(segments) < 3 || segments[len(segments)-3] != "id" {
		return "", false
	}
	return parseOrgID(segments[len(segments)-2])
}

func parseOrgID(s string) (ID, bool) {
	id, err := ParseID(s)
	return id, err == nil && strings.HasPrefix(id.String(), orgPrefix)
}

// orgFromUserinfo asks the login host whose token this is, for token answers without an identity URL.
func (c *Client) orgFromUserinfo(ctx context.Context, s Session) (ID, error) {
	ctx = context.WithValue(ctx, operationKey{}, opUserinfo)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.loginURL+"/services/oauth2/userinfo", nil)
	if err != nil {
		return "", &Error{Op: opUserinfo, Class: Misconfigured, Message: "the login URL is no URL", Err: err}
	}
	req.Header.Set("Authorization", "Bearer "+s.AccessToken)
	status, _, answer, err := c.roundTrip(req, opUserinfo, longestSmallAnswer)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK {
		e := statusError(opUserinfo, status, answer, false)
		if status == http.StatusForbidden {
			e.Advice = "give the app the OAuth scope id (access the identity URL service), which tells the org"
		}
		return "", withoutSecret(e, s.AccessToken)
	}
	var info struct {
		OrganizationID string `json:"organization_id"`
	}
	if err := json.Unmarshal(answer, &info); err != nil {
		return "", notJSON(opUserinfo, nil)
	}
	org, ok := parseOrgID(info.OrganizationID)
	if !ok {
		return "", &Error{Op: opUserinfo, Class: Transient, HTTPStatus: status, Message: "the answer names no org id"}
	}
	return org, nil
}
