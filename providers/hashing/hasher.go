package hashing

import (
	"math"
	"math/bits"
	"sync"
)

// The weights of features, in 4096ths, and what shapes them. They were chosen by measuring; see
// TestCranfield for the figures.
const (
	one = 4096

	wordWeight  = one * 10 / 10
	pairWeight  = one * 3 / 10
	pieceWeight = one * 18 / 10

	// In scripts without spaces: one, two and three neighbouring characters.
	singleWeight = one * 3 / 10
	doubleWeight = one * 10 / 10
	tripleWeight = one * 5 / 10

	// Pieces of 4 and 5 do a little better on Cranfield (nDCG@10 of 0.302 instead of 0.292, each the mean
	// over five seeds of the hash), but hardly find typos.
	minPiece, maxPiece = 3, 4
)

// lengthWeight is what a word of so many characters counts, in 4096ths: short words say less.
var lengthWeight = [...]int64{0, one * 3 / 10, one * 5 / 10, one * 8 / 10, one}

// commonWeight is what a common word counts, in 4096ths.
const commonWeight = one * 1 / 10

// The constants of FNV-1a for 64 bits (Fowler, Noll and Vo), here over characters instead of bytes.
const (
	fnvOffset = 0xcbf29ce484222325
	fnvPrime  = 0x100000001b3
)

// Seeds keep the kinds of features apart: the piece "cat" is not the word "cat".
const (
	seedWord  = fnvOffset
	seedPair  = fnvOffset ^ 0x9e3779b97f4a7c15
	seedPiece = fnvOffset ^ 0xc2b2ae3d27d4eb4f
	seedRun   = fnvOffset ^ 0x27d4eb2f165667c5
	seedOther = fnvOffset ^ 0x165667b19e3779f9
)

// mark of a word's ends in its pieces: no folded character.
const edge = ' '

// hasher holds what one call needs, to be used again.
type hasher struct {
	// chars are the folded characters of all words, each word between two edges.
	chars []rune
	// table finds features, slots lists them in their order.
	table []int32
	slots []slot
	sums  []int64
}

// slot is a feature with its count: a word, a pair of words, or characters of a script without spaces.
type slot struct {
	hash   uint64
	weight int64
	count  int
	// start and end are a word's place in chars, without its edges. Other features have none.
	start, end int32
}

var hashers = sync.Pool{New: func() any { return new(hasher) }}

// embed makes the vector of a text and gives the number of its words.
func (h *hasher) embed(text string, v []float32) int {
	words := h.read(text)
	if cap(h.sums) < len(v) {
		h.sums = make([]int64, len(v))
	}
	h.sums = h.sums[:len(v)]
	clear(h.sums)
	for i := range h.slots {
		s := &h.slots[i]
		weight := s.weight * logCount(s.count) / one
		h.add(s.hash, weight)
		if s.end > 0 {
			h.pieces(h.chars[s.start-1:s.end+1], weight*pieceWeight/wordWeight)
		}
	}
	h.scale(text, v)
	return words
}

// read folds a text and counts its features, but for the pieces. It gives the number of words; a
// character of a script without spaces counts as one.
func (h *hasher) read(text string) int {
	h.chars = append(h.chars[:0], edge)
	h.slots = h.slots[:0]
	h.reset(len(text)/4 + 8)
	words := 0
	var before word  // the word before, if there is one
	var near [2]rune // the one or two characters before, of a script without spaces; 0: none
	start := len(h.chars)
	feed := func(kind class, r rune) {
		switch kind {
		case letter:
			if r == 'ß' {
				h.chars = append(h.chars, 's')
				r = 's'
			}
			h.chars = append(h.chars, r)
		case alone, gap:
			if len(h.chars) > start { // a word ends
				words++
				now := h.word(start, len(h.chars))
				if before.weight > 0 {
					h.pair(before, now)
				}
				before = now
				h.chars = append(h.chars, edge)
				start = len(h.chars)
			}
		}
		switch kind {
		case alone:
			words++
			h.characters(near, r)
			before, near = word{}, [2]rune{near[1], r}
		case letter, gap:
			near = [2]rune{}
		}
	}
	decompose(compose(text), feed)
	feed(gap, 0)
	return words
}

// word is what a pair needs of a word.
type word struct {
	hash   uint64
	weight int64
}

