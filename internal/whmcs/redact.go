package whmcs

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
)

// Format prints the configuration without its secrets, whatever the verb.
func (cfg Config) Format(s fmt.State, _ rune) { fmt.Fprint(s, cfg.String()) }

// String returns the configuration without its secrets.
func (cfg Config) String() string { return "whmcs.Config(" + redactedURL(cfg.URL) + ")" }

// LogValue is what slog prints.
func (cfg Config) LogValue() slog.Value { return slog.StringValue(cfg.String()) }

// MarshalJSON hides the secrets from loggers that print by reflection.
func (cfg Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(cfg.String())
}

// String returns which WHMCS the client calls, without credentials.
func (c *Client) String() string { return "whmcs.Client(" + c.endpoint + ")" }

// Format prints which WHMCS the client calls, whatever the verb.
func (c *Client) Format(s fmt.State, _ rune) { fmt.Fprint(s, c.String()) }

// LogValue is what slog prints.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.String()) }

// String returns what kind of order is requested, without a customer's data.
func (r AddOrderRequest) String() string {
	return fmt.Sprintf("AddOrder(%d lines)", len(r.Lines))
}

// Format prints the request without a customer's data, whatever the verb.
func (r AddOrderRequest) Format(s fmt.State, _ rune) { fmt.Fprint(s, r.String()) }

// LogValue is what slog prints.
func (r AddOrderRequest) LogValue() slog.Value { return slog.StringValue(r.String()) }

func redactedURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "unreadable URL"
	}
	return u.Scheme + "://" + u.Host + u.Path
}
