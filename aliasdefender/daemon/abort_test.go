package daemon

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnAbortSaysEachGoroutineInOneLine(t *testing.T) {
	got := standing(`goroutine 1 [running]:
alias-defender/aliasdefender/defender.(*loop).turn(0xc000, {0x1, 0x2})
	/src/aliasdefender/defender/loop.go:120 +0x1f
alias-defender/aliasdefender/defender.(*loop).run(0xc000)
	/src/aliasdefender/defender/loop.go:80 +0x2a

goroutine 7 [select, 3 minutes]:
alias-defender/aliasdefender/probe.(*Pinger).read(0xc0)
	/src/aliasdefender/probe/pinger_linux.go:61 +0x3c
created by alias-defender/aliasdefender/probe.NewPinger in goroutine 1
	/src/aliasdefender/probe/pinger_linux.go:40 +0x11

goroutine 8 [select, 3 minutes]:
alias-defender/aliasdefender/probe.(*Pinger).read(0xc8)
	/src/aliasdefender/probe/pinger_linux.go:61 +0x3c
created by alias-defender/aliasdefender/probe.NewPinger in goroutine 1
	/src/aliasdefender/probe/pinger_linux.go:40 +0x11
`)
	want := `[running]: defender.(*loop).turn (loop.go:120) defender.(*loop).run (loop.go:80)
2 times [select, 3 minutes]: probe.(*Pinger).read (pinger_linux.go:61) probe.NewPinger in goroutine 1 (pinger_linux.go:40)
`
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}
