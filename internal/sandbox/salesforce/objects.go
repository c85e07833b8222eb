package salesforce

// systemFields are those that every object with rows has.
func systemFields() []Field {
	return []Field{
		{Name: "Id", Label: "Record ID", Type: TypeID, ReadOnly: true},
		{Name: "IsDeleted", Label: "Deleted", Type: TypeBoolean, ReadOnly: true, Default: false},
		{Name: "CreatedDate", Type: TypeDateTime, ReadOnly: true},
		{Name: "CreatedById", Type: TypeReference, References: []string{"User"}, Relationship: "CreatedBy", ReadOnly: true},
		{Name: "LastModifiedDate", Type: TypeDateTime, ReadOnly: true},
		{Name: "LastModifiedById", Type: TypeReference, References: []string{"User"}, Relationship: "LastModifiedBy", ReadOnly: true},
		{Name: "SystemModstamp", Type: TypeDateTime, ReadOnly: true},
	}
}

func eventFields() []Field {
	return []Field{
		{Name: "ReplayId", Type: TypeString, ReadOnly: true},
		{Name: "CreatedDate", Type: TypeDateTime, ReadOnly: true},
		{Name: "CreatedById", Type: TypeReference, References: []string{"User"}, Relationship: "CreatedBy", ReadOnly: true},
		{Name: "EventUuid", Type: TypeString, Length: 36, ReadOnly: true},
	}
}

func text(name string, length int) Field { return Field{Name: name, Type: TypeString, Length: length} }

func whole(name string) Field { return Field{Name: name, Type: TypeDouble, Precision: 18} }

func money(name string) Field { return Field{Name: name, Type: TypeCurrency, Precision: 18, Scale: 2} }

func checkbox(name string) Field { return Field{Name: name, Type: TypeBoolean, Default: false} }

func dated(name string) Field { return Field{Name: name, Type: TypeDate} }

func timed(name string) Field { return Field{Name: name, Type: TypeDateTime} }

func long(name string) Field { return Field{Name: name, Type: TypeTextArea, Length: 32768} }

func pick(name string, values ...string) Field {
	return Field{Name: name, Type: TypePicklist, Values: values}
}

func restricted(f Field) Field { f.Restricted = true; return f }

func required(f Field) Field { f.Required = true; return f }

func readOnly(f Field) Field { f.ReadOnly = true; return f }

func createOnly(f Field) Field { f.CreateOnly = true; return f }

func named(f Field) Field { f.NameField = true; return f }

func reference(name, to, up, down string) Field {
	return Field{Name: name, Type: TypeReference, References: []string{to}, Relationship: up, ChildRelation: down}
}

func cascade(f Field) Field { f.Cascade = true; return f }

func address(prefix string) []Field {
	return []Field{
		{Name: prefix + "Street", Type: TypeTextArea, Length: 255}, text(prefix+"City", 40),
		text(prefix+"State", 80), text(prefix+"PostalCode", 20), text(prefix+"Country", 80),
	}
}

func newSchema() *schema {
	s := &schema{byName: map[string]*object{}}
	for _, def := range []Object{
		{Name: "Organization", KeyPrefix: "00D", ReadOnly: true, Fields: organizationFields()},
		{Name: "User", KeyPrefix: "005", ReadOnly: true, Fields: userFields()},
		{Name: "Account", KeyPrefix: "001", Fields: accountFields()},
		{Name: "Contact", KeyPrefix: "003", Fields: contactFields()},
		{Name: "Product2", Label: "Product", KeyPrefix: "01t", Fields: productFields()},
		{Name: "Pricebook2", Label: "Price Book", KeyPrefix: "01s", Fields: pricebookFields()},
		{Name: "PricebookEntry", Label: "Price Book Entry", Plural: "Price Book Entries", KeyPrefix: "01u", Fields: pricebookEntryFields()},
		{Name: "Opportunity", Plural: "Opportunities", KeyPrefix: "006", Fields: opportunityFields()},
		{Name: "Order", KeyPrefix: "801", Fields: orderFields()},
		{Name: "OrderItem", Label: "Order Product", KeyPrefix: "802", Fields: orderItemFields()},
	} {
		def.Fields = append(systemFields(), def.Fields...)
		s.add(def)
	}
	s.add(Object{Name: "OrderProvisionRequested__e", KeyPrefix: "e01", Fields: append(eventFields(),
		required(text("OrderId__c", 18)), text("IdemKey__c", 80), text("CorrelationId__c", 80),
		text("RequestedBy__c", 80), whole("Version__c"))})
	return s
}

