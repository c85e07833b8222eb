package sandbox

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

const (
	orderA = "8014x000000ABCDIAZ"
	orderB = "8014x000000ABCEIAZ"
)

var auditTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rightBooks are two orders that were provisioned as they must be: Internet with installation, and a VPN with quantity.
func rightBooks() State {
	service := func(id, order, pid int64, cycle string, deployments int) whmcs.Service {
		return whmcs.Service{ID: id, ClientID: 7, OrderID: order, PID: pid, Qty: 1, BillingCycle: cycle, Status: whmcs.StatusActive,
			Deployments: deployments}
	}
	vpn := service(13, 2, 220, "monthly", 1)
	vpn.Qty = 2
	vpn.ConfigOptions = map[int64]whmcs.Selected{11: {Choice: 102}, 12: {Choice: 121, Qty: 2}, 13: {Choice: 131, Qty: 1}}
	order := func(id int64, key string, services ...int64) whmcs.Order {
		return whmcs.Order{ID: id, ClientID: 7, Status: whmcs.StatusActive, Notes: "sfOrderId=" + key, Source: whmcs.SourceAPI,
			ServiceIDs: services, Accepts: 1}
	}
	return State{
		Now: auditTime,
		Orders: []SalesforceOrder{
			{ID: orderA, Number: "101", Status: "Approved", ActivationStatus: "Activated", WhmcsOrderID: "1", WhmcsAccount: "#7 - Hana",
				Lines: []SalesforceLine{{ID: "l1", SKU: "INT-HOME-10G", Quantity: 1, WhmcsServiceID: "11"},
					{ID: "l2", SKU: "INT-INSTALL", Quantity: 1, WhmcsServiceID: "12"}}},
			{ID: orderB, Number: "102", Status: "Approved", ActivationStatus: "Activated", WhmcsOrderID: "2", WhmcsAccount: "#7 - Hana",
				Lines: []SalesforceLine{{ID: "l3", SKU: "VPN-UK", Quantity: 2, WhmcsServiceID: "13"}}},
		},
		Whmcs: WhmcsState{
			Products: whmcs.DefaultCatalogue(),
			Orders:   []whmcs.Order{order(1, orderA, 11, 12), order(2, orderB, 13)},
			Services: []whmcs.Service{service(11, 1, 188, "monthly", 1), service(12, 1, 242, "onetime", 0), vpn},
		},
	}
}

func TestCompareRightBooks(t *testing.T) {
	a := Compare(rightBooks())
	if !a.OK() || a.Summary() != "2/2 orders provisioned, 2 WHMCS orders, 0 duplicates" {
		t.Errorf("%s: %v", a.Summary(), a.Findings)
	}
	want := []OrderAudit{{orderA, "101", StateProvisioned, []int64{1}}, {orderB, "102", StateProvisioned, []int64{2}}}
	if diff := cmp.Diff(want, a.Orders); diff != "" {
		t.Error(diff)
	}
}

