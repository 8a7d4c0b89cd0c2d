//go:build !race

package openinference

const raceEnabled = false
