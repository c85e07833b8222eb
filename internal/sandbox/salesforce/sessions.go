package salesforce

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"sync"
	"time"
)

// App is a connected app or external client app.
type App struct {
	ClientID     string
	ClientSecret string
	PublicKey    *rsa.PublicKey // of the certificate registered for JWT bearer
	RunAs        string         // user name for client_credentials
	Approved     []string       // user names that are pre-authorised
}

// User is somebody who can log in.
type User struct {
	ID       string
	Username string
	Password string // with the security token, if the org wants one
	Locked   bool   // shown as "user is locked"
}

// RegisterApp adds an app or replaces it.
func (s *Server) RegisterApp(app App) error {
	if app.ClientID == "" {
		return fmt.Errorf("register app: it needs a client id")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[app.ClientID] = app
	return nil
}

// RegisterUser adds a user, or changes the password and lock of one, and
// returns the user's id.
func (s *Server) RegisterUser(user User) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := strings.ToLower(user.Username)
	if known, ok := s.users[key]; ok {
		user.ID, user.Username = known.ID, known.Username
	} else {
		user.ID = s.plantUser(user.Username, "", user.Username)
	}
	s.users[key] = user
	return user.ID
}

type session struct {
	user string // id
	used time.Time
}

// sessionStore has its own lock: the bus asks it too, at any time.
type sessionStore struct {
	mu     sync.Mutex
	tokens map[string]*session
}

const tokenAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._"

// tokenBlob is the length of what follows the org id in a token.
const tokenBlob = 96

// login makes a session and returns its token.
func (s *Server) login(user string) string {
	blob := make([]byte, tokenBlob)
	_, _ = rand.Read(blob) // crypto/rand never fails; it ends the program instead
	for i, b := range blob {
		blob[i] = tokenAlphabet[b&63]
	}
	token := s.org[:15] + "!" + string(blob)
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	s.sessions.tokens[token] = &session{user: user, used: s.options.Now()}
	return token
}

// touch returns the user behind a live token and restarts its idle time.
func (s *Server) touch(token string) (user string, ok bool) {
	now := s.options.Now()
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	found := s.sessions.tokens[token]
	if found == nil {
		return "", false
	}
	if now.Sub(found.used) > s.options.SessionTimeout {
		delete(s.sessions.tokens, token)
		return "", false
	}
	if now.After(found.used) {
		found.used = now
	}
	return found.user, true
}

// ValidToken reports whether the token belongs to a live session, and counts
// as a use of it. It is safe to call from anywhere, also from Publish.
func (s *Server) ValidToken(token string) bool {
	_, ok := s.touch(token)
	return ok
}

// IssueToken makes a session of the integration user without a login.
func (s *Server) IssueToken() string { return s.login(s.integration) }

// RevokeToken ends one session; it reports whether there was one.
func (s *Server) RevokeToken(token string) bool {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	_, known := s.sessions.tokens[token]
	delete(s.sessions.tokens, token)
	return known
}

// RevokeTokens ends all sessions and returns how many there were.
func (s *Server) RevokeTokens() int {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	n := len(s.sessions.tokens)
	clear(s.sessions.tokens)
	return n
}
