package route

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/hearing"
	"alias-defender/aliasdefender/host"
	"alias-defender/aliasdefender/host/hosttest"
	"alias-defender/aliasdefender/probe"
	"alias-defender/aliasdefender/record"
)

// world is a router, its kernel, and the hosts behind it.
type world struct {
	t *testing.T
	k *Keeper

	mu      sync.Mutex
	nics    []host.NIC
	routes  []host.TableRoute
	dead    map[netip.Addr]bool // hosts that do not answer
	failing map[string]bool     // checks that fail
	hangs   bool                // whoever is asked by a check does not answer
	wakes   []func()
	sees    map[host.Side]func([]host.Sighting)
	events  []record.Event
	calls   []string // what was asked of the kernel
	takes   time.Duration
	reads   time.Duration // a reading of the tables tells what was there so long ago
	readErr error
	ended   chan error
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, dead: map[netip.Addr]bool{}, failing: map[string]bool{}, sees: map[host.Side]func([]host.Sighting){}, ended: make(chan error, 1)}
	for i, all := range [][]string{{"10.1.0.1/24", "2001:db8::1/64"}, {"10.2.0.1/24"}} {
		n := host.NIC{Name: fmt.Sprintf("eth%d", i), Index: i + 2, HW: host.HW{2, byte(i)}, Up: true, Carrier: true}
		for _, p := range all {
			n.Addrs = append(n.Addrs, host.Address{Prefix: netip.MustParsePrefix(p), Label: n.Name})
		}
		w.nics = append(w.nics, n)
	}
	return w
}

// play runs a story with a Keeper of these settings.
func play(t *testing.T, settings string, story func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start(settings)
		story(w)
		w.end(false)
	})
}

