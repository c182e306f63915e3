// Package ipv6 has the stories that only aliases of IPv6 have: default routes by router
// advertisement, neighbour entries in each state, duplicate address detection, link-local
// aliases. Those that both families share are in e2e/story.
package ipv6
