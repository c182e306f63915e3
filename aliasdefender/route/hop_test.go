package route

import (
	"testing"
	"time"

	"alias-defender/aliasdefender/host"
)

// three is a spread over three next hops on two networks.
const three = "interval = \"1s\"\n[[route]]\nprefix = \"" + prefix + "\"\nvia = [\"10.1.0.2\", \"10.1.0.3\", \"10.2.0.4\"]\nmode = \"spread\"\n"

// The kernel refuses a route to a hop that is on no network, and would refuse each change.
func TestASpreadDropsADeadHopBesideOneOnNoNetwork(t *testing.T) {
	play(t, three, func(w *world) {
		time.Sleep(3 * time.Second)
		w.change(func() { w.nics[1].Addrs = nil })
		time.Sleep(10 * time.Second)
		w.expect("a hop is on no network", prefix, "10.1.0.2 10.1.0.3 10.2.0.4")
		w.says("a hop is on no network", prefix, "R7", "hop unknown", "warning")
		w.kill("10.1.0.2")
		time.Sleep(detected)
		w.expect("another is dead", prefix, "10.1.0.3")
		w.change(func() { w.nics[1].Addrs = newWorld(t).nics[1].Addrs })
		time.Sleep(detected)
		w.expect("the network is back", prefix, "10.1.0.3 10.2.0.4")
	})
}

// down has a NIC go down, which takes its routes along, and up has it come back.
func (w *world) down(i int) {
	w.change(func() {
		w.nics[i].Up, w.nics[i].Carrier = false, false
		var stay []host.TableRoute
		for _, r := range w.routes {
			if r.Hops[0].NIC != w.nics[i].Name {
				stay = append(stay, r)
			}
		}
		w.routes = stay
	})
}
func (w *world) up(i int) { w.change(func() { w.nics[i].Up, w.nics[i].Carrier = true, true }) }

func TestWithoutFailbackARouteReturnsWithItsNIC(t *testing.T) {
	play(t, two("failback = false\n"), func(w *world) {
		time.Sleep(3 * time.Second)
		w.down(0)
		time.Sleep(5 * time.Second)
		w.kill("10.1.0.2")
		w.up(0)
		time.Sleep(100 * time.Millisecond) // the other answers first
		w.wakeUp("10.1.0.2")
		time.Sleep(2 * detected)
		w.expect("the NIC is back", prefix, "10.1.0.2")
	})
}

