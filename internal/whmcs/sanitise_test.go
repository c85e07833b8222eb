package whmcs

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSanitise(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"plain":             {"Client ID Not Found", "Client ID Not Found"},
		"markup":            {"<b>Server</b><br />down", "Server down"},
		"entities":          {"O&#039;Brien &amp; Co", "O'Brien & Co"},
		"control":           {"a\x00b\r\nc\x1b[31md\u202ee\u200b", "a b c [31mde"},
		"invalid UTF-8":     {"a\xffb", "ab"},
		"known secret":      {"bad " + testSecret + " here", "bad [redacted] here"},
		"known access key":  {"key=" + testAccessKey, "key=[redacted]"},
		"password pair":     {"login failed: password=hunter2, user=bob", "login failed: password=[redacted], user=bob"},
		"quoted pair":       {`{"api_key": "abc def", "x":1}`, `{"api_key": [redacted], "x":1}`},
		"PHP pair":          {"['rootpwd' => 'x y']", "['rootpwd' => [redacted]]"},
		"compound":          {"server_password: abc", "server_password: [redacted]"},
		"bearer":            {"Authorization: Bearer abcdefghijkl", "Authorization: [redacted] [redacted]"},
		"long token":        {"id " + strings.Repeat("aB3", 20) + " rejected", "id [redacted] rejected"},
		"mail":              {"client jane.doe@example.com exists", "client [mail address] exists"},
		"record id stays":   {"sfOrderId=8014x000000ABCDIAZ", "sfOrderId=8014x000000ABCDIAZ"},
		"ICCID stays":       {"no stock for 8988303000000614227", "no stock for 8988303000000614227"},
		"invalid password":  {"Invalid password provided", "Invalid password provided"},
		"cut at a rune":     {strings.Repeat("é ", 300), strings.Repeat("é ", 127) + "é…"},
		"exactly the limit": {strings.Repeat("é ", 127) + "éé", strings.Repeat("é ", 127) + "éé"},
	} {
		t.Run(name, func(t *testing.T) {
			got := sanitise(tc.in, testSecret, testAccessKey, "")
			if got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
			if n := utf8.RuneCountInString(got); n > maxMessage || !utf8.ValidString(got) {
				t.Errorf("%d runes, valid: %t", n, utf8.ValidString(got))
			}
		})
	}
}

func FuzzSanitise(f *testing.F) {
	f.Add("password=x <b> a@b \x00" + testSecret)
	f.Add(strings.Repeat("ü", 5000))
	f.Fuzz(func(t *testing.T, s string) {
		got := sanitise(s, testSecret)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > maxMessage {
			t.Errorf("%q is not valid or too long", got)
		}
		if strings.Contains(got, testSecret) || strings.ContainsAny(got, "\n\r\t\x00\x1b") {
			t.Errorf("%q holds what it must not", got)
		}
	})
}

// Nothing that is printed, logged or returned shows secrets or a customer's data.
func TestNothingPrintedShowsSecrets(t *testing.T) {
	fake := newFake(t, func(w http.ResponseWriter, form url.Values) {
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(map[string]string{"result": "error",
			"message": "Login with " + form.Get("identifier") + " / " + form.Get("secret") + " from jane@example.com failed"})
	})
	cfg := fake.config()
	c := newClient(t, cfg)
	r := anOrder()
	r.Lines[0].Domain = "jane-doe.example"
	_, err := c.AddOrder(t.Context(), r)
	values := map[string]any{"config": cfg, "config pointer": &cfg, "client": c, "request": r, "error": err}
	for name, v := range values {
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		var js []byte
		if name != "request" { // whoever marshals a request wants its data
			js, _ = json.Marshal(v)
		}
		text := fmt.Sprintf("%v %+v %#v %s %q %x", v, v, v, v, v, v) + log.String() + string(js)
		hexSecret := fmt.Sprintf("%x", testSecret)
		for _, private := range []string{testSecret, testIdentifier, testAccessKey, hexSecret, "jane", "O'Brien", "8014x"} {
			if strings.Contains(text, private) {
				t.Errorf("%s shows %q: %s", name, private, text)
			}
		}
	}
}

// Answers hold passwords and tokens; none is decoded, so none can be printed.
func TestAnswersAreDecodedWithoutPrivateData(t *testing.T) {
	answers := map[string]string{
		actionGetClientsProducts: `{"result":"success","totalresults":1,"products":{"product":[{"id":1,"clientid":1,"username":"hush","password":"hush","notes":"hush","dedicatedip":"hush"}]}}`,
		actionGetPayMethods:      `{"result":"success","paymethods":[{"id":1,"type":"CreditCard","description":"hush","card_last_four":"hush","remote_token":"hush","bank_name":"hush"}]}`,
		actionGetClientsDetails:  `{"result":"success","client":{"id":1,"firstname":"hush","email":"hush","notes":"hush"},"id":1,"email":"hush"}`,
		actionGetOrders:          `{"result":"success","totalresults":1,"orders":{"order":[{"id":1,"userid":1,"name":"hush","ipaddress":"hush","transfersecret":"hush","fraudoutput":"hush"}]}}`,
	}
	fake := newFake(t, func(w http.ResponseWriter, form url.Values) { _, _ = io.WriteString(w, answers[form.Get("action")]) })
	c := fake.client(t)
	var got []any
	services, err := c.GetClientsProducts(t.Context(), ServiceFilter{ClientID: 1})
	got = append(got, services, err)
	methods, err := c.GetPayMethods(t.Context(), 1)
	got = append(got, methods, err)
	details, err := c.GetClientsDetails(t.Context(), 1)
	got = append(got, details, err)
	orders, err := c.GetOrders(t.Context(), OrderFilter{UserID: 1})
	got = append(got, orders, err)
	if len(services)*len(methods)*len(orders)*int(details.ID) != 1 {
		t.Fatalf("not everything was read: %+v", got)
	}
	if text := fmt.Sprintf("%+v", got); strings.Contains(text, "hush") {
		t.Errorf("private data was decoded: %s", text)
	}
}
