package defender
import "testing"
func TestZZ(t *testing.T) { everyOrder(t, 3, true) }
func TestZY(t *testing.T) { randomly(t, 1500, true) }
