// Package api is the REST interface: links, analytics, the export of clicks, keys, and what the other
// roles ask of this one.
//
// It decodes, calls and encodes. What a link may be is decided by package shortener, what is stored
// by the interfaces in Config. Every error is answered as application/problem+json by one table
// (problem.go), with a stable slug, and none of them shows what is inside.
//
// Under failure: while the event store is down, changes are answered 503 and nothing was made; keys
// that were seen within the last hour still open what does not need that store. While the click store
// is down, analytics are answered 503, and links are answered with clicks null. An export that fails
// after it began is cut off, so that it is not taken for a whole one.
package api
