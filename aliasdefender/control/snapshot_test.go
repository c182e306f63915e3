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