func configOf(t *testing.T, settings string) *config.Config {
	t.Helper()
	f, err := config.ParseSettings(strings.NewReader(settings), "aliasdefender.toml")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Join(nil, f)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func (w *world) options(settings string) Options {
	log := logrus.New()
	log.SetOutput(io.Discard)
	begun := time.Now()
	return Options{
		Config: configOf(w.t, settings), Tables: w, Watch: w.watch, Listen: w.listen, Ping: w.ping, Check: w.check,
		Boottime: func() time.Duration { return time.Since(begun) }, Log: log,
		Record: func(e record.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	}
}

func (w *world) start(settings string) { w.startWith(w.options(settings)) }

func (w *world) startWith(o Options) {
	w.k = New(o)
	k := w.k
	go func() { w.ended <- k.Run(context.Background()) }()
}

func (w *world) end(withdraw bool) {
	w.t.Helper()
	w.k.End(withdraw)
	if err := <-w.ended; err != nil {
		w.t.Error(err)
	}
}

// change has f change the world, and the kernel tell of it.
func (w *world) change(f func()) {
	w.mu.Lock()
	f()
	wakes := slices.Clone(w.wakes)
	w.mu.Unlock()
	for _, wake := range wakes {
		wake()
	}
}

func (w *world) watch(ctx context.Context, _ func(netip.Prefix) bool, wake func()) error {
	w.mu.Lock()
	w.wakes = append(w.wakes, wake)
	w.mu.Unlock()
	wake()
	<-ctx.Done()
	return nil
}

func (w *world) Read() (host.State, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var s host.State
	for _, n := range w.nics {
		n.Addrs = slices.Clone(n.Addrs)
		s.NICs = append(s.NICs, n)
	}
	return s, w.readErr
}

func (w *world) ReadRoutes(tables []int, of func(netip.Prefix) bool) (all []host.TableRoute, err error) {
	w.mu.Lock()
	defer func() {
		late := w.reads
		w.mu.Unlock()
		time.Sleep(late)
	}()
	for _, six := range []bool{false, true} {
		for _, table := range tables {
			for _, r := range w.routes {
				if r.Table == table && r.Prefix.Addr().Is6() == six && (r.Ours || of(r.Prefix)) {
					r.Hops = slices.Clone(r.Hops)
					all = append(all, r)
				}
			}
		}
	}
	return all, w.readErr
}

func (w *world) OurRoutes() (all []host.TableRoute, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.routes {
		if r.Ours {
			all = append(all, r)
		}
	}
	return all, w.readErr
}

// put inserts a route in the kernel's order: by metric, and of one metric the oldest first,
// unless it is to stand in front.
func (w *world) put(r host.TableRoute, inFront bool) {
	at := slices.IndexFunc(w.routes, func(o host.TableRoute) bool {
		return o.Prefix == r.Prefix && o.Table == r.Table && (o.Metric > r.Metric || inFront && o.Metric == r.Metric)
	})
	if at < 0 {
		at = len(w.routes)
	}
	w.routes = slices.Insert(w.routes, at, r)
}

// find is the first route with that key, and the first that is ours; -1: none.
func (w *world) find(k host.RouteKey) (first, ours int) {
	first = slices.IndexFunc(w.routes, func(r host.TableRoute) bool { return r.Key() == k })
	ours = slices.IndexFunc(w.routes, func(r host.TableRoute) bool { return r.Key() == k && r.Ours })
	return first, ours
}

// reaches tells whether the kernel accepts the hops.
func (w *world) reaches(r host.TableRoute) error {
	for _, h := range r.Hops {
		i := slices.IndexFunc(w.nics, func(n host.NIC) bool { return n.Name == h.NIC && n.Up })
		if i < 0 || !slices.ContainsFunc(w.nics[i].Addrs, func(a host.Address) bool { return host.Has(a.Prefix, h.Gateway) }) {
			return errors.New("the kernel reaches no such next hop")
		}
	}
	return nil
}

// each does something to each order, and has the kernel tell of it.
func (w *world) each(what string, orders []host.TableRoute, do func(host.TableRoute) error) []error {
	time.Sleep(w.takes)
	errs := make([]error, len(orders))
	w.change(func() {
		w.calls = append(w.calls, fmt.Sprintf("%s %d", what, len(orders)))
		for i, o := range orders {
			errs[i] = do(o)
		}
	})
	return errs
}

func (w *world) AddRoutes(orders []host.TableRoute) []error {
	return w.each("add", orders, func(o host.TableRoute) error {
		if first, _ := w.find(o.Key()); first >= 0 {
			return host.ErrRouteThere
		}
		err := w.reaches(o)
		if err == nil {
			o.Ours = true
			w.put(o, false)
		}
		return err
	})
}

func (w *world) ReplaceRoutes(orders []host.TableRoute) []error {
	return w.each("replace", orders, func(o host.TableRoute) error {
		first, _ := w.find(o.Key())
		switch {
		case first < 0:
			return host.ErrNotThere
		case !w.routes[first].Ours:
			return host.ErrNotOurs
		}
		err := w.reaches(o)
		if err == nil {
			w.routes[first].Hops = o.Hops
		}
		return err
	})
}

func (w *world) RemoveRoutes(orders []host.TableRoute) []error {
	return w.each("remove", orders, func(o host.TableRoute) error {
		if _, ours := w.find(o.Key()); ours >= 0 {
			w.routes = slices.Delete(w.routes, ours, ours+1)
		}
		return nil
	})
}

// Foreign and Delete are an administrator's hands.
func (w *world) Foreign(r host.TableRoute) error {
	r.Ours = false
	w.change(func() { w.put(r, true) })
	return nil
}

func (w *world) Delete(r host.TableRoute) error {
	w.change(func() {
		if first, _ := w.find(r.Key()); first >= 0 {
			w.routes = slices.Delete(w.routes, first, first+1)
		}
	})
	return nil
}

func TestFakeKernelKeepsTheContractOfRoutes(t *testing.T) {
	hosttest.RouteContract(t, newWorld(t), "eth0", netip.MustParsePrefix("10.1.0.1/24"), netip.MustParsePrefix("2001:db8::1/64"))
}

// answers tells whether a host answers on a NIC.
func (w *world) answers(a netip.Addr) bool {
	for _, n := range w.nics {
		for _, own := range n.Addrs {
			if host.Has(own.Prefix, a) {
				return n.Up && n.Carrier && !w.dead[a]
			}
		}
	}
	return false
}

func (w *world) ping(ctx context.Context, q probe.Question) (bool, error) {
	w.mu.Lock()
	yes := w.answers(q.Target)
	w.mu.Unlock()
	wait := q.Timeout
	if yes {
		wait = time.Millisecond
	}
	select {
	case <-time.After(wait):
		return yes, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

func (w *world) check(ctx context.Context, c config.Check) check.Answer {
	w.mu.Lock()
	if w.hangs {
		w.mu.Unlock()
		<-ctx.Done()
		return check.Answer{Reason: "hangs"}
	}
	defer w.mu.Unlock()
	if w.failing[c.Name] {
		return check.Answer{State: check.Failing, Reason: "status 500"}
	}
	return check.Answer{State: check.Good, Reason: "status 200"}
}

// ear is a listener on one NIC.
type ear struct {
	w    *world
	side host.Side
	hw   host.HW
	done chan struct{}
	once sync.Once
}

func (w *world) listen(nic string, f host.Family, see func([]host.Sighting)) (Wire, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := &ear{w: w, side: host.Side{NIC: nic, Family: f}, done: make(chan struct{})}
	for _, n := range w.nics {
		if n.Name == nic {
			e.hw = n.HW
		}
	}
	w.sees[e.side] = see
	return e, nil
}

func (e *ear) Ask(target, from netip.Addr, _ host.HW) error {
	e.w.mu.Lock()
	see, yes := e.w.sees[e.side], e.w.answers(target)
	e.w.mu.Unlock()
	if yes {
		go see([]host.Sighting{{NIC: e.side.NIC, At: time.Now(), Sender: target, HW: host.HW{6, 6}, Target: from, Reply: true}})
	}
	return nil
}

func (e *ear) Probe(target netip.Addr) error {
	return e.Ask(target, netip.IPv4Unspecified(), host.HW{})
}
func (e *ear) Want([]netip.Addr) error { return nil }
func (e *ear) Hearing() hearing.Report { return hearing.Report{} }
func (e *ear) HW() host.HW             { return e.hw }
func (e *ear) Done() <-chan struct{}   { return e.done }
func (e *ear) Err() error              { return nil }
func (e *ear) Close() error {
	e.once.Do(func() { close(e.done) })
	return nil
}

// What a story looks at.
