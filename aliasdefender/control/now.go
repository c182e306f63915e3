package control

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// Now says which row has put an alias where it is, and what the rows above it lacked.
// Names and values of its JSON form are kept from version to version.
type Now struct {
	Alias  string    `json:"alias"`
	NIC    string    `json:"nic"`
	At     time.Time `json:"at"`
	Row    string    `json:"row"`
	Action string    `json:"action"`
	Reason string    `json:"reason"`
	When   string    `json:"when"` // the row's condition
	Why    string    `json:"why"`
	Facts  []Fact    `json:"facts"`
	Above  []Lack    `json:"above"` // the rows before it that did not match, in the order of the table
	Far    []Lack    `json:"far"`   // rows before it that lack more than two things, or what only a key, a check or a group could bring
}

// Lack is a row that does not decide, and what would make it decide.
type Lack struct {
	Row      string   `json:"row"`
	Action   string   `json:"action"`
	Reason   string   `json:"reason"`
	Needs    []string `json:"needs,omitempty"`    // each of these alone, but for
	Together bool     `json:"together,omitempty"` // both at once
}

// Same tells whether two Lacks are the same to a reader: the same row, deed and reason.
func (l Lack) Same(other Lack) bool {
	return l.Row == other.Row && l.Action == other.Action && l.Reason == other.Reason
}

// Now asks which row has put an alias where it is; without an address it asks about all
// aliases. Like Status it is answered on the readers' socket too.
func (c *Client) Now(ctx context.Context, alias string) ([]Now, error) {
	all, err := c.now(ctx, alias)
	return orReaders(c, err, all, func(c *Client) ([]Now, error) { return c.now(ctx, alias) })
}

func (c *Client) now(ctx context.Context, alias string) (all []Now, err error) {
	err = c.do(ctx, http.MethodGet, "/v1/now?alias="+url.QueryEscape(alias), nil, &all)
	return all, err
}
