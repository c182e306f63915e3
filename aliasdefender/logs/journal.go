package logs

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// JournalEnv is how systemd tells us which file leads to the journal: its device and
// inode (systemd.exec(5)).
const JournalEnv = "JOURNAL_STREAM"

// IsJournal tells whether w leads to the journal. There a line has priority 6 unless
// it begins with another.
func IsJournal(w io.Writer) bool {
	f, ok := Raw(w).(*os.File) // package cli escapes what is written there
	said := os.Getenv(JournalEnv)
	if !ok || said == "" {
		return false
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return false
	}
	return said == fmt.Sprintf("%d:%d", st.Dev, st.Ino)
}

// Prefix is what gives a line of the journal its priority: "<4>" (sd-daemon(3)).
func Prefix(l logrus.Level) string { return fmt.Sprintf("<%d>", severity(l)) }

// Prefixed writes lines to w, with the level in front of each if w leads to the
// journal.
func Prefixed(w io.Writer, l logrus.Level, text string) {
	before := ""
	if IsJournal(w) {
		before = Prefix(l)
	}
	for line := range strings.Lines(text) {
		fmt.Fprintf(w, "%s%s\n", before, strings.TrimRight(line, "\n"))
	}
}
