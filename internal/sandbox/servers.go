package sandbox

import (
	"crypto/rsa"
	"errors"

	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

func (s *Sandbox) makeWhmcs(o Options) {
	options := whmcs.Options{
		Now: s.Clock.Now, Seed: o.Seed, FirstClientID: firstClientID,
		Identifier: s.Info.Whmcs.Identifier, Secret: s.Info.Whmcs.Secret,
		Username: s.Info.Whmcs.Username, Password: s.Info.Whmcs.Password, AccessKey: s.Info.Whmcs.AccessKey,
	}
	if o.Whmcs != nil {
		o.Whmcs(&options)
	}
	s.Whmcs = whmcs.New(options)
}

// makeSalesforce joins the org and its bus: what the Flow publishes goes onto the bus, and the org's tokens open it.
func (s *Sandbox) makeSalesforce(o Options, key *rsa.PublicKey) {
	var bus *pubsub.Server
	options := salesforce.Options{
		Now:      s.Clock.Now,
		ClientID: s.Info.Salesforce.ClientID, ClientSecret: s.Info.Salesforce.ClientSecret,
		Username: s.Info.Salesforce.Username, Password: s.Info.Salesforce.Password, PublicKey: key,
		Publish: func(topic string, fields map[string]any) (string, error) {
			if bus == nil {
				return "", errors.New("the event bus has not started")
			}
			return bus.Publish(topic, fields)
		},
		EventSchema: func(schemaID, topic string) (string, bool) {
			if bus == nil {
				return "", false
			}
			if schemaID != "" {
				return bus.SchemaByID(schemaID)
			}
			_, text, ok := bus.Schema(topic)
			return text, ok
		},
		EventsDelivered: func() int64 {
			if bus == nil {
				return 0
			}
			return bus.Counters().DeliveredIn24h
		},
	}
	if o.Salesforce != nil {
		o.Salesforce(&options)
	}
	s.Salesforce = salesforce.New(options)
	busOptions := pubsub.Options{Now: s.Clock.Now, Scale: o.Scale, ValidToken: s.Salesforce.ValidToken,
		OrgID: s.Salesforce.OrgID(), CreatedByID: s.Salesforce.UserID()}
	if o.PubSub != nil {
		o.PubSub(&busOptions)
	}
	bus = pubsub.New(busOptions)
	s.PubSub = bus
}