func TestCompareFindsEveryFault(t *testing.T) {
	again := func(s *State, notes string) {
		o := s.Whmcs.Orders[0]
		o.ID, o.Notes, o.ServiceIDs = 3, notes, []int64{21, 22}
		s.Whmcs.Orders = append(s.Whmcs.Orders, o)
		for i, sv := range s.Whmcs.Services[:2] {
			sv.ID, sv.OrderID = int64(21+i), 3
			s.Whmcs.Services = append(s.Whmcs.Services, sv)
		}
	}
	drop := func(s *State) {
		s.Whmcs.Orders, s.Whmcs.Services = s.Whmcs.Orders[1:], s.Whmcs.Services[2:]
	}
	tests := map[string]struct {
		change func(*State)
		want   []FindingKind
	}{
		"missing":               {drop, []FindingKind{Missing}},
		"duplicate with key":    {func(s *State) { again(s, "sfOrderId="+orderA) }, []FindingKind{Duplicate}},
		"duplicate without key": {func(s *State) { again(s, "") }, []FindingKind{Duplicate}},
		"cancelled duplicate": {func(s *State) { again(s, ""); s.Whmcs.Orders[2].Status = "Cancelled" },
			[]FindingKind{Duplicate, NotAccepted}},
		"deleted duplicate": {func(s *State) { again(s, ""); s.Whmcs.Orders[2].Deleted = true }, []FindingKind{Duplicate, NotAccepted}},
		"stray":             {func(s *State) { again(s, ""); s.Whmcs.Orders[2].ClientID = 8 }, []FindingKind{Stray}},
		"mixed keys": {func(s *State) { s.Whmcs.Orders[0].Notes += " sfOrderId=" + orderB },
			[]FindingKind{MixedKeys}},
		"never approved": {func(s *State) { s.Orders[0].Status = "Pending Review" }, []FindingKind{Unapproved}},
		"too early": {func(s *State) {
			s.Orders[0].ActivationType, s.Orders[0].ScheduledAt = "Scheduled", auditTime.Add(time.Hour)
		},
			[]FindingKind{TooEarly}},
		"wrong client":  {func(s *State) { s.Whmcs.Orders[0].ClientID = 8 }, []FindingKind{WrongClient}},
		"wrong product": {func(s *State) { s.Whmcs.Services[0].PID = 181 }, []FindingKind{WrongLines, WrongServiceID}},
		"wrong cycle":   {func(s *State) { s.Whmcs.Services[0].BillingCycle = "annually" }, []FindingKind{WrongLines, WrongServiceID}},
		"wrong quantity": {func(s *State) { s.Whmcs.Services[2].Qty = 1 },
			[]FindingKind{WrongLines, WrongServiceID}},
		"wrong choice": {func(s *State) {
			s.Whmcs.Services[2].ConfigOptions = map[int64]whmcs.Selected{11: {Choice: 101}, 12: {Qty: 2}, 13: {Qty: 1}}
		}, []FindingKind{WrongLines, WrongServiceID}},
		"wrong option quantity": {func(s *State) {
			s.Whmcs.Services[2].ConfigOptions = map[int64]whmcs.Selected{11: {Choice: 102}, 12: {Qty: 3}, 13: {Qty: 1}}
		}, []FindingKind{WrongLines, WrongServiceID}},
		"lost line": {func(s *State) { s.Whmcs.Services = slices.Delete(s.Whmcs.Services, 1, 2) },
			[]FindingKind{WrongLines, WrongServiceID, WrongServiceID}},
		"pending":         {func(s *State) { s.Whmcs.Orders[0].Status = "Pending" }, []FindingKind{NotAccepted}},
		"never accepted":  {func(s *State) { s.Whmcs.Orders[0].Accepts = 0 }, []FindingKind{NotAccepted}},
		"accepted twice":  {func(s *State) { s.Whmcs.Orders[0].Accepts = 2 }, []FindingKind{AcceptedTwice}},
		"pending service": {func(s *State) { s.Whmcs.Services[0].Status = "Pending" }, []FindingKind{ServiceStatus}},
		"not deployed":    {func(s *State) { s.Whmcs.Services[0].Deployments = 0 }, []FindingKind{Deployments}},
		"deployed twice":  {func(s *State) { s.Whmcs.Services[0].Deployments = 2 }, []FindingKind{DeployedTwice}},
		"not activated":   {func(s *State) { s.Orders[0].ActivationStatus = "Activating" }, []FindingKind{NotActivated}},
		"error left":      {func(s *State) { s.Orders[0].ErrorCode = "X" }, []FindingKind{ErrorLeft}},
		"wrong order id":  {func(s *State) { s.Orders[0].WhmcsOrderID = "2" }, []FindingKind{WrongOrderID}},
		"no service id": {func(s *State) { s.Orders[0].Lines[0].WhmcsServiceID = "" },
			[]FindingKind{WrongServiceID, WrongServiceID}},
		"services swapped": {func(s *State) {
			l := s.Orders[0].Lines
			l[0].WhmcsServiceID, l[1].WhmcsServiceID = l[1].WhmcsServiceID, l[0].WhmcsServiceID
		}, []FindingKind{WrongServiceID, WrongServiceID}},
		"one service twice": {func(s *State) { s.Orders[0].Lines[1].WhmcsServiceID = "11" },
			[]FindingKind{WrongServiceID, WrongServiceID}},
		"foreign service": {func(s *State) { s.Orders[0].Lines[1].WhmcsServiceID = "13" },
			[]FindingKind{WrongServiceID, WrongServiceID, WrongServiceID}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := rightBooks()
			tc.change(&s)
			a := Compare(s)
			var got []FindingKind
			for _, f := range a.Findings {
				got = append(got, f.Kind)
				if strings.Contains(f.String(), "\n") || strings.Contains(f.String(), "%!") {
					t.Errorf("bad line: %s", f)
				}
			}
			slices.Sort(got)
			want := slices.Sorted(slices.Values(tc.want))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s\n%v", diff, a.Findings)
			}
			if a.OK() {
				t.Errorf("passed: %s", a.Summary())
			}
		})
	}
}

