//go:build race

package edge

// The race detector allocates.
const raceEnabled = true
