package host

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host/nstest"
)

// inSpace returns the host of a new namespace that has eth0 with an address,
// and how to call it there.
func inSpace(t *testing.T) (*Host, *nstest.Space) {
	a, b := nstest.New(t), nstest.New(t)
	a.NoLinkLocal(t)
	nstest.Cable(t, a, "eth0", b, "eth0")
	a.Address(t, "eth0", "10.0.0.1/24")
	h, err := New()
	if err != nil {
		t.Fatal(err)
	}
	return h, a
}

func ordersOf(n int) (all []Placement) {
	for i := range n {
		ip := netip.AddrFrom4([4]byte{10, 0, byte(1 + i/200), byte(1 + i%200)})
		all = append(all, Placement{NIC: "eth0", Prefix: netip.PrefixFrom(ip, 32)})
	}
	return all
}

// hanging is a host whose kernel takes nothing until it is released.
func hanging(t *testing.T) (h *Host, space *nstest.Space, release chan struct{}) {
	h, space = inSpace(t)
	h.within = 20 * time.Millisecond
	release = make(chan struct{})
	h.send = func(fd int, b []byte) (int, error) {
		<-release
		return unix.Write(fd, b)
	}
	return h, space, release
}

func TestACallThatHangsIsLeftBehind(t *testing.T) {
	h, space, release := hanging(t)
	space.Do(func() {
		if _, err := h.Read(); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("read: %v", err)
		}
		h.within = time.Hour // what follows must not wait at all
		for what, errs := range map[string][]error{"add": h.Add(ordersOf(2)), "remove": h.Remove(ordersOf(2))} {
			if len(errs) != 2 || !errors.Is(errs[0], ErrNoAnswer) || !errors.Is(errs[1], ErrNoAnswer) {
				t.Errorf("%s: %v", what, errs)
			}
		}
		if _, err := h.Listen("eth0", IPv4, func([]Sighting) {}); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("listen: %v", err)
		}
		close(release)
		nstest.Gone(t, "host.withKernel")
		if s, err := h.Read(); err != nil || len(s.NICs) == 0 {
			t.Errorf("afterwards: %+v, %v", s, err)
		}
	})
}

func TestACallThatWasLeftBehindChangesNothingLater(t *testing.T) {
	h, space, release := hanging(t)
	space.Do(func() {
		if errs := h.Add(ordersOf(1)); !errors.Is(errs[0], ErrNoAnswer) {
			t.Errorf("add: %v", errs)
		}
		close(release)
		nstest.Gone(t, "host.withKernel")
		s, err := h.Read()
		if n, _ := s.NIC("eth0"); err != nil || len(n.Addrs) != 1 {
			t.Errorf("%v, %v", n.Addrs, err)
		}
	})
}

func TestAnAnswerThatDoesNotComeIsAnError(t *testing.T) {
	h, space := inSpace(t)
	h.within = 20 * time.Millisecond
	h.send = func(_ int, b []byte) (int, error) { return len(b), nil }
	space.Do(func() {
		if _, err := h.Read(); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("read: %v", err)
		}
		if errs := h.Add(ordersOf(1)); !errors.Is(errs[0], ErrNoAnswer) {
			t.Errorf("add: %v", errs)
		}
	})
	nstest.Gone(t, "host.withKernel")
}

func TestWhatWasAnsweredCountsThoughTheRestIsNot(t *testing.T) {
	h, space := inSpace(t)
	h.within = 200 * time.Millisecond
	h.send = func(fd int, b []byte) (int, error) {
		if isChange(b) {
			b = b[:binary.NativeEndian.Uint32(b)]
		}
		return unix.Write(fd, b)
	}
	space.Do(func() {
		if errs := h.Add(ordersOf(2)); errs[0] != nil || !errors.Is(errs[1], ErrNoAnswer) {
			t.Errorf("add: %v", errs)
		}
	})
}

// isChange tells a request to change something from one for a list.
func isChange(b []byte) bool {
	typ := binary.NativeEndian.Uint16(b[4:])
	return typ == unix.RTM_NEWADDR || typ == unix.RTM_DELADDR
}

