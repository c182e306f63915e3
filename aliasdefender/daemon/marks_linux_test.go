package daemon

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"alias-defender/aliasdefender/control"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/store"
)

var (
	placedHere  = netip.MustParsePrefix("10.0.1.1/16")
	placedThere = netip.MustParsePrefix("10.0.1.2/16")
)

func at(p netip.Prefix) []host.Placement { return []host.Placement{{NIC: "eth0", Prefix: p}} }

// ours are the addresses that a reading shows as a Monitor's.
func ours(t *testing.T, k *marks) (all []netip.Prefix) {
	t.Helper()
	s, err := k.Read()
	must(t, err)
	for _, a := range s.NICs[0].Addrs {
		if a.Ours {
			all = append(all, a.Prefix)
		}
	}
	return all
}

// again is what the next Monitor knows.
func again(t *testing.T, k *marks) *marks {
	t.Helper()
	must(t, k.write())
	next := newMarks(k.Network, k.dir)
	must(t, next.open(startWithin))
	return next
}

func TestWhatAMonitorPutHereIsKnownWithoutAMarkOfTheKernel(t *testing.T) {
	f := newFakeHost()
	f.plain = true
	k := newMarks(f, t.TempDir())
	must(t, k.open(startWithin))
	must(t, k.Add(at(placedHere))[0])
	must(t, f.Add(at(placedThere))[0]) // by somebody else
	for _, who := range []string{"the same Monitor", "and again", "the next"} {
		if who == "the next" {
			k = again(t, k)
		}
		if all := ours(t, k); len(all) != 1 || all[0] != placedHere {
			t.Errorf("%s: %v", who, all)
		}
	}
	rebooted := newMarks(f, k.dir)
	rebooted.boot = "another"
	must(t, rebooted.open(startWithin))
	if all := ours(t, rebooted); len(all) > 0 {
		t.Errorf("after a reboot: %v", all)
	}
	seen, err := System{Host: f}.Marked(k.dir)
	must(t, err)
	if i := slices.IndexFunc(seen.NICs[0].Addrs, func(a host.Address) bool { return a.Prefix == placedHere }); !seen.NICs[0].Addrs[i].Ours {
		t.Error("Check does not see it")
	}
}

// between has its reader look while Reorder is under way.
type between struct {
	*fakeHost
	look func()
}

func (b *between) Reorder(orders []host.Placement) []error {
	b.fakeHost.Remove(orders)
	b.look()
	return b.fakeHost.Add(orders)
}

func TestWhatIsRemovedAndAddedAgainInOneGoKeepsItsMark(t *testing.T) {
	f := &between{fakeHost: newFakeHost()}
	f.plain = true
	k := newMarks(f, t.TempDir())
	f.look = func() {
		if all := ours(t, k); len(all) > 0 {
			t.Errorf("in between: %v", all)
		}
	}
	must(t, k.Add(at(placedHere))[0])
	ours(t, k)
	must(t, k.Reorder(at(placedHere))[0])
	if all := ours(t, k); len(all) != 1 {
		t.Errorf("afterwards: %v", all)
	}
}

func TestWhatWasRemovedIsNoMonitorsWhenAnotherAddsIt(t *testing.T) {
	for _, byUs := range []bool{true, false} {
		f := newFakeHost()
		f.plain = true
		k := newMarks(f, t.TempDir())
		must(t, k.Add(at(placedHere))[0])
		if all := ours(t, k); len(all) != 1 {
			t.Fatalf("%v", all)
		}
		if byUs {
			must(t, k.Remove(at(placedHere))[0])
		} else {
			must(t, f.Remove(at(placedHere))[0])
			ours(t, k)
		}
		must(t, f.Add(at(placedHere))[0])
		if all := append(ours(t, k), ours(t, again(t, k))...); len(all) > 0 {
			t.Errorf("by us %v: %v", byUs, all)
		}
	}
}

func TestWhereTheKernelKeepsAMarkNoFileIsWritten(t *testing.T) {
	k := newMarks(newFakeHost(), t.TempDir())
	must(t, k.Add(at(placedHere))[0])
	if all := ours(t, k); len(all) != 1 || len(k.changed) > 0 || len(k.marked)+len(k.added) > 0 {
		t.Errorf("%v, %v, %v", all, k.marked, k.added)
	}
}

func TestAMonitorWritesWhatItHasPutHere(t *testing.T) {
	d := newDaemon(t, 1, quiet(), nil)
	d.host.plain, d.host.dead = true, true
	d.marks = newMarks(d.host, filepath.Dir(d.table))
	d.options.Network = d.marks
	d.start()
	onDisk := func() []store.Mark {
		all, err := store.ReadPlaced(d.marks.dir, d.marks.boot)
		must(t, err)
		return all
	}
	d.until("the alias is here, and on the disk", func(s control.Snapshot) bool { return s.Aliases[0].Holder == "us" && len(onDisk()) == 1 })
	if all := onDisk(); all[0] != (store.Mark{Prefix: placedHere, NIC: "eth0"}) {
		t.Errorf("%v", all)
	}
	if _, err := control.Dial(d.socket).Order(t.Context(), control.Order{Alias: placedHere.Addr(), Remove: true, Force: true}); err != nil {
		t.Fatal(err)
	}
	d.until("the file has forgotten it", func(control.Snapshot) bool { return len(onDisk()) == 0 })
}

func TestADamagedFileOfMarksMarksNothing(t *testing.T) {
	f := newFakeHost()
	f.plain, f.has = true, map[netip.Prefix]bool{placedHere: true}
	k := newMarks(f, t.TempDir())
	must(t, os.WriteFile(filepath.Join(k.dir, store.PlacedName), []byte("10.0.1.1/16 eth0\n"), 0o644))
	if err := k.open(startWithin); err == nil {
		t.Error("it is not said")
	}
	if all := ours(t, k); len(all) > 0 {
		t.Errorf("%v", all)
	}
}

func TestAnOrderWithoutAMonitorTakesTheMarkToo(t *testing.T) {
	o, file := aloneAt(t, "")
	f := newFakeHost()
	f.plain = true
	open := o.Open
	o.Open = func() (System, error) {
		s, err := open()
		s.Host = f
		return s, err
	}
	alias := netip.MustParsePrefix("10.77.0.100/24")
	k := newMarks(f, filepath.Dir(file))
	must(t, k.Add(at(alias))[0])
	ours(t, k)
	must(t, k.write())
	out, err := Alone(t.Context(), o, control.Order{Alias: alias.Addr(), Remove: true})
	if err != nil || len(out) != 1 || !out[0].Done || f.has[alias] {
		t.Fatalf("%+v, %v", out, err)
	}
	if all, err := store.ReadPlaced(k.dir, k.boot); err != nil || len(all) > 0 {
		t.Errorf("%v, %v", all, err)
	}
}
