package page

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"alias-defender/aliasdefender/record"
)

// What a reader may cost.
const (
	chunk         = 64 << 10         // bytes that are written at a time
	chunkWithin   = 10 * time.Second // and how long that may take: who does not read is cut off
	messageWithin = 30 * time.Second // and a whole message: who reads slowly must not hold it for minutes
	batch         = 500              // events in a message, other than the first
)

// stream sends a reader the newest snapshot and what happens, as server-sent events, until the
// reader leaves or does not read. Snapshots that are skipped meanwhile nobody misses: each is
// whole. No event that is kept is skipped.
func (p *Page) stream(w http.ResponseWriter, r *http.Request) {
	leave := p.join()
	defer leave()
	out := http.NewResponseController(w)
	// The server bounds the time for the question and for the answer; this answer has no end.
	_ = out.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	var shown uint64
	at := place{generation: -1}
	for {
		p.mu.Lock()
		now, changed := p.state, p.changed
		var news []record.Event
		anew := false
		if p.story != nil {
			news, anew, at = p.events.after(at)
		}
		p.mu.Unlock()
		if now.number > shown && now.text != nil {
			shown = now.number
			if !send(w, out, now.text) {
				return
			}
		}
		if anew || len(news) > 0 {
			if !send(w, out, eventsMessage(news, anew)) {
				return
			}
			continue // there may be more already
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

// eventsMessage is a message with events; anew: they replace those that the reader has.
func eventsMessage(news any, anew bool) []byte {
	text, err := json.Marshal(news)
	if err != nil {
		return nil // an event that cannot be shown is missing in the list only
	}
	if anew {
		return message("all", text)
	}
	return message("more", text)
}

// message is a text as a server-sent event of that name.
func message(name string, text []byte) []byte {
	text = bytes.ReplaceAll(bytes.TrimSpace(text), []byte("\n"), []byte("\ndata: "))
	return append(append([]byte("event: "+name+"\ndata: "), text...), "\n\n"...)
}

// send writes a message, within its time.
func send(w http.ResponseWriter, out *http.ResponseController, text []byte) bool {
	end := time.Now().Add(messageWithin)
	for len(text) > 0 {
		piece := text[:min(chunk, len(text))]
		text = text[len(piece):]
		_ = out.SetWriteDeadline(earlier(time.Now().Add(chunkWithin), end))
		if _, err := w.Write(piece); err != nil {
			return false
		}
	}
	return out.Flush() == nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// quoted is a text as JSON.
func quoted(text string) []byte {
	b, _ := json.Marshal(text) // a text always can be
	return b
}
