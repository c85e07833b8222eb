package salesforce

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The REST versions of the org: what is older than firstVersion is gone.
const (
	goneVersion   = 21
	firstVersion  = 31
	lastVersion   = 68
	latestVersion = "68.0"
)

const dataPath = "/services/data"

// route is one operation. A "*" in the pattern matches one segment.
type route struct {
	method   string
	pattern  string
	endpoint string // the name in Counters and Fault.Endpoint
	handler  func(*Server, *call) *response
	free     bool // may run inside composite requests
}

// routes are relative to /services/data/vNN.N; the first match counts.
var routes []route

func init() {
	routes = []route{
		{"GET", "", "resources", (*Server).resources, false},
		{"GET", "limits", "limits", (*Server).limits, false},
		{"GET", "recent", "recent", func(*Server, *call) *response { return answer(http.StatusOK, []any{}) }, false},
		{"GET", "query", "query", (*Server).runQuery, true},
		{"GET", "queryAll", "queryAll", (*Server).runQuery, true},
		{"GET", "query/*", "queryMore", (*Server).queryMore, true},
		{"GET", "queryAll/*", "queryMore", (*Server).queryMore, true},
		{"GET", "sobjects", "describeGlobal", (*Server).describeGlobal, true},
		{"GET", "sobjects/*", "describeBasic", (*Server).describeBasic, true},
		{"POST", "sobjects/*", "row.create", (*Server).createRow, true},
		{"GET", "sobjects/*/describe", "describe", (*Server).describe, true},
		{"GET", "sobjects/*/eventSchema", "eventSchema", (*Server).eventSchemaByTopic, false},
		{"POST", "sobjects/*/Id", "row.create", (*Server).createRow, true},
		{"GET", "sobjects/*/*", "row.get", (*Server).getRow, true},
		{"PATCH", "sobjects/*/*", "row.update", (*Server).updateRow, true},
		{"DELETE", "sobjects/*/*", "row.delete", (*Server).deleteRow, true},
		{"GET", "sobjects/*/*/*", "row.get", (*Server).getByExternalID, true},
		{"PATCH", "sobjects/*/*/*", "row.upsert", (*Server).upsertRow, true},
		{"POST", "composite", "composite", (*Server).composite, false},
		{"POST", "composite/batch", "batch", (*Server).batch, false},
		{"POST", "composite/graph", "graph", (*Server).graph, false},
		{"POST", "composite/tree/*", "tree", (*Server).tree, true},
		{"POST", "composite/sobjects", "collections.create", (*Server).createMany, true},
		{"PATCH", "composite/sobjects", "collections.update", (*Server).updateMany, true},
		{"DELETE", "composite/sobjects", "collections.delete", (*Server).deleteMany, true},
		{"GET", "composite/sobjects/*", "collections.get", (*Server).getMany, true},
		{"POST", "composite/sobjects/*", "collections.get", (*Server).getMany, true},
		{"PATCH", "composite/sobjects/*/*", "collections.upsert", (*Server).upsertMany, true},
		{"GET", "event/eventSchema/*", "eventSchema", (*Server).eventSchemaByID, false},
		{"POST", "commerce/sale/order", "placeOrder", (*Server).placeOrder, false},
	}
}

func (r *route) match(segments []string) (args []string, ok bool) {
	want := strings.Split(r.pattern, "/")
	if len(want) != len(segments) {
		return nil, false
	}
	for i, w := range want {
		switch {
		case w == "*" && segments[i] != "":
			arg, err := url.PathUnescape(segments[i])
			if err != nil {
				return nil, false
			}
			args = append(args, arg)
		case w != segments[i]:
			return nil, false
		}
	}
	return args, true
}

// find looks the call up; without a route it returns the methods that the
// path does take.
func find(c *call) (found *route, args, allowed []string) {
	segments := strings.Split(strings.Trim(strings.TrimPrefix(c.path, c.prefix), "/"), "/")
	for i := range routes {
		args, ok := routes[i].match(segments)
		if !ok {
			continue
		}
		if routes[i].method == c.method {
			return &routes[i], args, nil
		}
		if !slices.Contains(allowed, routes[i].method) {
			allowed = append(allowed, routes[i].method)
		}
	}
	return nil, nil, allowed
}

// versioned splits the version off the path and says what is wrong with it.
func (c *call) versioned() *response {
	rest := strings.TrimPrefix(c.path, dataPath+"/")
	name, _, _ := strings.Cut(rest, "/")
	number, minor, dotted := strings.Cut(strings.TrimPrefix(name, "v"), ".")
	n, err := strconv.Atoi(number)
	if err != nil || !dotted || minor != "0" || !strings.HasPrefix(name, "v") || n > lastVersion || n < goneVersion {
		return notFound()
	}
	c.version, c.prefix = number+".0", dataPath+"/"+name
	if n < firstVersion {
		return failure(http.StatusGone, "GONE", "API version "+c.version+" is retired")
	}
	return nil
}

// endpointOf names the operation before anything is checked, for faults and
// counters.
func endpointOf(c *call) string {
	switch c.path {
	case "/services/oauth2/token":
		return "login"
	case "/services/oauth2/revoke":
		return "revoke"
	case "/services/oauth2/userinfo":
		return "userinfo"
	case dataPath:
		return "versions"
	}
	if strings.HasPrefix(c.path, soapPath) {
		return "login"
	}
	if strings.HasPrefix(c.path, "/id/") {
		return "identity"
	}
	if strings.HasPrefix(c.path, dataPath+"/") && c.versioned() == nil {
		if found, args, _ := find(c); found != nil {
			if found.endpoint == "row.create" && hasSuffixFold(args[0], "__e") {
				return "event.publish"
			}
			return found.endpoint
		}
	}
	return "unknown"
}

