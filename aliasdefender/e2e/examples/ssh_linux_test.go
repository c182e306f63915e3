package examples

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
	"alias-defender/aliasdefender/lab"
)

// newSSHKey makes a key without a passphrase.
func newSSHKey(t *testing.T, path string) {
	t.Helper()
	out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", filepath.Base(path), "-f", path).CombinedOutput()
	if err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
}

// startSSHD starts a real sshd on a host. dir has its hostkey and its authorized_keys. It
// has nothing of this machine's: neither /run, nor what root's shell reads at its start,
// which may be much (with pyenv 170 processes for each connection).
func startSSHD(t *testing.T, h *lab.Host, dir string) *lab.Process {
	t.Helper()
	sshd, err := exec.LookPath("sshd")
	stage.Must(t, err)
	in := func(name string) string { return filepath.Join(dir, name) }
	// StrictModes would mind where tests have their files, below /tmp.
	stage.Place(t, in("sshd_config"), fmt.Sprintf("HostKey %s\nAuthorizedKeysFile %s\nPermitRootLogin forced-commands-only\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPidFile none\n",
		in("hostkey"), in("authorized_keys")))
	stage.Place(t, in("passwd"), "root:x:0:0:root:"+dir+":/bin/sh\nsshd:x:65533:65533:sshd:/run/sshd:/usr/sbin/nologin\n")
	p, err := h.Start("sshd", "unshare", "--mount", "sh", "-c",
		"mount -t tmpfs tmpfs /run && mkdir /run/sshd && mount --bind "+in("passwd")+" /etc/passwd && exec "+sshd+" -D -e -f "+in("sshd_config"))
	stage.Must(t, err)
	stage.Must(t, p.WaitOutput(stage.Patiently(t), "Server listening on 0.0.0.0 port 22."))
	return p
}
