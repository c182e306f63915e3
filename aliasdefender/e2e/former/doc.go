// Package former holds this program against the one of a former commit: two hosts of
// which one was upgraded and the other was not hear each other, hand over, and relieve
// each other. It has tests only, and knows the former program by its commit alone.
package former
