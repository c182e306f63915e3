// Package metrics plays stories of pairs and looks at what their metrics show.
package metrics
