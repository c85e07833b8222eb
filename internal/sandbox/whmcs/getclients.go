package whmcs

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"
)

func (s *Server) getPayMethods(c *call) *php.Array {
	if c.form.Text("clientid") == "" {
		return fail("Client ID Is Required")
	}
	kind := c.form.Text("type")
	if kind != "" && kind != "BankAccount" && kind != "CreditCard" {
		return fail("Invalid Pay Method Type. Should be 'BankAccount' or 'CreditCard'")
	}
	client := s.clients[c.form.Number("clientid")]
	if client == nil {
		return fail("Client Not Found")
	}
	out := list{}
	for _, m := range client.PayMethods {
		if kind != "" && !strings.HasSuffix(m.Type, kind) || c.hits.has(NoPayMethods) {
			continue
		}
		if only := c.form.Number("paymethodid"); only != 0 && only != m.ID {
			continue
		}
		out.rows = append(out.rows, payMethodRow(client, m))
	}
	return success("clientid", c.form.Text("clientid"), "paymethods", out)
}

func payMethodRow(client *Client, m PayMethod) *php.Array {
	row := php.Map("id", number(m.ID), "type", m.Type, "description", m.Description, "gateway_name", m.Gateway,
		"contact_type", "Client", "contact_id", number(client.ID))
	if strings.HasSuffix(m.Type, "CreditCard") {
		row.Put("card_last_four", m.LastFour).Put("expiry_date", m.Expiry).Put("card_type", m.CardType)
	} else {
		row.Put("bank_name", m.BankName)
	}
	if strings.HasPrefix(m.Type, "Remote") {
		row.Put("remote_token", cmp.Or(m.Token, "tok_"+strconv.FormatInt(m.ID, 10)))
	}
	return row.Put("last_updated", m.Updated.Format("02/01/2006 15:04"))
}

func (s *Server) getPaymentMethods(*call) *php.Array {
	out := list{inner: "paymentmethod"}
	for _, g := range s.opts.Gateways {
		out.rows = append(out.rows, php.Map("module", g.Module, "displayname", g.DisplayName))
	}
	return success("totalresults", len(out.rows), "paymentmethods", out)
}

func (s *Server) getClientsDetails(c *call) *php.Array {
	if c.form.Text("clientid") == "" && c.form.Text("email") == "" {
		return fail("Either clientid Or email Is Required")
	}
	client := s.clients[c.form.Number("clientid")]
	if c.form.Text("clientid") == "" {
		for _, n := range slices.Sorted(maps.Keys(s.clients)) {
			if strings.EqualFold(s.clients[n].Email, c.form.Text("email")) {
				client = s.clients[n]
				break
			}
		}
	}
	if client == nil {
		return fail("Client Not Found")
	}
	details := clientRow(client)
	answer := success()
	for k, v := range details.All() { // the deprecated copy at the top
		answer.Set(k, v)
	}
	answer.Put("client", details)
	if c.form.Truthy("stats") {
		answer.Put("stats", s.clientStats(client))
	}
	return answer
}

func clientRow(client *Client) *php.Array {
	fields := list{}
	for _, n := range slices.Sorted(maps.Keys(client.CustomFields)) {
		fields.rows = append(fields.rows, php.Map("id", number(n), "value", client.CustomFields[n]))
	}
	row := php.Map(
		"userid", number(client.ID), "client_id", number(client.ID), "id", number(client.ID),
		"owner_user_id", number(client.ID), "uuid", clientUUID(client.ID),
		"firstname", client.FirstName, "lastname", client.LastName, "fullname", fullName(client),
		"companyname", client.CompanyName, "email", client.Email, "address1", "1-1 Sandbox", "address2", "",
		"city", "Minato", "fullstate", "Tokyo", "state", "Tokyo", "postcode", "105-0000", "countrycode", "JP", "country", "JP",
		"phonenumber", "0300000000", "tax_id", "", "statecode", "Tokyo", "countryname", "Japan", "phonecc", 81,
		"phonenumberformatted", "+81.300000000", "telephoneNumber", "+81.300000000", "billingcid", number(0), "notes", client.Notes,
		"currency", number(1), "currency_code", client.Currency, "defaultgateway", client.DefaultGateway,
		"groupid", number(0), "status", client.Status, "credit", Money(0), "taxexempt", false, "latefeeoveride", false,
		"overideduenotices", false, "separateinvoices", false, "disableautocc", false, "emailoptout", false,
		"overrideautoclose", false, "allowSingleSignOn", 1, "email_verified", false, "language", "", "isOptedInToMarketingEmails", false,
		"lastlogin", "No Login Logged", "customfields", fields,
	)
	for i, n := range slices.Sorted(maps.Keys(client.CustomFields)) {
		row.Put("customfields"+strconv.Itoa(i+1), client.CustomFields[n])
	}
	return row
}

