//go:build !race

package localgateway_test

// raceEnabled tells that the race detector is on, which takes several times the memory.
const raceEnabled = false
