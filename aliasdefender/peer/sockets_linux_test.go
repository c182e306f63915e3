package peer

import (
	"net/netip"
	"sync"
	"testing"
)

// TestASocketIsOpenedOnce although Listen and the sender may both find that it is not open.
func TestASocketIsOpenedOnce(t *testing.T) {
	for range 100 {
		c, err := New(Options{Listen: []netip.Addr{addrA}, Port: freePort(t), Keys: keysOf(t, 1)})
		if err != nil {
			t.Fatal(err)
		}
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				if _, err := c.opened(false); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		c.closeAll()
		if t.Failed() {
			return
		}
	}
}

// TestASocketWithoutItsFilterIsNotUsed: nobody finds it, neither open nor closed.
func TestASocketWithoutItsFilterIsNotUsed(t *testing.T) {
	c, err := New(Options{Listen: []netip.Addr{addrA}, Port: freePort(t), Keys: keysOf(t, 1)})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := c.bind(false)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Close(); err != nil { // so that the kernel takes no filter for it
		t.Fatal(err)
	}
	if err := c.use(conn, false); err == nil {
		t.Error("it has a filter")
	}
	if c.four.conn != nil {
		t.Error("it is in its place")
	}
	if _, err := c.opened(false); err != nil {
		t.Errorf("another: %v", err)
	}
	c.closeAll()
}
