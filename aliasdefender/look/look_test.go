package look

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/inspect"
	"alias-defender/aliasdefender/probe"
)

// crowd is a host with n aliases.
func crowd(n int) *inspect.Subject {
	s := &inspect.Subject{Aliases: "hostname.alias", Config: &config.Config{}, Sysctls: map[string]string{}, Host: &host.State{
		NICs:   []host.NIC{{Name: "eth0", Index: 2, Up: true, Carrier: true, Addrs: []host.Address{{Prefix: netip.MustParsePrefix("10.0.255.4/16")}}}},
		Routes: []host.Route{{NIC: "eth0", Gateway: netip.MustParseAddr("10.0.255.1")}},
	}}
	addr := netip.MustParseAddr("10.0.0.0")
	for i := range n {
		addr = addr.Next()
		s.Config.Aliases = append(s.Config.Aliases, config.Alias{Line: i + 1, NIC: "eth0", Label: "eth0:1", Addr: addr, Prefix: netip.PrefixFrom(addr, 16),
			Partner: config.Partner{Name: "10.0.255.5", Addr: netip.MustParseAddr("10.0.255.5")}})
	}
	return s
}

// ears counts the questions of a segment on which the router alone answers.
type ears struct {
	see   func([]host.Sighting)
	asked *atomic.Int64
}

func (e ears) Ask(target, from netip.Addr, to host.HW) error {
	e.asked.Add(1)
	if target == netip.MustParseAddr("10.0.255.1") {
		e.see([]host.Sighting{{NIC: "eth0", At: time.Now(), Sender: target, HW: host.HW{2, 1}, Target: from, Reply: true}})
	}
	return nil
}

func (ears) Close() error { return nil }

// However many aliases there are, and whoever is silent, a look ends soon, and says what it
// left out.
func TestALookEndsSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		begun := time.Now()
		found := Network(t.Context(), crowd(1000), Asker{
			Ping: func(ctx context.Context, q probe.Question) (bool, error) {
				time.Sleep(q.Timeout)
				return false, nil
			},
			Listen: func(_ string, _ host.Family, see func([]host.Sighting)) (Wire, error) { return ears{see, &asked}, nil },
			Monitor: func(ctx context.Context) (control.Snapshot, error) {
				<-ctx.Done()
				return control.Snapshot{}, errors.New("it hangs")
			},
		})
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if n := asked.Load(); n == 0 || n > 3*(256+2) {
			t.Errorf("%d frames to all of the segment", n)
		}
		said := map[string]inspect.Severity{}
		for _, f := range found {
			said[f.About+": "+f.What] = f.Severity
		}
		for what, severity := range map[string]inspect.Severity{
			"network: 744 aliases were left out, because Check asks about 256 at most":                         inspect.Unknown,
			"Monitor: it could not be asked: it hangs":                                                         inspect.Unknown,
			"alias 10.0.0.1 on eth0 and 999 more: partner 10.0.255.5 answers neither ICMP nor ARP":             inspect.Fault,
			"alias 10.0.0.1 on eth0 and 999 more: router 10.0.255.1 answers ARP and no pings: it filters ICMP": inspect.Note,
			"alias 10.0.0.1 on eth0 and 999 more: router 10.0.255.1 answers ARP in 0.1 ms":                     inspect.Good,
			"alias 10.0.1.0 on eth0: nobody has it":                                                            inspect.Note,
		} {
			if said[what] != severity {
				t.Errorf("%s: %v, want %v", what, said[what], severity)
			}
		}
	})
}

func TestWhoMayNotAskAsksNobody(t *testing.T) {
	found := Network(t.Context(), crowd(1), Asker{Lacking: "no rights",
		Ping:   func(context.Context, probe.Question) (bool, error) { t.Error("it pings"); return false, nil },
		Listen: func(string, host.Family, func([]host.Sighting)) (Wire, error) { t.Error("it listens"); return nil, nil },
	})
	if len(found) != 1 || found[0].Severity != inspect.Unknown {
		t.Errorf("%v", found)
	}
}
