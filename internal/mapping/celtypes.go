package mapping

import (
	"encoding/json"
	"maps"
	"reflect"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// CEL types of the four records. Every other record is a relatedTypeName: its fields are dyn, unless they lead to a record.
const (
	orderTypeName   = "salesforce.Order"
	itemTypeName    = "salesforce.OrderItem"
	productTypeName = "salesforce.Product2"
	accountTypeName = "salesforce.Account"
	relatedTypeName = "salesforce.Record"
)

var (
	textType   = cel.NullableType(cel.StringType)
	numberType = cel.NullableType(cel.DoubleType)
	yesNoType  = cel.NullableType(cel.BoolType)
	related    = cel.ObjectType(relatedTypeName)
)

// standardFields are the fields whose type is the same in every org. Every other field is dyn.
var standardFields = map[string]map[string]*cel.Type{
	orderTypeName: {
		"Id": textType, "OrderNumber": textType, "Name": textType, "Status": textType, "StatusCode": textType, "Type": textType,
		"AccountId": textType, "ContractId": textType, "OwnerId": textType, "Pricebook2Id": textType, "Description": textType,
		"EffectiveDate": textType, "EndDate": textType, "ActivatedDate": textType, "CreatedDate": textType, "LastModifiedDate": textType,
		"PoNumber": textType, "PoDate": textType, "CurrencyIsoCode": textType, "TotalAmount": numberType,
		"BillingStreet": textType, "BillingCity": textType, "BillingState": textType, "BillingPostalCode": textType, "BillingCountry": textType,
		"ShippingStreet": textType, "ShippingCity": textType, "ShippingState": textType, "ShippingPostalCode": textType, "ShippingCountry": textType,
		"Owner": related, "CreatedBy": related, "LastModifiedBy": related, "RecordType": related, "Contract": related, "Quote": related,
		"Opportunity": related, "Pricebook2": related, "BillToContact": related, "ShipToContact": related, "OriginalOrder": related,
		"Account": cel.ObjectType(accountTypeName),
	},
	itemTypeName: {
		"Id": textType, "OrderItemNumber": textType, "OrderId": textType, "PricebookEntryId": textType, "Product2Id": textType,
		"Quantity": numberType, "UnitPrice": numberType, "ListPrice": numberType, "TotalPrice": numberType,
		"ServiceDate": textType, "EndDate": textType, "Description": textType, "CurrencyIsoCode": textType,
		"Product2": cel.ObjectType(productTypeName), "PricebookEntry": related, "OriginalOrderItem": related,
	},
	productTypeName: {
		"Id": textType, "Name": textType, "ProductCode": textType, "StockKeepingUnit": textType, "Family": textType,
		"Description": textType, "IsActive": yesNoType, "RecordType": related, "QuantityUnitOfMeasure": textType, "CurrencyIsoCode": textType,
	},
	accountTypeName: {
		"Id": textType, "Name": textType, "AccountNumber": textType, "Type": textType, "Industry": textType, "OwnerId": textType,
		"Parent": related, "Owner": related, "RecordType": related,
		"Phone": textType, "BillingCountry": textType, "BillingCity": textType, "ShippingCountry": textType, "CurrencyIsoCode": textType,
	},
	// Relationships of the records that orders lead to. Their names mean a record wherever they stand.
	relatedTypeName: {
		"Account": related, "ActivatedBy": related, "Asset": related, "Campaign": related, "Contact": related, "Individual": related,
		"Manager": related, "MasterRecord": related, "Order": related, "Profile": related, "QuoteLineItem": related, "ReportsTo": related,
		"RootAsset": related, "UserRole": related,
	},
}

// customFields are the fields of every custom object whose type is the same in every org.
var customFields = map[string]*cel.Type{
	"Id": textType, "Name": textType, "OwnerId": textType, "CreatedDate": textType, "LastModifiedDate": textType, "CurrencyIsoCode": textType,
	"Owner": related, "CreatedBy": related, "LastModifiedBy": related, "RecordType": related,
}

// types are the types of the fields by type of the record, for the objects of the org.
func (f *fields) types() map[string]map[string]*cel.Type {
	out := maps.Clone(standardFields)
	order, item := maps.Clone(standardFields[orderTypeName]), standardFields[itemTypeName]
	if !strings.EqualFold(f.objects.Order, standardOrder) {
		order = maps.Clone(customFields)
	}
	if !strings.EqualFold(f.objects.Item, standardItem) {
		item = maps.Clone(customFields)
		if len(f.productPath) == 1 {
			item[f.productPath[0]] = cel.ObjectType(productTypeName)
		}
	}
	if len(f.accountPath) == 1 {
		order[f.accountPath[0]] = cel.ObjectType(accountTypeName)
	}
	order[f.objects.Lines] = cel.ListType(cel.ObjectType(itemTypeName))
	out[orderTypeName], out[itemTypeName] = order, item
	return out
}

// celProvider gives CEL the types of the records and reads their fields; a field that is missing is null.
type celProvider struct {
	types.Provider
	// fields are the types of the fields that are not dyn, by type of the record.
	fields map[string]map[string]*cel.Type
}

// FindStructType implements types.Provider.
func (p *celProvider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := standardFields[name]; ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Provider.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p *celProvider) FindStructFieldNames(name string) ([]string, bool) {
	if _, ok := standardFields[name]; ok {
		return nil, true
	}
	return p.Provider.FindStructFieldNames(name)
}

// FindStructFieldType implements types.Provider.
func (p *celProvider) FindStructFieldType(record, name string) (*types.FieldType, bool) {
	fields, ok := p.fields[record]
	if !ok {
		return p.Provider.FindStructFieldType(record, name)
	}
	t := typeIn(fields, name)
	switch {
	case t != nil:
	case isRelationship(name):
		t = related
	default:
		t = cel.DynType
	}
	return &types.FieldType{
		Type:    t,
		IsSet:   func(target any) bool { return field(asRecord(target), name) != nil },
		GetFrom: func(target any) (any, error) { return celValue(field(asRecord(target), name)), nil },
	}, true
}

// typeIn is the type of a field, whose name may be in any case, or nil.
func typeIn(fields map[string]*cel.Type, name string) *cel.Type {
	if t, ok := fields[name]; ok {
		return t
	}
	for known, t := range fields {
		if strings.EqualFold(known, name) {
			return t
		}
	}
	return nil
}

// celValue prepares a value of Salesforce for CEL, where every number of Salesforce is a double.
func celValue(v any) any {
	switch t := v.(type) {
	case nil, string, bool, float64, []map[string]any:
		return v
	case map[string]any:
		return celRecord(t)
	case json.Number:
		f, err := t.Float64()
		if err != nil {
			return t.String()
		}
		return f
	case int:
		return float64(t)
	case int64:
		return float64(t)
	}
	if r := asRecord(v); r != nil {
		return celRecord(r)
	}
	if reflect.ValueOf(v).Kind() == reflect.Slice {
		if l := asRecords(v); l != nil {
			return l
		}
	}
	return v
}

// celRecord unwraps a query result with children to the children.
func celRecord(r map[string]any) any {
	if list, ok := r["records"]; ok {
		return asRecords(list)
	}
	return r
}

// celAdapter converts values that CEL meets inside records without a type.
type celAdapter struct{ types.Adapter }

// NativeToValue implements types.Adapter.
func (a celAdapter) NativeToValue(v any) ref.Val {
	switch t := celValue(v).(type) {
	case map[string]any:
		return types.NewStringInterfaceMap(a, t)
	case []map[string]any:
		return types.NewDynamicList(a, t)
	default:
		return a.Adapter.NativeToValue(t)
	}
}