func TestWhatWasDoneBeforeAFailureIsDone(t *testing.T) {
	h, space := inSpace(t)
	changes := 0
	h.send = func(fd int, b []byte) (int, error) {
		if isChange(b) {
			if changes++; changes == 2 {
				return 0, unix.ENOBUFS
			}
		}
		return unix.Write(fd, b)
	}
	space.Do(func() {
		errs := h.Add(ordersOf(3 * atOnce))
		done := slices.IndexFunc(errs, func(err error) bool { return err != nil })
		if done != atOnce || slices.ContainsFunc(errs[done:], func(err error) bool { return !errors.Is(err, unix.ENOBUFS) }) {
			t.Errorf("done %d, then %v", done, errs[done:])
		}
		s, err := h.Read()
		if n, _ := s.NIC("eth0"); err != nil || len(n.Addrs) != 1+atOnce {
			t.Errorf("%d addresses, %v", len(n.Addrs), err)
		}
	})
}

func TestAnswerToAnotherQuestionIsPassedOver(t *testing.T) {
	h, space := inSpace(t)
	strangers := 0
	h.send = func(fd int, b []byte) (int, error) {
		// First something that is refused, as if somebody before us had asked.
		other := slices.Clone(b[:binary.NativeEndian.Uint32(b)])
		binary.NativeEndian.PutUint16(other[4:], unix.RTM_DELADDR)
		binary.NativeEndian.PutUint16(other[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
		binary.NativeEndian.PutUint32(other[8:], 1<<31+7)
		strangers++
		if _, err := unix.Write(fd, other); err != nil {
			return 0, err
		}
		return unix.Write(fd, b)
	}
	space.Do(func() {
		if errs := h.Add(ordersOf(2)); errs[0] != nil || errs[1] != nil {
			t.Errorf("add: %v", errs)
		}
		s, err := h.Read()
		if n, _ := s.NIC("eth0"); err != nil || len(n.Addrs) != 3 {
			t.Errorf("read: %+v, %v", n, err)
		}
	})
	if strangers < 5 {
		t.Errorf("%d strangers", strangers)
	}
}

// The alias goes between the reading and the request.
func TestARefreshThatComesTooLateAddsNothing(t *testing.T) {
	for name, o := range map[string]Placement{
		"in the NIC's subnet": {NIC: "eth0", Prefix: netip.MustParsePrefix("10.0.0.9/24"), Lease: time.Hour},
		"of its own":          {NIC: "eth0", Prefix: netip.MustParsePrefix("10.9.9.9/32"), Lease: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			h, space := inSpace(t)
			other, err := New()
			if err != nil {
				t.Fatal(err)
			}
			space.Do(func() {
				stays := ordersOf(1)[0]
				if errs := h.Add([]Placement{o, stays}); errs[0] != nil || errs[1] != nil {
					t.Fatal(errs)
				}
			})
			h.send = func(fd int, b []byte) (int, error) {
				if isChange(b) {
					space.Do(func() {
						if errs := other.Remove([]Placement{o}); errs[0] != nil {
							t.Error(errs)
						}
					})
				}
				return unix.Write(fd, b)
			}
			space.Do(func() {
				stays := ordersOf(1)[0]
				stays.Lease = time.Minute
				if errs := h.Refresh([]Placement{o, stays}); !errors.Is(errs[0], ErrNotThere) || errs[1] != nil {
					t.Errorf("refresh: %v", errs)
				}
				s, err := h.Read()
				n, _ := s.NIC("eth0")
				if _, _, found := s.Find(o.Prefix.Addr()); err != nil || found || len(n.Addrs) != 2 {
					t.Errorf("afterwards: %+v, %v", n, err)
				}
			})
		})
	}
}

// TestTheErrorOfOneReorderedAddressIsItsOwn: another program removes one of three in the
// moment before they are put behind the host's own address.
func TestTheErrorOfOneReorderedAddressIsItsOwn(t *testing.T) {
	for removed := range 3 {
		h, space := inSpace(t)
		other, err := New()
		if err != nil {
			t.Fatal(err)
		}
		var orders []Placement
		for _, s := range []string{"10.0.0.101/24", "10.0.0.102/24", "10.0.0.103/24"} {
			orders = append(orders, Placement{NIC: "eth0", Prefix: netip.MustParsePrefix(s)})
		}
		own := Placement{NIC: "eth0", Prefix: netip.MustParsePrefix("10.0.0.1/24")}
		inIt := func(do func([]Placement) []error, orders ...Placement) (errs []error) {
			space.Do(func() { errs = do(orders) })
			return errs
		}
		if err := errors.Join(append(inIt(h.Add, orders...), inIt(h.Remove, own)...)...); err != nil {
			t.Fatal(err)
		}
		space.Address(t, "eth0", own.Prefix.String())
		h.send = func(fd int, b []byte) (int, error) {
			if isChange(b) {
				h.send = unix.Write
				if errs := inIt(other.Remove, orders[removed]); errs[0] != nil {
					t.Error(errs[0])
				}
			}
			return unix.Write(fd, b)
		}
		for i, err := range inIt(h.Reorder, orders...) {
			if (err != nil) != (i == removed) {
				t.Errorf("%v was removed, and of %v it says %v", orders[removed].Prefix, orders[i].Prefix, err)
			}
		}
	}
}

// changes are the families of the requests to change an address that one system call
// carries.
func changes(b []byte) (families []byte) {
	_ = messages(b, func(m unix.NlMsghdr, data []byte) error {
		if m.Type == unix.RTM_NEWADDR || m.Type == unix.RTM_DELADDR {
			families = append(families, data[0])
		}
		return nil
	})
	return families
}

// mixedOrders are so many orders of each family, the one by the other.
func mixedOrders(n int) (all []Placement) {
	for i, o := range ordersOf(n) {
		ip := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 14: byte(1 + i>>8), 15: byte(i)})
		all = append(all, Placement{NIC: "eth0", Prefix: netip.PrefixFrom(ip, 64)}, o)
	}
	return all
}

