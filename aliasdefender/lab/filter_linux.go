package lab

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// filter is what a switch refuses to forward: one nftables chain, which is written anew,
// in one transaction, at every change.
type filter struct {
	conn  *nftables.Conn
	table *nftables.Table
	chain *nftables.Chain
}

func newFilter(s *space) (*filter, error) {
	conn, err := nftables.New(nftables.WithNetNSFd(s.fd), nftables.AsLasting())
	if err != nil {
		return nil, fmt.Errorf("nftables: %w", err)
	}
	f := &filter{conn: conn}
	f.table = conn.AddTable(&nftables.Table{Family: nftables.TableFamilyBridge, Name: "lab"})
	f.chain = conn.AddChain(&nftables.Chain{
		Name:     "forward",
		Table:    f.table,
		Type:     nftables.ChainTypeFilter,
		Hooknum:  nftables.ChainHookForward,
		Priority: nftables.ChainPriorityFilter,
	})
	if err := conn.Flush(); err != nil {
		conn.CloseLasting()
		return nil, fmt.Errorf("nftables: %w", err)
	}
	return f, nil
}

func (f *filter) close() { f.conn.CloseLasting() }

// apply makes the filter agree with the faults of the switch.
func (s *Switch) apply() error {
	f := s.filter
	f.conn.FlushChain(f.chain)
	for _, p := range s.ports {
		if p.muted {
			f.drop(from(p))
			f.drop(to(p))
			continue
		}
		if p.fromHost > 0 {
			f.drop(append(from(p), chance(p.fromHost)...))
		}
		if p.toHost > 0 {
			f.drop(append(to(p), chance(p.toHost)...))
		}
		for _, q := range s.ports {
			if g, h := s.groups[p], s.groups[q]; g != 0 && h != 0 && g != h {
				f.drop(append(from(p), to(q)...))
			}
		}
	}
	if err := f.conn.Flush(); err != nil {
		return fmt.Errorf("filter of switch %s: %w", s.Name, err)
	}
	return nil
}

func (f *filter) drop(match []expr.Any) {
	f.conn.AddRule(&nftables.Rule{
		Table: f.table,
		Chain: f.chain,
		Exprs: append(match, &expr.Verdict{Kind: expr.VerdictDrop}),
	})
}

func from(p *Port) []expr.Any { return byName(expr.MetaKeyIIFNAME, p) }
func to(p *Port) []expr.Any   { return byName(expr.MetaKeyOIFNAME, p) }

// byName matches a port by name and not by index: the name survives a reboot of the host,
// and so does the fault.
func byName(key expr.MetaKey, p *Port) []expr.Any {
	name := make([]byte, unix.IFNAMSIZ)
	copy(name, p.name)
	return []expr.Any{
		&expr.Meta{Key: key, Register: 1},
		&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
	}
}

// chance matches percent of the frames, at random.
func chance(percent float64) []expr.Any {
	const whole = 1_000_000
	below := binary.BigEndian.AppendUint32(nil, uint32(percent/100*whole))
	return []expr.Any{
		&expr.Numgen{Register: 1, Modulus: whole, Type: unix.NFT_NG_RANDOM},
		// Registers are compared byte by byte, so the most significant byte has to come
		// first.
		&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 4, Size: 4},
		&expr.Cmp{Op: expr.CmpOpLt, Register: 1, Data: below},
	}
}
