package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes, written as "4MiB", "512KiB", "1MB" or a plain number.
type Size int64

var sizeUnits = []struct {
	suffix string
	factor float64
}{
	// The longer suffix first: "MiB" also ends with "B".
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// ParseSize reads a size. It is never negative.
func ParseSize(s string) (Size, error) {
	number, factor := strings.TrimSpace(s), 1.0
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(number, u.suffix); ok {
			number, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	for _, r := range number { // ParseFloat would take "0x1p3", "inf" and "1_0"
		if (r < '0' || r > '9') && r != '.' {
			return 0, fmt.Errorf("want a size such as 512KiB or 4MiB")
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n*factor > math.MaxInt64/2 {
		return 0, fmt.Errorf("want a size such as 512KiB or 4MiB")
	}
	return Size(n * factor), nil
}

// String gives the size in the largest unit of 1024 that divides it.
func (s Size) String() string {
	for _, u := range []struct {
		name string
		size Size
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if s != 0 && s%u.size == 0 {
			return fmt.Sprintf("%d%s", int64(s/u.size), u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}
