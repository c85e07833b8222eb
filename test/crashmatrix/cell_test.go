package crashmatrix

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/sandbox"
	whmcsbox "github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
	"github.com/orderbridge/orderbridge/test/byhand"
)

const (
	shortestPause = 10 * time.Millisecond
	longestPause  = 150 * time.Millisecond
	// resumeSoon is within the time in which a paused call may still leave.
	resumeSoon = 150 * time.Millisecond
	// lateBy is within the settle time.
	lateBy = 2 * time.Second
	// cellTime is far more than any order needs.
	cellTime = 60 * time.Second
)

// timeouts are shorter than the CRD allows, so that a cell takes seconds.
var timeouts = v1alpha1.WhmcsTimeouts{
	Read:        metav1.Duration{Duration: 5 * time.Second},
	AddOrder:    metav1.Duration{Duration: 1500 * time.Millisecond},
	AcceptOrder: metav1.Duration{Duration: 1500 * time.Millisecond},
	Settle:      metav1.Duration{Duration: 3 * time.Second},
	Services:    metav1.Duration{Duration: 30 * time.Second},
}

// setting is what the pipeline asks for and what the WHMCS stores.
type setting struct {
	name    string
	markers []v1alpha1.Marker
	faults  []whmcsbox.Kind
	// stored is true if at least one marker is stored.
	stored bool
}

var (
	onlyNotes = []v1alpha1.Marker{v1alpha1.NotesMarker}
	bothMarks = []v1alpha1.Marker{v1alpha1.NotesMarker, v1alpha1.LineDomainMarker}
	settings  = []setting{
		{"notes stored", onlyNotes, nil, true},
		{"notes ignored", onlyNotes, []whmcsbox.Kind{whmcsbox.NotesIgnored}, false},
		{"notes stored, domain stored", bothMarks, nil, true},
		{"notes ignored, domain stored", bothMarks, []whmcsbox.Kind{whmcsbox.NotesIgnored}, true},
		{"notes stored, domain ignored", bothMarks, []whmcsbox.Kind{whmcsbox.DomainIgnored}, true},
		{"notes ignored, domain ignored", bothMarks, []whmcsbox.Kind{whmcsbox.NotesIgnored, whmcsbox.DomainIgnored}, false},
	}
)

// interruption is one mode at one point.
type interruption struct {
	point
	mode
	fired bool
}

// cell is one order with its interruptions.
type cell struct {
	class   string
	setting setting
	planned []*interruption
	lines   []sandbox.OrderLine
	// broken is what is wrong with the operator, or nil.
	broken *mutation
	// spoilt is true if it was interrupted in another way than planned. It has to come out right all the same.
	spoilt bool
	// err is why the cell could not be run to its end.
	err error

	ctx      context.Context
	managers sync.WaitGroup

	namespace string
	customer  sandbox.Customer
	order     sandbox.SeededOrder
	last      v1alpha1.ProvisioningOrder

	mu      sync.Mutex
	counts  map[string]int
	history []*v1alpha1.ProvisioningOrder
	markers []v1alpha1.MarkerStatus
	notes   []string
	// reading is the last error of reading or making the object.
	reading error
}

// lineSets are orders of several lines, of one with a quantity, and of one.
var lineSets = [][]sandbox.OrderLine{
	{{SKU: "SIM-5GB", Quantity: 2}, {SKU: "SIM-ACTIVATION"}},
	{{SKU: "VPN-UK"}, {SKU: "VPN-ACTIVATION"}},
	{{SKU: "INT-HOME-APARTMENT"}},
}

// rivalPID is the product of the last of lineSets.
const rivalPID = 181

func (c *cell) String() string {
	var parts []string
	for _, i := range c.planned {
		side := "before"
		if i.after {
			side = "after"
		}
		parts = append(parts, fmt.Sprintf("%s (%s, %s)", i.point, i.class, side))
	}
	return c.setting.name + ": " + strings.Join(parts, ", then ")
}

// asPlanned tells why the cell was not interrupted as planned, or nothing.
func (c *cell) asPlanned() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var why []string
	for _, i := range c.planned {
		if !i.fired {
			why = append(why, fmt.Sprintf("the order never came to %s", i.point))
		}
	}
	return strings.Join(append(why, c.notes...), "; ")
}

// fresh is the same cell with another order.
func (c *cell) fresh() *cell {
	f := &cell{class: c.class, setting: c.setting, lines: c.lines, broken: c.broken}
	for _, i := range c.planned {
		f.planned = append(f.planned, &interruption{point: i.point, mode: i.mode})
	}
	return f
}

