package sandbox

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

// Item is a product on both sides: how Salesforce sells it, and what must come out of it in WHMCS. The audit compares
// against this table alone, never against what the operator's mapping makes of it.
type Item struct {
	SKU   string `json:"sku"`
	Name  string `json:"name"`
	Class string `json:"class"` // Item_Class__c
	// Cycle is Billing_Cycle__c; empty leaves it to the class.
	Cycle string `json:"cycle,omitempty"`
	// PID is the WHMCS product.
	PID int64 `json:"pid"`
	// WantCycle is the billing cycle that the service must have.
	WantCycle string `json:"wantCycle"`
	// Options are the configurable options that the service must have, as Portal_ConfigOptions_JSON__c holds them: the id
	// of a choice, or the number of a yes/no or quantity option.
	Options map[int64]int64 `json:"options,omitempty"`
	Price   float64         `json:"price"`
	// Extra items are ordered beside a service only, in seeds.
	Extra bool `json:"extra,omitempty"`
}

// Catalogue is what the sandbox's Salesforce sells, matching the catalogue of its WHMCS.
func Catalogue() []Item {
	item := func(sku, name, class, cycle string, pid int64, want string, price float64) Item {
		return Item{SKU: sku, Name: name, Class: class, Cycle: cycle, PID: pid, WantCycle: want, Price: price}
	}
	vpn := func(sku, name string, region, devices, static int64) Item {
		it := item(sku, name, "Service", "Monthly", 220, "monthly", 2500)
		it.Options = map[int64]int64{whmcs.OptionVPNRegion: region, whmcs.OptionVPNDevices: devices, whmcs.OptionVPNStaticIP: static}
		return it
	}
	items := []Item{
		item("INT-HOME-APARTMENT", "Home Internet 1G Apartment", "Service", "Monthly", 181, "monthly", 4800),
		item("INT-HOME-HOUSE", "Home Internet 1G House", "Service", "Monthly", 182, "monthly", 5200),
		item("INT-HOME-SHARED", "Home Internet 1G Shared", "Service", "", 183, "monthly", 4200),
		item("INT-HOME-100M", "Home Internet 100M", "Service", "Monthly", 185, "monthly", 3800),
		item("INT-HOME-10G", "Home Internet 10G", "Service", "Monthly", 188, "monthly", 6800),
		item("SIM-5GB", "SIM 5 GB", "Service", "Monthly", 201, "monthly", 880),
		item("SIM-25GB", "SIM 25 GB", "Service", "", 202, "monthly", 1980),
		vpn("VPN-US", "VPN San Francisco", whmcs.ChoiceRegionUS, 0, 0),
		vpn("VPN-UK", "VPN London", whmcs.ChoiceRegionUK, 2, 1),
		item("INT-INSTALL", "Installation", "Installation", "Onetime", 242, "onetime", 22800),
		item("INT-INSTALL-WEEKEND", "Weekend installation", "Installation", "Onetime", 245, "onetime", 3000),
		item("INT-HOME-PHONE", "Home phone", "Add-on", "Monthly", 246, "monthly", 450),
		item("INT-HOME-PHONE-INSTALL", "Home phone installation", "Add-on", "Onetime", 247, "onetime", 1000),
		item("SIM-ACTIVATION", "SIM activation", "Activation", "", 210, "onetime", 1500),
		item("VPN-ACTIVATION", "VPN activation", "Activation", "Onetime", 221, "onetime", 3000),
	}
	for i := range items {
		items[i].Extra = items[i].Class != "Service"
	}
	return items
}

// extras are the items that can be ordered beside a service.
var extras = map[string][]string{
	"INT": {"INT-INSTALL", "INT-INSTALL-WEEKEND", "INT-HOME-PHONE", "INT-HOME-PHONE-INSTALL"},
	"SIM": {"SIM-ACTIVATION"},
	"VPN": {"VPN-ACTIVATION"},
}

func bySKU() map[string]Item {
	out := map[string]Item{}
	for _, it := range Catalogue() {
		out[it.SKU] = it
	}
	return out
}

// optionsJSON is the text of Portal_ConfigOptions_JSON__c.
func (it Item) optionsJSON() string {
	if len(it.Options) == 0 {
		return ""
	}
	out := map[string]int64{}
	for _, id := range slices.Sorted(maps.Keys(it.Options)) {
		out[strconv.FormatInt(id, 10)] = it.Options[id]
	}
	text, err := json.Marshal(out)
	if err != nil {
		return ""
	}
	return string(text)
}
