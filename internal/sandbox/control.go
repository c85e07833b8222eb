package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orderbridge/orderbridge/internal/sandbox/pubsub"
	"github.com/orderbridge/orderbridge/internal/sandbox/salesforce"
	"github.com/orderbridge/orderbridge/internal/sandbox/whmcs"
)

const maxControlBody = 8 << 20

// control is the control API.
func (s *Sandbox) control() http.Handler {
	mux := http.NewServeMux()
	handle(mux, "GET /v1/info", func(struct{}) (Info, error) { return s.Info, nil })
	handle(mux, "POST /v1/seed", s.Seed)
	handle(mux, "POST /v1/customers", func(c Customer) (Customer, error) { return s.NewCustomer(c.PayMethod) })
	handle(mux, "POST /v1/orders", s.NewOrder)
	handle(mux, "POST /v1/approve", s.approve)
	handle(mux, "POST /v1/paymethods", s.changePayMethod)
	handle(mux, "POST /v1/salesforce/products", func(r ProductRequest) (struct{}, error) { return struct{}{}, s.UpdateProduct(r.SKU, r.Fields) })
	handle(mux, "POST /v1/salesforce/records", s.changeRecord)
	handle(mux, "POST /v1/tokens/revoke", func(struct{}) (RevokeResult, error) { return RevokeResult{s.Salesforce.RevokeTokens()}, nil })
	handle(mux, "POST /v1/events", s.publish)
	handle(mux, "POST /v1/bus", s.changeBus)
	handle(mux, "POST /v1/network", func(r NetworkRequest) (struct{}, error) { return struct{}{}, s.SetDown(r.System, r.Down) })
	handle(mux, "POST /v1/whmcs/orders", s.changeWhmcsOrder)
	handle(mux, "POST /v1/whmcs/clients", s.changeClient)
	handle(mux, "POST /v1/whmcs/products", func(p whmcs.Product) (struct{}, error) { return struct{}{}, s.Whmcs.PutProduct(p) })
	handle(mux, "GET /v1/clock", func(struct{}) (ClockState, error) { return s.clockState(), nil })
	handle(mux, "POST /v1/clock", s.moveClock)
	handle(mux, "GET /v1/state", func(struct{}) (State, error) { return s.State(), nil })
	handle(mux, "GET /v1/audit", func(struct{}) (Audit, error) { return s.Audit(), nil })
	handle(mux, "GET /v1/journal", func(struct{}) ([]whmcs.Entry, error) { return s.Whmcs.Journal(), nil })
	handle(mux, "GET /v1/counters", func(struct{}) (Counters, error) { return s.counters(), nil })
	handle(mux, "DELETE /v1/counters", s.resetCounters)
	s.faultRoutes(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeError(w, http.StatusNotFound, fmt.Errorf("the control API has no %s %s", r.Method, r.URL.Path))
	})
	return mux
}

func (s *Sandbox) faultRoutes(mux *http.ServeMux) {
	handle(mux, "GET /v1/faults", func(struct{}) (Faults, error) {
		return Faults{s.Salesforce.Faults(), s.PubSub.Faults(), s.Whmcs.Faults()}, nil
	})
	handle(mux, "GET /v1/faults/whmcs/kinds", func(struct{}) ([]KindInfo, error) { return whmcsKinds(), nil })
	handle(mux, "POST /v1/faults/whmcs", s.Whmcs.SetFault)
	handle(mux, "POST /v1/faults/salesforce", func(f salesforce.Fault) (salesforce.Fault, error) {
		id, err := s.Salesforce.SetFault(f)
		f.ID = id
		return f, err
	})
	handle(mux, "POST /v1/faults/pubsub", func(f pubsub.Fault) (pubsub.Fault, error) { return f, s.PubSub.Inject(f) })
	mux.HandleFunc("DELETE /v1/faults/{system}", s.clearFaults)
}

