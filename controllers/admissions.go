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

	// setting is held while limits change, so that the newest are passed on last.
	setting sync.Mutex
	// mu guards the maps. It is not held while limits are passed on: an admission that gets them may call onChange, and that
	// asks for pipelines.
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
	a.setting.Lock()
	defer a.setting.Unlock()
	admission := a.join(endpoint, pipeline, own)
	a.passOn()
	return admission
}

// forget drops a pipeline's limits.
func (a *admissions) forget(pipeline types.NamespacedName) {
	a.setting.Lock()
	defer a.setting.Unlock()
	a.mu.Lock()
	a.drop(pipeline)
	a.mu.Unlock()
	a.passOn()
}

// passOn gives each admission that is used its limits.
func (a *admissions) passOn() {
	for admission, least := range a.all() {
		admission.SetLimits(least.concurrent, least.perSecond)
	}
}

// join notes the limits of a pipeline for a WHMCS, and for no other.
func (a *admissions) join(endpoint string, pipeline types.NamespacedName, own limits) *whmcs.Admission {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.drop(pipeline)
	if a.limits[endpoint] == nil {
		a.limits[endpoint] = map[types.NamespacedName]limits{}
	}
	a.limits[endpoint][pipeline] = own
	if a.byURL[endpoint] == nil {
		least := a.least(endpoint)
		a.byURL[endpoint] = whmcs.NewAdmission(whmcs.AdmissionConfig{
			MaxConcurrent:  least.concurrent,
			PerSecond:      least.perSecond,
			OpenFor:        breakerRest,
			FailuresToOpen: breakerFailures,
			OnChange:       func(open bool) { a.onChange(endpoint, open) },
		})
	}
	return a.byURL[endpoint]
}

// drop takes a pipeline's limits away. It needs mu.
func (a *admissions) drop(pipeline types.NamespacedName) {
	for _, users := range a.limits {
		delete(users, pipeline)
	}
}

// all are the admissions that are used, with their limits.
func (a *admissions) all() map[*whmcs.Admission]limits {
	a.mu.Lock()
	defer a.mu.Unlock()
	used := map[*whmcs.Admission]limits{}
	for endpoint, users := range a.limits {
		if len(users) > 0 {
			used[a.byURL[endpoint]] = a.least(endpoint)
		}
	}
	return used
}

// least are the smallest limits of those who use a WHMCS. It needs mu.
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
