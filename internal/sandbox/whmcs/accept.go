package whmcs

import (
	"cmp"
	"strconv"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

const notPending = "Order ID not found or Status not Pending"

func (s *Server) order(id int64) *Order {
	if o := s.orders[id]; o != nil && !o.Deleted {
		return o
	}
	return nil
}

func (s *Server) service(id int64) *Service {
	if sv := s.services[id]; sv != nil && !sv.Deleted {
		return sv
	}
	return nil
}

// acceptOrder checks the status, runs the modules and sets the order Active. As in WHMCS, nothing locks the order while
// a slow module runs: two accepts at once deploy twice.
func (s *Server) acceptOrder(c *call) *php.Array {
	o := s.order(c.form.Number("orderid"))
	if o == nil || o.Status != StatusPending {
		return fail(notPending)
	}
	o.Accepts++
	var waiting []*Service
	for _, id := range o.ServiceIDs {
		if sv := s.services[id]; sv.Status == StatusPending {
			waiting = append(waiting, sv)
		}
	}
	s.runModuleTime(c)
	setup := c.form.Truthy("autosetup")
	for n, sv := range waiting {
		c.preset(sv)
		if text := s.setUp(c, sv, n, setup || !c.form.Has("autosetup") && s.autoSetup(sv)); text != "" {
			if c.hits.has(ModuleErrorActive) {
				o.Status = StatusActive
			}
			return fail(text)
		}
	}
	for _, id := range o.DomainIDs {
		s.domains[id].Status = StatusActive
	}
	o.Status = StatusActive
	if c.form.Truthy("sendemail") {
		s.emails = append(s.emails, Email{Template: "Order Accepted", RelID: o.ID})
	}
	s.log(o.ClientID, c.at, "Order Accepted - Order ID: "+strconv.FormatInt(o.ID, 10))
	return success()
}

func (s *Server) autoSetup(sv *Service) bool {
	p := s.products[sv.PID]
	return p != nil && p.AutoSetup == "on"
}

// runModuleTime lets other requests in while a slow module works. A late commit has nobody waiting and skips it.
func (s *Server) runModuleTime(c *call) {
	f := c.hits[ModuleLatency]
	if f.Delay <= 0 || !c.due.IsZero() {
		return
	}
	s.mu.Unlock()
	<-time.After(time.Duration(f.Delay)) // PHP goes on when the client leaves, so no context ends this
	s.mu.Lock()
}

// preset stores the values that AcceptOrder takes for all services of the order.
func (c *call) preset(sv *Service) {
	sv.ServerID = cmp.Or(c.form.Number("serverid"), sv.ServerID)
	sv.Username = cmp.Or(c.form.Text("serviceusername"), sv.Username)
	sv.Password = cmp.Or(c.form.Text("servicepassword"), sv.Password)
}

// setUp brings one service of an accepted order up; the text is the module's error.
func (s *Server) setUp(c *call, sv *Service, n int, withModule bool) string {
	p := s.products[sv.PID]
	if p == nil || p.Module == "" || !withModule {
		sv.Status = StatusActive
		return ""
	}
	if c.hits.has(ModuleSilent) {
		s.enqueue(c, sv, cmp.Or(c.hits[ModuleSilent].Text, "Module did not run"))
		return ""
	}
	if f, ok := c.hits[ModulePartial]; ok && n > 0 {
		return s.moduleFailed(c, sv, f.Text)
	}
	if f, ok := c.hits[ModuleErrorActive]; ok {
		return s.moduleFailed(c, sv, f.Text)
	}
	return s.create(c, sv, p)
}

// create runs the module's create command; the text is its error.
func (s *Server) create(c *call, sv *Service, p *Product) string {
	if f, ok := c.hits[ModuleError]; ok {
		return s.moduleFailed(c, sv, f.Text)
	}
	sv.Deployments++
	if f, ok := c.hits[ModuleErrorMade]; ok {
		return s.moduleFailed(c, sv, f.Text)
	}
	sv.Username = cmp.Or(sv.Username, "svc"+strconv.FormatInt(sv.ID, 10))
	sv.Password = cmp.Or(sv.Password, "generated-"+strconv.FormatInt(s.rand.Int64(), 36))
	if f, ok := c.hits[ModuleAsync]; ok {
		sv.ActiveAt = c.at.Add(time.Duration(f.Delay))
		s.activations = append(s.activations, sv.ID)
	} else {
		sv.Status = StatusActive
	}
	for _, q := range s.queue {
		if q.ServiceID == sv.ID {
			q.Completed = true
		}
	}
	s.log(sv.ClientID, c.at, "Module Create Successful - Service ID: "+strconv.FormatInt(sv.ID, 10)+" ("+p.Module+")")
	return ""
}

func (s *Server) moduleFailed(c *call, sv *Service, text string) string {
	text = cmp.Or(text, "Connection to the provisioning server failed")
	s.enqueue(c, sv, text)
	return text
}

// enqueue notes a failed module action; WHMCS never retries it by itself.
func (s *Server) enqueue(c *call, sv *Service, text string) {
	for _, q := range s.queue {
		if q.ServiceID == sv.ID && !q.Completed {
			q.Retries++
			q.LastAttempt, q.Error = c.at, text
			return
		}
	}
	p := s.products[sv.PID]
	s.queue = append(s.queue, &QueueEntry{ID: int64(len(s.queue) + 1), ServiceID: sv.ID, Module: p.Module,
		Action: "CreateAccount", LastAttempt: c.at, Error: text})
}

func (s *Server) moduleCreate(c *call) *php.Array {
	id := cmp.Or(c.form.Number("serviceid"), c.form.Number("accountid"))
	if id == 0 {
		return fail("Service ID is required")
	}
	sv := s.service(id)
	if sv == nil {
		return fail("Service ID not found")
	}
	p := s.products[sv.PID]
	if p == nil || p.Module == "" {
		return fail("Service not assigned to a module")
	}
	s.runModuleTime(c)
	if text := s.create(c, sv, p); text != "" {
		return fail(text)
	}
	return success("serviceid", text(sv.ID))
}
