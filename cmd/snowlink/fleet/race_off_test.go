//go:build integration && !race

package fleet

const raceFactor = 1
