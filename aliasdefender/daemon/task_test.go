package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
)

// quiet is a log that nobody reads.
func quiet() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// The others are there until the first has ended, whatever becomes of the context,
// and have ended when all is over.
func TestTasksEndAfterTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		failed := errors.New("no more")
		first := task{"first", func(ctx context.Context) error {
			time.Sleep(time.Second) // an end takes its time
			order = append(order, "first")
			if ctx.Err() != nil {
				t.Error("the first is not to end with the context")
			}
			return failed
		}, atOnce()}
		other := task{"other", func(ctx context.Context) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			order = append(order, "other")
			return nil
		}, atOnce()}
		if err := runAll(ctx, quiet(), first, []Task{other}); !errors.Is(err, failed) {
			t.Errorf("the error is %v", err)
		}
		if diff := cmp.Diff([]string{"first", "other"}, order); diff != "" {
			t.Errorf("the end (-want +got):\n%s", diff)
		}
	})
}

// A task that cannot go on is named in the log, once, and the others go on.
func TestATaskThatEndsByItselfIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		log := logrus.New()
		log.SetOutput(&text)
		broken := task{"the door", func(context.Context) error { return errors.New("it is stuck") }, atOnce()}
		first := task{"first", func(context.Context) error {
			synctest.Wait()
			if n := strings.Count(text.String(), "the door ended"); n != 1 || !strings.Contains(text.String(), "it is stuck") {
				t.Errorf("the log says: %s", text.String())
			}
			return nil
		}, atOnce()}
		if err := runAll(t.Context(), log, first, []Task{broken}); err != nil {
			t.Error(err)
		}
	})
}
