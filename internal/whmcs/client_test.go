package whmcs

import (
	"net/http"
	"strings"
	"testing"
)

func validConfig() Config {
	return Config{URL: "https://billing.example.com/includes/api.php", Identifier: "i", Secret: "s"}
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		says   string
	}{
		"plain http":      {func(c *Config) { c.URL = "http://billing.example.com/includes/api.php" }, "http would send the credentials in the clear; use https"},
		"http, any case":  {func(c *Config) { c.URL = "HTTP://billing.example.com/includes/api.php" }, "use https"},
		"another scheme":  {func(c *Config) { c.URL = "ftp://billing.example.com/includes/api.php" }, "only https"},
		"no URL":          {func(c *Config) { c.URL = "" }, "it should look like https://"},
		"no scheme":       {func(c *Config) { c.URL = "billing.example.com/includes/api.php" }, "it should look like https://"},
		"broken URL":      {func(c *Config) { c.URL = "https://%zz" }, "it should look like https://"},
		"user in URL":     {func(c *Config) { c.URL = "https://u:hush@billing.example.com/includes/api.php" }, "belong in the Secret"},
		"query":           {func(c *Config) { c.URL += "?secret=hush" }, "must end with the path"},
		"fragment":        {func(c *Config) { c.URL += "#hush" }, "must end with the path"},
		"no path":         {func(c *Config) { c.URL = "https://billing.example.com" }, "/includes/api.php"},
		"no host":         {func(c *Config) { c.URL = "https://:443/includes/api.php" }, "host is missing"},
		"no identifier":   {func(c *Config) { c.Identifier = "" }, "identifier and secret"},
		"no secret":       {func(c *Config) { c.Secret = "" }, "identifier and secret"},
		"bundle not PEM":  {func(c *Config) { c.CABundle = []byte("hush") }, "no certificate found"},
		"bundle of a key": {func(c *Config) { c.CABundle = []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n") }, "no certificate found"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := validConfig()
			tc.change(&cfg)
			_, err := New(cfg)
			if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "hush") {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
}

func TestEndpointIsEqualForEqualServers(t *testing.T) {
	for _, url := range []string{"https://billing.example.com/includes/api.php", "https://Billing.Example.com:443/includes/api.php", "HTTPS://billing.example.com:/includes/api.php"} {
		cfg := validConfig()
		cfg.URL = url
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := c.Endpoint(), "https://billing.example.com/includes/api.php"; got != want {
			t.Errorf("%s: got %s, want %s", url, got, want)
		}
	}
}

func TestTransportsSpeakOnlyModernTLSAndHTTP1(t *testing.T) {
	var seen []*http.Transport
	cfg := validConfig()
	cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
		if tr, ok := next.(*http.Transport); ok {
			seen = append(seen, tr)
		}
		return next
	}
	if _, err := New(cfg); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 {
		t.Fatalf("%d transports, want one for reading and one for the rest", len(seen))
	}
	for _, tr := range seen {
		if tr.TLSClientConfig.MinVersion < 0x0303 || tr.Protocols.HTTP2() || tr.Proxy != nil {
			t.Errorf("unexpected settings: %+v", tr)
		}
	}
	if seen[0].DisableKeepAlives || !seen[1].DisableKeepAlives {
		t.Error("reads keep connections alive, mutating calls must not")
	}
}

func TestActionOfIsKnownToWrappers(t *testing.T) {
	fake := newFake(t, says(`{"result":"success","orderid":1}`))
	var got []string
	c := fake.client(t, func(cfg *Config) {
		cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper {
			return roundTripFunc(func(r *http.Request) (*http.Response, error) {
				got = append(got, ActionOf(r))
				return next.RoundTrip(r)
			})
		}
	})
	if _, err := c.AddOrder(t.Context(), anOrder()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.WhmcsDetails(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "AddOrder WhmcsDetails"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