// run takes the cell's order through its life.
func (c *cell) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cellTime)
	defer cancel()
	c.ctx, c.counts = ctx, map[string]int{}
	if err := c.seed(ctx); err != nil {
		return err
	}
	faults, err := c.ignoreMarkers()
	if err != nil {
		return err
	}
	if _, err := c.launch(0); err != nil {
		return err
	}
	c.managers.Wait()
	for _, id := range faults {
		far.Whmcs.RemoveFault(id)
	}
	if err := cluster.Get(context.WithoutCancel(ctx), c.key(), &c.last); err != nil {
		return fmt.Errorf("%w; a manager was told: %w", err, c.reading)
	}
	return nil
}

func (c *cell) seed(ctx context.Context) (err error) {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "cell-"}}
	if err := cluster.Create(ctx, ns); err != nil {
		return err
	}
	c.namespace = ns.Name
	if c.customer, err = far.NewCustomer(true); err != nil {
		return err
	}
	c.order, err = far.NewOrder(sandbox.OrderRequest{AccountID: c.customer.AccountID, Lines: c.lines, Approve: true})
	return err
}

func (c *cell) ignoreMarkers() (ids []string, err error) {
	for _, kind := range c.setting.faults {
		fault, err := far.Whmcs.SetFault(whmcsbox.Fault{Kind: kind, ClientID: c.customer.ClientID})
		if err != nil {
			return nil, err
		}
		ids = append(ids, fault.ID)
	}
	return ids, nil
}

func (c *cell) fault(md mode, action string) (id string, err error) {
	fault, err := far.Whmcs.SetFault(whmcsbox.Fault{
		Kind: md.kind, Action: action, ClientID: c.customer.ClientID, Count: 1, Delay: whmcsbox.Duration(md.delay),
	})
	return fault.ID, err
}

// placeRival has the customer order the same in the client area.
func (c *cell) placeRival() error {
	_, err := far.Whmcs.PlaceOrder(c.customer.ClientID, rivalPID, "")
	return err
}

// launch starts a manager.
func (c *cell) launch(stale int) (*manager, error) {
	m, err := c.newManager(stale)
	if err != nil {
		c.note("a manager could not be started: %v", err)
		return nil, err
	}
	c.managers.Go(func() { m.drive(c.ctx) })
	return m, nil
}

func (c *cell) key() types.NamespacedName {
	return types.NamespacedName{Namespace: c.namespace, Name: byhand.Pipeline + "-" + strings.ToLower(c.order.ID)}
}

func (c *cell) spec() v1alpha1.ProvisioningPipelineSpec {
	times := timeouts
	if c.broken != nil && c.broken.times != nil {
		c.broken.times(&times)
	}
	return v1alpha1.ProvisioningPipelineSpec{Whmcs: v1alpha1.WhmcsSpec{
		URL: far.Info.Whmcs.URL, Markers: c.setting.markers, Timeouts: times, MaxConcurrentRequests: 4, RequestsPerSecond: 100,
	}}
}

// at counts a write or call and returns what is in store for it.
func (c *cell) at(what string) mode {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
	for _, i := range c.planned {
		if !i.fired && i.point == (point{what, c.counts[what]}) {
			i.fired = true
			return i.mode
		}
	}
	return mode{}
}

// remember keeps a stored version of the order for stale caches.
func (c *cell) remember(obj client.Object) {
	order, ok := obj.(*v1alpha1.ProvisioningOrder)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.history = append(c.history, order.DeepCopy())
}

// erase takes the object and all that is remembered of it out of the cluster, as a restore of an older backup does.
func (c *cell) erase(ctx context.Context) error {
	c.mu.Lock()
	c.history = nil
	c.mu.Unlock()
	order := &v1alpha1.ProvisioningOrder{}
	if err := cluster.Get(ctx, c.key(), order); err != nil {
		return client.IgnoreNotFound(err)
	}
	before := order.DeepCopy()
	order.Finalizers = nil
	if err := cluster.Patch(ctx, order, client.MergeFrom(before)); err != nil {
		return err
	}
	return client.IgnoreNotFound(cluster.Delete(ctx, order))
}

// past is the order as it was some writes ago, or nil if it was not there.
func (c *cell) past(writes int) *v1alpha1.ProvisioningOrder {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := len(c.history) - 1 - writes; at >= 0 {
		return c.history[at].DeepCopy()
	}
	return nil
}

func (c *cell) known() []v1alpha1.MarkerStatus {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.markers)
}

func (c *cell) learn(markers []v1alpha1.MarkerStatus) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.markers = slices.Clone(markers)
}

func (c *cell) unread(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.reading = err
	}
}

// note keeps why the cell proves nothing: a busy machine may let a call fail that was to be interrupted after it took
// effect.
func (c *cell) note(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notes = append(c.notes, fmt.Sprintf(format, args...))
}
