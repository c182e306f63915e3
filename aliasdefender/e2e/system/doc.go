// Package system plays the stories of a real system: two Debian machines, each booted by
// systemd as process 1, with what make install lays out or with the deb, and with the address
// managers that administrators have. The questions are those that no Monitor started by a test can
// answer: what a stop, a restart, a reboot, a lost DHCP lease or an address manager's own
// restart costs the clients, and what the kernel's addresses look like afterwards.
//
// A machine is a host of the lab whose namespace systemd-nspawn boots a system in; the
// shell script boot beside this file does that, and root makes the system with debootstrap.
// The switch, the router and the clients are the lab's, and so are cables, crashes and
// what is measured.
//
// It judges no times: it reports them. What it judges is how each story ends: one holder,
// clients served by it, two Monitors that say all is well, and the host's own address
// before the alias.
//
// It needs root and minutes, so that make test leaves it out: make test-system plays it.
package system