// handle serves one route: the body is strict JSON, the result is JSON, an error is 400 with its text.
func handle[Q, A any](mux *http.ServeMux, pattern string, serve func(Q) (A, error)) {
	mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		var q Q
		if r.Method == http.MethodPost {
			dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody))
			dec.DisallowUnknownFields()
			err := dec.Decode(&q)
			if _, more := dec.Token(); err == nil && !errors.Is(more, io.EOF) {
				err = errors.New("there is more after the JSON object")
			}
			if err != nil && !errors.Is(err, io.EOF) {
				writeError(w, http.StatusBadRequest, fmt.Errorf("%s: the body is not what is wanted here: %w", r.URL.Path, err))
				return
			}
		}
		answer, err := serve(q)
		if err != nil {
			writeError(w, http.StatusBadRequest, err)
			return
		}
		writeJSON(w, http.StatusOK, answer)
	})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		status, data = http.StatusInternalServerError, []byte(`{"error":"the answer could not be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n')) // the client has gone if this fails
}

type controlError struct {
	Error string `json:"error"`
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, controlError{err.Error()})
}

func (s *Sandbox) approve(r ApproveRequest) (struct{}, error) {
	for _, id := range r.OrderIDs {
		if err := s.Salesforce.Approve(id); err != nil {
			return struct{}{}, err
		}
	}
	return struct{}{}, nil
}

func (s *Sandbox) changePayMethod(r PayMethodRequest) (struct{}, error) {
	if r.Remove {
		return struct{}{}, s.Whmcs.RemovePayMethods(r.ClientID)
	}
	_, err := s.Whmcs.AddPayMethod(r.ClientID, r.Method)
	return struct{}{}, err
}

func (s *Sandbox) changeRecord(r RecordRequest) (struct{}, error) {
	if r.Delete {
		return struct{}{}, s.Salesforce.Delete(r.ID)
	}
	return struct{}{}, s.Salesforce.Update(r.ID, r.Fields)
}

func (s *Sandbox) publish(r EventRequest) (EventResult, error) {
	var id string
	var err error
	switch {
	case r.Duplicate:
		err = s.PubSub.Duplicate(r.Topic)
	case r.Payload != nil:
		if r.SchemaID == "" {
			r.SchemaID, _, _ = s.PubSub.Schema(r.Topic)
		}
		id, err = s.PubSub.PublishRaw(r.Topic, r.SchemaID, r.Payload)
	default:
		id, err = s.PubSub.Publish(r.Topic, r.Fields)
	}
	return EventResult{id}, err
}

func (s *Sandbox) changeBus(r BusRequest) (BusResult, error) {
	var out BusResult
	if (r.CanPublish == nil) != (r.CanSubscribe == nil) {
		return out, errors.New("canPublish and canSubscribe go together")
	}
	if r.Remove && !slices.Contains(s.PubSub.Topics(), r.Topic) {
		return out, fmt.Errorf("there is no topic %q", r.Topic)
	}
	if r.Reset {
		s.PubSub.Reset()
	}
	if r.DeliveryLimit != nil {
		s.PubSub.SetDeliveryLimit(*r.DeliveryLimit)
	}
	if r.ZeroCreditError != nil {
		s.PubSub.SetZeroCreditError(*r.ZeroCreditError)
	}
	if r.Remove {
		s.PubSub.RemoveTopic(r.Topic)
	}
	if r.Schema != "" {
		if err := s.PubSub.DefineTopic(r.Topic, r.Schema); err != nil {
			return out, err
		}
	}
	if r.CanPublish != nil && r.CanSubscribe != nil {
		if err := s.PubSub.SetAccess(r.Topic, *r.CanPublish, *r.CanSubscribe); err != nil {
			return out, err
		}
	}
	if r.Cut != nil {
		if err := r.Cut.Check(); err != nil {
			return out, err
		}
		out.Cut = s.PubSub.Cut(*r.Cut)
	}
	return out, nil
}

func (s *Sandbox) changeWhmcsOrder(r WhmcsOrderRequest) (whmcs.Order, error) {
	if r.OrderID == 0 {
		return s.Whmcs.PlaceOrder(r.ClientID, r.PID, r.Notes)
	}
	if r.Status == "" {
		return whmcs.Order{}, errors.New("an order needs a status")
	}
	if err := s.Whmcs.SetOrderStatus(r.OrderID, r.Status); err != nil {
		return whmcs.Order{}, err
	}
	orders := s.Whmcs.Orders()
	i := slices.IndexFunc(orders, func(o whmcs.Order) bool { return o.ID == r.OrderID })
	return orders[i], nil
}

func (s *Sandbox) changeClient(r ClientStatusRequest) (struct{}, error) {
	known := []string{whmcs.StatusActive, whmcs.StatusInactive, whmcs.StatusClosed}
	if !slices.Contains(known, r.Status) {
		return struct{}{}, fmt.Errorf("there is no status %q: a client is %s", r.Status, strings.Join(known, ", "))
	}
	return struct{}{}, s.Whmcs.UpdateClient(r.ClientID, func(c *whmcs.Client) { c.Status = r.Status })
}

func (s *Sandbox) clockState() ClockState { return ClockState{s.Clock.Now(), s.Clock.Scale()} }

func (s *Sandbox) moveClock(r ClockRequest) (ClockState, error) {
	var err error
	if r.Scale != 0 {
		err = errors.Join(err, s.Clock.SetScale(r.Scale))
	}
	if !r.Set.IsZero() {
		err = errors.Join(err, s.Clock.Set(r.Set))
	}
	if r.Advance != 0 {
		err = errors.Join(err, s.Clock.Advance(time.Duration(r.Advance)))
	}
	return s.clockState(), err
}

func (s *Sandbox) counters() Counters {
	return Counters{s.Salesforce.Counters(), s.PubSub.Counters(), s.Whmcs.Counters()}
}

func (s *Sandbox) resetCounters(struct{}) (struct{}, error) {
	s.Salesforce.ResetCounters()
	s.Whmcs.ResetCounters()
	return struct{}{}, nil
}

// clearFaults switches off one fault by its id, or all of one side, or with "all" everything.
func (s *Sandbox) clearFaults(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("id")
	number, err := strconv.Atoi(id)
	switch system := r.PathValue("system"); {
	case system == "all":
		s.Salesforce.ClearFaults()
		s.PubSub.ClearFaults()
		s.Whmcs.ClearFaults()
	case system == "salesforce" && id != "" && err == nil:
		s.Salesforce.ClearFault(number)
	case system == "salesforce" && id == "":
		s.Salesforce.ClearFaults()
	case system == "pubsub" && id == "":
		s.PubSub.ClearFaults()
	case system == "whmcs" && id != "":
		s.Whmcs.RemoveFault(id)
	case system == "whmcs":
		s.Whmcs.ClearFaults()
	default:
		writeError(w, http.StatusBadRequest, fmt.Errorf("clear the faults of %q, id %q: use all, salesforce, pubsub (without id) or whmcs", system, id))
		return
	}
	writeJSON(w, http.StatusOK, struct{}{})
}

func whmcsKinds() []KindInfo {
	var out []KindInfo
	for _, k := range whmcs.KindNames() {
		out = append(out, KindInfo{k, whmcs.KindDoc(whmcs.Kind(k))})
	}
	return out
}
