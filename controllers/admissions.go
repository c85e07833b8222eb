package controllers

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// The circuit breaker of a WHMCS: so many failures in a row open it, and after the rest one probe is let through.
const (
	breakerFailures = 5
	breakerRest     = 15 * time.Second
)

// admissions keeps one admission per WHMCS, however many pipelines use it.
type admissions struct {
	onChange func(endpoint string, open bool)

	mu     sync.Mutex
	byURL  map[string]*whmcs.Admission
	limits map[string]map[types.NamespacedName]limits
}

type limits struct {
	concurrent int
	perSecond  float64
}

func newAdmissions(onChange func(endpoint string, open bool)) *admissions {
	return &admissions{onChange: onChange, byURL: map[string]*whmcs.Admission{}, limits: map[string]map[types.NamespacedName]limits{}}
}

// of returns the admission of a WHMCS. The smallest limits of the pipelines that use it count.
func (a *admissions) of(endpoint string, pipeline types.NamespacedName, own limits) *whmcs.Admission {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(pipeline)
	if a.limits[endpoint] == nil {
		a.limits[endpoint] = map[types.NamespacedName]limits{}
	}
	a.limits[endpoint][pipeline] = own
	least := a.least(endpoint)
	admission := a.byURL[endpoint]
	if admission == nil {
		admission = whmcs.NewAdmission(whmcs.AdmissionConfig{
			MaxConcurrent:  least.concurrent,
			PerSecond:      least.perSecond,
			OpenFor:        breakerRest,
			FailuresToOpen: breakerFailures,
			OnChange:       func(open bool) { a.onChange(endpoint, open) },
		})
		a.byURL[endpoint] = admission
	}
	admission.SetLimits(least.concurrent, least.perSecond)
	return admission
}

func (a *admissions) least(endpoint string) limits {
	var least limits
	for _, l := range a.limits[endpoint] {
		if least.concurrent == 0 || l.concurrent < least.concurrent {
			least.concurrent = l.concurrent
		}
		if least.perSecond == 0 || l.perSecond < least.perSecond {
			least.perSecond = l.perSecond
		}
	}
	return least
}

// forget drops a pipeline's limits.
func (a *admissions) forget(pipeline types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(pipeline)
}

func (a *admissions) drop(pipeline types.NamespacedName) {
	for endpoint, users := range a.limits {
		delete(users, pipeline)
		if admission := a.byURL[endpoint]; admission != nil && len(users) > 0 {
			least := a.least(endpoint)
			admission.SetLimits(least.concurrent, least.perSecond)
		}
	}
}

// pipelines are the pipelines that use a WHMCS.
func (a *admissions) pipelines(endpoint string) []types.NamespacedName {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []types.NamespacedName
	for name := range a.limits[endpoint] {
		names = append(names, name)
	}
	return names
}
