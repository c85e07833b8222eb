package salesforce

import (
	"crypto/rsa"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options configures a Server. The zero value of every field has a use.
type Options struct {
	// Now is the clock of the org: audit fields, date literals, session
	// time-outs, limits. Default time.Now.
	Now func() time.Time
	// WallNow is the clock that the expiry of JWT assertions is judged by:
	// clients sign with real time even when Now is moved. Default time.Now.
	WallNow func() time.Time
	// Publish hands an event to the bus and returns its UUID. It is called
	// in commit order and without any lock of the server. Default: nowhere.
	Publish func(topic string, fields map[string]any) (eventID string, err error)
	// EventSchema returns the Avro schema (JSON) by schema id or, if that is
	// empty, by topic. Default: none.
	EventSchema func(schemaID, topic string) (schemaJSON string, ok bool)
	// EventsDelivered is what the bus delivered in the last 24 hours, for the
	// limits resource. Default: 0.
	EventsDelivered func() int64

	// BaseURL is what clients see; default: made from each request's Host.
	BaseURL string
	// Audiences are accepted in assertions besides login.salesforce.com,
	// test.salesforce.com and the URL of this server.
	Audiences []string
	OrgName   string // default Orderbridge Sandbox
	// The integration user and its app. An empty PublicKey refuses all
	// assertions, an empty ClientSecret or Password those grants.
	ClientID     string
	ClientSecret string
	Username     string
	Password     string
	PublicKey    *rsa.PublicKey
	// SessionTimeout ends sessions that were idle for so long. Default 2 h.
	SessionTimeout time.Duration
	// MaxAssertionAge bounds exp of assertions; 0 accepts any future.
	MaxAssertionAge time.Duration
	// TokenExtras adds issued_at and signature to JWT token answers.
	TokenExtras bool
	// DailyAPIRequests is the allowance of calls in 24 hours. Default 100000.
	DailyAPIRequests int64
	// QueryBatch is the default and the maximum of rows in a page of a query.
	// Default 2000. Clients may ask for less, not less than MinQueryBatch
	// (default 200).
	QueryBatch    int
	MinQueryBatch int
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.WallNow == nil {
		o.WallNow = time.Now
	}
	if o.EventsDelivered == nil {
		o.EventsDelivered = func() int64 { return 0 }
	}
	if o.OrgName == "" {
		o.OrgName = "Orderbridge Sandbox"
	}
	if o.Username == "" {
		o.Username = "integration@orderbridge.example"
	}
	if o.SessionTimeout == 0 {
		o.SessionTimeout = 2 * time.Hour
	}
	if o.DailyAPIRequests == 0 {
		o.DailyAPIRequests = 100_000
	}
	if o.QueryBatch == 0 {
		o.QueryBatch = 2000
	}
	if o.MinQueryBatch == 0 {
		o.MinQueryBatch = 200
	}
	return o
}

// Server is one Salesforce org.
type Server struct {
	options  Options
	faults   faultSet
	counters counters
	sessions sessionStore
	usage    usage

	mu            sync.Mutex // guards everything below
	schema        *schema
	db            *store
	apps          map[string]App
	users         map[string]User // by lower-case user name
	changeObjects map[string]bool
	cursors       map[string]*cursor
	cursorCount   uint64
	flowRuns      int64
	commits       int64
	outbox        []*pendingEvent
	org           string
	admin         string
	integration   string
	standardBook  string

	publishing sync.Mutex // held while the outbox is emptied, to keep order
}

// New makes an org with an administrator, the integration user and its app,
// and the standard price book.
func New(options Options) *Server {
	s := &Server{
		options: options.withDefaults(), schema: newSchema(), apps: map[string]App{}, users: map[string]User{},
		changeObjects: map[string]bool{"Order": true}, cursors: map[string]*cursor{},
	}
	s.db = newStore(s.schema)
	s.sessions.tokens = map[string]*session{}
	s.bootstrap()
	return s
}

// bootstrap creates the rows that every org has. Read-only objects are
// written directly; they have no rules.
func (s *Server) bootstrap() {
	s.org = s.plant("Organization", map[string]any{
		"Name": s.options.OrgName, "InstanceName": "SBX1", "IsSandbox": true, "OrganizationType": "Developer Edition",
		"DefaultLocaleSidKey": "en_US", "LanguageLocaleKey": "en_US",
	})
	s.admin = s.plantUser("admin@orderbridge.example", "Sandbox", "Admin")
	s.integration = s.plantUser(s.options.Username, "Orderbridge", "Integration")
	s.standardBook = s.plant("Pricebook2", map[string]any{"Name": "Standard Price Book", "IsActive": true, "IsStandard": true})
	if s.options.ClientID != "" {
		s.apps[s.options.ClientID] = App{
			ClientID: s.options.ClientID, ClientSecret: s.options.ClientSecret, PublicKey: s.options.PublicKey,
			RunAs: s.options.Username, Approved: []string{s.options.Username},
		}
	}
	user := s.users[strings.ToLower(s.options.Username)]
	user.Password = s.options.Password
	s.users[strings.ToLower(s.options.Username)] = user
}

func (s *Server) plant(objectName string, values map[string]any) string {
	o := s.schema.object(objectName)
	t := s.begin(s.admin, nil)
	id, seq := t.nextID(o)
	author := s.admin
	if author == "" && objectName == "User" {
		author = id // the administrator made itself
	}
	maps.Copy(values, map[string]any{
		"Id": id, "IsDeleted": false, "CreatedDate": t.now, "LastModifiedDate": t.now, "SystemModstamp": t.now,
	})
	if author != "" {
		values["CreatedById"], values["LastModifiedById"] = author, author
	}
	s.db.insert(&row{id: id, seq: seq, obj: o, values: values})
	return id
}

func (s *Server) plantUser(username, first, last string) string {
	id := s.plant("User", map[string]any{
		"Username": username, "FirstName": first, "LastName": last, "Name": first + " " + last, "Email": username,
		"IsActive": true, "UserType": "Standard",
	})
	s.users[strings.ToLower(username)] = User{ID: id, Username: username}
	return id
}

// OrgID is the 18-character id of the org.
func (s *Server) OrgID() string { return s.org }

// UserID is the 18-character id of the integration user.
func (s *Server) UserID() string { return s.integration }

// StandardPricebookID is the id of the standard price book.
func (s *Server) StandardPricebookID() string { return s.standardBook }

func (s *Server) username(id string) string {
	if r := s.db.find(id); r != nil {
		name, _ := r.values["Username"].(string)
		return name
	}
	return ""
}

// begin starts a unit of work. The caller holds s.mu.
func (s *Server) begin(user string, c *call) *txn {
	t := &txn{s: s, user: user, now: s.options.Now().UTC().Truncate(time.Second)}
	if c != nil {
		t.version = c.version
		t.client = c.client()
	}
	return t
}

// commit queues the events of t for the bus. The caller holds s.mu.
func (s *Server) commit(t *txn) {
	s.outbox = append(s.outbox, t.changeEvents()...)
	s.outbox = append(s.outbox, t.events...)
	t.events, t.changes, t.undo = nil, nil, nil
}

func (s *Server) commitNumber() int64 {
	s.commits++
	return s.commits
}

// flush empties the outbox onto the bus. It returns when all that was queued
// before has been handed over, by this call or another.
func (s *Server) flush() {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	s.mu.Lock()
	events := slices.Clone(s.outbox)
	s.outbox = s.outbox[:0]
	s.mu.Unlock()
	for _, e := range events {
		var id string
		var err error
		if s.options.Publish != nil {
			id, err = s.options.Publish(e.topic, e.fields)
		}
		if e.done != nil {
			e.done(id, err)
		}
		if strings.HasPrefix(e.topic, "/data/") {
			s.counters.add("changeEvents.published")
		} else {
			s.counters.add("events.published")
		}
	}
}

// do runs one unit of work from Go, as the administrator.
func (s *Server) do(work func(*txn) error) error {
	s.mu.Lock()
	t := s.begin(s.admin, nil)
	start := t.save()
	err := work(t)
	if err != nil {
		t.rollback(start)
	}
	s.commit(t)
	s.mu.Unlock()
	s.flush()
	return err
}

// usage counts the calls of the day.
type usage struct {
	mu    sync.Mutex
	since time.Time
	calls int64
}

func (u *usage) add(now time.Time, n int64) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	if now.Sub(u.since) >= 24*time.Hour || now.Before(u.since) {
		u.since, u.calls = now, 0
	}
	u.calls += n
	return u.calls
}

