// Package check has the tests of what Check finds in a live network: in each one of them
// something is set up wrongly in the lab, and Check, the whole program, finds it; and it
// finds nothing on a good pair.
package check
