package program

import (
	"fmt"
	"strings"
	"testing"
)

func TestLinesAreBounded(t *testing.T) {
	n, last := 0, ""
	o := Lines{Out: func(line string) { n, last = n+1, line }}
	fmt.Fprint(&o, strings.Repeat("x\n", 1000))
	o.Close()
	if n != MostLines+1 || last != "(and 800 bytes more)" {
		t.Errorf("%d lines, at last %q", n, last)
	}
}
