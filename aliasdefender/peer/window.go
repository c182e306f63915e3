package peer

// window remembers which numbers were heard: the highest, and which of the 64 up to it.
// An older number cannot be told from a replay.
type window struct {
	highest uint64 // 0: none yet
	seen    uint64 // bit i: highest-i was heard
}

// has says whether n was heard, or is too old to tell.
func (w *window) has(n uint64) bool {
	if n > w.highest {
		return false
	}
	behind := w.highest - n
	return behind >= 64 || w.seen&(1<<behind) != 0
}

func (w *window) add(n uint64) {
	if n > w.highest {
		w.seen = w.seen<<min(n-w.highest, 64) | 1
		w.highest = n
	} else if behind := w.highest - n; behind < 64 {
		w.seen |= 1 << behind
	}
}