// hostOfBoth is a host with own addresses of both families.
func hostOfBoth(t *testing.T) (*Host, *nstest.Space) {
	h, space := inSpace(t)
	space.Do(func() {
		l, err := netlink.LinkByName("eth0")
		if err != nil {
			t.Fatal(err)
		}
		a, err := netlink.ParseAddr("2001:db8::1/64")
		if err != nil {
			t.Fatal(err)
		}
		a.Flags = unix.IFA_F_NODAD
		if err := netlink.AddrAdd(l, a); err != nil {
			t.Fatal(err)
		}
	})
	return h, space
}

func TestIPv6ComesLastAndInSmallPortions(t *testing.T) {
	h, space := hostOfBoth(t)
	const n = 300
	orders := mixedOrders(n)
	for what, do := range map[string]func([]Placement) []error{"add": h.Add, "refresh": h.Refresh, "remove": h.Remove} {
		if what != "add" {
			space.Do(func() { h.Add(orders) })
		}
		var four, six int
		h.send = func(fd int, b []byte) (int, error) {
			all := changes(b)
			of6 := len(all)
			for _, family := range all {
				if family == unix.AF_INET {
					of6--
				}
			}
			if four += len(all) - of6; of6 > 0 && four < n || of6 > 64 || len(all) > atOnce {
				t.Errorf("%s: %d requests, %d of them of IPv6, when %d of IPv4 were done", what, len(all), of6, four)
			}
			six += of6
			return unix.Write(fd, b)
		}
		space.Do(func() {
			if err := errors.Join(do(orders)...); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
		if four != n || six != n {
			t.Errorf("%s: %d and %d requests", what, four, six)
		}
		h.send = unix.Write
		space.Do(func() { h.Remove(orders) })
	}
}

// The kernel takes a while for many addresses of IPv6, and breaks off a list that changes
// before it has all been read.
func TestOurOwnChangesDoNotSpoilAReading(t *testing.T) {
	h, space := hostOfBoth(t)
	var six []Placement
	for i, o := range mixedOrders(1000) { // lists of several datagrams
		if i%2 == 0 {
			six = append(six, o)
		}
	}
	space.Do(func() {
		if err := errors.Join(h.Add(six)...); err != nil {
			t.Fatal(err)
		}
	})
	refreshed := space.Go(func() {
		for range 3 {
			if err := errors.Join(h.Refresh(six)...); err != nil {
				t.Error(err)
			}
		}
	})
	space.Do(func() {
		for done := false; !done && !t.Failed(); {
			select {
			case <-refreshed:
				done = true
			default:
			}
			if s, err := h.Read(); err != nil || len(s.NICs) < 2 || len(s.NICs[1].Addrs) != 1002 {
				t.Errorf("%v", err)
			}
		}
	})
	<-refreshed
}
