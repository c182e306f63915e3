package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	monday  = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	tuesday = monday.AddDate(0, 0, 1)
)

func TestALaterSessionReplacesWhatItMeasuredAndNothingElse(t *testing.T) {
	raw := &Raw{}
	raw.merge(Session{At: monday}, Group{Story: "crash", Rate: "1s", Aliases: 1, Session: monday})
	raw.merge(Session{At: monday}, Group{Story: "cpu", Rate: "1s", Aliases: 1, Session: monday})
	raw.merge(Session{At: monday}, Group{Story: "cpu", Rate: "1s", Aliases: 100, Session: monday})
	name := filepath.Join(t.TempDir(), "new", "raw.json")
	if err := raw.save(name); err != nil {
		t.Fatal(err)
	}
	raw, err := load(name)
	if err != nil {
		t.Fatal(err)
	}
	raw.merge(Session{At: tuesday}, Group{Story: "cpu", Rate: "1s", Aliases: 1, Session: tuesday})
	want := &Raw{
		Sessions: []Session{{At: monday}, {At: tuesday}},
		Groups: []Group{
			{Story: "crash", Rate: "1s", Aliases: 1, Session: monday},
			{Story: "cpu", Rate: "1s", Aliases: 1, Session: tuesday},
			{Story: "cpu", Rate: "1s", Aliases: 100, Session: monday},
		},
	}
	if diff := cmp.Diff(want, raw); diff != "" {
		t.Error(diff)
	}
	raw.merge(Session{At: tuesday}, Group{Story: "cpu", Rate: "1s", Aliases: 100, Session: tuesday})
	raw.merge(Session{At: tuesday}, Group{Story: "crash", Rate: "1s", Aliases: 1, Session: tuesday})
	if diff := cmp.Diff([]Session{{At: tuesday}}, raw.Sessions); diff != "" {
		t.Errorf("a session of which nothing is left is forgotten: %s", diff)
	}
}

func TestAFileThatIsNoneOfOursIsRefusedAndLeftAlone(t *testing.T) {
	for _, tt := range []struct{ name, content, want string }{
		{"not JSON", "gap 3", "raw.json: not a file of single runs"},
		{"another JSON", `{"runs": 1}`, "raw.json: not a file of single runs"},
		{"a lost session", `{"Groups": [{"Story": "crash", "Rate": "1s", "Session": "2026-03-02T10:00:00Z"}]}`,
			"raw.json: crash at 1s is of the session of 2026-03-02T10:00:00Z, which is not there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "raw.json")
			if err := os.WriteFile(name, []byte(tt.content), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := load(name)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "-raw") {
				t.Errorf("%v; want %q and what to do", err, tt.want)
			}
		})
	}
}

func TestNoFileYetIsAnEmptyOne(t *testing.T) {
	raw, err := load(filepath.Join(t.TempDir(), "none.json"))
	if err != nil || len(raw.Groups) != 0 {
		t.Errorf("%+v, %v", raw, err)
	}
}
