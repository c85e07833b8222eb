package pubsub

import (
	"crypto/md5"
	"fmt"
	"slices"
	"strings"
)

// topic is a channel with its current schema and what it retains.
type topic struct {
	name                     string
	current                  *schema
	canPublish, canSubscribe bool
	log                      []entry
	// changed is closed, and replaced, when there is something new for subscribers.
	changed chan struct{}
}

// DefineTopic adds a topic, or a new version of its schema. Events that are on the bus keep the version that they were
// written with, and old versions stay fetchable.
func (s *Server) DefineTopic(name, schemaJSON string) error {
	if !strings.HasPrefix(name, "/event/") && !strings.HasPrefix(name, "/data/") {
		return fmt.Errorf("topic %q: it has to begin with /event/ or /data/", name)
	}
	defined, err := newSchema(schemaJSON)
	if err != nil {
		return fmt.Errorf("topic %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.schemas[defined.id] = defined
	if existing, ok := s.topics[name]; ok {
		existing.current = defined
		return nil
	}
	s.topics[name] = &topic{
		name: name, current: defined, canPublish: !strings.HasPrefix(name, "/data/"), canSubscribe: true,
		changed: make(chan struct{}),
	}
	return nil
}

// fingerprint makes a schema's id of its text, as the real service does. Nothing is protected by it.
func fingerprint(text string) string {
	sum := md5.Sum([]byte(text))
	return schemaID(sum[:])
}

// SetAccess says what clients may do with a topic. It fails if there is no such topic.
func (s *Server) SetAccess(name string, canPublish, canSubscribe bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.topics[name]
	if !ok {
		return fmt.Errorf("there is no topic %q", name)
	}
	found.canPublish, found.canSubscribe = canPublish, canSubscribe
	return nil
}

// RemoveTopic removes a topic with its events, as undeploying an event does.
func (s *Server) RemoveTopic(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.topics, name)
}

// Topics lists the names of all topics.
func (s *Server) Topics() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.topics))
	for name := range s.topics {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Schema returns the id and the text of a topic's current schema.
func (s *Server) Schema(name string) (id, schemaJSON string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.topics[name]
	if !ok {
		return "", "", false
	}
	return found.current.id, found.current.text, true
}

// SchemaByID returns the text of any version.
func (s *Server) SchemaByID(id string) (schemaJSON string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.schemas[id]
	if !ok {
		return "", false
	}
	return found.text, true
}

// Topics that exist from the start.
const (
	// ProvisionTopic carries the requests to provision an order.
	ProvisionTopic = "/event/OrderProvisionRequested__e"
	// OrderChangeTopic carries the changes of orders.
	OrderChangeTopic = "/data/OrderChangeEvent"
)

var defaultTopics = map[string]string{
	ProvisionTopic:   platformEvent("OrderProvisionRequested__e", "OrderId__c:Text", "IdemKey__c:Text", "CorrelationId__c:Text", "RequestedBy__c:Text", "Version__c:Double"),
	OrderChangeTopic: changeEvent("Order", orderFields),
}

// platformEvent builds the schema of a platform event in the form of the real service: two required fields of the
// system, then each custom field as a union with null first.
func platformEvent(name string, fields ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"type":"record","name":%q,"namespace":"com.sforce.eventbus","fields":[`, name)
	b.WriteString(`{"name":"CreatedDate","type":"long","doc":"CreatedDate:DateTime"}`)
	b.WriteString(`,{"name":"CreatedById","type":"string","doc":"CreatedBy:EntityId"}`)
	for i, field := range fields {
		fieldName, kind, _ := strings.Cut(field, ":")
		fmt.Fprintf(&b, `,{"name":%q,"type":["null",%q],"doc":"Data:%s:00NQy00000%05dMAA","default":null}`, fieldName, avroTypes[kind], kind, i+1)
	}
	b.WriteString(`]}`)
	return b.String()
}

var avroTypes = map[string]string{
	"Text": "string", "Double": "double", "Boolean": "boolean", "DateTime": "long", "EntityId": "string",
	"Enum": "string", "Currency": "double", "AutoNumber": "string", "DateOnly": "long", "DynamicEnum": "string",
}

// changeEvent builds the schema of a change event: the header, then the object's fields, all optional. Field 0 of the
// bitmaps is the header.
func changeEvent(object string, fields []string) string {
	const texts = `{"type":"array","items":"string"}`
	var b strings.Builder
	fmt.Fprintf(&b, `{"type":"record","name":"%sChangeEvent","namespace":"com.sforce.eventbus","fields":[`, object)
	b.WriteString(`{"name":"ChangeEventHeader","type":{"type":"record","name":"ChangeEventHeader","fields":[` +
		`{"name":"entityName","type":"string"},{"name":"recordIds","type":` + texts + `},` +
		`{"name":"changeType","type":{"type":"enum","name":"ChangeType","symbols":["CREATE","UPDATE","DELETE","UNDELETE",` +
		`"GAP_CREATE","GAP_UPDATE","GAP_DELETE","GAP_UNDELETE","GAP_OVERFLOW","SNAPSHOT"]}},` +
		`{"name":"changeOrigin","type":"string"},{"name":"transactionKey","type":"string"},` +
		`{"name":"sequenceNumber","type":"int"},{"name":"commitTimestamp","type":"long"},` +
		`{"name":"commitNumber","type":"long"},{"name":"commitUser","type":"string"},` +
		`{"name":"nulledFields","type":` + texts + `},{"name":"diffFields","type":` + texts + `},` +
		`{"name":"changedFields","type":` + texts + `}]}}`)
	for _, field := range fields {
		name, kind, _ := strings.Cut(field, ":")
		if kind == "Address" {
			fmt.Fprintf(&b, `,{"name":%q,"type":["null",%s],"doc":"Data:Address","default":null}`, name, addressType(&b))
			continue
		}
		fmt.Fprintf(&b, `,{"name":%q,"type":["null",%q],"doc":"Data:%s","default":null}`, name, avroTypes[kind], kind)
	}
	b.WriteString(`]}`)
	return b.String()
}

// addressType is the compound type, written out the first time and by name afterwards.
func addressType(b *strings.Builder) string {
	if strings.Contains(b.String(), `"name":"Address"`) {
		return `"Address"`
	}
	var fields []string
	for _, part := range []string{"Street:Text", "City:Text", "State:Text", "PostalCode:Text", "Country:Text", "StateCode:Text", "CountryCode:Text", "Latitude:Double", "Longitude:Double", "GeocodeAccuracy:Text"} {
		name, kind, _ := strings.Cut(part, ":")
		fields = append(fields, fmt.Sprintf(`{"name":%q,"type":["null",%q],"default":null}`, name, avroTypes[kind]))
	}
	return `{"type":"record","name":"Address","fields":[` + strings.Join(fields, ",") + `]}`
}

// orderFields are the fields of Order that change events carry here: the standard ones and those of the provisioning.
var orderFields = []string{
	"OwnerId:EntityId", "ContractId:EntityId", "AccountId:EntityId", "Pricebook2Id:EntityId", "OriginalOrderId:EntityId",
	"EffectiveDate:DateOnly", "EndDate:DateOnly", "IsReductionOrder:Boolean", "Status:DynamicEnum", "Description:Text",
	"CustomerAuthorizedById:EntityId", "CompanyAuthorizedById:EntityId", "Type:DynamicEnum",
	"BillingAddress:Address", "ShippingAddress:Address", "ActivatedDate:DateTime", "ActivatedById:EntityId",
	"StatusCode:Enum", "OrderNumber:AutoNumber", "TotalAmount:Currency",
	"CreatedDate:DateTime", "CreatedById:EntityId", "LastModifiedDate:DateTime", "LastModifiedById:EntityId",
	"Activation_Status__c:DynamicEnum", "Activation_Type__c:DynamicEnum", "Activation_Scheduled_At__c:DateTime",
	"Activation_Error_Code__c:Text", "Activation_Error_Message__c:Text", "WHMCS_Order_ID__c:Text", "Order_Type__c:DynamicEnum",
}
