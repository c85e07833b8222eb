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
	// mapping is added to the sandbox's mapping.
	mapping string
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
	"answer-lost-lines-changed": {
		title: "The answer is lost, and WHMCS made something else of the lines", lines: sim,
		about: "This WHMCS is older than 8.12: it stores no notes and ignores quantities. The order that it made has neither the key nor exactly " +
			"the lines, but it was made after the call and has one of the products. So nothing is sent again, and a person looks.",
		tell: func(s *stage) {
			s.fault("this WHMCS does not store notes", whmcsbox.Fault{Kind: whmcsbox.NotesIgnored, Action: addOrder})
			s.fault("this WHMCS ignores quantities", whmcsbox.Fault{Kind: whmcsbox.QtyIgnored, Action: addOrder})
			s.fault("the connection will break after the next AddOrder is done", whmcsbox.Fault{Kind: whmcsbox.DropAfter, Action: addOrder, Count: 1})
			s.work()
			s.workFor(time.Hour)
			s.say("the person on duty writes the key into the notes of WHMCS order 1, and sets the quantity of service 1 to 2")
			must(s.t, s.far.Whmcs.SetOrderNotes(1, "sfOrderId="+s.order.ID))
			must(s.t, s.far.Whmcs.UpdateService(1, func(sv *whmcsbox.Service) { sv.Qty = 2 }))
			s.request("the person on duty")
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
	"services-pending": {
		title: "The services take their time", lines: internet,
		about: "WHMCS accepts the order, and the module works in the background. The order waits for its services, up to half an hour.",
		tell: func(s *stage) {
			s.fault("the module queues its work", whmcsbox.Fault{Kind: whmcsbox.ModuleAsync, Delay: whmcsbox.Duration(24 * time.Hour)})
			s.workFor(10 * time.Minute)
			s.say("the module is done")
			s.setUp()
			s.work()
		},
	},
	"services-never": {
		title: "The services never become active", lines: internet,
		about: "WHMCS accepts the order, and nothing more happens. After half an hour a person is asked to look.",
		tell: func(s *stage) {
			s.fault("the module queues its work, and forgets it", whmcsbox.Fault{Kind: whmcsbox.ModuleAsync, Delay: whmcsbox.Duration(24 * time.Hour)})
			s.work()
		},
	},
	"quantity-ignored": {
		title: "WHMCS makes fewer services than were ordered", lines: sim,
		about: "This WHMCS is older than 8.12 and ignores quantities. What was made is counted against the plan, and a person corrects it. (The mapping should say quantity: repeat.)",
		tell: func(s *stage) {
			s.fault("this WHMCS ignores quantities", whmcsbox.Fault{Kind: whmcsbox.QtyIgnored, Action: addOrder})
			s.work()
			s.workFor(time.Hour)
			s.say("the manager starts again, and looks at every order that is not done")
			s.look()
			s.say("the person on duty sets the quantity of service 1 to 2 in WHMCS")
			must(s.t, s.far.Whmcs.UpdateService(1, func(sv *whmcsbox.Service) { sv.Qty = 2 }))
			s.request("the person on duty")
			s.work()
		},
	},
	"quantity-repeated": {
		title: "A line for every unit", lines: sim,
		about:   "As before, but the mapping says quantity: repeat, so that two SIM cards are two lines and two services.",
		mapping: "\nline:\n  quantity: repeat\n",
		tell: func(s *stage) {
			s.fault("this WHMCS ignores quantities", whmcsbox.Fault{Kind: whmcsbox.QtyIgnored, Action: addOrder})
			s.work()
		},
	},
	"accepted-by-hand": {
		title: "Somebody accepts the order in WHMCS at the same moment", lines: internet,
		excused: excuse{sandbox.NotAccepted}, // not by Orderbridge
		about:   "WHMCS answers an accept of an active order as it answers one of an order that it does not know. So the order is looked at, and found to be active.",
		tell: func(s *stage) {
			s.say("somebody will accept the order in WHMCS just before Orderbridge does")
			s.during[acceptOrder] = func() { s.setUp() }
			s.work()
		},
	},
	"cancelled": {
		title: "Somebody cancels the order in WHMCS", lines: internet,
		about: "The order is cancelled before it is accepted. It is not accepted against somebody's will, and goes on once it is Pending again.",
		tell: func(s *stage) {
			s.say("somebody will cancel the order in WHMCS just before it is accepted")
			s.during[acceptOrder] = func() { s.setStatus("Cancelled") }
			s.work()
			s.workFor(time.Hour)
			s.say("that was a mistake: somebody sets it to Pending")
			s.setStatus("Pending")
			s.request("the person on duty")
			s.work()
		},
	},
	"changed-after-the-call": {
		title: "The order changes in Salesforce while its answer is lost", lines: sim,
		about: "The first request may have made the order, so the second one asks for the same: two SIM cards, although Salesforce says five by then. " +
			"What was ordered differs from Salesforce in the end, and that is for people to settle.",
		excused: excuse{sandbox.WrongLines},
		tell: func(s *stage) {
			s.fault("the connection will break before the next AddOrder is done", whmcsbox.Fault{Kind: whmcsbox.DropBefore, Action: addOrder, Count: 1})
			s.workFor(time.Minute)
			s.say("somebody changes the quantity in Salesforce from 2 to 5")
			must(s.t, s.far.Salesforce.Update(s.order.Lines[0].ID, map[string]any{"Quantity": 5.0}))
			s.work()
		},
	},
	"taken-back-meanwhile": {
		title: "The order is taken back in Salesforce while its answer is lost", lines: sim,
		about: "Nothing was made, so AddOrder would be sent again; but the order is read from Salesforce before that, and waits. When it is " +
			"released again it is planned afresh.",
		tell: func(s *stage) {
			s.fault("the connection will break before the next AddOrder is done", whmcsbox.Fault{Kind: whmcsbox.DropBefore, Action: addOrder, Count: 1})
			s.workFor(time.Minute)
			s.say("somebody takes the order back in Salesforce")
			must(s.t, s.far.Salesforce.Update(s.order.ID, map[string]any{"Activation_Status__c": "Not Started"}))
			s.workFor(time.Hour)
			s.say("it is released again, with five SIM cards instead of two")
			must(s.t, s.far.Salesforce.Update(s.order.Lines[0].ID, map[string]any{"Quantity": 5.0}))
			must(s.t, s.far.Salesforce.Update(s.order.ID, map[string]any{"Activation_Status__c": "Activating"}))
			s.work()
		},
	},
	"request-during-the-call": {
		title: "A request comes while AddOrder is under way", lines: sim,
		about: "The object changes under the reconciler. The answer is written down all the same, since only annotations changed, and the request is handled after that.",
		tell: func(s *stage) {
			s.say("somebody will set requestedAt while AddOrder is under way")
			s.during[addOrder] = func() { s.patch(map[string]string{v1alpha1.RequestedAtAnnotation: "impatient"}) }
			s.work()
			s.due = s.clock.Now()
			s.work()
		},
	},
	"object-made-anew": {
		title: "The object is deleted and made anew", lines: sim,
		about: "As after the restore of an old backup. The new object remembers nothing, so WHMCS and Salesforce are looked at first: the order is found, and nothing is sent.",
		tell: func(s *stage) {
			s.work()
			s.workFor(time.Hour)
			s.say("somebody deletes the object, and another one is made")
			s.vanish()
			s.arrive()
			s.work()
			s.workFor(time.Hour)
			s.say("the same again, and Salesforce has lost the result too")
			must(s.t, s.far.Salesforce.Update(s.order.ID, map[string]any{"WHMCS_Order_ID__c": nil, "Activation_Status__c": "Activating"}))
			s.vanish()
			s.arrive()
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

// setStatus gives the orders in WHMCS a status.
func (s *stage) setStatus(status string) {
	for _, o := range s.far.Whmcs.Orders() {
		if err := s.far.Whmcs.SetOrderStatus(o.ID, status); err != nil {
			s.t.Error(err)
		}
	}
}

// setUp finishes the order in WHMCS as a person would.
func (s *stage) setUp() {
	s.setStatus("Active")
	for _, sv := range s.far.Whmcs.Services() {
		if err := s.far.Whmcs.UpdateService(sv.ID, func(sv *whmcsbox.Service) { sv.Status, sv.Deployments = "Active", 1 }); err != nil {
			s.t.Error(err)
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
