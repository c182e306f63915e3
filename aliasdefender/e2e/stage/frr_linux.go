package stage

import (
	"os"
	"path/filepath"
	"testing"

	"alias-defender/aliasdefender/lab"
)

// FRR runs zebra and other daemons of FRR on a host, with frr.conf. /run and /etc/frr are
// their own; etc is a directory for the latter.
func FRR(t *testing.T, h *lab.Host, etc, conf string, others ...string) *lab.Process {
	t.Helper()
	Wanted(t, "vtysh", "frr")
	Must(t, os.Mkdir(etc, 0o755))
	Place(t, filepath.Join(etc, "frr.conf"), conf)
	Place(t, filepath.Join(etc, "vtysh.conf"), "service integrated-vtysh-config\n")
	const run = `set -e
mount -t tmpfs tmpfs /run
mount --bind "$1" /etc/frr
install -d -o frr -g frr /run/frr
shift
trap 'kill $started; wait' TERM
started=
for daemon in zebra "$@"; do
	/usr/lib/frr/$daemon -A 127.0.0.1 --log stdout &
	started="$started $!"
	until [ -S /run/frr/$daemon.vty ]; do sleep 0.05; done
done
vtysh -b
echo configured
wait`
	p, err := h.Start("frr", append([]string{"unshare", "--mount", "sh", "-c", run, "sh", etc}, others...)...)
	Must(t, err)
	Must(t, p.WaitOutput(Patiently(t), "configured"))
	return p
}
