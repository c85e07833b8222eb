package whmcs

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

// templates are the message templates that exist; those with false are disabled.
var templates = map[string]bool{
	"Client Signup Email": true, "Service Welcome": true, "Invoice Created": true, "Other Product/Service Welcome Email": true,
	"Disabled Template": false,
}

var messageTypes = []string{"general", "product", "domain", "invoice", "support", "affiliate"}

func (s *Server) sendEmail(c *call) *php.Array {
	name, kind := c.form.Text("messagename"), c.form.Text("customtype")
	mail := Email{Template: name, Subject: c.form.Text("customsubject"), RelID: c.form.Number("id")}
	switch {
	case name == "" && kind == "":
		return fail("You must provide either an existing email template name or a custom message type")
	case name == "" && !slices.Contains(messageTypes, kind):
		return fail("Invalid message type provided")
	case name == "" && mail.Subject == "":
		return fail("A subject is required for a custom message")
	case name == "" && c.form.Text("custommessage") == "":
		return fail("A message body is required for a custom message")
	}
	if c.form.Has("customvars") {
		if _, err := php.DecodeArray(c.form.Text("customvars")); err != nil {
			return fail("The custom variables you provided are invalid.")
		}
	}
	if mail.RelID == 0 {
		return fail("A related ID is required")
	}
	if name != "" {
		enabled, known := templates[name]
		if !known {
			return fail("Email Template not found")
		}
		if !enabled {
			return fail("Email Template is disabled")
		}
	}
	s.emails = append(s.emails, mail)
	return success()
}

func (s *Server) getModuleQueue(c *call) *php.Array {
	out := list{}
	for _, q := range s.queue {
		if s.queueMatches(c.form, q) {
			out.rows = append(out.rows, s.queueRow(q))
		}
	}
	answer := success("count", text(int64(len(out.rows))))
	if !c.hits.has(FlatKeys) {
		return answer.Put("queue", out)
	}
	for i, v := range out.rows {
		row, _ := v.(*php.Array)
		for k, v := range row.All() {
			answer.Put("queue["+strconv.Itoa(i)+"]["+k.String()+"]", v)
		}
	}
	return answer
}

func (s *Server) queueMatches(form *php.Array, q *QueueEntry) bool {
	if related := form.Number("relatedId"); related != 0 && related != q.ServiceID || q.Completed {
		return false
	}
	if kind := form.Text("serviceType"); kind != "" && kind != "service" {
		return false
	}
	if module := form.Text("moduleName"); module != "" && !strings.EqualFold(module, q.Module) {
		return false
	}
	if action := form.Text("moduleAction"); action != "" && action != q.Action {
		return false
	}
	since, err := time.ParseInLocation(stamp, form.Text("since"), s.opts.Location)
	return err != nil || !q.LastAttempt.Before(since)
}

func (s *Server) queueRow(q *QueueEntry) *php.Array {
	return php.Map("id", text(q.ID), "serviceType", "service", "serviceId", text(q.ServiceID), "moduleName", q.Module,
		"moduleAction", q.Action, "lastAttempt", s.when(q.LastAttempt), "lastAttemptError", q.Error,
		"numRetries", strconv.Itoa(q.Retries), "completed", "0", "createdAt", s.when(q.LastAttempt), "updatedAt", s.when(q.LastAttempt))
}

// log adds a row to the activity log, as most actions do.
func (s *Server) log(clientID int64, at time.Time, text string) {
	s.activities = append(s.activities, Activity{ID: int64(len(s.activities) + 1), ClientID: clientID, Date: at, Description: text})
}

func (s *Server) logActivity(c *call) *php.Array {
	if c.form.Text("description") == "" {
		return fail("Required fields for logging activity were not provided.")
	}
	s.log(c.clientID, c.at, c.form.Text("description"))
	return success()
}

func (s *Server) getActivityLog(c *call) *php.Array {
	var found []Activity
	for _, a := range slices.Backward(s.activities) {
		wanted := strings.ToLower(c.form.Text("description"))
		if client := c.clientID; client != 0 && client != a.ClientID || !strings.Contains(strings.ToLower(a.Description), wanted) {
			continue
		}
		if date := c.form.Text("date"); date != "" && date != s.day(a.Date) {
			continue
		}
		found = append(found, a)
	}
	rows, start := page(c.form, found)
	out := list{inner: "entry"}
	for _, a := range rows {
		out.rows = append(out.rows, php.Map("id", number(a.ID), "clientId", number(a.ClientID), "userId", number(0), "adminId", number(1),
			"date", s.when(a.Date), "description", a.Description, "username", "admin", "ipaddress", c.ip, "userid", number(a.ClientID)))
	}
	return success("totalresults", len(found), "startnumber", start, "activity", out)
}

func (s *Server) triggerNotification(c *call) *php.Array {
	for _, name := range []string{"notification_identifier", "title", "message"} {
		if c.form.Text(name) == "" {
			return fail("A required parameter is missing: " + name)
		}
	}
	s.log(0, c.at, "Notification: "+c.form.Text("title"))
	return success()
}

func (s *Server) whmcsDetails(*call) *php.Array {
	return success("whmcs", php.Map("version", s.opts.Version, "canonicalversion", s.opts.Version+"-release.1"))
}
