package stories

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	whmcsbox "github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// story is how one order fares.
type story struct {
	title, about     string
	pipeline         func(*v1alpha1.ProvisioningPipelineSpec)
	withoutPayMethod bool
	lines            []sandbox.OrderLine
	fields           map[string]any
	// tell lets it happen.
	tell func(s *stage)
	// excused are findings of the audit that belong to the story.
	excused excuse
}

var (
	sim      = []sandbox.OrderLine{{SKU: "SIM-5GB", Quantity: 2}, {SKU: "SIM-ACTIVATION"}}
	internet = []sandbox.OrderLine{{SKU: "INT-HOME-APARTMENT"}}
)

// internetPID is the product of internet.
const internetPID = 181

const addOrder, acceptOrder = "AddOrder", "AcceptOrder"

// stories are told in testdata/NAME.golden.
var stories = map[string]story{
	"happy": {
		title: "An order without trouble", lines: sim,
		about: "An approved order of two SIM cards and an activation. WHMCS is new to Orderbridge, so the order is read back once to learn whether the key is stored.",
		tell:  (*stage).work,
	},
	"refused": {
		title: "WHMCS refuses the order", lines: sim,
		about: "The client's account is closed. Nothing was made, so a request is enough once it is open again.",
		tell: func(s *stage) {
			mend := s.fault("the client is closed in WHMCS", whmcsbox.Fault{Kind: whmcsbox.Refuse, Action: addOrder, Text: "Unable to add order when client status is Closed"})
			s.work()
			s.workFor(time.Hour)
			s.request("somebody, too early,")
			s.work()
			s.workFor(10 * time.Minute)
			mend()
			s.say("the client is open again")
			s.request("the person on duty")
			s.work()
		},
	},
	"busy": {
		title: "WHMCS cannot be reached when the order is sent", lines: sim,
		about: "The reads go through, then the web server refuses connections: AddOrder certainly never arrived. The order waits, and no attempt is used up.",
		tell: func(s *stage) {
			s.say("the web server of WHMCS begins to refuse some connections")
			s.turnAway = 4
			s.work()
		},
	},
	"answer-lost-and-found": {
		title: "The answer is lost, the order is found", lines: sim,
		about: "WHMCS makes the order, and the connection breaks before the answer. The notes carry the key, so the next look finds it.",
		tell: func(s *stage) {
			s.fault("the connection will break after the next AddOrder is done", whmcsbox.Fault{Kind: whmcsbox.DropAfter, Action: addOrder, Count: 1})
			s.work()
		},
	},
	"answer-lost-nothing-made": {
		title: "The answer is lost, and nothing was made", lines: sim,
		about: "The connection breaks before WHMCS does anything. That cannot be told from an order that is still being made, so the order waits until nothing can be under way, and is sent again.",
		tell: func(s *stage) {
			s.fault("the connection will break before the next AddOrder is done", whmcsbox.Fault{Kind: whmcsbox.DropBefore, Action: addOrder, Count: 1})
			s.work()
		},
	},
	"accept-answer-lost": {
		title: "The answer of the accept is lost", lines: sim,
		about: "WHMCS accepts the order and sets it up, and the connection breaks before the answer. It is never accepted twice.",
		tell: func(s *stage) {
			s.fault("the connection will break after the next AcceptOrder is done", whmcsbox.Fault{Kind: whmcsbox.DropAfter, Action: acceptOrder, Count: 1})
			s.work()
		},
	},
	"answer-lost-not-findable": {
		title: "The answer is lost, and the order cannot be told from others", lines: internet,
		about: "This WHMCS does not store notes. The answer is lost, and meanwhile the customer orders the same in the client area. " +
			"Only a person can tell which of the two is the order of Salesforce: nothing is sent, and the evidence is kept.",
		excused: excuse{sandbox.Stray},
		tell: func(s *stage) {
			s.lose(whmcsbox.DropAfter, 1)
			s.work()
			s.workFor(time.Hour)
			s.request("somebody who hopes for the best")
			s.work()
		},
	},
	"forced": {
		title: "A person forces the order", lines: internet,
		about: "This WHMCS does not store notes. The connection breaks before anything is made, and meanwhile the customer orders the same twice in the client area. " +
			"A person looks at those two, sees that neither is the order of Salesforce, and forces: at the second try, since a force belongs to one request.",
		excused: excuse{sandbox.Stray},
		tell: func(s *stage) {
			s.lose(whmcsbox.DropBefore, 2)
			s.workFor(2 * time.Minute)
			s.force("somebody in a hurry sets", "09:02", "it is urgent")
			s.work()
			s.workFor(15 * time.Minute)
			s.annotate("the person on duty sets forceAt and forceReason, and forgets requestedAt", map[string]string{
				v1alpha1.ForceAtAnnotation: "10:00", v1alpha1.ForceReasonAnnotation: "orders 1 and 2 were entered by the customer",
			})
			s.work()
			s.workFor(time.Minute)
			s.force("and then sets", "10:01", "orders 1 and 2 were entered by the customer")
			s.work()
		},
	},
	"no-payment-method": {
		title: "The customer has no payment method", lines: sim, withoutPayMethod: true,
		about: "Salesforce is told what is missing. The customer adds a card 25 minutes later; nobody has to click anything.",
		tell: func(s *stage) {
			s.workFor(25 * time.Minute)
			s.say("the customer adds a card")
			_, err := s.far.Whmcs.AddPayMethod(s.customer.ClientID, whmcsbox.PayMethod{})
			must(s.t, err)
			s.work()
		},
	},
	"outage": {
		title: "WHMCS is away for an hour", lines: sim,
		about: "WHMCS answers 503 to everything for an hour. No attempt is used up, and the order goes on by itself. " +
			"(The pipeline asks for no payment method, so that a look is one call. A manager wakes the orders as soon as its circuit breaker closes; here each comes back at its own pace.)",
		pipeline: func(spec *v1alpha1.ProvisioningPipelineSpec) { spec.Whmcs.RequirePayMethod = new(false) },
		tell: func(s *stage) {
			mend := s.fault("WHMCS goes away", whmcsbox.Fault{Kind: whmcsbox.Outage})
			s.workFor(time.Hour)
			mend()
			s.say("WHMCS is back")
			s.work()
		},
	},
	"scheduled": {
		title: "The order is for later", lines: sim,
		about:   "The order is approved at nine and to be activated at noon.",
		fields:  map[string]any{"Activation_Type__c": "Scheduled", "Activation_Scheduled_At__c": "2100-01-01T12:00:00.000+0000"},
		tell:    (*stage).work,
		excused: excuse{sandbox.TooEarly}, // the far sides have the real time, which is not noon of the story
	},
	"module-failure": {
		title: "A module fails, is mended, and the order goes on", lines: internet,
		about: "WHMCS accepts the order, and the provisioning module fails. Part of it may be done, so it is not accepted again. A person sets it up in WHMCS; then a request is enough.",
		tell: func(s *stage) {
			mend := s.fault("the module has no addresses left", whmcsbox.Fault{Kind: whmcsbox.ModuleError, Text: "no free IP address"})
			s.work()
			s.workFor(20 * time.Minute)
			s.request("somebody, before it is mended,")
			s.work()
			s.workFor(20 * time.Minute)
			mend()
			s.say("the person on duty adds addresses, and sets the order up in WHMCS by hand")
			s.setUp()
			s.request("the person on duty")
			s.work()
		},
	},
	"already-provisioned": {
		title: "A request on a provisioned order", lines: sim,
		about: "The order is provisioned. Later somebody overwrites its WHMCS order id in Salesforce, and a person asks for it again: WHMCS is checked, Salesforce is written again, nothing is ordered again.",
		tell: func(s *stage) {
			s.work()
			s.workFor(2 * time.Hour)
			s.say("somebody overwrites WHMCS_Order_ID__c in Salesforce with 4711")
			must(s.t, s.far.Salesforce.Update(s.order.ID, map[string]any{"WHMCS_Order_ID__c": "4711"}))
			s.request("the person on duty")
			s.work()
			s.workFor(time.Minute)
			s.force("somebody sets", "11:01", "to be sure")
			s.work()
		},
	},
}

