package whmcs

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxFormFields is PHP's default max_input_vars. PHP drops what lies beyond it
// and goes on, so an order must never come near it.
const maxFormFields = 1000

// Form returns the fields of the request in the order they are sent, without
// the credentials.
//
// The action comes last on purpose: a body that was cut off on its way, or that
// PHP shortened, names no action, so it cannot become an order with lines missing.
func (r AddOrderRequest) Form() []Field {
	return append(r.payload(), tail(actionAddOrder)...)
}

func (r AddOrderRequest) payload() []Field {
	var f []Field
	add := func(name, value string) { f = append(f, Field{name, value}) }
	// False is sent by leaving the field out: PHP takes the text "false" for true.
	flag := func(name string, set bool) {
		if set {
			add(name, "1")
		}
	}
	add("clientid", strconv.FormatInt(r.ClientID, 10))
	add("paymentmethod", r.PaymentMethod)
	if r.PromoCode != "" {
		add("promocode", r.PromoCode)
	}
	flag("noinvoice", r.NoInvoice)
	flag("noinvoiceemail", r.NoInvoiceEmail)
	flag("noemail", r.NoEmail)
	column := func(name string, value func(OrderLine) string) {
		for i, line := range r.Lines {
			if v := value(line); v != "" {
				add(name+"["+strconv.Itoa(i)+"]", v)
			}
		}
	}
	column("pid", func(l OrderLine) string { return strconv.FormatInt(l.PID, 10) })
	column("qty", func(l OrderLine) string { return strconv.FormatInt(max(l.Quantity, 1), 10) })
	column("billingcycle", OrderLine.cycle)
	column("domain", func(l OrderLine) string { return l.Domain })
	column("configoptions", func(l OrderLine) string { return serializeSome(l.ConfigOptions) })
	column("customfields", func(l OrderLine) string { return serializeSome(l.CustomFields) })
	if r.Notes != "" {
		add("notes", r.Notes)
	}
	return f
}

func (l OrderLine) cycle() string {
	if cycle, ok := BillingCycle(l.BillingCycle); ok {
		return cycle
	}
	return l.BillingCycle
}

func serializeSome[V int64 | string](m map[int64]V) string {
	if len(m) == 0 {
		return ""
	}
	return SerializePHP(m)
}

// problem returns what makes the request not worth sending, or "".
func (r AddOrderRequest) problem() string {
	switch {
	case r.ClientID <= 0:
		return fmt.Sprintf("client id %d is not positive", r.ClientID)
	case r.PaymentMethod == "":
		return "the payment method is empty"
	case len(r.Lines) == 0:
		return "the order has no lines"
	}
	for i, line := range r.Lines {
		switch _, known := BillingCycle(line.BillingCycle); {
		case line.PID <= 0:
			return fmt.Sprintf("line %d: product id %d is not positive", i+1, line.PID)
		case line.Quantity < 0:
			return fmt.Sprintf("line %d: quantity %d is negative", i+1, line.Quantity)
		case !known:
			return fmt.Sprintf("line %d: %q is no billing cycle of WHMCS", i+1, cutRunes(line.BillingCycle, 40))
		}
	}
	payload := r.payload()
	for i, line := range r.Lines {
		for id, v := range line.CustomFields {
			if !utf8.ValidString(v) {
				return fmt.Sprintf("line %d: custom field %d is not valid UTF-8 text", i+1, id)
			}
		}
	}
	for _, f := range payload {
		if !utf8.ValidString(f.Value) || strings.ContainsRune(f.Value, 0) {
			return fmt.Sprintf("%s is not valid UTF-8 text", f.Name)
		}
	}
	if n := len(payload) + credentialFields; n > maxFormFields {
		return fmt.Sprintf("%d lines make %d form fields, and PHP takes at most %d: split the order", len(r.Lines), n, maxFormFields)
	}
	return ""
}

func (r AcceptOrderRequest) payload() []Field {
	f := []Field{{"orderid", strconv.FormatInt(r.OrderID, 10)}}
	if r.AutoSetup {
		f = append(f, Field{"autosetup", "1"})
	}
	if r.SendEmail {
		f = append(f, Field{"sendemail", "1"})
	}
	return f
}

// Form returns the fields of the request in the order they are sent, without
// the credentials.
func (r AcceptOrderRequest) Form() []Field {
	return append(r.payload(), tail(actionAcceptOrder)...)
}

func tail(action string) []Field {
	return []Field{{"responsetype", "json"}, {"action", action}}
}
