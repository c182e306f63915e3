package packages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"alias-defender/aliasdefender/e2e/stage"
)

// content is what the reader of a format finds in a package.
type content struct {
	files   map[string]entry  // by absolute path; directories are not in it
	scripts map[string]string // by the moments of packaging/script
	needs   []string          // what has to be there before, where that has to be said
	config  []string          // what the package manager does not overwrite, if the format lists it
}

type entry struct {
	mode int64  // permissions
	is   string // the checksum of a file, or where a link leads
}

// tarball adds the files of a tar archive, and returns its others: those of apk's control,
// whose names begin with a dot.
func (c *content) tarball(t *testing.T, r io.Reader) (others map[string]string) {
	t.Helper()
	others = map[string]string{}
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return others
		}
		stage.Must(t, err)
		b, err := io.ReadAll(tr)
		stage.Must(t, err)
		name := strings.TrimPrefix(h.Name, "./")
		switch {
		case h.Typeflag == tar.TypeDir:
		case strings.HasPrefix(name, "."), !strings.Contains(name, "/"):
			others[name] = string(b)
		case h.Typeflag == tar.TypeSymlink:
			c.files["/"+name] = entry{is: "-> " + h.Linkname}
		default:
			if h.Uid != 0 || h.Gid != 0 {
				t.Errorf("%s does not belong to root", name)
			}
			sum := sha256.Sum256(b)
			c.files["/"+name] = entry{mode: h.Mode & 0o7777, is: hex.EncodeToString(sum[:])}
		}
	}
}

func readDeb(t *testing.T, file string) content {
	t.Helper()
	stage.Wanted(t, "dpkg-deb", "dpkg")
	c := content{files: map[string]entry{}, scripts: map[string]string{}}
	part := func(option string) map[string]string {
		out, err := exec.Command("dpkg-deb", option, file).Output()
		stage.Must(t, err)
		return c.tarball(t, bytes.NewReader(out))
	}
	part("--fsys-tarfile")
	control := part("--ctrl-tarfile")
	for name, when := range map[string]string{"postinst": "postinstall", "prerm": "preremove", "postrm": "postremove"} {
		c.scripts[when] = control[name]
	}
	c.config = strings.Fields(control["conffiles"])
	return c
}

// An apk is three archives, one behind the other, each compressed alone.
func readApk(t *testing.T, file string) content {
	t.Helper()
	f, err := os.Open(file)
	stage.Must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	stage.Must(t, err)
	c := content{files: map[string]entry{}, scripts: map[string]string{}}
	control := c.tarball(t, z)
	for name, when := range map[string]string{".post-install": "postinstall", ".post-upgrade": "postupgrade", ".pre-deinstall": "preremove", ".post-deinstall": "postremove"} {
		c.scripts[when] = control[name]
	}
	return c
}

// Tags and flags of an rpm's header, as rpm's documentation of its format numbers them.
const (
	rpmPostIn, rpmPreUn, rpmPostUn                 = 1024, 1025, 1026
	rpmOwners, rpmGroups, rpmNeeds                 = 1039, 1040, 1049
	rpmModes, rpmDigests, rpmLinks, rpmFlags       = 1030, 1035, 1036, 1037
	rpmDirIndexes, rpmBaseNames, rpmDirNames       = 1116, 1117, 1118
	rpmFileTypes, rpmDirectory, rpmLink      int64 = 0o170000, 0o040000, 0o120000
	rpmConfig, rpmNoReplace                        = 1, 16
)

// readRpm reads the header alone: it has the names, modes and checksums of all files.
func readRpm(t *testing.T, file string) content {
	t.Helper()
	b, err := os.ReadFile(file)
	stage.Must(t, err)
	// The lead has 96 bytes, and the signature, which is a header too, is filled up to 8.
	_, size := rpmHeader(t, b[96:])
	header, _ := rpmHeader(t, b[96+(size+7)/8*8:])

	c := content{files: map[string]entry{}, scripts: map[string]string{
		"postinstall": header.texts(rpmPostIn, 1)[0], "preremove": header.texts(rpmPreUn, 1)[0], "postremove": header.texts(rpmPostUn, 1)[0],
	}}
	modes := header.numbers(rpmModes, 2)
	n := len(modes)
	flags, indexes := header.numbers(rpmFlags, 4), header.numbers(rpmDirIndexes, 4)
	digests, links, names := header.texts(rpmDigests, n), header.texts(rpmLinks, n), header.texts(rpmBaseNames, n)
	owners, groups := header.texts(rpmOwners, n), header.texts(rpmGroups, n)
	c.needs = header.texts(rpmNeeds, int(header.count[rpmNeeds]))
	dirs := header.texts(rpmDirNames, int(header.count[rpmDirNames]))
	for i, mode := range modes {
		name := dirs[indexes[i]] + names[i]
		if owners[i] != "root" || groups[i] != "root" {
			t.Errorf("%s does not belong to root", name)
		}
		switch mode & rpmFileTypes {
		case rpmDirectory:
		case rpmLink:
			c.files[name] = entry{is: "-> " + links[i]}
		default:
			c.files[name] = entry{mode: mode & 0o7777, is: digests[i]}
		}
		if flags[i]&rpmConfig != 0 && flags[i]&rpmNoReplace != 0 {
			c.config = append(c.config, name)
		}
	}
	return c
}

// header is the data of each tag of an rpm's header, up to the end of all.
type header struct {
	data  map[int][]byte
	count map[int]uint32
}

// rpmHeader returns the header at the beginning of b, and its length.
func rpmHeader(t *testing.T, b []byte) (h header, size int) {
	t.Helper()
	if !bytes.HasPrefix(b, []byte{0x8e, 0xad, 0xe8, 1}) {
		t.Fatal("this is no header of an rpm")
	}
	tags, length := int(binary.BigEndian.Uint32(b[8:])), int(binary.BigEndian.Uint32(b[12:]))
	store := 16 + tags*16
	h = header{map[int][]byte{}, map[int]uint32{}}
	for i := range tags {
		e := b[16+i*16:]
		tag := int(binary.BigEndian.Uint32(e))
		h.data[tag] = b[store+int(binary.BigEndian.Uint32(e[8:])) : store+length]
		h.count[tag] = binary.BigEndian.Uint32(e[12:])
	}
	return h, store + length
}

// texts are n texts, each of which ends with a zero.
func (h header) texts(tag, n int) []string {
	all := strings.SplitN(string(h.data[tag]), "\x00", n+1)
	return append(all, make([]string, n)...)[:n]
}

// numbers are those of a tag, of a width in bytes.
func (h header) numbers(tag, width int) (all []int64) {
	for i := range int(h.count[tag]) {
		n := int64(0)
		for _, b := range h.data[tag][i*width : (i+1)*width] {
			n = n<<8 | int64(b)
		}
		all = append(all, n)
	}
	return all
}
