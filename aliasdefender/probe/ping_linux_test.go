package probe

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"alias-defender/aliasdefender/host/nstest"
)

func TestMain(m *testing.M) { os.Exit(nstest.Main(m)) }

func TestPingKeepsTheContract(t *testing.T) { contract(t, openPing) }

func TestPingWithoutPermissionIsAnError(t *testing.T) {
	s := nstest.New(t)
	for name, ask := range map[string]func() error{
		"Ping": func() error {
			_, err := Ping(t.Context(), Question{Target: here, Timeout: time.Second})
			return err
		},
		"NewPinger": func() error {
			_, err := NewPinger()
			return err
		},
	} {
		if err := without(t, s, unix.CAP_NET_RAW, ask); !errors.Is(err, os.ErrPermission) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// without calls f in the namespace without a capability (one of the first 32).
func without(t *testing.T, s *nstest.Space, capability int, f func() error) error {
	t.Helper()
	errs := make(chan error)
	go func() {
		runtime.LockOSThread() // capabilities are the thread's; it dies with them
		s.Do(func() {
			hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var data [2]unix.CapUserData
			if err := unix.Capget(&hdr, &data[0]); err != nil {
				t.Error(err)
			}
			data[0].Effective &^= 1 << capability
			if err := unix.Capset(&hdr, &data[0]); err != nil {
				t.Error(err)
			}
			errs <- f()
		})
	}()
	return <-errs
}

// How late the verdict "silent" is: what go-ping's reader costs.
func TestSilenceIsNotMuchLate(t *testing.T) {
	s := nstest.New(t)
	s.Do(func() {
		if err := os.WriteFile("/proc/sys/net/ipv4/icmp_echo_ignore_all", []byte("1"), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, timeout := range []time.Duration{5 * time.Millisecond, 25 * time.Millisecond, 250 * time.Millisecond} {
			best := time.Hour
			for range 5 { // the best of a few: the machine may be busy
				start := time.Now()
				if answered, err := Ping(t.Context(), Question{Target: loopback, Timeout: timeout}); answered || err != nil {
					t.Fatalf("%v, %v", answered, err)
				}
				best = min(best, time.Since(start)-timeout)
			}
			if best > time.Second { // 0.1 s where nothing else runs
				t.Errorf("timeout %v: %v late at best", timeout, best)
			}
		}
	})
}
