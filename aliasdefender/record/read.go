package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
)

// loadMost is how much of the event log is read for Why: some eight thousand events,
// which take a tenth of a second.
const loadMost = 8 << 20

// Skipped is what a reader left out.
type Skipped struct {
	Lines int  // lines that are no events: rubbish, or cut off by a crash
	Long  int  // lines that are longer than any event
	Torn  bool // the newest line has no end: a crash cut it off, or it is being written
}

// Limits bounds what is read.
type Limits struct {
	Events int   // the newest so many events
	Bytes  int64 // in the newest so many bytes
}

// Read returns the newest events of the event log in dir, oldest first. They come in the
// order in which they were written, whatever their clocks say. If there is no log, there
// are none. The error names files that cannot be read; the events of the others are
// returned all the same.
//
// It waits for the disk: a caller that must not wait runs it beside.
func Read(dir string, limits Limits) ([]Event, Skipped, error) {
	var events []Event
	skipped, err := Scan(dir, limits.Bytes, func(e Event) {
		if len(events) >= 2*limits.Events { // not at every event
			events = last(events, limits.Events)
		}
		events = append(events, e)
	})
	return last(events, limits.Events), skipped, err
}

// Load reads what earlier runs wrote about a Ring's aliases and routes and puts it before what the
// Ring has. It waits for the disk: run it beside the loop.
func Load(dir string, r *Ring) (Skipped, error) {
	r.mu.Lock()
	old := NewRing() // bounded like the Ring itself
	for s := range r.aliases {
		old.aliases[s] = nil
	}
	r.mu.Unlock()
	skipped, err := Scan(dir, loadMost, func(e Event) {
		if _, yes := old.aliases[e.about()]; yes {
			old.Put(e)
		}
	})
	for s := range old.aliases {
		r.Preload(old.of(s))
	}
	return skipped, err
}

// Scan calls each with the events in the newest most bytes of the event log in dir,
// oldest first. See Read.
func Scan(dir string, most int64, each func(Event)) (skipped Skipped, err error) {
	files, err := openLogs(dir)
	var parts []part
	for _, f := range files {
		defer f.Close()
		info, serr := f.Stat()
		if serr != nil {
			err = errors.Join(err, serr)
			continue
		}
		size := max(0, min(info.Size(), most))
		most -= size
		parts = append(parts, part{f, info.Size() - size, size})
	}
	for i, p := range slices.Backward(parts) {
		torn, perr := p.scan(&skipped, each)
		if torn && i == 0 {
			skipped.Torn = true
		} else if torn {
			skipped.Lines++
		}
		err = errors.Join(err, perr)
	}
	return skipped, err
}

// openLogs opens the files of the event log that exist, the newest first. During a
// rotation it may find one file under two names.
func openLogs(dir string) (files []*os.File, err error) {
	var seen []fs.FileInfo
	for n := range logOld + 1 {
		f, oerr := openRegular(logPath(dir, n), os.O_RDONLY)
		if errors.Is(oerr, fs.ErrNotExist) {
			continue
		}
		if oerr != nil {
			err = errors.Join(err, explain(oerr))
			continue
		}
		info, serr := f.Stat()
		if serr != nil || slices.ContainsFunc(seen, func(i fs.FileInfo) bool { return os.SameFile(i, info) }) {
			err = errors.Join(err, serr)
			f.Close()
			continue
		}
		files, seen = append(files, f), append(seen, info)
	}
	return files, err
}

// part is the end of a file.
type part struct {
	f    *os.File
	from int64 // where it begins
	size int64
}

// scan reads the lines of a part, each in bounded memory.
func (p part) scan(skipped *Skipped, each func(Event)) (torn bool, err error) {
	begin := p.from
	if begin > 0 {
		begin-- // to see whether a line begins at p.from
	}
	in := bufio.NewReaderSize(io.NewSectionReader(p.f, begin, p.from+p.size-begin), maxLine)
	within := begin < p.from // then the rest of a line comes first
	long := false
	for {
		text, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = true
			continue
		case err != nil && !errors.Is(err, io.EOF):
			return false, err
		}
		end := err == nil // the line has an end
		text = bytes.TrimSpace(text)
		switch e, ok := parse(text); {
		case within || len(text) == 0 && !long:
		case long && end:
			skipped.Long++
		case !long && ok:
			each(e)
		case end:
			skipped.Lines++
		default:
			torn = true
		}
		if !end {
			return torn, nil
		}
		within, long = false, false
	}
}

// parse reads one line. In every version an event has a number, a kind and a time.
func parse(text []byte) (e Event, ok bool) {
	if len(text) == 0 || text[0] != '{' || json.Unmarshal(text, &e) != nil {
		return Event{}, false
	}
	return e, e.Seq > 0 && e.Kind != "" && !e.Time.IsZero()
}
