package main

import (
	"math/big"
	"slices"
	"strconv"

	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// linePrice is what Salesforce and WHMCS ask for a line. Amounts are decimal texts; an empty one is not known.
type linePrice struct {
	// SalesforceUnit is UnitPrice of the line, Salesforce that times the quantity.
	SalesforceUnit string `json:"salesforceUnit,omitempty"`
	Salesforce     string `json:"salesforce,omitempty"`
	// Currency is that of the WHMCS client.
	Currency string `json:"currency,omitempty"`
	// WhmcsUnit is the price of the billing cycle, Whmcs that times the quantity, Setup the setup fee times the quantity.
	WhmcsUnit string `json:"whmcsUnit,omitempty"`
	Whmcs     string `json:"whmcs,omitempty"`
	Setup     string `json:"setup,omitempty"`
	// Difference is Whmcs less Salesforce, if they differ. Prices of config options, taxes and promotions are not in it.
	Difference string `json:"difference,omitempty"`
}

// priceOf holds the price of a line in Salesforce against that of its product and cycle in WHMCS.
func priceOf(unitPrice any, product *whmcs.Product, cycle, currency string, quantity int64) linePrice {
	var price linePrice
	count := new(big.Rat).SetInt64(quantity)
	ours := decimal(unitPrice)
	if ours != nil {
		price.SalesforceUnit = amount(ours)
		price.Salesforce = amount(new(big.Rat).Mul(ours, count))
	}
	theirs, setup, currency := whmcsPrice(product, cycle, currency)
	if theirs == nil {
		return price
	}
	price.Currency, price.WhmcsUnit = currency, amount(theirs)
	price.Whmcs = amount(new(big.Rat).Mul(theirs, count))
	if setup != nil && setup.Sign() > 0 {
		price.Setup = amount(new(big.Rat).Mul(setup, count))
	}
	if ours != nil && ours.Cmp(theirs) != 0 {
		difference := new(big.Rat).Mul(new(big.Rat).Sub(theirs, ours), count)
		price.Difference = amount(difference)
		if difference.Sign() > 0 {
			price.Difference = "+" + price.Difference
		}
	}
	return price
}

// whmcsPrice is the price and the setup fee of a product. WHMCS keeps the price of a one-time product under monthly. A
// product that is sold in one currency only needs no currency.
func whmcsPrice(product *whmcs.Product, cycle, currency string) (price, setup *big.Rat, in string) {
	if product == nil {
		return nil, nil, ""
	}
	if product.PayType == "free" {
		return new(big.Rat), nil, currency
	}
	if product.PayType == "onetime" || cycle == "onetime" {
		cycle = "monthly"
	}
	var found []whmcs.Price
	for _, p := range product.Prices {
		if p.Cycle == cycle && (currency == "" || p.Currency == currency) {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		return nil, nil, ""
	}
	return decimal(found[0].Recurring), decimal(found[0].Setup), found[0].Currency
}

// offers tells whether a product can be ordered for a cycle, and which cycles it can be ordered for.
func offers(product *whmcs.Product, cycle string) (bool, []string) {
	p := mapping.WHMCSProduct{PayType: product.PayType, BillingCycles: product.BillingCycles}
	return slices.Contains(p.Offered(), cycle), p.Offered()
}

// decimal reads an amount exactly as far as it was written.
func decimal(value any) *big.Rat {
	var text string
	switch v := value.(type) {
	case string:
		text = v
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return nil
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil
	}
	return r
}

func amount(r *big.Rat) string {
	return r.FloatString(2)
}
