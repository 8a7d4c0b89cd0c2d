package hashing

import (
	"math"
	"math/bits"
	"strings"
)

// logCounts are 1 + ln(n) in 4096ths, for counts from 0.
var logCounts = [...]int64{0, 4096, 6935, 8596, 9774, 10688, 11435, 12066, 12613, 13096, 13527, 13918, 14274, 14602, 14906, 15188, 15453}

// logCount gives 1 + ln(n) in 4096ths; above the table in steps of doublings. Whole numbers and no
// logarithm, because processors round logarithms differently.
func logCount(n int) int64 {
	if n < len(logCounts) {
		return logCounts[n]
	}
	doublings := bits.Len(uint(n)) - 4 // n >> doublings is 8 to 15
	return logCounts[n>>doublings] + int64(doublings)*2840
}

// rootShares are 4096 / √n. A square root is rounded alike everywhere.
var rootShares = func() (t [64]int64) {
	for n := 1; n < len(t); n++ {
		t[n] = int64(math.Round(one / math.Sqrt(float64(n))))
	}
	return t
}()

func rootShare(n int) int64 {
	if n < len(rootShares) {
		return rootShares[n]
	}
	return int64(math.Round(one / math.Sqrt(float64(n))))
}

// common are the hashes of words that say little on their own.
var common = func() map[uint64]struct{} {
	set := map[uint64]struct{}{}
	for word := range strings.FieldsSeq(commonWords) {
		var chars []rune
		decompose(word, func(_ class, r rune) { chars = append(chars, r) })
		set[hashChars(seedWord, chars)] = struct{}{}
	}
	return set
}()
