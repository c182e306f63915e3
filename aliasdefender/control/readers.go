package control

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/user"
	"strconv"
)

// ReadersSuffix is appended to the control socket's path to make the path of the second
// socket, on which a group of users may ask.
const ReadersSuffix = ".read" // config has the same

// maxReaders is how many of them are answered at a time. They have places of their own:
// users who may only look must not keep an operator's order waiting.
const maxReaders = 8

// readersMode is the mode of their socket: for its owner and its group.
const readersMode = 0o660

// GroupID returns the number of a group, which may be written as a number. As in
// chown(1), a group whose name is the word comes before the group whose number it is; a
// group with that number need not exist. The program is linked without the C library, so
// it reads /etc/group, and knows no other groups by name.
func GroupID(group string) (int, error) {
	if g, err := user.LookupGroup(group); err == nil {
		return strconv.Atoi(g.Gid)
	}
	if n, err := strconv.ParseUint(group, 10, 31); err == nil {
		return int(n), nil
	}
	return 0, fmt.Errorf("no group %q in /etc/group; make one with groupadd, or write its number", group)
}

// ListenReaders opens the socket on which the members of a group may ask for Status and
// Why, and give no orders. Call it after Listen. Without this call there is no such
// socket.
func (s *Server) ListenReaders(group string) error {
	gid, err := GroupID(group)
	if err != nil {
		return err
	}
	path := s.lock.socket + ReadersSuffix
	if err := sweep(path); err != nil {
		return err
	}
	ln, err := bind(path)
	if err != nil {
		return explainFile(err)
	}
	// The owner comes first: otherwise the old group could connect in between.
	if err := errors.Join(os.Chown(path, -1, gid), os.Chmod(path, readersMode)); err != nil {
		ln.Close()
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%s: this process is not in the group %s, and may not give the socket to it; under systemd: 'systemctl edit aliasdefender', with SupplementaryGroups=%s below [Service]", path, group, group)
		}
		return explainFile(err)
	}
	s.readers = ln
	return nil
}

// readRoutes are the questions that readers may ask.
func (s *Server) readRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /v1/status", s.answer(s.working, func(r *http.Request) (any, error) {
		return s.handlers.Status(r.Context(), r.URL.Query().Get("journal") == "1")
	}))
	mux.Handle("GET /v1/now", s.answer(s.working, func(r *http.Request) (any, error) {
		return s.handlers.Now(r.Context(), r.URL.Query().Get("alias"))
	}))
	mux.Handle("GET /metrics", s.metrics())
	return mux
}

// serving is one socket with what is answered on it.
type serving struct {
	on     net.Listener
	routes http.Handler
	most   int // how many clients at a time
}

// servings are the sockets that are open.
func (s *Server) servings() (all []serving) {
	left := s.clients
	if s.readers != nil {
		readers := min(maxReaders, max(s.clients/2, 1))
		all = append(all, serving{s.readers, s.readRoutes(), readers})
		left = max(left-readers, 1)
	}
	if s.status.on != nil {
		all = append(all, serving{s.status.on, s.statusRoutes(), s.overTCP})
	}
	return append(all, serving{s.listener, s.routes(), left})
}
