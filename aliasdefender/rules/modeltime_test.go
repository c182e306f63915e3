package rules

import "time"

// ticks is how long ago something was; it stops at old. never means that there is no
// time.
type ticks uint8

func (a *ticks) pass() {
	if *a < old {
		*a++
	}
}

var agoTable = func() (t [256]time.Time) {
	for i := range t[:old+1] {
		t[i] = noon.Add(-time.Duration(i) * tick)
	}
	return t
}()

func (a ticks) time() time.Time { return agoTable[a] }

func (a ticks) fast(by time.Duration) time.Time {
	if a == never {
		return time.Time{}
	}
	return noon.Add(-time.Duration(a) * by * tick)
}

func agoOf(t time.Time, by time.Duration) ticks {
	if t.IsZero() {
		return never
	}
	return ticks(min(noon.Sub(t)/(by*tick), time.Duration(old)))
}

// left is how many ticks remain until something; forever if it has no end.
type left int8

const forever left = 127

func (l left) time() time.Time {
	if l == forever {
		return time.Time{}
	}
	return noon.Add(time.Duration(l) * tick)
}

func leftOf(t time.Time) left {
	if t.IsZero() {
		return forever
	}
	return left(max(t.Sub(noon)/tick, -2))
}

// duration is the rest of a lease; 0: for ever.
func (l left) duration() time.Duration {
	if l == forever {
		return 0
	}
	return time.Duration(l) * tick
}

func (l *left) pass() {
	if *l != forever && *l > -2 {
		*l--
	}
}
