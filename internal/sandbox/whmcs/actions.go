package whmcs

import "github.com/orderbridge/orderbridge/internal/sandbox/whmcs/php"

// action is one API action. Its work runs under the server's lock.
type action struct {
	name    string
	mutates bool
	run     func(*Server, *call) *php.Array
}

// actions are all actions by their lower-case name.
var actions = func() map[string]*action {
	table := []action{
		{"AddOrder", true, (*Server).addOrder},
		{"AcceptOrder", true, (*Server).acceptOrder},
		{"CancelOrder", true, (*Server).cancelOrder},
		{"PendingOrder", true, (*Server).pendingOrder},
		{"FraudOrder", true, (*Server).fraudOrder},
		{"DeleteOrder", true, (*Server).deleteOrder},
		{"UpdateClientProduct", true, (*Server).updateClientProduct},
		{"ModuleCreate", true, (*Server).moduleCreate},
		{"SendEmail", true, (*Server).sendEmail},
		{"AddClient", true, (*Server).addClient},
		{"AddClientNote", true, (*Server).addClientNote},
		{"LogActivity", true, (*Server).logActivity},
		{"TriggerNotificationEvent", true, (*Server).triggerNotification},
		{"GetOrders", false, (*Server).getOrders},
		{"GetOrderStatuses", false, (*Server).getOrderStatuses},
		{"GetPayMethods", false, (*Server).getPayMethods},
		{"GetPaymentMethods", false, (*Server).getPaymentMethods},
		{"GetClientsDetails", false, (*Server).getClientsDetails},
		{"GetClients", false, (*Server).getClients},
		{"GetProducts", false, (*Server).getProducts},
		{"GetClientsProducts", false, (*Server).getClientsProducts},
		{"GetModuleQueue", false, (*Server).getModuleQueue},
		{"GetInvoice", false, (*Server).getInvoice},
		{"GetActivityLog", false, (*Server).getActivityLog},
		{"WhmcsDetails", false, (*Server).whmcsDetails},
	}
	out := make(map[string]*action, len(table))
	for _, a := range table {
		out[lowerAction(a.name)] = &a
	}
	return out
}()

// page cuts a list as limitstart and limitnum ask.
func page[T any](form *php.Array, all []T) (rows []T, start int64) {
	start = max(form.Number("limitstart"), 0)
	limit := form.Number("limitnum")
	if limit <= 0 {
		limit = 25
	}
	from := min(start, int64(len(all)))
	return all[from:min(from+limit, int64(len(all)))], start
}
