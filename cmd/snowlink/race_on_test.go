//go:build race

package main

// raceFactor is how much slower the product is under the race detector.
const raceFactor = 5