// clientUUID is a fixed identifier for a client number.
func clientUUID(n int64) string {
	hex := strconv.FormatInt(n, 16)
	return "00000000-0000-4000-8000-" + strings.Repeat("0", max(0, 12-len(hex))) + hex
}

func (s *Server) clientStats(client *Client) *php.Array {
	active := 0
	for _, n := range s.clientServices[client.ID] {
		if s.services[n].Status == StatusActive {
			active++
		}
	}
	return php.Map("numdueinvoices", "0", "productsnumactive", active, "productsnumtotal", len(s.clientServices[client.ID]),
		"productsnumactivehosting", 0, "productsnumactiveother", active)
}

func (s *Server) getClients(c *call) *php.Array {
	search, status := strings.ToLower(c.form.Text("search")), c.form.Text("status")
	var found []*Client
	for _, n := range slices.Sorted(maps.Keys(s.clients)) {
		client := s.clients[n]
		if (status == "" || strings.EqualFold(status, client.Status)) && clientHasPrefix(client, search) {
			found = append(found, client)
		}
	}
	sortClients(found, c.form.Text("orderby"))
	if strings.EqualFold(c.form.Text("sorting"), "DESC") {
		slices.Reverse(found)
	}
	rows, start := page(c.form, found)
	out := list{inner: "client"}
	for _, client := range rows {
		out.rows = append(out.rows, php.Map("id", number(client.ID), "firstname", client.FirstName, "lastname", client.LastName,
			"companyname", client.CompanyName, "email", client.Email, "datecreated", s.day(client.Created),
			"groupid", number(0), "status", client.Status))
	}
	return success("totalresults", len(found), "startnumber", start, "numreturned", len(rows), "clients", out)
}

func clientHasPrefix(client *Client, search string) bool {
	for _, v := range []string{client.Email, client.FirstName, client.LastName, fullName(client), client.CompanyName} {
		if strings.HasPrefix(strings.ToLower(v), search) {
			return true
		}
	}
	return false
}

func sortClients(clients []*Client, by string) {
	field := map[string]func(*Client) string{
		"firstname": func(c *Client) string { return c.FirstName }, "lastname": func(c *Client) string { return c.LastName },
		"companyname": func(c *Client) string { return c.CompanyName }, "email": func(c *Client) string { return c.Email },
		"status":      func(c *Client) string { return c.Status },
		"datecreated": func(c *Client) string { return c.Created.UTC().Format(stamp) },
	}[strings.ToLower(by)]
	if field == nil {
		return
	}
	slices.SortStableFunc(clients, func(a, b *Client) int { return strings.Compare(field(a), field(b)) })
}

func (s *Server) addClient(c *call) *php.Array {
	email := c.form.Text("email")
	if email == "" {
		return fail("You did not enter your email address")
	}
	for _, other := range s.clients {
		if strings.EqualFold(other.Email, email) {
			return fail("A user already exists with that email address")
		}
	}
	client := &Client{ID: s.nextClient, FirstName: c.form.Text("firstname"), LastName: c.form.Text("lastname"), Email: email,
		CompanyName: c.form.Text("companyname"), Status: StatusActive, Currency: "JPY", Created: c.at, CustomFields: map[int64]string{}}
	if sent, err := php.DecodeArray(c.form.Text("customfields")); err == nil {
		for k, v := range sent.All() {
			if n, ok := k.Int(); ok {
				client.CustomFields[n] = php.ToText(v)
			}
		}
	}
	s.nextClient++
	s.clients[client.ID] = client
	return success("clientid", number(client.ID), "owner_id", number(client.ID))
}

func (s *Server) addClientNote(c *call) *php.Array {
	client := s.clients[c.form.Number("userid")]
	if client == nil {
		return fail("Client ID not found")
	}
	if c.form.Text("notes") == "" {
		return fail("Notes can not be empty")
	}
	n := Note{ID: int64(len(s.notes) + 1), ClientID: client.ID, Text: c.form.Text("notes"), Sticky: c.form.Truthy("sticky")}
	s.notes = append(s.notes, n)
	return success("noteid", number(n.ID))
}
