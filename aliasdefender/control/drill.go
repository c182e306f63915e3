package control

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// DrillWithin is how long a drill may take at most. It goes on if its client leaves.
const DrillWithin = 3 * time.Minute

// The outcomes of a drill.
const (
	DrillGood       = "good"       // the alias went and came back, and no host saw a longer gap than the bound
	DrillGap        = "gap"        // it went and came back, with a longer gap
	DrillUnmeasured = "unmeasured" // it went and came back, but a gap may have been missed
	DrillFailed     = "failed"     // it did not go, or did not come back
	DrillRefused    = "refused"    // it was not begun
)

// DrillOutcomes are all outcomes of a drill.
var DrillOutcomes = []string{DrillGood, DrillGap, DrillUnmeasured, DrillFailed, DrillRefused}

// Drill is the result of a drill. Names and values of its JSON form are kept from version
// to version.
type Drill struct {
	At      time.Time `json:"at"` // when it began
	TookMS  int64     `json:"took_ms"`
	Outcome string    `json:"outcome"`
	Text    string    `json:"text"`           // the outcome as a sentence
	Next    string    `json:"next,omitempty"` // what somebody has to do now
	BoundMS int64     `json:"bound_ms"`       // the longest gap that is good
	Aliases []Drilled `json:"aliases"`        // that moved
}

// Drilled is one alias of a drill.
type Drilled struct {
	Alias      string   `json:"alias"`
	Us         *Measure `json:"us,omitempty"`          // nil: not measured
	Partner    *Measure `json:"partner,omitempty"`     // nil: not measured, or not told
	PartnerWhy string   `json:"partner_why,omitempty"` // why there are no figures of the partner's
}

// Measure is what one host saw of an alias, by its own clock.
type Measure struct {
	Asked   uint32  `json:"asked"`    // questions put to the alias
	Lost    uint32  `json:"lost"`     // of them, not answered within the bound
	GapMS   float64 `json:"gap_ms"`   // the longest: from the putting of an answered question to the arrival of the next answer, where one between was lost or late
	PauseMS float64 `json:"pause_ms"` // the longest time without a question
}

// KindDrill is the kind of refusal for a drill that was not begun.
const KindDrill Kind = "drill"

// Drill makes the Monitor do a drill of one alias, and waits for its end. The error is a
// *Refusal of KindDrill if the drill was not begun, and of KindAlias if there is no such
// alias.
func (c *Client) Drill(ctx context.Context, alias string) (Drill, error) {
	patient := &Client{socket: c.socket, web: c.web}
	patient.web.Timeout = DrillWithin + writeWithin
	var d Drill
	err := patient.do(ctx, http.MethodPost, "/v1/drill?alias="+url.QueryEscape(alias), nil, &d)
	return d, err
}

// drill is the server's side of Drill.
func (s *Server) drill() http.Handler {
	return s.answer(DrillWithin, func(r *http.Request) (any, error) {
		return s.handlers.Drill(r.Context(), r.URL.Query().Get("alias"))
	})
}
