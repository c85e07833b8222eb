package controllers

import (
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// watchedError is an error that notices when it is looked at.
type watchedError struct {
	looked func()
}

func (e watchedError) Error() string { return "watched" }

func (e watchedError) Is(error) bool {
	e.looked()
	return false
}

// TestPipelinesAreKnownWhileLimitsArePassedOn: what an admission says of a change of its breaker asks for the pipelines, and
// it may say so to whoever is just passing limits on. The lock that both need would hold up all pipelines for good.
func TestPipelinesAreKnownWhileLimitsArePassedOn(t *testing.T) {
	const url = "https://billing.example.com/includes/api.php"
	all := newAdmissions(func(string, bool) {})
	release, err := all.of(url, types.NamespacedName{Name: "portal"}, limits{4, math.Inf(1)}).Acquire(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	looked, goOn, released, set := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	// The admission looks at the error behind its own lock, for which the limits have to wait.
	looking := sync.OnceFunc(func() { close(looked); <-goOn })
	go func() {
		defer close(released)
		release(watchedError{looking})
	}()
	<-looked
	go func() {
		defer close(set)
		all.of(url, types.NamespacedName{Name: "shop"}, limits{2, math.Inf(1)})
	}()
	for len(all.pipelines(url)) != 2 {
		runtime.Gosched()
	}
	close(goOn)
	<-released
	<-set
}

// TestTheSmallestLimitsCount asks for the limits of a WHMCS while pipelines come to it and leave it.
func TestTheSmallestLimitsCount(t *testing.T) {
	const here, there = "https://billing.example.com/includes/api.php", "https://other.example.com/includes/api.php"
	portal, shop := types.NamespacedName{Name: "portal"}, types.NamespacedName{Name: "shop"}
	all := newAdmissions(func(string, bool) {})
	first := all.of(here, portal, limits{4, 10})
	steps := []struct {
		name string
		do   func()
		want limits
	}{
		{"alone", func() {}, limits{4, 10}},
		{"another comes", func() { all.of(here, shop, limits{6, 2}) }, limits{4, 2}},
		{"it changes", func() { all.of(here, shop, limits{1, 20}) }, limits{1, 10}},
		{"it moves", func() { all.of(there, shop, limits{1, 1}) }, limits{4, 10}},
		{"it comes back and goes", func() { all.of(here, shop, limits{1, 1}); all.forget(shop) }, limits{4, 10}},
	}
	for _, step := range steps {
		step.do()
		if got := all.all()[first]; got != step.want {
			t.Errorf("%s: %+v, want %+v", step.name, got, step.want)
		}
	}
	if all.of(here, shop, limits{1, 1}) != first {
		t.Error("two admissions for one WHMCS")
	}
}
