package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"alias-defender/aliasdefender/config"
	"alias-defender/aliasdefender/defender"
	"alias-defender/aliasdefender/store"
)

// startWithin is how long a start waits for the disk of the state directory. After that
// the loop begins without it, and takes nothing while the partner may be alive: an
// operator may have parked the alias.
const startWithin = 2 * time.Second

// memory is the state directory as a Monitor uses it: it is read beside the start, and
// written beside the loop.
type memory struct {
	dir    string
	file   *store.File
	keeper *store.Keeper
	load   func() parked // waits for the disk; tests make it hang
	writes bool          // false: this Monitor only reads, and no partner asks for its number

	read   chan struct{} // closed once found is set
	joined chan struct{} // closed once the loop has what came late
	found  parked
	late   bool        // found was not set when the loop began
	unread atomic.Bool // found is not set yet
}

// parked is what the file of parked aliases says.
type parked struct {
	kept   store.Kept
	damage error // why it is not known what is parked; nil: it is known
}

// identity is what else a start needs from the state directory. To make it, the directory
// has to be written; so it is read apart from what is parked, because an alias may have
// to wait for that.
type identity struct {
	id    store.ID
	noID  error // why the next start has another number
	ready error // why the directory cannot be written
}

// newMemory makes it. Nothing is read yet.
func newMemory(dir string) *memory {
	file := store.In(dir)
	m := &memory{dir: dir, file: file, keeper: store.NewKeeper(dir, file, store.Within), read: make(chan struct{}), joined: make(chan struct{})}
	m.load = m.all
	return m
}

// all reads what is parked.
func (m *memory) all() (p parked) {
	p.kept, p.damage = m.file.Read()
	return p
}

// open reads the state directory, and waits for it no longer than within. If the disk
// hangs, the reading goes on by itself: this run then has a number of its own, and read
// is closed when the disk has answered.
func (m *memory) open(within time.Duration) (p parked, i identity) {
	m.unread.Store(true)
	late := time.NewTimer(within)
	defer late.Stop()
	go func() {
		m.found = m.load()
		m.unread.Store(false)
		close(m.read)
	}()
	identified := make(chan identity, 1)
	if m.writes {
		go func() {
			var i identity
			i.id, i.noID = store.HostID(m.dir)
			i.ready = m.file.Ready()
			identified <- i
		}()
	} else {
		identified <- identity{id: store.ThisRun()}
	}
	select {
	case <-m.read:
		p = m.found
	case <-late.C:
		m.late = true
		late.Reset(0)
		p = parked{damage: m.hangs()}
	}
	select {
	case i = <-identified:
	case <-late.C:
		i = identity{id: store.ThisRun(), noID: fmt.Errorf("%s: %w", m.dir, errNoAnswer)}
	}
	return p, i
}

func (m *memory) hangs() error {
	return fmt.Errorf("%s: its disk does not answer: what operators parked is not known; it is read as soon as the disk does", m.dir)
}

// state is what the loop is told about what was found.
func (m *memory) state(p parked) defender.Memory {
	switch {
	case m.late && m.unread.Load():
		return defender.NotReadYet
	case p.damage != nil:
		return defender.Damaged
	}
	return defender.Remembered
}

// trouble is why a restart may not know what is parked, or why this Monitor does not; nil
// if all is well.
func (m *memory) trouble() error {
	if m.unread.Load() {
		return m.hangs()
	}
	return m.keeper.Trouble()
}

// tellLate gives the loop what was not read in time. It returns when it has done so, or
// when ctx has ended.
func (m *monitor) tellLate(ctx context.Context) error {
	select {
	case <-m.memory.read:
	case <-ctx.Done():
		return nil
	}
	p := m.memory.found
	m.sayKept(p, nil)
	now, running := m.defender.Kept(defender.Kept(p.kept), m.memory.state(p))
	close(m.memory.joined)
	if running && m.memory.writes && p.damage == nil && !same(now, p.kept) {
		// Orders that were given meanwhile are not on the disk yet.
		if _, err := m.memory.keeper.Remember(store.Kept(now)); err != nil {
			m.notRemembered(err)
		}
	}
	return nil
}

func same(a defender.Kept, b store.Kept) bool {
	if a.Maintenance != b.Maintenance || len(a.Parked) != len(b.Parked) {
		return false
	}
	for _, addr := range b.Parked {
		if !slices.Contains(a.Parked, addr) {
			return false
		}
	}
	return true
}

// remember writes what is parked. The user who gave the order gets its error.
func (m *monitor) remember(kept defender.Kept) error {
	if m.memory.late {
		// Only since it was told what was read does the loop know everything that is
		// parked.
		select {
		case <-m.memory.joined:
		case <-time.After(store.Within):
			return m.notRemembered(m.memory.hangs())
		}
		if now, running := m.defender.WhatIsKept(); running {
			kept = now
		}
	}
	anew, err := m.memory.keeper.Remember(store.Kept(kept))
	switch {
	case err != nil:
		return m.notRemembered(err)
	case anew:
		m.event("parked").Warn("the file of parked aliases: " + writtenAnew(m.memory.file))
		return &defender.Anew{Text: writtenAnew(m.memory.file)}
	}
	return nil
}

// writtenAnew says what an order has done to a file that could not be read.
func writtenAnew(file *store.File) string {
	return fmt.Sprintf("%s could not be read and was written anew: what operators parked before is forgotten, except for what the new file says; the old file is kept as %s",
		file.Path(), store.DamagedName)
}

func (m *monitor) notRemembered(err error) error {
	m.event("not_remembered").WithError(err).Error("what is parked is not remembered over a restart")
	return err
}

// sayIdentity logs what is wrong with the state directory.
func (m *monitor) sayIdentity(i identity) {
	if i.noID != nil {
		m.event("host_id").WithError(i.noID).Warn("this host's number could not be kept: the next start makes a new one")
	}
	if i.ready != nil {
		m.event("not_remembered").WithError(i.ready).Warn("what RemoveAlias parks will not be remembered over a restart")
	}
}

// sayKept logs what was read from the file of parked aliases.
func (m *monitor) sayKept(f parked, cfg *config.Config) {
	if f.damage != nil {
		m.event("parked").Error("the file of parked aliases: " + f.damage.Error())
	}
	if f.kept.Maintenance {
		m.event("maintenance").Warn("this host is in maintenance: it stays out of all aliases until 'aliasdefender Maintenance off'")
	}
	const most = 20
	for i, addr := range f.kept.Parked {
		if i == most {
			m.event("parked").Warnf("parked by an operator: %d more aliases, which the file of parked aliases names", len(f.kept.Parked)-most)
			break
		}
		text := "parked by an operator: it stays off this host until AddAlias"
		if cfg != nil && !slices.ContainsFunc(cfg.Aliases, func(al config.Alias) bool { return al.Addr == addr }) {
			text = "parked by an operator, but not in the file now"
		}
		m.event("parked").WithField("alias", addr.String()).Warn(text)
	}
}

// waited runs f, and waits for it no longer than within: false if f goes on.
func waited(within time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-time.After(within):
		return false
	}
}

var errNoAnswer = errors.New("its disk does not answer; mend it, or set another [state] dir")
