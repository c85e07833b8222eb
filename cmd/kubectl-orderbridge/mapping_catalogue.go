package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/orderbridge/orderbridge/controllers"
	"github.com/orderbridge/orderbridge/internal/mapping"
	"github.com/orderbridge/orderbridge/internal/salesforce"
	"github.com/orderbridge/orderbridge/internal/whmcs"
)

// catalogueVersion is the version of the file format.
const catalogueVersion = 1

// catalogue is a catalogue file: what is on sale in Salesforce and in WHMCS, as far as a mapping can be wrong about it.
// docs/kubectl-orderbridge.md describes it.
type catalogue struct {
	Version    int                 `json:"version"`
	Salesforce salesforceCatalogue `json:"salesforce"`
	// Whmcs may be missing; then only Salesforce is checked.
	Whmcs *whmcsCatalogue `json:"whmcs,omitempty"`
}

// salesforceCatalogue is what Salesforce sells.
type salesforceCatalogue struct {
	// Pricebook is the id or the name of the price book, empty for all of them.
	Pricebook string `json:"pricebook,omitempty"`
	// Products are rows of Product2, with the fields that the mapping reads.
	Products []map[string]any `json:"products"`
}

// whmcsCatalogue is what WHMCS sells.
type whmcsCatalogue struct {
	Products []whmcsProduct `json:"products"`
}

// whmcsProduct is a product of WHMCS.
type whmcsProduct struct {
	PID  int64  `json:"pid"`
	Name string `json:"name,omitempty"`
	// PayType is free, onetime or recurring.
	PayType string `json:"payType"`
	// Cycles are the billing cycles with a price; the price of a one-time product stands under monthly.
	Cycles        []string            `json:"cycles"`
	ConfigOptions []whmcsConfigOption `json:"configOptions,omitempty"`
	CustomFields  []whmcsCustomField  `json:"customFields,omitempty"`
}

// whmcsConfigOption is a configurable option of a product.
type whmcsConfigOption struct {
	ID   int64  `json:"id"`
	Name string `json:"name,omitempty"`
	// Type is 1 for a list, 2 for radio buttons, 3 for yes and no, 4 for a quantity.
	Type    string        `json:"type"`
	Choices []whmcsChoice `json:"choices,omitempty"`
}

// whmcsChoice is a choice of a config option.
type whmcsChoice struct {
	ID   int64  `json:"id"`
	Name string `json:"name,omitempty"`
}

// whmcsCustomField is a custom field that the order form of a product shows.
type whmcsCustomField struct {
	ID       int64  `json:"id"`
	Name     string `json:"name,omitempty"`
	Required bool   `json:"required,omitempty"`
}

// readCatalogue reads a catalogue file for a mapping.
func (e *environment) readCatalogue(name string, m *mapping.Mapping) (*catalogue, error) {
	data, name, err := e.readFile(name)
	if err != nil {
		return nil, err
	}
	var cat catalogue
	if err := decodeCatalogue(data, &cat); err != nil {
		return nil, fmt.Errorf("%s is no catalogue: %s: make one with kubectl orderbridge mapping catalogue export", name, withoutDecoder(err))
	}
	if cat.Version != catalogueVersion {
		return nil, fmt.Errorf("%s has version %d, and this program reads version %d: export the catalogue again", name, cat.Version, catalogueVersion)
	}
	if len(cat.Salesforce.Products) == 0 {
		return nil, fmt.Errorf("%s has no products of Salesforce: export the catalogue again", name)
	}
	if missing := m.UnreadOfProducts(cat.Salesforce.Products); len(missing) > 0 {
		return nil, fmt.Errorf("%s was exported without the product fields %s, which the mapping reads: export it again with --mapping", name, strings.Join(missing, ", "))
	}
	return &cat, nil
}

// decodeCatalogue reads JSON as JSON, since large catalogues take much longer as YAML.
func decodeCatalogue(data []byte, cat *catalogue) error {
	if !json.Valid(data) {
		return yaml.UnmarshalStrict(data, cat)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(cat)
}

// forCheck is the catalogue in the form that the mapping checks.
func (c *catalogue) forCheck() mapping.Catalogue {
	out := mapping.Catalogue{Products: c.Salesforce.Products}
	if c.Whmcs == nil {
		return out
	}
	out.WHMCS = []mapping.WHMCSProduct{}
	for _, p := range c.Whmcs.Products {
		product := mapping.WHMCSProduct{PID: p.PID, PayType: p.PayType, BillingCycles: p.Cycles}
		for _, o := range p.ConfigOptions {
			option := mapping.WHMCSConfigOption{ID: o.ID, Type: o.Type}
			for _, choice := range o.Choices {
				option.Choices = append(option.Choices, choice.ID)
			}
			product.ConfigOptions = append(product.ConfigOptions, option)
		}
		for _, f := range p.CustomFields {
			product.CustomFields = append(product.CustomFields, mapping.WHMCSCustomField{ID: f.ID, Required: f.Required})
		}
		out.WHMCS = append(out.WHMCS, product)
	}
	return out
}

// liveOptions say where to ask for what is on sale.
type liveOptions struct {
	pipeline, pricebook string
}

func (o *liveOptions) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&o.pipeline, "pipeline", "", "Pipeline whose credentials are used; may be left out if the namespace has only one.")
	flags.StringVar(&o.pricebook, "pricebook", "", "Price book, by id or name; by default all active ones.")
}

func (o *liveOptions) given() bool {
	return o.pipeline != "" || o.pricebook != ""
}