// word counts the word at chars[start:end].
func (h *hasher) word(start, end int) word {
	hash := hashChars(seedWord, h.chars[start:end])
	s := h.slot(hash)
	if s.count == 0 {
		s.start, s.end = int32(start), int32(end)
		s.weight = wordWeight * lengthWeight[min(end-start, len(lengthWeight)-1)] / one
		if _, ok := common[hash]; ok {
			s.weight = wordWeight * commonWeight / one
		}
	}
	s.count++
	return word{hash, s.weight}
}

// pair counts two neighbouring words. It weighs as the lesser of them.
func (h *hasher) pair(a, b word) {
	s := h.slot((seedPair ^ a.hash*fnvPrime ^ bits.RotateLeft64(b.hash, 29)) * fnvPrime)
	s.weight = min(a.weight, b.weight) * pairWeight / wordWeight
	s.count++
}

// characters counts a character of a script without spaces, alone and with the ones before it.
func (h *hasher) characters(before [2]rune, r rune) {
	chars := [3]rune{before[0], before[1], r}
	for n, weight := range [...]int64{singleWeight, doubleWeight, tripleWeight} {
		if n > 0 && chars[2-n] == 0 {
			return
		}
		s := h.slot(hashChars(seedRun, chars[2-n:]))
		s.weight = weight
		s.count++
	}
}

// hashChars is FNV-1a.
func hashChars(seed uint64, chars []rune) uint64 {
	for _, r := range chars {
		seed = (seed ^ uint64(r)) * fnvPrime
	}
	return seed
}

// reset empties the table and makes room for some features.
func (h *hasher) reset(features int) {
	size := 1 << bits.Len(uint(2*features))
	if len(h.table) < size {
		h.table = make([]int32, size)
		return
	}
	clear(h.table)
}

// slot finds the slot of a feature, or makes it.
func (h *hasher) slot(hash uint64) *slot {
	if 2*len(h.slots) >= len(h.table) {
		h.table = make([]int32, 2*len(h.table))
		for i := range h.slots {
			h.table[h.free(h.slots[i].hash)] = int32(i + 1)
		}
	}
	at := h.free(hash)
	if i := h.table[at]; i != 0 {
		return &h.slots[i-1]
	}
	h.slots = append(h.slots, slot{hash: hash})
	h.table[at] = int32(len(h.slots))
	return &h.slots[len(h.slots)-1]
}

// free gives the place in the table where a feature is, or would be.
func (h *hasher) free(hash uint64) uint64 {
	mask := uint64(len(h.table) - 1)
	at := (hash ^ hash>>32) & mask
	for h.table[at] != 0 && h.slots[h.table[at]-1].hash != hash {
		at = (at + 1) & mask
	}
	return at
}

// pieces adds the pieces of a word that stands between two edges. Their squares sum up to the square of
// the weight.
func (h *hasher) pieces(word []rune, weight int64) {
	n := 0
	for size := minPiece; size <= min(maxPiece, len(word)); size++ {
		n += len(word) - size + 1
	}
	if n == 0 {
		return
	}
	each := weight * rootShare(n) / one
	for i := 0; i+minPiece <= len(word); i++ {
		hash := uint64(seedPiece)
		for size, r := range word[i:min(i+maxPiece, len(word))] {
			hash = (hash ^ uint64(r)) * fnvPrime
			if size >= minPiece-1 {
				h.add(hash, each)
			}
		}
	}
}

// add adds a weight to the number that the hash chooses, with the sign that it chooses.
func (h *hasher) add(hash uint64, weight int64) {
	// FNV leaves its low bits poorly mixed: fold and multiply once more.
	hash ^= hash >> 32
	hash *= 0xbf58476d1ce4e5b9
	hash ^= hash >> 29
	at := (hash >> 32) * uint64(len(h.sums)) >> 32
	h.sums[at] += weight - 2*weight*int64(hash&1)
}

// scale makes a vector of length 1 of the sums. A text without words, whose sums are all 0, gets one
// that depends on its characters.
func (h *hasher) scale(text string, v []float32) {
	var squares float64
	for _, x := range h.sums {
		f := float64(x)
		squares += float64(f * f) // the conversion forbids fusing, which some processors would
	}
	if squares == 0 {
		h.add(hashChars(seedOther, []rune(text)), one)
		squares = one * one
	}
	length := math.Sqrt(squares)
	for i, x := range h.sums {
		v[i] = float32(float64(x) / length)
	}
}
