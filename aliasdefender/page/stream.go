package page

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"
)

// What a reader may cost.
const (
	chunk       = 64 << 10         // bytes that are written at a time
	chunkWithin = 10 * time.Second // and how long that may take: who does not read is cut off
	batch       = 500              // events in one message, the newest
)

// stream sends a reader the newest snapshot and what happens, as server-sent events, until the
// reader leaves or does not read. What is skipped meanwhile nobody misses: each snapshot is
// whole.
func (p *Page) stream(w http.ResponseWriter, r *http.Request) {
	leave := p.join()
	defer leave()
	out := http.NewResponseController(w)
	// The server bounds the time for the question and for the answer; this answer has no end.
	_ = out.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	var shown, from uint64
	generation := -1
	for {
		p.mu.Lock()
		now, changed := p.state, p.changed
		var text []byte
		if p.story != nil && (p.events.generation != generation || p.events.next > from) {
			anew := p.events.generation != generation
			if anew {
				generation, from = p.events.generation, 0
			}
			news := p.events.since(from, batch)
			from = p.events.next
			p.mu.Unlock()
			text = eventsMessage(news, anew)
		} else {
			p.mu.Unlock()
		}
		if now.number > shown {
			shown = now.number
			if !send(w, out, now.text) {
				return
			}
		}
		if text != nil && !send(w, out, text) {
			return
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

// send writes a message, each piece within its time.
func send(w http.ResponseWriter, out *http.ResponseController, text []byte) bool {
	for len(text) > 0 {
		piece := text[:min(chunk, len(text))]
		text = text[len(piece):]
		_ = out.SetWriteDeadline(time.Now().Add(chunkWithin))
		if _, err := w.Write(piece); err != nil {
			return false
		}
	}
	return out.Flush() == nil
}

// quoted is a text as JSON.
func quoted(text string) []byte {
	b, _ := json.Marshal(text) // a text always can be
	return b
}
