package system

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"alias-defender/aliasdefender/e2e/stage"
)

// What needs no machine is tested wherever all tests run.

func TestTheTableSaysWhatWasMeasuredAndWhatWentWrong(t *testing.T) {
	r := report{versions: "Measured.", figures: []figure{
		{manager: "m", story: "restart", noise: 9 * time.Millisecond, by: "a"},
		{manager: "m", story: "cut", gap: 1200 * time.Millisecond, both: 1500 * time.Microsecond, by: "b"},
		{manager: "n", story: "cut", gap: 300 * time.Millisecond, by: "a", wrong: []string{"first\n address"}},
	}}
	want := "Measured. Both hosts had the alias for 1.5 ms at most. The machine itself stood still for 9 ms at most.\n\n" +
		"| clients' longest gap, ms | m | n |\n|---|---:|---:|\n| restart | none | – |\n| cut | 1200 → b | 300 **!** |\n" +
		"\n**!** did not end as it should:\n\n- n, cut: first address\n"
	if diff := cmp.Diff(want, r.markdown()); diff != "" {
		t.Error(diff)
	}
}

func TestTheDHCPServerGivesRefusesAndIsSilent(t *testing.T) {
	s := &dhcpServer{own: map[string]netip.Prefix{"02:ad:00:00:01:00": ownA}}
	request := make([]byte, dhcpHead)
	copy(request[28:], []byte{0x02, 0xad, 0, 0, 1, 0})
	request = append(request, optionType, 1, dhcpRequest, optionEnd)

	given := s.answer(request, dhcpAnswers)
	if kind := dhcpType(given[dhcpHead:]); kind != dhcpAck {
		t.Errorf("answers a request with a message of type %d, want %d", kind, dhcpAck)
	}
	if ip, _ := netip.AddrFromSlice(given[16:20]); ip != ownA.Addr() {
		t.Errorf("gives %v, want %v", ip, ownA.Addr())
	}
	if kind := dhcpType(s.answer(request, dhcpRefuses)[dhcpHead:]); kind != dhcpNak {
		t.Errorf("refuses with a message of type %d, want %d", kind, dhcpNak)
	}
	if a := s.answer(request, dhcpSilent); a != nil {
		t.Errorf("is silent, and says %v", a)
	}
	request[28]++
	if a := s.answer(request, dhcpAnswers); a != nil {
		t.Errorf("answers a host that it does not know: %v", a)
	}
}

func TestOnlyWhatDeadRunsLeftIsSwept(t *testing.T) {
	dir := t.TempDir()
	ours, dead := filepath.Join(dir, fmt.Sprintf("host-%d-a-1", os.Getpid())), filepath.Join(dir, "host-99999999-a-1")
	for _, d := range []string{ours, dead, filepath.Join(dir, "systemd")} {
		stage.Must(t, os.Mkdir(d, 0o755))
	}
	sweepDead(t, dir)
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	stage.Must(t, err)
	if diff := cmp.Diff([]string{ours, filepath.Join(dir, "systemd")}, left); diff != "" {
		t.Error(diff)
	}
}
