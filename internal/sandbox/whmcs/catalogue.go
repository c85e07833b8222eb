package whmcs

// Custom fields and configurable options of the default catalogue, for tests and seeds.
const (
	// FieldCustomerNumber is the client custom field that holds the customer number.
	FieldCustomerNumber = 198
	// FieldOrderKey is an admin-only custom field of every product, free for an order key.
	FieldOrderKey = 310
	// FieldEID is the eSIM identifier of the SIM plans.
	FieldEID = 301
	// OptionVPNRegion is the region dropdown of the VPN plan.
	OptionVPNRegion = 11
	// OptionVPNDevices is the number of extra devices of the VPN plan.
	OptionVPNDevices = 12
	// OptionVPNStaticIP is the yes/no option of the VPN plan.
	OptionVPNStaticIP = 13
	// ChoiceRegionUS is the first choice of the VPN region.
	ChoiceRegionUS = 101
	// ChoiceRegionUK is the second choice of the VPN region.
	ChoiceRegionUK = 102
)

// DefaultCatalogue is a small telecommunications catalogue: Internet lines with installation and home phone, SIM plans
// and a VPN with configurable options.
func DefaultCatalogue() []Product {
	key := CustomField{ID: FieldOrderKey, Name: "Salesforce Order", AdminOnly: true}
	monthly := func(pid, gid int64, group, name, module string, yen Money) Product {
		return Product{
			PID: pid, GID: gid, Group: group, Type: "other", Name: name, Module: module, PayType: PayRecurring,
			AutoSetup: "on", AllowQty: QuantityScaling, CustomFields: []CustomField{key},
			Pricing: map[string]Money{"monthly": yen * 100, "quarterly": NotOffered, "semiannually": NotOffered,
				"annually": yen * 1000, "biennially": NotOffered, "triennially": NotOffered},
		}
	}
	oneTime := func(pid, gid int64, group, name string, yen Money) Product {
		return Product{
			PID: pid, GID: gid, Group: group, Type: "other", Name: name, PayType: PayOneTime, AllowQty: QuantityScaling,
			CustomFields: []CustomField{key}, Pricing: map[string]Money{"monthly": yen * 100},
		}
	}
	const internet, sim, vpn = "Internet", "SIM", "VPN"
	products := []Product{
		monthly(181, 1, internet, "Home Internet 1G Apartment", "sandboxline", 4800),
		monthly(182, 1, internet, "Home Internet 1G House", "sandboxline", 5200),
		monthly(183, 1, internet, "Home Internet 1G Shared", "sandboxline", 4200),
		monthly(185, 1, internet, "Home Internet 100M", "sandboxline", 3800),
		monthly(188, 1, internet, "Home Internet 10G", "sandboxline", 6800),
		oneTime(242, 1, internet, "Installation", 22800),
		oneTime(245, 1, internet, "Weekend installation", 3000),
		monthly(246, 1, internet, "Home phone", "sandboxline", 450),
		oneTime(247, 1, internet, "Home phone installation", 1000),
		simPlan(monthly(201, 2, sim, "SIM 5 GB", "sandboxsim", 880)),
		simPlan(monthly(202, 2, sim, "SIM 25 GB", "sandboxsim", 1980)),
		oneTime(210, 2, sim, "SIM activation", 1500),
		vpnPlan(monthly(220, 3, vpn, "VPN", "sandboxvpn", 2500)),
		oneTime(221, 3, vpn, "VPN activation", 3000),
	}
	return products
}

func simPlan(p Product) Product {
	p.CustomFields = append(p.CustomFields, CustomField{ID: FieldEID, Name: "EID"})
	return p
}

func vpnPlan(p Product) Product {
	p.ConfigOptions = []ConfigOption{
		{ID: OptionVPNRegion, Name: "Region", Type: OptionDropdown, Choices: []Choice{
			{ID: ChoiceRegionUS, Name: "USA - San Francisco"}, {ID: ChoiceRegionUK, Name: "UK - London", Recurring: 10000},
		}},
		{ID: OptionVPNDevices, Name: "Extra devices", Type: OptionQuantity, MinQty: 0, MaxQty: 10, Choices: []Choice{
			{ID: 121, Name: "Device", Recurring: 20000},
		}},
		{ID: OptionVPNStaticIP, Name: "Static IP", Type: OptionYesNo, Choices: []Choice{
			{ID: 131, Name: "Static IP", Recurring: 30000},
		}},
	}
	return p
}

// defaultGateways are the payment gateways a server has unless told otherwise.
func defaultGateways() []Gateway {
	return []Gateway{{"banktransfer", "Bank Transfer"}, {"mailin", "Mail In Payment"}, {"stripe", "Credit Card"}}
}
