package salesforce

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
)

// Limit is one allowance of the org.
type Limit struct {
	// Max is the allowance.
	Max int64 `json:"Max"`
	// Remaining is what is left of it.
	Remaining int64 `json:"Remaining"`
}

// Limits are the org's allowances by Salesforce's names, such as DailyApiRequests.
type Limits map[string]Limit

// Limits asks for the org's allowances.
func (c *Client) Limits(ctx context.Context) (Limits, error) {
	answer, err := c.do(ctx, request{op: opLimits, method: http.MethodGet, path: c.apiPath + "/limits", timeout: readTimeout, longest: longestSmallAnswer})
	if err != nil {
		return nil, err
	}
	var limits Limits
	if err := json.Unmarshal(answer, &limits); err != nil {
		return nil, notJSON(opLimits, err)
	}
	return limits, nil
}

type apiUsage struct {
	used, max int64
	known     bool
}

// APIUsage returns how many API calls of the day the org had used, and may use, by the newest answer that said so.
func (c *Client) APIUsage() (used, limit int64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.usage.used, c.usage.max, c.usage.known
}

// usageShape finds api-usage in the header Sforce-Limit-Info, and not its namesake per-app-api-usage.
var usageShape = regexp.MustCompile(`(?:^|[;,\s])api-usage=(\d{1,15})/(\d{1,15})(?:\D|$)`)

func (c *Client) observeUsage(header string) {
	m := usageShape.FindStringSubmatch(header)
	if m == nil {
		return
	}
	used, errUsed := strconv.ParseInt(m[1], 10, 64)
	limit, errMax := strconv.ParseInt(m[2], 10, 64)
	if errUsed != nil || errMax != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.usage = apiUsage{used: used, max: limit, known: true}
}
