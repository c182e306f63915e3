package ipv6

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
	"alias-defender/aliasdefender/lab/pair"
)

func TestMain(m *testing.M) { stage.Main(m, nil) }

// six is the setup of these stories.
var six = stage.Stage{IPv6: true}

// set writes a setting of the host's kernel, by key with slashes.
func set(t *testing.T, h *lab.Host, key, value string) {
	t.Helper()
	stage.Must(t, h.Do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0)
	}))
}

// third is a host that is neither of the pair, with an address of its own and these.
func third(t *testing.T, p *pair.Pair, more ...netip.Prefix) *lab.Host {
	t.Helper()
	h, err := p.Lab.Host(lab.HostSpec{Name: "third", NICs: []lab.NICSpec{{
		Name: "eth0", Switch: p.Switch, Addrs: append([]netip.Prefix{p.Foreign}, more...),
	}}})
	stage.Must(t, err)
	return h
}

// subnet is the alias with its mask.
func subnet(p *pair.Pair) netip.Prefix { return netip.PrefixFrom(p.Alias, p.OwnA.Bits()) }

// awaken waits until these addresses answer the client: duplicate address detection of a
// link-local one takes the kernel some seconds after its NIC went up.
func awaken(t *testing.T, p *pair.Pair, all ...netip.Addr) {
	t.Helper()
	for _, a := range all {
		c, err := p.User.Client(lab.ClientSpec{Target: a, Every: 5 * time.Millisecond})
		stage.Must(t, err)
		stage.Must(t, c.WaitAnswer(stage.Patiently(t), ""))
		stage.Must(t, c.Close())
	}
}