// endpoints are all names that endpointOf gives.
func endpoints() []string {
	out := []string{"login", "revoke", "userinfo", "identity", "versions", "event.publish", "unknown"}
	for _, r := range routes {
		out = append(out, r.endpoint)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// handle answers one request from the network.
func (s *Server) handle(c *call) *response {
	s.counters.add(c.endpoint)
	switch c.endpoint {
	case "login":
		if strings.HasPrefix(c.path, soapPath) {
			return s.soap(c)
		}
		return s.token(c)
	case "revoke":
		return s.revoke(c)
	case "userinfo", "identity":
		return s.identity(c)
	case "versions":
		return s.versions(c)
	}
	if !strings.HasPrefix(c.path, dataPath+"/") {
		return &response{status: http.StatusNotFound, text: "<html><body><h1>URL No Longer Exists</h1></body></html>"}
	}
	return s.rest(c)
}

// rest answers one call of the REST API: version, session, limits, then the
// operation in a unit of work of its own.
func (s *Server) rest(c *call) *response {
	s.counters.add("rest")
	if refused := c.versioned(); refused != nil {
		return refused
	}
	user, refused := s.authorise(c)
	if refused != nil {
		return refused
	}
	used, allowed := s.apiUsage(1)
	if _, struck := s.faults.request(FaultRequestLimit, c); struck || used > allowed {
		return failure(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	}
	s.mu.Lock()
	c.txn = s.begin(user, c)
	out := s.dispatch(c)
	s.commit(c.txn)
	s.mu.Unlock()
	s.flush()
	return out
}

func (s *Server) authorise(c *call) (string, *response) {
	token := c.bearer()
	if _, struck := s.faults.request(FaultRevokeToken, c); struck {
		s.RevokeToken(token)
	}
	user, ok := s.touch(token)
	if _, struck := s.faults.request(FaultUnauthorized, c); struck {
		ok = false
	}
	if !ok {
		out := failure(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")
		out.header = map[string]string{"WWW-Authenticate": "Token"}
		return "", out
	}
	return user, nil
}

// dispatch finds and runs the operation within c.txn; what it did is undone
// when it fails as a whole.
func (s *Server) dispatch(c *call) *response {
	found, args, allowed := find(c)
	if found == nil && allowed != nil {
		out := failure(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED",
			"HTTP Method '"+c.method+"' not allowed. Allowed are "+strings.Join(allowed, ","))
		out.header = map[string]string{"Allow": strings.Join(allowed, ",")}
		return out
	}
	if found == nil {
		return notFound()
	}
	if len(c.body) > 0 && !acceptableType(c.header.Get("Content-Type")) {
		return failure(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content-Type must be application/json")
	}
	c.args = args
	start := c.txn.save()
	out := found.handler(s, c)
	if out.failed() {
		c.txn.rollback(start)
	}
	return out
}

func acceptableType(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.TrimSpace(media)
	return media == "" || strings.EqualFold(media, "application/json")
}

func notFound() *response {
	return failure(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
}

var releases = []string{"Winter", "Spring", "Summer"}

// versions lists the REST versions; it takes no session.
func (*Server) versions(*call) *response {
	type version struct {
		Label   string `json:"label"`
		URL     string `json:"url"`
		Version string `json:"version"`
	}
	var out []version
	for n := firstVersion; n <= lastVersion; n++ {
		// Three releases a year; v65 was Winter '26.
		year, season := 26+(n-65)/3, (n-65)%3
		if season < 0 {
			year, season = year-1, season+3
		}
		v := strconv.Itoa(n) + ".0"
		out = append(out, version{releases[season] + " '" + strconv.Itoa(year), dataPath + "/v" + v, v})
	}
	return answer(http.StatusOK, out)
}

func (s *Server) resources(c *call) *response {
	out := &record{}
	for _, name := range []string{"sobjects", "query", "queryAll", "limits", "composite", "recent"} {
		out.set(name, c.prefix+"/"+name)
	}
	out.set("identity", c.base+"/id/"+s.org+"/"+c.txn.user)
	return answer(http.StatusOK, out)
}

func (s *Server) limits(*call) *response {
	used, allowed := s.apiUsage(0)
	published, delivered := s.counters.get("events.published"), s.options.EventsDelivered()
	out := &record{}
	for _, limit := range []struct {
		name      string
		max, used int64
	}{
		{"ActiveScratchOrgs", 3, 0}, {"ConcurrentAsyncGetReportInstances", 200, 0},
		{"DailyApiRequests", allowed, used}, {"DailyAsyncApexExecutions", 250_000, 0},
		{"DailyBulkApiBatches", 15_000, 0}, {"DailyBulkV2QueryJobs", 10_000, 0},
		{"DailyDeliveredPlatformEvents", 25_000, delivered}, {"DailyStandardVolumePlatformEvents", 10_000, 0},
		{"DataStorageMB", 1024, 5}, {"FileStorageMB", 1024, 1},
		{"HourlyPublishedPlatformEvents", 250_000, published}, {"MonthlyPlatformEventsUsageEntitlement", 0, 0},
		{"SingleEmail", 5000, 0},
	} {
		entry := &record{}
		entry.set("Max", limit.max)
		entry.set("Remaining", max(0, limit.max-limit.used))
		out.set(limit.name, entry)
	}
	return answer(http.StatusOK, out)
}
