package peer

import (
	"crypto/cipher"

	"golang.org/x/crypto/chacha20poly1305"
)

// KeySize is the length of a key in bytes.
const KeySize = chacha20poly1305.KeySize

// Keys are the keys that partners share. The first one seals; each of them opens. So the
// administrator can put a new key on one host after the other. A Keys does not change.
type Keys struct {
	aeads []cipher.AEAD
}

// NewKeys makes Keys from the key that seals and from others that only open.
func NewKeys(first [KeySize]byte, others ...[KeySize]byte) *Keys {
	k := &Keys{}
	for _, key := range append([][KeySize]byte{first}, others...) {
		aead, err := chacha20poly1305.NewX(key[:])
		if err != nil {
			panic(err) // only a key of another length would fail
		}
		k.aeads = append(k.aeads, aead)
	}
	return k
}

// seal appends the sealed plain to head, in whose memory plain may not lie.
func (k *Keys) seal(head, nonce, plain, associated []byte) []byte {
	return k.aeads[0].Seal(head, nonce, plain, associated)
}

// open appends to dst what the first key that fits makes of sealed. try is the
// key to begin with: the one that fitted last.
func (k *Keys) open(dst, nonce, sealed, associated []byte, try *int) ([]byte, bool) {
	n := len(k.aeads)
	for i := range n {
		key := (*try + i) % n
		if plain, err := k.aeads[key].Open(dst, nonce, sealed, associated); err == nil {
			*try = key
			return plain, true
		}
	}
	return nil, false
}
