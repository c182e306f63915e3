package convert

import (
	"net/netip"
	"time"
)

// model is what a keepalived.conf says about addresses that move.
type model struct {
	instances []*instance
	groups    []*group
	scripts   map[string]*script
	processes map[string]*process
	global    global
}

// global is what global_defs has of use for all instances.
type global struct {
	nic    string // for instances without one
	user   string // that scripts run as; empty: keepalived's default
	userAt Place

	version int // of VRRP; 0: none is written
}

// instance is a vrrp_instance.
type instance struct {
	at   Place
	name string
	said []comment // what is to be said above its rows

	nic       string
	master    bool // state MASTER
	priority  int
	nopreempt bool
	delay     time.Duration // preempt_delay
	advert    time.Duration // advert_int
	advertAt  Place
	version   int // of VRRP; 0: none is written
	addresses []address
	peers     []netip.Addr
	peersAt   Place
	tracks    []track
	notifies  notifies
	routes    []route

	outcome
}

// outcome is what an instance becomes here.
type outcome struct {
	group   *group
	primary bool
	unsure  bool     // whether it is, the file does not tell for sure
	rows    []*row   // of its addresses, those that can be written
	checks  []string // the names of those of its service
}

// address is one of virtual_ipaddress.
type address struct {
	at    Place
	addr  netip.Addr
	bits  int // of its prefix; 0: none is written
	nic   string
	label string
}

// group is a vrrp_sync_group.
type group struct {
	at       Place
	name     string
	members  []*instance
	names    []string
	tracks   []track
	notifies notifies
}

// trackKind is what is tracked.
type trackKind uint8

const (
	trackScript trackKind = iota
	trackProcess
	trackLink
)

// track is one line of track_script, track_process or track_interface.
type track struct {
	at      Place
	kind    trackKind
	name    string
	weight  int
	weighed bool // a weight is written here
	reverse bool
}

// script is a vrrp_script.
type script struct {
	at                Place
	name              string
	command           string
	user              string // that it is to run as; empty: keepalived's default
	interval, timeout time.Duration
	rise, fall        int
	weight            int
	reverse           bool
}

// process is a vrrp_track_process.
type process struct {
	at      Place
	name    string
	process string
	weight  int
	reverse bool
}

// notifies are the programs that are told of an instance's or a group's state.
type notifies struct {
	at      Place             // of the first
	command map[string]string // by state: master, backup, fault; and "" for notify
	places  map[string]Place
	users   map[string]string // that they are to run as, by state; empty: keepalived's default
}

// any tells whether there is one.
func (n notifies) any() bool { return len(n.command) > 0 }

// comment is something that did not go over as it is, or went over otherwise than one would
// think.
type comment struct {
	at   Place
	text string
	todo bool // somebody has to do, or at least to decide, something
}
