// Package page opens the page of a Monitor in a browser: Chromium, which Debian has, driven by
// chromedp. It is a module of its own, so that nothing else is compiled or checked together
// with what drives a browser. make test-page runs it, and make test runs that.
package page
