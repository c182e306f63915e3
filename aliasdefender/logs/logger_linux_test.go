package logs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/host"
)

// fakeLogger is a directory with a logger(1), a shell script.
func fakeLogger(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "logger"), []byte("#!/bin/sh\n"+script), 0o755))
	return dir
}

func TestLoggerGetsPriorityTagAndTheWholeLine(t *testing.T) {
	dir := fakeLogger(t, `for a; do echo "$a"; done >>"$(dirname "$0")/got"`)
	l := newLogger(host.Programs(dir), func(s string) { t.Errorf("told: %s", s) })
	text := `took it alias=172.16.1.2 facts="link good, 'silent' $(date) ` + "`id`" + `"`
	want := ""
	for level, word := range map[logrus.Level]string{
		logrus.ErrorLevel: "err", logrus.WarnLevel: "warning", logrus.InfoLevel: "info", logrus.DebugLevel: "debug", logrus.FatalLevel: "crit",
	} {
		must(t, l.write(t.Context(), line{level: level, text: text}))
		want += fmt.Sprintf("-p\ndaemon.%s\n-t\naliasdefender[%d]\n%s\n", word, os.Getpid(), text)
	}
	got, err := os.ReadFile(filepath.Join(dir, "got"))
	must(t, err)
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestLoggerThatFailsIsToldOnceAndKeepsNothingBack(t *testing.T) {
	dir := fakeLogger(t, `case $5 in bad*) echo "logger: no" >&2; exit 1 ;; esac; echo "$5" >>"$(dirname "$0")/got"`)
	told := 0
	l := newLogger(host.Programs(dir), func(s string) {
		told++
		if !strings.Contains(s, "logger: no") {
			t.Errorf("told: %s", s)
		}
	})
	l.pause = time.Millisecond
	for _, text := range []string{"bad 1", "bad 2", "good 1", "bad 3", "good 2"} {
		if err := l.write(t.Context(), line{text: text}); (err != nil) != strings.HasPrefix(text, "bad") {
			t.Errorf("%s: %v", text, err)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "got"))
	must(t, err)
	if string(got) != "good 1\ngood 2\n" || told != 2 {
		t.Errorf("told %d times, want once for each of two outages; written:\n%s", told, got)
	}
}

func TestLoggerThatHangsDelaysNobody(t *testing.T) {
	dir := fakeLogger(t, `exec sleep 1000`)
	l := newLogger(host.Programs(dir), func(string) {})
	q := startQueue(16, l.write)
	begun := time.Now()
	for range 100 {
		q.put(line{text: "x"})
	}
	lost := q.close(50 * time.Millisecond)
	if d := time.Since(begun); d > time.Minute || lost != 100 {
		t.Errorf("%d lines counted as lost, in %v", lost, d)
	}
	<-q.ended // and the program does not outlive it
}

func TestMissingLoggerIsAnError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newLogger(host.Programs(t.TempDir()), func(string) {}).write(ctx, line{}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
