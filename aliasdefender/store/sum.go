package store

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// sumPrefix begins the last line of a file with a checksum.
const sumPrefix = "# sum "

// sumFits tells whether the text is what was written, as far as that can be told: a file
// that does not begin with head, and has no checksum, is of a version before it, or of an
// administrator.
func sumFits(head string, text []byte) bool {
	if !bytes.HasPrefix(text, []byte(head)) {
		return !strings.HasPrefix(head, string(text)) && !bytes.Contains(text, []byte("\n"+sumPrefix))
	}
	body := text
	if i := bytes.LastIndexByte(bytes.TrimSuffix(text, []byte("\n")), '\n'); i >= 0 {
		body = text[:i+1]
	}
	return bytes.Equal(text, summed(body))
}

// summed is the text with its checksum.
func summed(text []byte) []byte {
	return fmt.Appendf(slices.Clone(text), "%s%08x\n", sumPrefix, crc32.ChecksumIEEE(text))
}
