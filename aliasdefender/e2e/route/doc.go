// Package route plays a last-hop router that keeps the routes to four servers, each of which
// has the same service addresses on its loopback interface.
package route
