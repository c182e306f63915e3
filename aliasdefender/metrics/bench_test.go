package metrics

import (
	"fmt"
	"testing"

	"alias-defender/aliasdefender/control"
)

// many is a source with a thousand aliases, each with all that a healthy one has.
func many() Source {
	s := whole()
	one := s.Aliases[0]
	s.Aliases, s.Counts.Probes = nil, nil
	for i := range 1000 {
		a := one
		a.Alias = fmt.Sprintf("10.0.%d.%d", i/250, i%250)
		s.Aliases = append(s.Aliases, a)
		s.Counts.Probes = append(s.Counts.Probes, control.Probes{Addr: a.Alias, NIC: "eth0", Sent: 9})
	}
	return s
}

func BenchmarkPageOfAThousandAliases(b *testing.B) {
	s := many()
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(Write(s))))
	}
}

// TestAThousandAliasesAreAPageOfBoundedSize: Prometheus takes it in, and so does a Monitor's
// memory. What it takes is bytes and not time, which a busy machine would change.
func TestAThousandAliasesAreAPageOfBoundedSize(t *testing.T) {
	text := Write(many())
	if n := len(text); n > 6<<20 {
		t.Errorf("%d bytes", n)
	}
	if n := len(rows(t, text)); n > 50_000 {
		t.Errorf("%d rows", n)
	}
}