func TestCompareAcceptsOtherRightBooks(t *testing.T) {
	tests := map[string]struct {
		change func(*State)
		want   string
	}{
		"key only in a domain": {func(s *State) {
			s.Whmcs.Orders[0].Notes = ""
			s.Whmcs.Services[0].Domain = "sf-" + strings.ToLower(orderA) + "-l1.orders.example.net"
		}, "2/2 orders provisioned, 2 WHMCS orders, 0 duplicates"},
		"key only in a custom field": {func(s *State) {
			s.Whmcs.Orders[0].Notes = ""
			s.Whmcs.Services[0].CustomFields = map[int64]string{310: orderA}
		}, "2/2 orders provisioned, 2 WHMCS orders, 0 duplicates"},
		"no key at all": {func(s *State) { s.Whmcs.Orders[0].Notes, s.Whmcs.Orders[1].Notes = "", "" },
			"2/2 orders provisioned, 2 WHMCS orders, 0 duplicates"},
		"quantity as several services": {func(s *State) {
			sv := s.Whmcs.Services[2]
			sv.Qty = 1
			s.Whmcs.Services[2] = sv
			sv.ID = 14
			s.Whmcs.Services = append(s.Whmcs.Services, sv)
			s.Orders[1].Lines[0].WhmcsServiceID = "13, 14"
		}, "2/2 orders provisioned, 2 WHMCS orders, 0 duplicates"},
		"a customer's own order": {func(s *State) {
			s.Whmcs.Orders = append(s.Whmcs.Orders, whmcs.Order{ID: 9, ClientID: 7, Source: whmcs.SourceClientArea})
		}, "2/2 orders provisioned, 2 WHMCS orders, 0 duplicates"},
		"a draft": {func(s *State) {
			s.Orders = append(s.Orders, SalesforceOrder{ID: "8014x000000ABCFIAZ", Status: "Draft"})
		},
			"2/2 orders provisioned, 2 WHMCS orders, 0 duplicates"},
		"scheduled for later": {func(s *State) {
			s.Orders = append(s.Orders, SalesforceOrder{ID: "8014x000000ABCFIAZ", Status: "Approved", ActivationType: "Scheduled",
				ScheduledAt: auditTime.Add(time.Minute)})
		}, "2/2 orders provisioned, 2 WHMCS orders, 0 duplicates"},
		"placed by hand and adopted": {func(s *State) {
			s.Whmcs.Orders[0].Source, s.Whmcs.Orders[0].Accepts, s.Whmcs.Orders[0].Notes = whmcs.SourceClientArea, 0, ""
			s.Whmcs.Services[0].Deployments = 0
		}, "2/2 orders provisioned, 1 WHMCS orders, 0 duplicates"},
		"a product outside the catalogue": {func(s *State) {
			l := &s.Orders[0].Lines[0]
			l.SKU, l.PID, l.Class, l.Options = "OTHER", 188, "Service", `{"1":2}`
		}, "2/2 orders provisioned, 2 WHMCS orders, 0 duplicates"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := rightBooks()
			tc.change(&s)
			if a := Compare(s); !a.OK() || a.Summary() != tc.want {
				t.Errorf("%s: %v", a.Summary(), a.Findings)
			}
		})
	}
}

func TestExcuse(t *testing.T) {
	s := rightBooks()
	s.Whmcs.Orders, s.Whmcs.Services = s.Whmcs.Orders[1:], s.Whmcs.Services[2:]
	s.Orders[1].ActivationStatus = "Failed"
	s.Whmcs.Orders[0].Accepts = 2
	a := Compare(s)
	if got := a.Excuse(orderA); len(got.Findings) != 2 {
		t.Errorf("excusing the missing order left %v", got.Findings)
	}
	got := a.Excuse(orderA, orderB)
	if len(got.Findings) != 1 || got.Findings[0].Kind != AcceptedTwice {
		t.Errorf("damage must not be excused: %v", got.Findings)
	}
}
