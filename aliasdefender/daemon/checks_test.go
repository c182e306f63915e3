package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"alias-defender/aliasdefender/check"
	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/record"
	"alias-defender/aliasdefender/rules"
)

var first, second = netip.MustParseAddr("172.16.1.2"), netip.MustParseAddr("172.16.1.3")

// desk is what a test hears of the checks.
type desk struct {
	sync.Mutex
	answers map[string]check.Answer
	posted  map[netip.Addr]defender.Observation
	posts   int
	events  []string
}

func (d *desk) set(name string, s check.State, why string) {
	d.Lock()
	defer d.Unlock()
	d.answers[name] = check.Answer{State: s, Reason: why}
}

// service is the last value and reason that was posted of an alias.
func (d *desk) service(alias netip.Addr) string {
	d.Lock()
	defer d.Unlock()
	o := d.posted[alias]
	return strings.TrimSuffix(o.Value.Health()+" "+o.Why, " ")
}

func checksOf(t *testing.T, settings string) *config.Config {
	t.Helper()
	rows, err := config.ParseAliases(strings.NewReader("eth0:1|172.16.1.2|/24|172.16.1.5|true\neth0:2|172.16.1.3|/24|172.16.1.5|true\n"), "a")
	if err != nil {
		t.Fatal(err)
	}
	f, err := config.ParseSettings(strings.NewReader(settings), "s")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Join(rows, f)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

const twoChecks = `
checks = ["web", "db"]
[check.web]
link = "eth7"
[check.db]
link = "eth8"
interval = "1m"
[alias."172.16.1.3"]
checks = ["web"]
`

func playChecks(t *testing.T, cfg *config.Config, f func(c *checks, d *desk)) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{answers: map[string]check.Answer{}, posted: map[netip.Addr]defender.Observation{}}
		c := newChecks(cfg, func(_ context.Context, k config.Check) check.Answer {
			d.Lock()
			defer d.Unlock()
			if a, ok := d.answers[k.Name]; ok {
				return a
			}
			return check.Answer{State: check.Good, Reason: "well"}
		}, func(e record.Event) {
			d.Lock()
			defer d.Unlock()
			d.events = append(d.events, fmt.Sprint(e.Kind, " ", e.Check, " ", e.Decision.Reason))
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = c.Run(ctx, func(all ...defender.Observation) {
				d.Lock()
				defer d.Unlock()
				d.posts++
				for _, o := range all {
					if o.Asked.Before(d.posted[o.Alias].Asked) {
						t.Errorf("asked goes back: the loop would ignore %+v", o)
					}
					d.posted[o.Alias] = o
				}
			})
		}()
		f(c, d)
		cancel()
		<-ended
	})
}

func TestAnAliasesServiceIsWhatItsChecksSayTogether(t *testing.T) {
	playChecks(t, checksOf(t, twoChecks), func(_ *checks, d *desk) {
		expect := func(want1, want2 string) {
			t.Helper()
			synctest.Wait()
			if one, two := d.service(first), d.service(second); one != want1 || two != want2 {
				t.Errorf("%q and %q, want %q and %q", one, two, want1, want2)
			}
		}
		time.Sleep(10 * time.Second)
		expect("unknown", "good") // db has been asked once
		time.Sleep(time.Minute)
		expect("good", "good")
		d.set("web", check.Failing, "status 500")
		time.Sleep(15 * time.Second)
		expect("failing web: status 500", "failing web: status 500")
		d.set("web", check.Good, "well")
		time.Sleep(10 * time.Second)
		expect("good", "good")
		d.set("db", check.Failing, "refused")
		time.Sleep(3 * time.Minute)
		expect("failing db: refused", "good")
		d.set("web", check.Unknown, "too many open files")
		time.Sleep(time.Minute)
		expect("failing db: refused", "unknown")
		d.set("db", check.Good, "well")
		d.set("web", check.Good, "well")
		time.Sleep(3 * time.Minute)
		expect("good", "good")
		time.Sleep(time.Until(time.Now().Truncate(time.Minute).Add(62 * time.Second))) // db has just been asked
		d.set("web", check.Unknown, "too many open files")
		time.Sleep(20 * time.Second)
		expect("unknown", "unknown")
		d.set("web", check.Good, "well")
		time.Sleep(15 * time.Second)
		expect("good", "good") // although db was asked before it became unknown
	})
}

// What is posted lives as long as the checks behind it say, and is posted again in time.
func TestAFactLivesUntilItsCheckHasBeenAskedAgain(t *testing.T) {
	playChecks(t, checksOf(t, twoChecks), func(_ *checks, d *desk) {
		time.Sleep(2 * time.Minute)
		for range 600 {
			time.Sleep(time.Second)
			synctest.Wait()
			d.Lock()
			for alias, o := range d.posted {
				if o.Value != rules.Yes || time.Since(o.Asked) >= o.Lives {
					t.Fatalf("%s: %s, asked %s ago, lives %s", alias, o.Value, time.Since(o.Asked), o.Lives)
				}
			}
			d.Unlock()
		}
	})
}

