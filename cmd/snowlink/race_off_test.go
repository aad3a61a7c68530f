//go:build !race

package main

// raceFactor is how much slower the product is under the race detector: it is not on.
const raceFactor = 1
