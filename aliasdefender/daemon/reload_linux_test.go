package daemon

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
)

// onSaying does something when a line is logged.
type onSaying struct {
	text string
	do   func()
}

func (o onSaying) Levels() []logrus.Level { return logrus.AllLevels }

func (o onSaying) Fire(e *logrus.Entry) error {
	if strings.HasPrefix(e.Message, o.text) {
		o.do()
	}
	return nil
}

// The client's time ends just when the files come into force: its answer is what has
// happened.
func TestAReloadThatWasAppliedIsNotCalledGivenUp(t *testing.T) {
	log := quiet()
	d := newDaemon(t, 1, log, nil)
	ctx, cancel := context.WithCancel(t.Context())
	log.AddHook(onSaying{"reloaded", cancel})
	d.start()
	if err := d.reload(ctx, false); err != nil {
		t.Errorf("the files are in force, and the answer is: %v", err)
	}
	if ctx.Err() == nil {
		t.Error("they are not in force")
	}
}

// The same for files with a mistake.
func TestAReloadThatWasRefusedIsNotCalledGivenUp(t *testing.T) {
	log := quiet()
	d := newDaemon(t, 1, log, nil)
	ctx, cancel := context.WithCancel(t.Context())
	log.AddHook(onSaying{"reload: nothing is changed", cancel})
	d.start()
	must(t, os.WriteFile(d.table, []byte("nonsense\n"), 0o644))
	if err := d.reload(ctx, false); err == nil || !strings.Contains(err.Error(), "nonsense") && !strings.Contains(err.Error(), "hostname.alias:1") {
		t.Errorf("the answer does not name the mistake: %v", err)
	}
}

// A reload changes nothing if its client has gone while the files were read. It ends
// when the disk answers again, and the next one is carried out.
func TestAReloadThatWasGivenUpChangesNothing(t *testing.T) {
	log := quiet()
	d := newDaemon(t, 1, log, nil)
	var inForce atomic.Int32
	log.AddHook(onSaying{"reloaded", func() { inForce.Add(1) }})
	read, disk := d.load, make(chan struct{})
	d.load = func() (*config.Config, error) {
		<-disk
		return read()
	}
	d.start()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := d.reload(ctx, false); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the answer is %v", err)
	}
	close(disk)
	must(t, d.reload(t.Context(), false)) // waits for the one before
	if n := inForce.Load(); n != 1 {
		t.Errorf("%d reloads were carried out", n)
	}
}

// While the kernel hangs there is no first reading. The loop must not be asked about
// it more than a few times a second, because each question wakes it.
func TestAKernelThatHangsIsNotAskedAboutWithoutEnd(t *testing.T) {
	d := newDaemon(t, 1, quiet(), nil)
	d.rhythm("20s")
	d.host.kernel = make(chan struct{})
	t.Cleanup(func() { close(d.host.kernel) }) // before the daemon is ended
	var turns atomic.Int32
	d.options.Beat = func() { turns.Add(1) }
	d.start()
	most := int32(20)
	for range 10 { // seconds: in the first there are questions, on a busy machine in a later one too
		from := turns.Load()
		<-time.After(time.Second)
		n := turns.Load() - from
		if n <= most {
			return
		}
		t.Logf("the loop turned %d times in a second", n)
	}
	t.Errorf("in no second in which nothing happened did the loop turn at most %d times", most)
}

// A table that was cut off exactly between two rows made the Monitor release the
// rest, and nobody had asked for that.
func TestATableThatWasCutShortIsRefused(t *testing.T) {
	log := quiet()
	said := make(chan string, 16)
	log.AddHook(saysTo{said})
	d := newDaemon(t, 8, log, nil)
	d.host.dead = true // nobody else serves anything
	d.start()
	d.until("all are held", heldBy("us"))
	text, err := os.ReadFile(d.table)
	must(t, err)
	rows := strings.SplitAfter(string(text), "\n")
	must(t, os.WriteFile(d.table, []byte(rows[0]), 0o644))
	c := control.Dial(d.socket)
	var refusal *control.Refusal
	if err := c.Reload(t.Context()); !errors.As(err, &refusal) || refusal.Kind != control.KindDrop {
		t.Fatalf("Reload says %v", err)
	}
	lines := strings.Split(refusal.Text, "\n")
	if len(lines) != 7 || lines[0] != d.table+": the row of alias 10.0.1.2 on eth0:2 is gone, and this host holds that alias" ||
		lines[5] != d.table+": and 2 more rows are gone whose aliases this host holds" ||
		lines[6] != "nothing is changed: if the file was not cut short, 'aliasdefender Reload --drop' releases what has no row" {
		t.Errorf("it says\n%s", refusal.Text)
	}
	if s := d.until("answers", func(control.Snapshot) bool { return true }); len(s.Aliases) != 8 || !heldBy("us")(s) {
		t.Errorf("after it %d aliases", len(s.Aliases))
	}
	// HUP likewise, and the log says it.
	for len(said) > 0 {
		<-said
	}
	d.signals <- syscall.SIGHUP
	for want := "reload: nothing is changed: the files lack rows of aliases that this host holds; "; !strings.HasPrefix(<-said, want); {
	}
	must(t, c.ReloadAndDrop(t.Context()))
	d.until("dropped", func(s control.Snapshot) bool { return len(s.Aliases) == 1 })
}

// saysTo passes on each message of a log.
type saysTo struct{ to chan string }

func (s saysTo) Levels() []logrus.Level { return logrus.AllLevels }

func (s saysTo) Fire(e *logrus.Entry) error {
	if strings.HasPrefix(e.Message, "reload") {
		s.to <- e.Message
	}
	return nil
}
