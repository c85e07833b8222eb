package salesforce

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// ErrNotFound says that the order does not exist, or is not visible to the integration user (yet).
var ErrNotFound = errors.New("salesforce: order not found")

// ErrDeleted says that the order existed and has been deleted.
var ErrDeleted = errors.New("salesforce: order is deleted")

// OrderItems is the relationship under which an Order holds its lines.
const OrderItems = "OrderItems"

// mostIDs is how many orders one query asks for at most: as many as one collection can write back.
const mostIDs = 200

// Select names what orders are, and the fields to read, with dots to parents, such as Account.Name or
// PricebookEntry.Product2.ProductCode. Id is always read.
type Select struct {
	// Object is the object that holds the orders. Empty means Order.
	Object string
	// Lines is the relationship under which an order holds its lines. Empty means OrderItems.
	Lines string
	// OrderFields are read from the order.
	OrderFields []string
	// ItemFields are read from its lines.
	ItemFields []string
}

func (s Select) object() string { return cmp.Or(s.Object, OrderObject) }

func (s Select) lines() string { return cmp.Or(s.Lines, OrderItems) }

// nameShape is the name of an object or of a relationship.
var nameShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*$`)

// fieldShape is a field with up to five parents before it, which is as far as SOQL goes.
var fieldShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*){0,5}$`)

// QueryOrders reads orders with all their lines, the lines sorted by id. The result is keyed by 18-character id; an
// order that does not exist is absent. Up to 200 orders are one query, if the names of the fields leave room for them.
func (c *Client) QueryOrders(ctx context.Context, ids []string, sel Select) (map[string]Record, error) {
	wanted, err := parseOrderIDs(ids, sel.object())
	if err != nil {
		return nil, err
	}
	head, err := sel.soql()
	if err != nil {
		return nil, err
	}
	orders := make(map[string]Record, len(wanted))
	for len(wanted) > 0 {
		n := c.fit(ctx, head, wanted)
		if n == 0 {
			return nil, tooLong("the list of fields")
		}
		records, err := c.queryAll(ctx, c.queryPath(head+idList(wanted[:n])))
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			sortLines(r.Children(sel.lines()))
			orders[r.ID().String()] = r
		}
		wanted = wanted[n:]
	}
	return orders, nil
}

func parseOrderIDs(ids []string, object string) ([]ID, error) {
	set := make(map[ID]struct{}, len(ids))
	for _, s := range ids {
		id, err := ParseOrderID(s, object)
		if err != nil {
			return nil, &Error{Op: opQuery, Class: Rejected, Message: err.Error(), Err: err}
		}
		set[id] = struct{}{}
	}
	return slices.Sorted(maps.Keys(set)), nil
}

// soql returns the query up to its list of ids.
func (s Select) soql() (string, error) {
	order, err := fieldList(s.OrderFields)
	if err != nil {
		return "", err
	}
	item, err := fieldList(s.ItemFields)
	if err != nil {
		return "", err
	}
	for _, name := range []string{s.object(), s.lines()} {
		if !nameShape.MatchString(name) {
			return "", &Error{Op: opQuery, Class: Schema, Message: "\"" + clean(name) + "\" is no name of an object or of a relationship", Advice: adviceFields}
		}
	}
	return "SELECT " + order + ",(SELECT " + item + " FROM " + s.lines() + ") FROM " + s.object() + " WHERE Id IN ", nil
}

// fieldList joins the fields, each once: naming one twice, in whatever case, is an error for Salesforce.
func fieldList(fields []string) (string, error) {
	list := []string{"Id"}
	seen := map[string]bool{"id": true}
	for _, f := range fields {
		if !fieldShape.MatchString(f) {
			return "", &Error{Op: opQuery, Class: Schema, Message: "\"" + clean(f) + "\" is no field name", Advice: adviceFields}
		}
		if lower := strings.ToLower(f); !seen[lower] {
			seen[lower] = true
			list = append(list, f)
		}
	}
	return strings.Join(list, ","), nil
}

func idList(ids []ID) string {
	quoted := make([]string, len(ids))
	for i, id := range ids {
		quoted[i] = "'" + id.String() + "'"
	}
	return "(" + strings.Join(quoted, ",") + ")"
}

// fit returns how many of the ids one query can hold.
func (c *Client) fit(ctx context.Context, head string, ids []ID) int {
	room := c.roomForPath(ctx) - len(c.queryPath(head+"()"))
	each := len(url.QueryEscape("'" + string(ids[0]) + "',"))
	return max(0, min(room/each, mostIDs, len(ids)))
}

func sortLines(lines []Record) {
	slices.SortStableFunc(lines, func(a, b Record) int {
		return cmp.Compare(a.Text("Id"), b.Text("Id"))
	})
}

// absence says why a query did not find an order: ErrDeleted, ErrNotFound, or what kept us from asking.
func (c *Client) absence(ctx context.Context, object string, id ID) error {
	_, err := c.do(ctx, request{op: opRow, method: http.MethodGet, path: c.apiPath + "/sobjects/" + object + "/" + id.String() + "?fields=Id",
		timeout: readTimeout, longest: longestSmallAnswer, ofRecord: true})
	e, ok := errors.AsType[*Error](err)
	switch {
	case err == nil:
		// It has appeared since the query; the caller's next try will see it.
		return &Error{Op: opRow, Class: NotFound, Message: "the order has only just become visible", Err: ErrNotFound}
	case ok && e.Class == NotFound:
		e.Err = ErrNotFound
	case ok && e.Class == Deleted:
		e.Err = ErrDeleted
	case ok && e.Code == "MALFORMED_ID":
		e.Advice = "the id is not that of a record of " + object + ": correct the publisher, or the object in the mapping"
	}
	return err
}
