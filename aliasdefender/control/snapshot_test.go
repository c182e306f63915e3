package control

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestASnapshotWrittenInPartsIsTheSameJSON(t *testing.T) {
	for _, s := range []Snapshot{
		{Version: "1", Aliases: []Alias{}},
		{Version: "1", Aliases: []Alias{{Alias: "10.0.0.1"}}},
		{Version: "1", Drill: &Drill{Aliases: []Drilled{{Alias: "10.0.0.1"}}}, Aliases: []Alias{{Alias: "10.0.0.1"}}},
		{Version: "1", Routes: []Route{{Route: "192.0.2.32/27"}, {Route: "192.0.2.64/27", Why: `"aliases":[`}}, Aliases: []Alias{}},
		{Version: "1", Routes: []Route{{Route: "192.0.2.32/27"}}, Aliases: []Alias{{Alias: "10.0.0.1"}}},
		{Version: "1", Problems: []string{`a text with "aliases":[ in it`}, Aliases: []Alias{
			{Alias: "10.0.0.1", Facts: []Fact{{Name: "router"}}}, {Alias: "10.0.0.2", Why: "<&>"}, {Alias: "10.0.0.3"},
		}},
	} {
		var parts, compact bytes.Buffer
		if err := s.Write(&parts); err != nil {
			t.Fatal(err)
		}
		whole, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Compact(&compact, parts.Bytes()); err != nil {
			t.Fatalf("%v in %s", err, &parts)
		}
		if diff := cmp.Diff(string(whole), compact.String()); diff != "" {
			t.Error(diff)
		}
	}
}

// largest is the greatest single write.
type largest int

func (l *largest) Write(b []byte) (int, error) {
	*l = max(*l, largest(len(b)))
	return len(b), nil
}

func TestASnapshotOfManyIsNeverWholeInMemory(t *testing.T) {
	s := Snapshot{Routes: make([]Route, 4096), Aliases: make([]Alias, 1000)}
	for i := range s.Routes {
		s.Routes[i].Hops = make([]Hop, 32)
	}
	var most largest
	if err := s.Write(&most); err != nil || most > 64<<10 {
		t.Errorf("%d bytes at once, %v", most, err)
	}
}