func organizationFields() []Field {
	return []Field{
		named(text("Name", 80)), text("InstanceName", 5), checkbox("IsSandbox"), text("OrganizationType", 40),
		text("DefaultLocaleSidKey", 40), text("LanguageLocaleKey", 40), text("NamespacePrefix", 15),
		timed("TrialExpirationDate"),
	}
}

func userFields() []Field {
	return []Field{
		text("Username", 80), named(text("Name", 121)), text("FirstName", 40), text("LastName", 80),
		{Name: "Email", Type: TypeEmail}, checkbox("IsActive"), text("UserType", 40),
	}
}

func accountFields() []Field {
	fields := []Field{
		required(named(text("Name", 255))), text("AccountNumber", 40), pick("Type", "Prospect", "Customer"),
		reference("ParentId", "Account", "Parent", "ChildAccounts"), reference("OwnerId", "User", "Owner", ""),
		{Name: "Phone", Type: TypePhone, Length: 40}, {Name: "Website", Type: TypeURL, Length: 255},
		pick("Industry"), money("AnnualRevenue"), {Name: "NumberOfEmployees", Type: TypeInt}, long("Description"),
		text("SF_Account_No__c", 40), text("WH_Account__c", 255),
		pick("Portal_Status__c", "Not Yet", "Active", "Inactive"), pick("Portal_Registration_Source__c"),
		timed("Portal_Last_SignIn__c"), text("Internet_Eligibility__c", 255),
	}
	return append(fields, append(address("Billing"), address("Shipping")...)...)
}

func contactFields() []Field {
	fields := []Field{
		required(text("LastName", 80)), text("FirstName", 40), named(readOnly(text("Name", 121))),
		reference("AccountId", "Account", "Account", "Contacts"), reference("OwnerId", "User", "Owner", ""),
		{Name: "Email", Type: TypeEmail}, {Name: "Phone", Type: TypePhone, Length: 40}, {Name: "MobilePhone", Type: TypePhone, Length: 40},
		dated("Birthdate"), text("Title", 128),
	}
	return append(fields, address("Mailing")...)
}

func productFields() []Field {
	return []Field{
		required(named(text("Name", 255))), text("ProductCode", 255), text("StockKeepingUnit", 180), checkbox("IsActive"),
		pick("Family"), long("Description"), {Name: "DisplayUrl", Type: TypeURL, Length: 1000}, text("ExternalId", 255),
		pick("Product2Categories1__c", "Internet", "SIM", "VPN", "Other"), checkbox("Portal_Catalog__c"), checkbox("Portal_Accessible__c"),
		pick("Item_Class__c", "Service", "Installation", "Add-on", "Activation"), pick("Billing_Cycle__c", "Monthly", "Onetime"),
		whole("WHMCS_Product_Id__c"), whole("WH_Product_ID__c"), text("WH_Product_Name__c", 255),
		long("Portal_ConfigOptions_JSON__c"), checkbox("Is_Default__c"), checkbox("Auto_Add__c"), whole("Display_Order__c"),
		long("Required_Products__c"), long("Dependent_Products__c"), long("Mutually_Exclusive__c"),
		whole("Portal_Max_Quantity__c"), checkbox("Portal_Requires_Payment_Method__c"),
		dated("Portal_Valid_From__c"), dated("Portal_Valid_Until__c"),
	}
}

func pricebookFields() []Field {
	return []Field{
		required(named(text("Name", 255))), checkbox("IsActive"), readOnly(checkbox("IsStandard")), text("Description", 255),
	}
}

