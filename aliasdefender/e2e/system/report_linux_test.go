package system

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/e2e/stage"
)

// figure is what one story has cost the clients.
type figure struct {
	manager, story string
	gap            time.Duration // the longest without an answer
	noise          time.Duration // for how long the machine itself stood still meanwhile
	both           time.Duration // for how long two had the alias
	by             string        // who served at the end
	wrong          []string      // what was not as it should be at the end
}

// report is the table of all stories.
type report struct {
	versions string
	figures  []figure
}

// markdown is the table: a line for each story and manager. A gap below 20 ms is none, and
// so is one that the machine's own standing still explains (stage.Gaps).
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", r.versions)
	fmt.Fprintln(&b, "| addresses by | story | clients' longest gap, ms | machine's own, ms | held by both, ms | served by, at the end | at the end |")
	fmt.Fprintln(&b, "|---|---|---:|---:|---:|---|---|")
	for _, f := range r.figures {
		end := "well"
		if len(f.wrong) > 0 {
			end = strings.ReplaceAll(strings.Join(f.wrong, "; "), "\n", " / ")
		}
		both := "none"
		if f.both > 0 {
			both = fmt.Sprintf("%.1f", f.both.Seconds()*1000)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %s | %s | %s |\n", f.manager, f.story, ms(f.gap), f.noise.Milliseconds(), both, f.by, end)
	}
	return b.String()
}

// ms writes a time in ms; none where it is shorter than a gap that counts.
func ms(d time.Duration) string {
	if d < gapCounts {
		return "none"
	}
	return fmt.Sprintf("%d", d.Milliseconds())
}

// gapCounts is the length from which on a time without an answer is called a gap.
const gapCounts = 20 * time.Millisecond

// versions says on what was measured.
func versions(t *testing.T) string {
	t.Helper()
	var u unix.Utsname
	stage.Must(t, unix.Uname(&u))
	return fmt.Sprintf("Measured on %s, Linux %s, %d processors.", time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		unix.ByteSliceToString(u.Release[:]), runtime.NumCPU())
}

// write prints the table, and writes it to the file that -report names.
func (r *report) write(t *testing.T) {
	t.Helper()
	text := r.markdown()
	fmt.Println(text)
	if *reportFile != "" {
		stage.Must(t, os.WriteFile(*reportFile, []byte(text), 0o644))
	}
}
