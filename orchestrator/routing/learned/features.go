package learned

import (
	"math"
	"sync"
	"unicode/utf8"
)

// FeatureVersion is the version of the function from text to features: it changes whenever any text's features do. A
// model of another version is refused, for its weights would stand for something else.
const FeatureVersion = 1

// Slots is how many numbers features are hashed into.
const (
	slotBits = 16
	Slots    = 1 << slotBits
)

// window is how many bytes of a text are read at each of its ends: what lies between counts for its length alone.
const window = 8 << 10

// Scratch is what reading a text needs, to be used again. It is not safe for concurrent use.
type Scratch struct {
	counts  []int16
	touched []uint32
	shape   [ShapeSize]float32

	shown   []slotValue
	cosines []int32
	levels  [levels]int32
	logits  []float64
	// named is told each feature in words, where somebody asks for them. Nil: nobody does.
	named func(slot uint32, name string)
}

// slotValue is a slot with its damped count, whose sign is that of its hash.
type slotValue struct {
	slot  uint32
	value float32
}

var scratches = sync.Pool{New: func() any { return NewScratch() }}

// NewScratch makes a scratch.
func NewScratch() *Scratch {
	return &Scratch{counts: make([]int16, Slots), touched: make([]uint32, 0, 8192), shown: make([]slotValue, 0, 8192)}
}

// damped is 1 + ln(n), for counts of features: the second time a word comes says less than the first.
var damped = func() (table [256]float32) {
	for n := 1; n < len(table); n++ {
		table[n] = float32(1 + math.Log(float64(n)))
	}
	return table
}()

// Seeds keep the kinds of features apart: the piece "cat" is not the word "cat".
const (
	seedWord = 0xcbf29ce484222325
	seedPair = 0x9e3779b97f4a7c15
	seedHead = 0xc2b2ae3d27d4eb4f
	seedTail = 0x27d4eb2f165667c5
	prime    = 0x100000001b3
)

// prefix and suffix are how many characters of a word's ends are features of their own.
const (
	prefix = 4
	suffix = 3
)

// mix spreads a hash over all of its bits (the finalizer of MurmurHash3, Appleby).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// read fills the scratch with the features of a text: signed counts of hashed features (Weinberger et al., "Feature
// Hashing for Large Scale Multitask Learning", ICML 2009), and its shape.
func (s *Scratch) read(text string) {
	s.touched = s.touched[:0]
	r := reader{s: s, sentence: true}
	if len(text) <= 2*window {
		r.text(text)
	} else {
		head, tail := window, len(text)-window
		for !utf8.RuneStart(text[head]) {
			head--
		}
		for tail < len(text) && !utf8.RuneStart(text[tail]) {
			tail++
		}
		r.text(text[:head])
		r.endWord()
		r.text(text[tail:])
	}
	r.endWord()
	r.shape(len(text))
}

// add counts a feature. What its hash says decides its slot and its sign.
func (s *Scratch) add(slot uint32, sign int16) {
	if s.counts[slot] == 0 {
		s.touched = append(s.touched, slot)
	}
	if n := s.counts[slot] + sign; n < int16(len(damped)) && n > -int16(len(damped)) {
		s.counts[slot] = n
	}
}

// drain gives the features as slots with their damped counts, and clears the counts for the next text.
func (s *Scratch) drain() []slotValue {
	s.shown = s.shown[:0]
	for _, slot := range s.touched {
		n := s.counts[slot]
		if n == 0 {
			continue // what hashed onto it cancelled out, or it is listed twice and was taken
		}
		s.counts[slot] = 0
		v := damped[max(n, -n)]
		if n < 0 {
			v = -v
		}
		s.shown = append(s.shown, slotValue{slot, v})
	}
	return s.shown
}
