package peer

import (
	"encoding/binary"
	"time"
)

// DrillStage is how far a drill has come on a host.
type DrillStage uint8

// The stages. The host that does the drill says the first and the third; its partner
// answers with the others. A stage that a host does not know reads as none.
const (
	NoDrill       DrillStage = iota
	DrillMeasure             // the partner is to measure
	DrillMeasures            // it does, and the alias answers
	DrillEnds                // the partner is to stop, and to tell what it has measured
	DrillMeasured            // what that was
	DrillExits               // the partner measures nothing: exit_after would end its Monitor once it has the alias
	DrillOrdered             // an operator has ordered something there: the alias is to be left to that
	drillStages              // the number of stages
)

// Drill is what a word says about a drill of its alias. Its figures are durations and
// counts of one host: the clocks of two are never compared.
type Drill struct {
	Number uint32 // of the drill; 0: there is none
	Stage  DrillStage

	// The figures of DrillMeasured.
	Asked, Lost uint32        // questions put to the alias, and of them those in vain
	Gap, Pause  time.Duration // to the microsecond, at most an hour
}

// drillLen is how many bytes a word has for its drill: number (4), stage, questions (4),
// of them in vain (4), gap (4) and pause (4) in µs.
const drillLen = 21

func (d Drill) appendTo(b []byte) []byte {
	b = append(binary.BigEndian.AppendUint32(b, d.Number), byte(d.Stage))
	for _, n := range []uint32{d.Asked, d.Lost, micros(d.Gap), micros(d.Pause)} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	return b
}

// readDrill reads what appendTo has written. A stage of a later program is no drill.
func readDrill(b []byte) (d Drill) {
	n := func(at int) uint32 { return binary.BigEndian.Uint32(b[at:]) }
	span := func(at int) time.Duration { return min(time.Duration(n(at))*time.Microsecond, time.Hour) }
	d = Drill{Number: n(0), Stage: DrillStage(b[4]), Asked: n(5), Lost: n(9), Gap: span(13), Pause: span(17)}
	if d.Stage == NoDrill || d.Stage >= drillStages || d.Number == 0 {
		return Drill{}
	}
	return d
}
