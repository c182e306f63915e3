package main

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixed is a file of single runs that has one of everything that the documents know.
func fixed(t *testing.T) *Raw {
	t.Helper()
	raw, err := load(filepath.Join("testdata", "raw.json"))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestDocumentsAreTheGoldenOnes(t *testing.T) {
	files, err := documents(fixed(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		golden := filepath.Join("testdata", f.name)
		if *update {
			if err := os.WriteFile(golden, f.content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(f.content)); diff != "" {
			t.Errorf("%s (go test ./lab/bench -update writes it anew):\n%s", golden, diff)
		}
	}
}

func TestPlotIsWellFormedAndHasItsMarks(t *testing.T) {
	plot, err := plotGaps(fixed(t))
	if err != nil {
		t.Fatal(err)
	}
	marks := 0
	for d := xml.NewDecoder(strings.NewReader(string(plot))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "g" && len(e.Attr) == 0 {
			marks++
		}
	}
	if marks != 8 {
		t.Errorf("%d marks, want 8", marks)
	}
}

func TestWhatWasNotMeasuredIsNotShown(t *testing.T) {
	raw := fixed(t)
	raw.Groups = raw.Groups[:1] // the crash at 1 s
	files, err := documents(raw)
	if err != nil {
		t.Fatal(err)
	}
	page := string(files[0].content)
	for _, heading := range []string{"## Healing", "## Loss", "## A thousand aliases", "## What it costs", "## A killed daemon"} {
		if strings.Contains(page, heading) {
			t.Errorf("%q is there", heading)
		}
	}
	if !strings.Contains(page, "| crash of the holder | 3,200 ") {
		t.Error("the crash is not")
	}
}

func TestNothingMeasuredIsNothingWritten(t *testing.T) {
	if files, err := documents(&Raw{}); err == nil {
		t.Errorf("%d files", len(files))
	}
}

func TestLineSaysWhatARunFound(t *testing.T) {
	g := Group{Story: "take", Rate: "1s", Aliases: 1000}
	for _, tt := range []struct {
		run  Run
		want string
	}{
		{Run{Program: ours, Number: 2, Values: map[string]float64{"gap_ms": 3400, "holder_pss_kb": 12, "takes": 1}, Open: []string{"gap_ms"}},
			"take 1s 1000 aliases run 2 aliasdefender: gap > 3,400 ms, holder pss 12 kB, takes 1"},
		{Run{Program: ours, Variant: "v", Number: 1, Values: map[string]float64{"takes": 1}, Failed: "why"}, "take 1s 1000 aliases run 1 aliasdefender (v): takes 1 FAILED: why"},
	} {
		if got := line(g, tt.run); got != tt.want {
			t.Errorf("got  %q\nwant %q", got, tt.want)
		}
	}
}