func pricebookEntryFields() []Field {
	return []Field{
		readOnly(named(text("Name", 255))), required(createOnly(reference("Pricebook2Id", "Pricebook2", "Pricebook2", "PricebookEntries"))),
		required(createOnly(reference("Product2Id", "Product2", "Product2", "PricebookEntries"))),
		required(money("UnitPrice")), checkbox("IsActive"), checkbox("UseStandardPrice"), readOnly(text("ProductCode", 255)),
	}
}

func opportunityFields() []Field {
	return []Field{
		required(named(text("Name", 120))), reference("AccountId", "Account", "Account", "Opportunities"),
		reference("OwnerId", "User", "Owner", ""), required(pick("StageName", "Introduction", "Ready", "Active", "Cancelled")),
		required(dated("CloseDate")), money("Amount"), text("WHMCS_Service_ID__c", 255), text("WH_Registeration__c", 255),
		pick("Application_Stage__c"), timed("ScheduledCancellationDateAndTime__c"),
		pick("CancellationNotice__c"), pick("LineReturn__c"), pick("SIMCancellationNotice__c"),
	}
}

func orderFields() []Field {
	fields := []Field{
		required(reference("AccountId", "Account", "Account", "Orders")), required(dated("EffectiveDate")), dated("EndDate"),
		required(restricted(pick("Status", "Draft", "Pending Review", "Approved", "Reactivate", "Processed", "Completed", "Activated", "Rejected", "Cancelled"))),
		readOnly(pick("StatusCode", "Draft", "Activated")), reference("Pricebook2Id", "Pricebook2", "Pricebook2", "Orders"),
		named(readOnly(text("OrderNumber", 30))), pick("Type", "Internet", "SIM", "VPN", "Other"), text("Name", 80),
		reference("OwnerId", "User", "Owner", ""), reference("OpportunityId", "Opportunity", "Opportunity", "Orders"),
		text("PoNumber", 80), text("OrderReferenceNumber", 80), {Name: "Description", Type: TypeTextArea, Length: 32000},
		readOnly(money("TotalAmount")), readOnly(timed("ActivatedDate")), text("CustomerRef__c", 80),
		restricted(pick("Activation_Type__c", "Immediate", "Scheduled")), timed("Activation_Scheduled_At__c"),
		pick("Activation_Status__c", "Not Started", "Activating", "Activated", "Scheduled", "Failed"),
		text("Activation_Error_Code__c", 80), {Name: "Activation_Error_Message__c", Type: TypeTextArea, Length: 255},
		timed("Activation_Last_Attempt_At__c"), text("WHMCS_Order_ID__c", 255), checkbox("Address_Changed__c"),
		pick("Order_Type__c", "Internet", "SIM", "SIM/eSIM", "VPN", "Other"), pick("Internet_Plan_Tier__c", "Silver", "Gold", "Platinum"),
		pick("Installation_Type__c"), checkbox("Weekend_Install__c"), pick("Access_Mode__c", "IPoE-BYOR", "IPoE-HGW", "PPPoE"),
		pick("SIM_Type__c", "eSIM", "Physical SIM"), text("EID__c", 32), checkbox("SIM_Voice_Mail__c"), checkbox("SIM_Call_Waiting__c"),
		checkbox("MNP_Application__c"), text("MNP_Reservation_Number__c", 40), dated("MNP_Expiry_Date__c"), text("MNP_Phone_Number__c", 40),
		pick("VPN_Region__c"),
	}
	return append(fields, append(address("Billing"), address("Shipping")...)...)
}

func orderItemFields() []Field {
	return []Field{
		required(createOnly(cascade(reference("OrderId", "Order", "Order", "OrderItems")))),
		required(createOnly(reference("PricebookEntryId", "PricebookEntry", "PricebookEntry", "OrderItems"))),
		createOnly(reference("Product2Id", "Product2", "Product2", "OrderItems")),
		required(Field{Name: "Quantity", Type: TypeDouble, Precision: 18, Scale: 2}), required(money("UnitPrice")),
		readOnly(money("ListPrice")), readOnly(money("TotalPrice")), dated("ServiceDate"), dated("EndDate"),
		text("Description", 255), named(readOnly(text("OrderItemNumber", 30))),
		pick("Billing_Cycle__c", "Monthly", "Onetime"), text("WHMCS_Service_ID__c", 255),
	}
}
