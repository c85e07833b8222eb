package whmcs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTransportFaults(t *testing.T) {
	order := []string{"clientid", "1", "paymentmethod", "mailin", "pid[]", "181"}
	tests := map[string]struct {
		fault  Fault
		orders int
		status int // 0: no answer
		body   string
		err    error
	}{
		"drop before":  {fault: Fault{Kind: DropBefore}, orders: 0, err: io.EOF},
		"drop after":   {fault: Fault{Kind: DropAfter}, orders: 1, err: io.EOF},
		"reset before": {fault: Fault{Kind: ResetBefore}, orders: 0, err: syscall.ECONNRESET},
		"reset after":  {fault: Fault{Kind: ResetAfter}, orders: 1, err: syscall.ECONNRESET},
		"html before":  {fault: Fault{Kind: HTMLBefore}, status: 502, body: "502 Bad Gateway"},
		"html after":   {fault: Fault{Kind: HTMLAfter, Status: 504}, orders: 1, status: 504, body: "504 Gateway Timeout"},
		"maintenance":  {fault: Fault{Kind: Maintenance}, status: 200, body: "Down for Maintenance"},
		"outage":       {fault: Fault{Kind: Outage}, status: 503, body: "503"},
		"outage drop":  {fault: Fault{Kind: Outage, Text: "drop"}, err: io.EOF},
		"truncated":    {fault: Fault{Kind: TruncatedJSON}, orders: 1, status: 200, err: io.ErrUnexpectedEOF},
		"empty body":   {fault: Fault{Kind: EmptyBody}, orders: 1, status: 200},
		"notice":       {fault: Fault{Kind: PHPNotice}, orders: 1, status: 200, body: "<b>Notice</b>"},
		"bom":          {fault: Fault{Kind: ByteOrderMark}, orders: 1, status: 200, body: "\ufeff{"},
		"trailing":     {fault: Fault{Kind: TrailingText}, orders: 1, status: 200, body: "}\n<!--"},
		"refused":      {fault: Fault{Kind: Refuse, Text: "Server is on fire"}, status: 200, body: `"message":"Server is on fire"`},
		"ip denied":    {fault: Fault{Kind: IPDenied, Status: 400}, status: 400, body: "Invalid IP 127.0.0.1"},
		"auth":         {fault: Fault{Kind: AuthFailed}, status: 403, body: "Authentication Failed"},
		"role": {fault: Fault{Kind: RoleDenied}, status: 403,
			body: `Invalid Permissions: API action \u0022AddOrder\u0022 is not allowed`},
		"unknown":       {fault: Fault{Kind: UnknownCommand}, status: 200, body: "Command Not Found"},
		"latency":       {fault: Fault{Kind: Latency, Delay: Duration(time.Millisecond)}, orders: 1, status: 200, body: "success"},
		"latency after": {fault: Fault{Kind: LatencyAfter, Delay: Duration(time.Millisecond)}, orders: 1, status: 200, body: "success"},
		"late commit":   {fault: Fault{Kind: LateCommit, Delay: Duration(time.Second)}, err: io.EOF},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			r.client(Client{})
			tc.fault.Action = "addorder"
			r.fault(tc.fault)
			resp, body, err := r.post("AddOrder", order...)
			if tc.err == nil && err != nil || tc.err != nil && !errors.Is(err, tc.err) {
				t.Fatalf("got %v, want %v", err, tc.err)
			}
			if tc.status != 0 && resp != nil && resp.StatusCode != tc.status {
				t.Errorf("status %d, want %d", resp.StatusCode, tc.status)
			}
			if !strings.Contains(body, tc.body) {
				t.Errorf("body %q does not contain %q", body, tc.body)
			}
			if n := len(r.Orders()); n != tc.orders {
				t.Errorf("%d orders in the books, want %d", n, tc.orders)
			}
		})
	}
}

func TestHTMLContentType(t *testing.T) {
	r := newRig(t, Options{})
	r.fault(Fault{Kind: HTMLType})
	resp, body, err := r.post("WhmcsDetails")
	if err != nil || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || !strings.HasPrefix(body, "{") {
		t.Errorf("%v %v %q", err, resp, body)
	}
}

func TestLateCommitLandsOnTheClock(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	r.fault(Fault{Kind: LateCommit, Delay: Duration(30 * time.Second), Count: 1})
	if _, _, err := r.post("AddOrder", "clientid", "1", "paymentmethod", "mailin", "notes", "late", "pid[]", "181"); err == nil {
		t.Fatal("got an answer")
	}
	r.advance(29 * time.Second)
	equal(t, len(r.Orders()), 0)
	r.order("1", "182")
	r.advance(time.Second)
	orders := r.Orders()
	if len(orders) != 2 || orders[1].Notes != "late" {
		t.Fatalf("orders: %+v", orders)
	}
	j := r.Journal()
	if len(j) != 2 || j[1].Ended != string(LateCommit) || j[1].OrderID != 2 || j[1].Result != "success" {
		t.Errorf("journal: %+v", j)
	}
}

