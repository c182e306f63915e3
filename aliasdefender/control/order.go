package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"time"
)

// OrderWithin is how long an operator's order may take at most. It waits for answers from
// the network, or until none has come, in the rhythm that the administrator chose; with
// the default rhythm that takes some seconds.
const OrderWithin = 2 * time.Minute

// Order is an operator's order: RemoveAlias if Remove is set, Handover if Give is set,
// Maintenance if Maintenance is set; AddAlias if none of them is set.
type Order struct {
	Alias  netip.Addr `json:"alias,omitzero"` // the zero Addr: every alias of the file
	Remove bool       `json:"remove,omitempty"`
	Give   bool       `json:"give,omitempty"`
	Force  bool       `json:"force,omitempty"`
	DryRun bool       `json:"dry_run,omitempty"`

	Maintenance Switch `json:"maintenance,omitempty"` // of this host, with all its aliases

	// Within is how long the order may take, at most OrderWithin. For an alias for which
	// it is not carried out by then, it is withdrawn. 0: the Monitor decides.
	Within time.Duration `json:"within_ns,omitempty"`

	// Drill marks an order that a drill gives inside the Monitor; it does not come over
	// the socket. It unparks nothing, and gives way to operators: if an operator has
	// ordered something for an alias since the drill handed it over, the operator's order
	// stands.
	Drill bool `json:"-"`
}

// Switch says to turn something on or off, or to leave it alone.
type Switch string

// Its values.
const (
	Leave Switch = ""
	On    Switch = "on"
	Off   Switch = "off"
)

// KindAlias is the kind of refusal for an order about an address that is no alias.
const KindAlias Kind = "alias"

// Order gives an order to the Monitor and waits until it is carried out or refused; the
// Outcomes tell this for each alias. It may take OrderWithin. If ctx ends earlier, the
// order is withdrawn for each alias for which it is not yet carried out.
//
// The error is a *Refusal of KindAlias if the order fits no alias of the file.
func (c *Client) Order(ctx context.Context, o Order) ([]Outcome, error) {
	// First ask something that is answered at once: this tells a Monitor that takes its
	// time from one that is stopped.
	if _, err := c.Status(ctx, false); err != nil {
		return nil, err
	}
	patient := &Client{socket: c.socket, web: c.web}
	patient.web.Timeout = OrderWithin + writeWithin
	var all []Outcome
	err := patient.do(ctx, http.MethodPost, "/v1/orders", o, &all)
	return all, err
}

// order is the server's side of Order.
func (s *Server) order() http.Handler {
	return s.answer(OrderWithin, func(r *http.Request) (any, error) {
		in := json.NewDecoder(r.Body)
		in.DisallowUnknownFields() // an order that is only half understood must not be carried out
		var o Order
		if err := in.Decode(&o); err != nil {
			return nil, errUnknownOrder
		}
		if _, err := in.Token(); !errors.Is(err, io.EOF) {
			return nil, errUnknownOrder
		}
		if !slices.Contains([]Switch{Leave, On, Off}, o.Maintenance) || o.Within < 0 || o.Within > OrderWithin {
			return nil, errUnknownOrder
		}
		return s.handlers.Order(r.Context(), o)
	})
}

// errUnknownOrder is answered like an unknown path: the client has another version.
var errUnknownOrder = errors.New("unknown order")
