package controllers

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/orderbridge/orderbridge/api/v1alpha1"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// OrderReader reads orders from Salesforce.
type OrderReader interface {
	Order(ctx context.Context, id string) (salesforce.Record, error)
}

// orderBook reads orders from and writes results to Salesforce.
type orderBook interface {
	OrderReader
	Write(ctx context.Context, records []salesforce.Record) ([]salesforce.SaveResult, error)
}

// WhmcsReader is the part of WHMCS that an order reads. Nothing in it changes anything there.
type WhmcsReader interface {
	GetPayMethods(ctx context.Context, clientID int64) ([]whmcs.PayMethod, error)
	GetOrders(ctx context.Context, filter whmcs.OrderFilter) ([]whmcs.Order, error)
	GetClientsProducts(ctx context.Context, filter whmcs.ServiceFilter) ([]whmcs.Service, error)
	GetProducts(ctx context.Context, filter whmcs.ProductFilter) ([]whmcs.Product, error)
	GetModuleQueue(ctx context.Context, serviceID int64) ([]whmcs.ModuleQueueEntry, error)
}

// billing is the part of WHMCS that an order needs.
type billing interface {
	WhmcsReader
	AddOrder(ctx context.Context, request whmcs.AddOrderRequest) (whmcs.AddOrderResult, error)
	AcceptOrder(ctx context.Context, request whmcs.AcceptOrderRequest) error
}

// admission lets calls to a WHMCS through, oldest order first.
type admission interface {
	Acquire(ctx context.Context, age time.Time) (release func(error), err error)
	State() whmcs.AdmissionState
}

// Backend is what the orders of one pipeline work with. It is not changed once published; a change of the pipeline
// publishes another.
type Backend struct {
	// Spec is the pipeline's spec that the clients were built from.
	Spec v1alpha1.ProvisioningPipelineSpec
	// Book is Salesforce. It is nil while there are no credentials, and BookProblem says why, or while there was no valid mapping yet.
	Book        orderBook
	BookProblem string
	// Billing is WHMCS. It is nil while there are no credentials, and BillingProblem says why.
	Billing        billing
	BillingProblem string
	// Admission lets calls to WHMCS through.
	Admission admission
	// Mapping is nil while the ConfigMap is missing or broken, and MappingProblem says why.
	Mapping        *mapping.Mapping
	MappingProblem string
	// Reporting is the newest mapping that compiled. It says how results are written; a broken mapping does not hold up
	// orders that have their plan.
	Reporting *mapping.Mapping
	// Version is that of Mapping.
	Version v1alpha1.MappingVersion
	// Markers are what is known of this WHMCS storing the order's key.
	Markers *markerMemory
	// bookOf is the client that Book was made of.
	bookOf *salesforce.Client
	// fields finds the custom field of a product that holds the key.
	fields *fieldMemory
}

// Backends are the published backends by pipeline, and the orders that wait for one to change.
type Backends struct {
	waiting *waitRoom

	mu       sync.RWMutex
	backends map[types.NamespacedName]*Backend
}

// NewBackends returns an empty register.
func NewBackends() *Backends {
	return &Backends{waiting: newWaitRoom(), backends: map[types.NamespacedName]*Backend{}}
}

// Get returns the backend of a pipeline, or nil while there is none.
func (b *Backends) Get(pipeline types.NamespacedName) *Backend {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.backends[pipeline]
}

// Set publishes the backend of a pipeline; nil withdraws it.
func (b *Backends) Set(pipeline types.NamespacedName, backend *Backend) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if backend == nil {
		delete(b.backends, pipeline)
		return
	}
	b.backends[pipeline] = backend
}

// markerMemory is what is known of a WHMCS storing the order's key. It is read by many orders and learnt from few.
type markerMemory struct {
	mu     sync.Mutex
	stored map[v1alpha1.Marker]v1alpha1.MarkerStored
}

func newMarkerMemory(wanted []v1alpha1.Marker, known []v1alpha1.MarkerStatus) *markerMemory {
	m := &markerMemory{stored: map[v1alpha1.Marker]v1alpha1.MarkerStored{}}
	for _, name := range wanted {
		m.stored[name] = v1alpha1.MarkerStoredUnknown
	}
	for _, marker := range known {
		if _, ok := m.stored[marker.Name]; ok {
			m.stored[marker.Name] = marker.Stored
		}
	}
	return m
}

// wants tells whether a marker is used.
func (m *markerMemory) wants(name v1alpha1.Marker) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.stored[name]
	return ok
}

// unknown tells whether an order should be read back to learn about a marker.
func (m *markerMemory) unknown() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(slices.Collect(maps.Values(m.stored)), v1alpha1.MarkerStoredUnknown)
}

// reliable tells whether at least one of the markers that were sent is known to be stored.
func (m *markerMemory) reliable(sent []v1alpha1.Marker) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(sent, func(name v1alpha1.Marker) bool { return m.stored[name] == v1alpha1.MarkerStoredYes })
}

// learn takes over what reading one order back showed, and tells whether something changed.
func (m *markerMemory) learn(seen map[v1alpha1.Marker]bool) (changed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, there := range seen {
		stored := v1alpha1.MarkerStoredNo
		if there {
			stored = v1alpha1.MarkerStoredYes
		}
		if old, wanted := m.stored[name]; wanted && old != stored {
			m.stored[name] = stored
			changed = true
		}
	}
	return changed
}

// known is what is known of each marker.
func (m *markerMemory) known() []v1alpha1.MarkerStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []v1alpha1.MarkerStatus
	for _, name := range []v1alpha1.Marker{v1alpha1.NotesMarker, v1alpha1.LineDomainMarker, v1alpha1.CustomFieldMarker} {
		if stored, ok := m.stored[name]; ok {
			list = append(list, v1alpha1.MarkerStatus{Name: name, Stored: stored})
		}
	}
	return list
}
