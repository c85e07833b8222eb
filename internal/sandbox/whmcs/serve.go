package whmcs

import (
	"cmp"
	"context"
	"crypto/md5" // WHMCS takes the MD5 of an administrator's password; nothing is protected by it here
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

const maxBody = 16 << 20

// serve is the way of one request: read, admit, disturb, work, disturb, answer.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return
	}
	form, warnings := php.ParseRequest(r.URL.RawQuery, r.Header.Get("Content-Type"), body, s.opts.Limits)
	out := &reply{w: w, r: r, form: form, version: s.opts.Version}
	c, denied := s.admit(form, r.RemoteAddr)
	out.hits = c.hits
	s.warn(warnings)
	done := s.begin(c.name(), c.clientID, time.Now())
	defer done()
	if denied != nil {
		s.finish(c, "denied")
		out.send(denied.status, fail(denied.text))
		return
	}
	s.work(r.Context(), c, out)
}

// work carries a permitted request out. Its end is counted before the caller can see it.
func (s *Server) work(ctx context.Context, c *call, out *reply) {
	sleep(ctx, c.hits[Latency].Delay)
	if kind, ends := out.before(); ends {
		if kind == HangCommit {
			<-ctx.Done()
		}
		s.finish(c, string(kind))
		if kind == LateCommit || kind == HangCommit {
			s.postpone(c, c.hits[kind].Delay)
		}
		out.end(kind)
		return
	}
	s.enter()
	c.at = s.opts.Now()
	answer := s.run(c)
	s.mu.Unlock()
	out.settings = settingsOf(c.hits)
	sleep(ctx, c.hits[LatencyAfter].Delay)
	if kind, ends := out.after(answer); ends {
		s.finish(c, string(kind))
		out.end(kind)
		return
	}
	s.finish(c, answer.Text("result"))
	out.send(http.StatusOK, answer)
}

// postpone leaves the work to be done later, as PHP does when its client has hung up.
func (s *Server) postpone(c *call, delay Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.due = s.opts.Now().Add(time.Duration(delay))
	s.late = append(s.late, c)
}

type denial struct {
	status int
	text   string
}

// admit finds the action and the faults of a request and decides whether it may run.
func (s *Server) admit(form *php.Array, remote string) (*call, *denial) {
	host, _, _ := net.SplitHostPort(remote)
	c := &call{form: form, ip: host, keyOK: s.opts.AccessKey != "" && same(form.Text("accesskey"), s.opts.AccessKey)}
	if text := s.authenticate(form); text != "" {
		c.action = actions[lowerAction(form.Text("action"))]
		return c, &denial{http.StatusForbidden, text}
	}
	name := lowerAction(form.Text("action"))
	if name == "" {
		return c, &denial{http.StatusBadRequest, "Empty action request"}
	}
	c.action = actions[name]
	if c.action == nil {
		return c, &denial{http.StatusOK, "Command Not Found"}
	}
	s.enter()
	defer s.mu.Unlock()
	c.clientID = s.subject(form)
	c.hits = s.faults.draw(c.action.name, c.clientID, s.opts.Now())
	denied := c.deniedByFault()
	return c, denied
}

func (c *call) deniedByFault() *denial {
	if f, ok := c.hits[IPDenied]; ok && !c.keyOK {
		return &denial{cmp.Or(f.Status, http.StatusForbidden), cmp.Or(f.Text, "Invalid IP "+c.ip)}
	}
	if f, ok := c.hits[AuthFailed]; ok {
		return &denial{cmp.Or(f.Status, http.StatusForbidden), cmp.Or(f.Text, "Authentication Failed")}
	}
	if f, ok := c.hits[RoleDenied]; ok {
		text := `Invalid Permissions: API action "` + c.form.Text("action") + `" is not allowed`
		return &denial{cmp.Or(f.Status, http.StatusForbidden), cmp.Or(f.Text, text)}
	}
	if f, ok := c.hits[UnknownCommand]; ok {
		return &denial{cmp.Or(f.Status, http.StatusOK), "Command Not Found"}
	}
	return nil
}

// authenticate takes the API credential as identifier and secret or as username and password, and an administrator's
// login. The text is what is wrong.
func (s *Server) authenticate(form *php.Array) string {
	user := cmp.Or(form.Text("identifier"), form.Text("username"))
	secret := cmp.Or(form.Text("secret"), form.Text("password"))
	if user == "" || secret == "" {
		return "Invalid or missing credentials"
	}
	if same(user, s.opts.Identifier) && same(secret, s.opts.Secret) {
		return ""
	}
	sum := md5.Sum([]byte(s.opts.Password))
	if s.opts.Username != "" && s.opts.Password != "" && same(user, s.opts.Username) &&
		(same(secret, s.opts.Password) || same(secret, hex.EncodeToString(sum[:]))) {
		return ""
	}
	return "Authentication Failed"
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