func TestWhatTurnsIsRecordedWithItsReason(t *testing.T) {
	playChecks(t, checksOf(t, twoChecks), func(c *checks, d *desk) {
		time.Sleep(10 * time.Second)
		d.set("web", check.Failing, "status 500")
		time.Sleep(15 * time.Second)
		d.set("web", check.Unknown, "too many open files")
		time.Sleep(15 * time.Second)
		synctest.Wait()
		want := "[check_good web well check_failing web status 500 check_unknown web too many open files]"
		if got := fmt.Sprint(d.events); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := fmt.Sprint(c.problems()); got != "[the check web is unknown, and an alias stays where it is whatever its service does: too many open files]" {
			t.Errorf("problems: %s", got)
		}
		if all := c.shown(); len(all) != 2 || all[0].Name != "web" || all[0].State != "unknown" || all[0].Level != "warning" || all[1].Level != "" {
			t.Errorf("shown: %+v", all)
		}
	})
}

// A check that turns all the time fills neither the log nor the disk.
func TestACheckThatTurnsAllTheTimeIsCounted(t *testing.T) {
	playChecks(t, checksOf(t, "checks = [\"web\"]\n[check.web]\nlink = \"eth7\"\ninterval = \"100ms\"\nrise = 1\nfall = 1\n"), func(_ *checks, d *desk) {
		for i := range 1200 {
			d.set("web", []check.State{check.Good, check.Failing}[i%2], "so so")
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()
		if n := len(d.events); n < 20 || n > 30 {
			t.Errorf("%d events in two minutes", n)
		}
		if !strings.Contains(fmt.Sprint(d.events), "repeated web") {
			t.Errorf("nothing says how many there were: %v", d.events)
		}
	})
}

func TestAReloadThatDropsAChecksAliasMakesItUnknown(t *testing.T) {
	playChecks(t, checksOf(t, twoChecks), func(c *checks, d *desk) {
		d.set("web", check.Failing, "status 500")
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := d.service(second); got != "failing web: status 500" {
			t.Fatalf("before: %q", got)
		}
		c.Want(nil) // the loop comes first
		c.use(checksOf(t, strings.Replace(twoChecks, "checks = [\"web\"]", "checks = []", 1)))
		synctest.Wait()
		if one, two := d.service(first), d.service(second); one != "failing web: status 500" || two != "unknown" {
			t.Errorf("after: %q and %q", one, two)
		}
	})
}

// A check that several aliases share has settled once one of them has been here for long
// enough, whichever of them leaves.
func TestASharedCheckSettlesOnce(t *testing.T) {
	cold := strings.Replace(twoChecks, `link = "eth7"`, "link = \"eth7\"\nwhen = \"holding\"\nsettle = \"1m\"", 1)
	cfg := checksOf(t, cold)
	cfg.Aliases[0].Checks, cfg.Aliases[1].Checks = []string{"web"}, []string{"web"}
	playChecks(t, cfg, func(c *checks, d *desk) {
		d.set("web", check.Good, "")
		c.Holds(first, true)
		time.Sleep(2 * time.Minute)
		c.Holds(second, true)
		time.Sleep(10 * time.Second)
		c.Holds(first, false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := d.service(second); got != "good" {
			t.Errorf("the first has left: %q", got)
		}
		c.Holds(second, false)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := d.service(second); got != "unknown" {
			t.Errorf("both have left: %q", got)
		}
	})
}

func TestAColdStandbysServiceIsUnknownUntilItHolds(t *testing.T) {
	cold := strings.Replace(twoChecks, `link = "eth7"`, "link = \"eth7\"\nwhen = \"holding\"\nsettle = \"10s\"", 1)
	playChecks(t, checksOf(t, cold), func(c *checks, d *desk) {
		d.set("web", check.Failing, "refused")
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := d.service(second); got != "unknown" {
			t.Errorf("as standby: %q", got)
		}
		c.Holds(second, true)
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if got := d.service(second); got != "unknown" {
			t.Errorf("before it has settled: %q", got)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if got := d.service(second); got != "failing web: refused" {
			t.Errorf("as holder: %q", got)
		}
		c.Holds(second, false)
		synctest.Wait()
		if got := d.service(second); got != "failing web: refused" {
			t.Errorf("after it has gone: %q", got)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := d.service(second); got != "unknown" {
			t.Errorf("long after it has gone: %q", got)
		}
		if all := c.problems(); len(all) != 0 {
			t.Errorf("that is no problem: %v", all)
		}
	})
}
