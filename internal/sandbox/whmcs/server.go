package whmcs

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

// Path is where the API is served.
const Path = "/includes/api.php"

// Gateway is a payment gateway: Module is the value that AddOrder takes as paymentmethod.
type Gateway struct {
	Module, DisplayName string
}

// Options configure a Server. The zero value of each field has a sensible meaning.
type Options struct {
	// Now is the clock of the books; default time.Now.
	Now func() time.Time
	// Seed makes order numbers and the draws of faults repeatable.
	Seed uint64
	// Identifier and Secret are the API credential; default "sandbox-identifier" and "sandbox-secret".
	Identifier, Secret string
	// Username and Password are an administrator's login, taken like the credential (the password also as its MD5).
	Username, Password string
	// AccessKey passes the address rule; empty means that there is none.
	AccessKey string
	// Version is what WhmcsDetails reports; default "8.13.1". Before 8.12 qty is ignored.
	Version string
	// Products is the catalogue; default DefaultCatalogue.
	Products []Product
	// Gateways default to banktransfer, mailin and stripe.
	Gateways []Gateway
	// Location is the time zone in which dates are written; default UTC.
	Location *time.Location
	// OrderStatuses default to Pending, Active, Fraud and Cancelled.
	OrderStatuses []string
	// FirstClientID is the number of the first client; default 1.
	FirstClientID int64
	// Limits are the php.ini limits; default php.DefaultLimits.
	Limits php.Limits
}

// Server is one WHMCS installation. All methods are safe for concurrent use.
type Server struct {
	opts Options

	mu      sync.Mutex
	rand    *rand.Rand
	faults  faultSet
	late    []*call
	stats   stats
	journal []*Entry
	books
}

// New returns a server with the catalogue and no clients.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Identifier = cmp.Or(o.Identifier, "sandbox-identifier")
	o.Secret = cmp.Or(o.Secret, "sandbox-secret")
	o.Version = cmp.Or(o.Version, "8.13.1")
	o.Location = cmp.Or(o.Location, time.UTC)
	o.Limits = cmp.Or(o.Limits, php.DefaultLimits)
	if o.Products == nil {
		o.Products = DefaultCatalogue()
	}
	if o.Gateways == nil {
		o.Gateways = defaultGateways()
	}
	if o.OrderStatuses == nil {
		o.OrderStatuses = []string{StatusPending, StatusActive, StatusFraud, StatusCancelled}
	}
	s := &Server{
		opts:   o,
		rand:   rand.New(rand.NewPCG(o.Seed, 0x5eed)),
		faults: faultSet{seed: o.Seed},
		stats:  newStats(),
		books:  newBooks(),
	}
	s.nextClient = max(o.FirstClientID, 1)
	for _, p := range o.Products {
		s.products[p.PID] = &p
	}
	return s
}

// Handler serves the API at Path.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(Path, s.serve)
	// A web server runs the script for what is below its name too, and some clients end the URL with a slash.
	mux.HandleFunc(Path+"/", s.serve)
	return mux
}

// SetFault switches a fault on and returns it with its id.
func (s *Server) SetFault(f Fault) (Fault, error) {
	s.enter()
	defer s.mu.Unlock()
	return s.faults.set(f, s.opts.Now())
}

// RemoveFault switches one fault off and tells whether it was on.
func (s *Server) RemoveFault(id string) bool {
	s.enter()
	defer s.mu.Unlock()
	return s.faults.remove(id)
}

// ClearFaults switches all faults off.
func (s *Server) ClearFaults() {
	s.enter()
	defer s.mu.Unlock()
	s.faults.list = nil
}

// Faults lists the faults that are on.
func (s *Server) Faults() []Fault {
	s.enter()
	defer s.mu.Unlock()
	return s.faults.snapshot()
}

// enter locks the books and brings them up to date with the clock.
func (s *Server) enter() {
	s.mu.Lock()
	s.settle()
}

// settle does what was due by now: late commits in the order of their time, and asynchronous activations.
func (s *Server) settle() {
	now := s.opts.Now()
	for {
		i := -1
		for n, c := range s.late {
			if !c.due.After(now) && (i < 0 || c.due.Before(s.late[i].due)) {
				i = n
			}
		}
		if i < 0 {
			break
		}
		c := s.late[i]
		s.late = slices.Delete(s.late, i, i+1)
		c.at = c.due
		s.run(c)
	}
	s.activations = slices.DeleteFunc(s.activations, func(id int64) bool {
		sv := s.services[id]
		if sv.ActiveAt.After(now) {
			return false
		}
		if sv.Status == StatusPending {
			sv.Status = StatusActive
		}
		return true
	})
}

// call is one request.
type call struct {
	action   *action
	form     *php.Array
	hits     hits
	clientID int64
	ip       string
	keyOK    bool
	at       time.Time
	due      time.Time
	entry    *Entry
	ended    string
}

// name is the action's documented spelling, for counters.
func (c *call) name() string {
	if c.action == nil {
		return "(unknown)"
	}
	return c.action.name
}

// sleep waits for a fault's delay, or until the client or the server goes away.
func sleep(ctx context.Context, d Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(time.Duration(d))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// subject finds the client that a request concerns, through its order or service where it names none.
func (s *Server) subject(form *php.Array) int64 {
	for _, name := range []string{"clientid", "userid"} {
		if id := form.Number(name); id != 0 {
			return id
		}
	}
	if o := s.orders[cmp.Or(form.Number("orderid"), form.Number("id"))]; o != nil {
		return o.ClientID
	}
	if sv := s.services[cmp.Or(form.Number("serviceid"), form.Number("accountid"))]; sv != nil {
		return sv.ClientID
	}
	return 0
}

// run does the work of a call under the lock and keeps the journal.
func (s *Server) run(c *call) *php.Array {
	if !c.action.mutates {
		return c.action.run(s, c)
	}
	c.entry = &Entry{Seq: len(s.journal) + 1, At: c.at, Action: c.action.name, ClientID: c.clientID,
		OrderID: c.form.Number("orderid"), ServiceID: c.form.Number("serviceid"), Notes: c.form.Text("notes"), Ended: c.ended}
	s.journal = append(s.journal, c.entry)
	answer := c.action.run(s, c)
	c.entry.Result = answer.Text("result")
	c.entry.Message = answer.Text("message")
	if v, ok := answer.Get(php.KeyOf("orderid")); ok {
		made, _ := v.(id)
		c.entry.OrderID = made.n
	}
	return answer
}

func lowerAction(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