// apiUsage is calls used and allowed in the current 24 hours.
func (s *Server) apiUsage(add int64) (used, allowed int64) {
	used, allowed = s.usage.add(s.options.Now(), add), s.options.DailyAPIRequests
	if left, near := s.faults.remaining(); near {
		used = max(0, allowed-left)
	}
	return used, allowed
}

// response is an answer before it is written out.
type response struct {
	status int
	header map[string]string
	body   any
	text   string // sent as it is, HTML unless the header says otherwise
}

// apiError is one error at the top of an answer.
type apiError struct {
	Message   string   `json:"message"`
	ErrorCode string   `json:"errorCode"`
	Fields    []string `json:"fields,omitempty"`
}

func answer(status int, body any) *response { return &response{status: status, body: body} }

func failure(status int, code, message string, fields ...string) *response {
	return answer(status, []apiError{{Message: message, ErrorCode: code, Fields: fields}})
}

func (r *response) failed() bool { return r.status >= http.StatusBadRequest }

// refusal turns a refused row into the answer to a request about one row.
func refusal(err *recordError) *response {
	status := http.StatusBadRequest
	switch err.Code {
	case "NOT_FOUND", "ENTITY_IS_DELETED":
		status = http.StatusNotFound
	case "INSUFFICIENT_ACCESS_OR_READONLY":
		status = http.StatusForbidden
	}
	return failure(status, err.Code, err.Message, err.Fields...)
}

func (r *response) bytes() ([]byte, error) {
	switch {
	case r.text != "":
		return []byte(r.text), nil
	case r.body == nil:
		return nil, nil
	}
	return encode(r.body)
}
