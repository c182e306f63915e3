package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"alias-defender/aliasdefender/files"
	"alias-defender/aliasdefender/rules"
)

// writer is the goroutine of a Log: only it touches the disk.
type writer struct {
	log    *Log
	outage outage

	f      file  // nil: not open
	size   int64 // of f
	dirty  bool  // something was written since the last fsync
	synced time.Time
	looked time.Time // when f was last compared with what the path leads to
	last   bool      // no more events come: this is the last turn
	text   bytes.Buffer
}

// file is what the writer needs of an *os.File.
type file interface {
	io.Writer
	io.ReaderAt
	io.Closer
	Stat() (fs.FileInfo, error)
	Sync() error
	Truncate(size int64) error
}

func (w *writer) run() {
	defer w.close()
	for {
		idle := false
		w.outage.begin(w.log)
		err := w.step(&idle)
		if err != nil {
			w.close()
		}
		w.outage.end(w.log, idle, err)
		if (idle || err != nil) && !w.wait(err) {
			return
		}
	}
}

// step writes what fits into one write, and calls fsync if that is due. idle tells
// whether there was nothing to write.
func (w *writer) step(idle *bool) error {
	if err := w.ready(); err != nil {
		return err
	}
	n := w.log.encode(&w.text, int(min(batchRoom, w.log.segment())))
	*idle = n == 0
	if n > 0 {
		if err := w.write(); err != nil {
			return err
		}
	}
	if w.dirty && (w.last && *idle || time.Since(w.synced) >= syncEvery) {
		return w.sync()
	}
	return nil
}

// wait waits for something to do. It returns false when nothing more will come.
func (w *writer) wait(err error) bool {
	if w.last {
		return false
	}
	filled, after := w.log.filled, time.Duration(-1)
	switch {
	case err != nil:
		filled, after = nil, retryAfter
	case w.dirty:
		after = max(0, syncEvery-time.Since(w.synced))
	}
	var due <-chan time.Time
	if after >= 0 {
		t := time.NewTimer(after)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-filled:
	case <-due:
	case <-w.log.ending:
		w.last = true
	}
	return true
}

// encode puts the oldest queued events as lines into b, as many as room bytes hold, and
// returns how many. They stay in the queue until they are written.
func (l *Log) encode(b *bytes.Buffer, room int) (n int) {
	l.mu.Lock()
	if len(l.queue) == 0 {
		l.count()
	}
	events := l.queue // events in the queue are never changed, only followed by more
	l.mu.Unlock()
	b.Reset()
	for n < len(events) && b.Len()+maxLine <= room {
		encode(b, events[n])
		n++
	}
	return n
}

// written takes the n oldest events off the queue.
func (l *Log) written(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = min(n, len(l.queue)) // Run may have given up, and emptied the queue
	clear(l.queue[:n])
	if l.queue = l.queue[n:]; len(l.queue) == 0 {
		l.queue = nil // give back the memory that a storm took
	}
}

// encode adds an event as one line of at most maxLine bytes. If an event is longer, it
// loses its facts and the ends of its texts.
func encode(b *bytes.Buffer, e Event) {
	if y := e.Time.Year(); y < 0 || y > 9999 { // JSON has no other years
		e.Time = time.Unix(0, 0)
	}
	short := e
	short.Facts = nil
	for _, s := range []*string{
		&short.Alias.NIC, &short.Label, (*string)(&short.Kind), &short.Text, &short.Partner, &short.Error,
		&short.Decision.Row, &short.Decision.Action, &short.Decision.Reason, &short.Decision.Why,
	} {
		if len(*s) > maxLine/100 {
			*s = strings.ToValidUTF8((*s)[:maxLine/100], "") + "…"
		}
	}
	lost := Event{Run: e.Run, Seq: e.Seq, Time: e.Time, Kind: Lost, Level: rules.Warning, Drops: 1, Text: "an event too long for one line"}

	begin := b.Len()
	out := json.NewEncoder(b)
	out.SetEscapeHTML(false)
	for _, e := range []Event{e, short, lost} {
		if err := out.Encode(e.line()); err == nil && b.Len()-begin <= maxLine {
			return
		}
		b.Truncate(begin)
	}
}

// write writes the encoded lines, and takes off the queue what the disk has accepted.
func (w *writer) write() error {
	text := w.text.Bytes()
	if w.size > 0 && w.size+int64(len(text)) > w.log.segment() {
		if err := w.rotate(); err != nil {
			return err
		}
	}
	n, err := w.f.Write(text)
	whole := bytes.LastIndexByte(text[:n], '\n') + 1
	w.size += int64(whole)
	w.dirty = w.dirty || whole > 0
	w.log.written(bytes.Count(text[:whole], []byte{'\n'}))
	if err != nil && n > whole {
		return errors.Join(err, w.f.Truncate(w.size)) // otherwise the next to open the file finds a torn line
	}
	return err
}

// ready opens f if need be, and checks once a second that f is still what the path leads
// to: an administrator may have moved it away.
func (w *writer) ready() error {
	path := w.log.path(0)
	if w.f != nil && time.Since(w.looked) >= syncEvery {
		w.looked = time.Now()
		there, err := os.Lstat(path)
		is, ferr := w.f.Stat()
		if err != nil || ferr != nil || !os.SameFile(there, is) {
			w.close()
		} else {
			w.size = is.Size()
		}
	}
	if w.f != nil {
		return nil
	}
	if err := files.MakeDir(w.log.dir); err != nil {
		return err
	}
	w.log.trim()
	f, err := w.log.open(path)
	if err != nil {
		return err
	}
	w.f, w.looked = f, time.Now()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	w.size = info.Size()
	end := []byte{'\n'}
	if w.size > 0 {
		if _, err := f.ReadAt(end, w.size-1); err != nil {
			return err
		}
	}
	if end[0] != '\n' { // end a line that a crash tore, so that the next line is not joined to it
		n, err := f.Write([]byte{'\n'})
		w.size += int64(n)
		return err
	}
	return nil
}

// rotate moves the full file aside and opens a new one.
func (w *writer) rotate() error {
	if w.dirty {
		if err := w.sync(); err != nil {
			return err
		}
	}
	w.close()
	if err := w.log.shift(); err != nil {
		return err
	}
	return w.ready()
}

func (w *writer) sync() error {
	err := w.f.Sync()
	w.dirty, w.synced = false, time.Now()
	return err
}

func (w *writer) close() {
	if w.f != nil {
		_ = w.f.Close() // everything worth keeping is synced
		w.f, w.dirty = nil, false
	}
}
