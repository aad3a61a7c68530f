// Package components holds each mechanism of infra against the libraries one would otherwise pick. It
// is all benchmarks: `go test -bench=. ./components`.
package components