func TestHangCommitWaitsForTheClientToGiveUp(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	r.fault(Fault{Kind: HangCommit, Action: "AddOrder"})
	r.web.Timeout = 50 * time.Millisecond
	if _, _, err := r.post("AddOrder", "clientid", "1", "paymentmethod", "mailin", "pid[]", "181"); err == nil {
		t.Fatal("got an answer")
	}
	eventually(t, func() bool { return len(r.Orders()) == 1 })
}

func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatal("it did not come true within 10 s")
		case <-tick.C:
		}
	}
}

func TestFaultLimits(t *testing.T) {
	denied := func(r *rig, action string, pairs ...string) bool {
		return r.call(action, pairs...)["result"] == "error"
	}
	t.Run("count and skip", func(t *testing.T) {
		r := newRig(t, Options{})
		r.fault(Fault{Kind: Refuse, Text: "x", Count: 2, Skip: 1})
		got := ""
		for range 5 {
			if denied(r, "WhmcsDetails") {
				got += "x"
			} else {
				got += "."
			}
		}
		equal(t, got, ".xx..")
		equal(t, len(r.Faults()), 0)
	})
	t.Run("action and client", func(t *testing.T) {
		r := newRig(t, Options{})
		r.client(Client{})
		r.client(Client{})
		other := r.order("2", "181")
		f := r.fault(Fault{Kind: Refuse, Text: "x", Action: "ACCEPTORDER", ClientID: 2})
		equal(t, f.Action, "AcceptOrder")
		equal(t, denied(r, "GetOrders", "userid", "2"), false)
		equal(t, denied(r, "AcceptOrder", "orderid", other), true)
		equal(t, r.RemoveFault(f.ID), true)
		equal(t, denied(r, "AcceptOrder", "orderid", other), false)
	})
	t.Run("time on the clock", func(t *testing.T) {
		r := newRig(t, Options{})
		r.fault(Fault{Kind: Outage, For: Duration(time.Hour)})
		resp, _, err := r.post("WhmcsDetails")
		if err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Fatalf("%v %v", resp, err)
		}
		r.advance(time.Hour)
		r.ok("WhmcsDetails")
	})
	t.Run("probability is repeatable", func(t *testing.T) {
		draw := func(seed uint64) string {
			r := newRig(t, Options{Seed: seed})
			r.fault(Fault{Kind: Refuse, Text: "x", Probability: 0.5})
			out := ""
			for range 32 {
				if denied(r, "WhmcsDetails") {
					out += "x"
				} else {
					out += "."
				}
			}
			return out
		}
		first := draw(7)
		equal(t, draw(7), first)
		if !strings.Contains(first, "x") || !strings.Contains(first, ".") || draw(8) == first {
			t.Errorf("draws %q look wrong", first)
		}
	})
	t.Run("bad faults", func(t *testing.T) {
		r := newRig(t, Options{})
		for _, f := range []Fault{{Kind: "nonsense"}, {Kind: EmptyList, Text: "odd"}, {Kind: Refuse, Probability: 2}, {Kind: Refuse, Action: "x"}} {
			if _, err := r.SetFault(f); err == nil {
				t.Errorf("%+v was accepted", f)
			}
		}
		for _, k := range KindNames() {
			if KindDoc(Kind(k)) == "" {
				t.Errorf("%s has no documentation", k)
			}
		}
	})
}

func TestCounters(t *testing.T) {
	r := newRig(t, Options{})
	r.client(Client{})
	r.order("1", "181")
	r.call("AddOrder", "clientid", "9")
	r.fault(Fault{Kind: DropAfter, Count: 1})
	_, _, _ = r.post("AddOrder", "clientid", "1", "paymentmethod", "mailin", "pid[]", "181")
	_, _, _ = r.raw("", "action=AddOrder")
	got := r.Counters()
	want := map[string]int{"success": 1, "error": 1, "dropAfter": 1, "denied": 1}
	for k, n := range want {
		if got.Calls["AddOrder"][k] != n {
			t.Errorf("AddOrder %s = %d, want %d", k, got.Calls["AddOrder"][k], n)
		}
	}
	if got.Total("") != 4 || got.Total("AddOrder") != 4 || got.MaxConcurrent < 1 || got.MaxConcurrentAddOrderPerClient != 1 {
		t.Errorf("counters: %+v", got)
	}
	r.ResetCounters()
	equal(t, r.Counters().Total(""), 0)
}
