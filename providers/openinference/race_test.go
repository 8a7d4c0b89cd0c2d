//go:build race

package openinference

// raceEnabled makes tests of many inputs shorter: the race detector looks for other things.
const raceEnabled = true
