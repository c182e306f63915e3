package logs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// asJournal is a file that the environment says is the journal's.
func asJournal(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	t.Setenv(JournalEnv, fmt.Sprintf("%d:%d", st.Dev, st.Ino))
	return f
}

func TestEachLineForTheJournalHasItsPriority(t *testing.T) {
	f := asJournal(t)
	log, end := Open(Options{To: Stderr, Stderr: f})
	log.Error("an error")
	log.Warn("a warning")
	log.Info("two\nlines")
	end()
	Prefixed(Escape(f), logrus.ErrorLevel, "first\nsecond\n")
	log, end = Open(Options{To: Stderr, Stderr: Escape(f)})
	log.Warn("from a verb")
	end()
	text, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	want := `^<3>\S+ \S+ error +an error
<4>\S+ \S+ warning a warning
<6>\S+ \S+ info +two\\nlines
<3>first
<3>second
<4>\S+ \S+ warning from a verb
$`
	if !regexp.MustCompile(want).Match(text) {
		t.Errorf("the journal reads:\n%s", text)
	}
}

// A daemon's standard error that was sent elsewhere keeps the environment.
func TestAFileThatIsNotTheJournalGetsNoPriorities(t *testing.T) {
	asJournal(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "elsewhere"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	Prefixed(f, logrus.ErrorLevel, "first\n")
	if text, _ := os.ReadFile(f.Name()); string(text) != "first\n" {
		t.Errorf("written: %q", text)
	}
}
