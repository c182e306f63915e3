package system

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
)

// figure is what one story cost the clients.
type figure struct {
	manager, story string
	gap            time.Duration // the longest time without an answer; 0: none that counts (stage.Gaps)
	noise          time.Duration // how long the machine itself stood still meanwhile
	both           time.Duration // how long two hosts had the alias
	by             string        // who served at the end
	wrong          []string      // what was wrong at the end
}

// cell is the figure in the table.
func (f figure) cell() string {
	cell := "none"
	if f.gap > 0 {
		cell = fmt.Sprintf("%d", f.gap.Milliseconds())
	}
	if f.by != "a" {
		cell += " → " + f.by
	}
	if len(f.wrong) > 0 {
		cell += " **!**"
	}
	return cell
}

// report is what all stories cost.
type report struct {
	versions string
	file     string // where save writes it; "": nowhere
	figures  []figure
}

// markdown is the table: a line for each story, a column for each manager of
// addresses. Below it stands in words what did not end well.
func (r *report) markdown() string {
	var managers, stories, wrong []string
	cells := map[[2]string]string{}
	var both, noise time.Duration
	for _, f := range r.figures {
		if !slices.Contains(managers, f.manager) {
			managers = append(managers, f.manager)
		}
		if !slices.Contains(stories, f.story) {
			stories = append(stories, f.story)
		}
		cells[[2]string{f.story, f.manager}] = f.cell()
		both, noise = max(both, f.both), max(noise, f.noise)
		for _, w := range f.wrong {
			wrong = append(wrong, fmt.Sprintf("- %s, %s: %s", f.manager, f.story, strings.Join(strings.Fields(w), " ")))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s Both hosts had the alias for %.1f ms at most. The machine itself stood still for %d ms at most.\n\n",
		r.versions, both.Seconds()*1000, noise.Milliseconds())
	fmt.Fprintf(&b, "| clients' longest gap, ms | %s |\n|---%s|\n", strings.Join(managers, " | "), strings.Repeat("|---:", len(managers)))
	for _, s := range stories {
		fmt.Fprintf(&b, "| %s |", s)
		for _, m := range managers {
			cell, played := cells[[2]string{s, m}]
			if !played {
				cell = "–"
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		fmt.Fprintln(&b)
	}
	if len(wrong) > 0 {
		fmt.Fprintf(&b, "\n**!** did not end as it should:\n\n%s\n", strings.Join(wrong, "\n"))
	}
	return b.String()
}

// versions says what was measured, and on which machine.
func versions(t *testing.T) string {
	t.Helper()
	var u unix.Utsname
	stage.Must(t, unix.Uname(&u))
	ours, err := command(t, *systemDir+"/sysv-program/usr/local/sbin/aliasdefender", "--version")
	stage.Must(t, err)
	text, err := os.ReadFile(*systemDir + "/sysv/etc/debian_version")
	stage.Must(t, err)
	return fmt.Sprintf("Measured on %s: %s, Debian %s, Linux %s, %d processors.", time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		strings.TrimSpace(ours), strings.TrimSpace(string(text)), unix.ByteSliceToString(u.Release[:]), runtime.NumCPU())
}

// save writes the results so far.
func (r *report) save(t *testing.T) {
	t.Helper()
	if r.file != "" {
		stage.Must(t, os.WriteFile(r.file, []byte(r.markdown()), 0o644))
	}
}
