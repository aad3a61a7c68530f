//go:build integration && race

package fleet

// raceFactor is how much slower the product is under the race detector, which the tests share with it.
const raceFactor = 10