// lose has WHMCS ignore notes and the answer of AddOrder get lost, while the customer orders the same.
func (s *stage) lose(kind whmcsbox.Kind, orders int) {
	s.t.Helper()
	s.fault("this WHMCS does not store notes", whmcsbox.Fault{Kind: whmcsbox.NotesIgnored, Action: addOrder})
	s.fault(map[whmcsbox.Kind]string{
		whmcsbox.DropAfter:  "the connection will break after the next AddOrder is done",
		whmcsbox.DropBefore: "the connection will break before the next AddOrder is done",
	}[kind], whmcsbox.Fault{Kind: kind, Action: addOrder, Count: 1})
	s.look()
	s.say("the customer orders the same in the client area, " + times(orders))
	for range orders {
		_, err := s.far.Whmcs.PlaceOrder(s.customer.ClientID, internetPID, "")
		must(s.t, err)
	}
}

// force sets both times and the reason.
func (s *stage) force(who, token, reason string) {
	s.t.Helper()
	s.annotate(who+" requestedAt and forceAt to "+token+", because "+reason, map[string]string{
		v1alpha1.RequestedAtAnnotation: token, v1alpha1.ForceAtAnnotation: token, v1alpha1.ForceReasonAnnotation: reason,
	})
}

// setUp finishes the order in WHMCS as a person would.
func (s *stage) setUp() {
	s.t.Helper()
	for _, o := range s.far.Whmcs.Orders() {
		must(s.t, s.far.Whmcs.SetOrderStatus(o.ID, "Active"))
		for _, id := range o.ServiceIDs {
			must(s.t, s.far.Whmcs.UpdateService(id, func(sv *whmcsbox.Service) { sv.Status, sv.Deployments = "Active", 1 }))
		}
	}
}

func TestStories(t *testing.T) {
	for name, told := range stories {
		t.Run(name, func(t *testing.T) {
			s := raise(t, told)
			s.text.head(told.title, told.about)
			told.tell(s)
			s.close(told)
			file := filepath.Join("testdata", name+".golden")
			got := s.text.String()
			if *update {
				must(t, os.WriteFile(file, []byte(got), 0o644))
				return
			}
			want, err := os.ReadFile(file)
			must(t, err)
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
				t.Errorf("the story goes another way than %s tells (-told +is); if that is right, run the test with -update:\n%s", file, diff)
			}
		})
	}
}

// TestEveryFileIsTold finds files of stories that are no more.
func TestEveryFileIsTold(t *testing.T) {
	files, err := filepath.Glob("testdata/*")
	must(t, err)
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".golden"); stories[name].tell == nil {
			t.Errorf("%s belongs to no story", file)
		}
	}
}
