package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/orderbridge/orderbridge/internal/pubsub"
	"github.com/orderbridge/orderbridge/internal/salesforce"
)

// Org is what intake asks of a Salesforce org; *salesforce.Client is one.
type Org interface {
	Session(ctx context.Context) (salesforce.Session, error)
	Invalidate(accessToken string)
	Query(ctx context.Context, soql string) ([]salesforce.Record, error)
	Limits(ctx context.Context) (salesforce.Limits, error)
	APIUsage() (used, limit int64, ok bool)
}

// Bus is what intake asks of the event bus of an org; *pubsub.Client is one.
type Bus interface {
	// Run keeps one subscription alive until ctx ends.
	Run(ctx context.Context, s pubsub.Subscription) error
	Close() error
}

// openBus is the Bus of production.
func openBus(c pubsub.Config) (Bus, error) {
	return pubsub.New(c)
}

// errOtherOrg ends a subscription whose position means nothing to the org that the login now leads to.
var errOtherOrg = errors.New("the login leads to another org than before")

// subscriptions are the running subscriptions of a pipeline by stream. A session of another org than the one that a
// subscription's position belongs to must never reach the bus: the position could be taken for one of that org.
type subscription struct {
	org string
	end context.CancelCauseFunc
}

// session is the login of all streams of the pipeline.
func (p *pipeline) session(ctx context.Context, org Org) (pubsub.Session, error) {
	s, err := org.Session(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loginErr = err
	if err != nil {
		return pubsub.Session{}, err
	}
	for _, sub := range p.subscriptions {
		if sub.org != s.OrgID {
			err = fmt.Errorf("%w: %s instead of %s", errOtherOrg, s.OrgID, sub.org)
			sub.end(err)
		}
	}
	if err != nil {
		return pubsub.Session{}, err
	}
	return pubsub.Session{AccessToken: s.AccessToken, InstanceURL: s.InstanceURL, TenantID: s.OrgID}, nil
}

// subscribed registers a subscription; the returned function takes it out again.
func (p *pipeline) subscribed(s *stream, org string, end context.CancelCauseFunc) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.subscriptions[s] = subscription{org: org, end: end}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.subscriptions, s)
	}
}

// loginFailure is why the last login failed, or nil.
func (p *pipeline) loginFailure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loginErr
}