// liveCatalogueOf asks both sides what is on sale, with the credentials of a pipeline.
func liveCatalogueOf(ctx context.Context, env *environment, o liveOptions, m *mapping.Mapping) (*catalogue, error) {
	sides, err := env.connect(ctx, o.pipeline)
	if err != nil {
		return nil, err
	}
	return askCatalogue(ctx, sides, o.pricebook, m)
}

// connect reads a pipeline and builds its clients.
func (e *environment) connect(ctx context.Context, name string) (*controllers.FarSides, error) {
	cluster, err := e.client()
	if err != nil {
		return nil, err
	}
	pipeline, err := e.pipeline(ctx, cluster, name)
	if err != nil {
		return nil, err
	}
	return farSides(ctx, cluster, pipeline)
}

// askCatalogue reads what is on sale. Every call only reads.
func askCatalogue(ctx context.Context, sides *controllers.FarSides, pricebook string, m *mapping.Mapping) (*catalogue, error) {
	cat := &catalogue{Version: catalogueVersion, Salesforce: salesforceCatalogue{Pricebook: pricebook}}
	query, err := productQuery(m, pricebook)
	if err != nil {
		return nil, err
	}
	rows, err := sides.Salesforce.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("reading the products of Salesforce: %w", err)
	}
	if len(rows) == 0 {
		return nil, errors.New("Salesforce shows no active products: check --pricebook, and that the integration user may read the products and their price book entries")
	}
	cat.Salesforce.Products = productsOf(m, rows)
	products, err := sides.Whmcs.GetProducts(ctx, whmcs.ProductFilter{})
	if err != nil {
		return nil, fmt.Errorf("reading the products of WHMCS: %w", err)
	}
	cat.Whmcs = &whmcsCatalogue{Products: []whmcsProduct{}}
	for i := range products {
		cat.Whmcs.Products = append(cat.Whmcs.Products, whmcsProductOf(&products[i]))
	}
	slices.SortFunc(cat.Whmcs.Products, func(a, b whmcsProduct) int { return cmp.Compare(a.PID, b.PID) })
	return cat, nil
}

// productQuery asks for the products that can be ordered. Name is for those who read the catalogue.
func productQuery(m *mapping.Mapping, pricebook string) (string, error) {
	fields := m.ProductFields()
	if !slices.ContainsFunc(fields, func(f string) bool { return strings.EqualFold(f, "Name") }) {
		fields = append(slices.Clone(fields), "Name")
	}
	if object := m.Objects().Product; !sellsProduct2(m) {
		if pricebook != "" {
			return "", fmt.Errorf("--pricebook: the products of this mapping are %s, and price books hold Product2: leave it out", object)
		}
		return "SELECT " + strings.Join(fields, ", ") + " FROM " + object, nil
	}
	selected := make([]string, len(fields))
	for i, f := range fields {
		selected[i] = "Product2." + f
	}
	query := "SELECT " + strings.Join(selected, ", ") + " FROM PricebookEntry WHERE IsActive = true AND Product2.IsActive = true AND Pricebook2.IsActive = true"
	if pricebook == "" {
		return query, nil
	}
	if id, err := salesforce.ParseID(pricebook); err == nil {
		return query + " AND Pricebook2Id = '" + id.String() + "'", nil
	}
	quoted := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(pricebook)
	return query + " AND Pricebook2.Name = '" + quoted + "'", nil
}

// sellsProduct2 tells whether products are the standard object, which price books sell.
func sellsProduct2(m *mapping.Mapping) bool {
	return strings.EqualFold(m.Objects().Product, "Product2")
}

// productsOf are the products of the answer, each once: a product has a price book entry for each price book and currency.
// The order does not depend on that of the answer, so that a file in Git changes only where the products do.
func productsOf(m *mapping.Mapping, rows []salesforce.Record) []map[string]any {
	byID := map[string]map[string]any{}
	for _, row := range rows {
		product := row
		if sellsProduct2(m) {
			product = row.Parent("Product2")
		}
		if product != nil {
			byID[product.Text("Id")] = product.Plain()
		}
	}
	list := slices.Collect(maps.Values(byID))
	key := func(p map[string]any) string { return fmt.Sprint(p["Name"], "\x00", p["Id"]) }
	slices.SortFunc(list, func(a, b map[string]any) int { return strings.Compare(key(a), key(b)) })
	return list
}

// cycleOrder is the order in which people think of billing cycles.
var cycleOrder = []string{"free", "onetime", "monthly", "quarterly", "semiannually", "annually", "biennially", "triennially"}

func whmcsProductOf(p *whmcs.Product) whmcsProduct {
	out := whmcsProduct{PID: p.PID, Name: p.Name, PayType: p.PayType, Cycles: []string{}}
	out.Cycles = append(out.Cycles, p.BillingCycles...)
	slices.SortFunc(out.Cycles, func(a, b string) int { return slices.Index(cycleOrder, a) - slices.Index(cycleOrder, b) })
	for _, o := range p.ConfigOptions {
		option := whmcsConfigOption{ID: o.ID, Name: o.Name, Type: o.Type}
		for _, choice := range o.Options {
			option.Choices = append(option.Choices, whmcsChoice{choice.ID, choice.Name})
		}
		out.ConfigOptions = append(out.ConfigOptions, option)
	}
	for _, f := range p.CustomFields {
		out.CustomFields = append(out.CustomFields, whmcsCustomField{f.ID, f.Name, f.Required})
	}
	return out
}
