package learned

import (
	"fmt"
	"math/bits"
	"unicode"
	"unicode/utf8"
)

// class is what a character is to the reader of words.
type class uint8

const (
	space  class = iota
	letter       // of a word
	digit
	alone // of a script without spaces: a word by itself
	other // a mark or symbol: a word by itself
)

func classify(r rune) (class, rune) {
	if r < utf8.RuneSelf {
		switch {
		case r >= 'a' && r <= 'z':
			return letter, r
		case r >= 'A' && r <= 'Z':
			return letter, r + 'a' - 'A'
		case r >= '0' && r <= '9':
			return digit, r
		case r <= ' ' || r == 0x7f:
			return space, ' '
		}
		return other, r
	}
	switch {
	case r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
		return alone, r
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return letter, unicode.ToLower(r)
	case unicode.IsNumber(r):
		return digit, r
	case unicode.IsSpace(r):
		return space, ' '
	}
	return other, r
}

// reader goes through a text once.
type reader struct {
	s *Scratch
	// word is the hash of the word that is being read, and size its characters.
	word uint64
	size int
	// number is 1 within a number and 2 behind a point or comma that may belong to one.
	number uint8
	last   uint64 // the word before
	// spelt is the word as it is spelt, and lastSpelt the one before, where names are asked for.
	spelt     []rune
	lastSpelt string
	head      uint64 // of its first characters
	tail      [suffix]rune

	chars, words, distinct, letters, numbers, digits, capitals, marks, symbols, foreign, sentences, questions, items int
	// lines are counted, line is how long the current one is so far, and longest how long the longest is.
	lines, line, longest int
	// sentence says that a word came since the last sentence ended.
	sentence bool
	// start is how the line starts, and at how far in it we are.
	start [2]rune
	at    int
}

func (r *reader) text(text string) {
	for i := 0; i < len(text); {
		c, size := rune(text[i]), 1
		if c >= utf8.RuneSelf {
			c, size = utf8.DecodeRuneInString(text[i:])
			r.foreign++
		}
		i += size
		r.char(c)
	}
}

func (r *reader) char(raw rune) {
	r.chars++
	if raw == '\n' {
		r.endLine()
	} else {
		r.line++
		if r.at < len(r.start) {
			r.start[r.at] = raw
		}
		r.at++
		if r.at == 3 && item(r.start, raw) {
			r.items++
		}
	}
	kind, c := classify(raw)
	r.count(kind, c)
	switch kind {
	case letter:
		if c != raw {
			r.capitals++
		}
		r.letters++
		r.grow(c)
	case digit:
		r.digits++
		r.grow(c)
	case alone:
		r.letters++
		r.endWord()
		r.grow(c)
		r.endWord()
	case other:
		r.endWord()
		r.mark(c)
	default:
		r.endWord()
	}
}

// count counts numbers: 1,024.5 is one, and so is the one in x2.
func (r *reader) count(kind class, c rune) {
	switch {
	case kind == digit:
		if r.number == 0 {
			r.numbers++
		}
		r.number = 1
	case r.number == 1 && (c == '.' || c == ','):
		r.number = 2
	default:
		r.number = 0
	}
}

// item says whether a line that starts so is one of a list: "A. ", "1) ", "- x".
func item(start [2]rune, third rune) bool {
	if start[1] == ' ' {
		return (start[0] == '-' || start[0] == '*' || start[0] == '•') && third != ' '
	}
	return (start[1] == '.' || start[1] == ')' || start[1] == ':') && third == ' ' && (unicode.IsLetter(start[0]) || unicode.IsNumber(start[0]))
}

func (r *reader) grow(c rune) {
	if r.size == 0 {
		r.word = seedWord
	}
	r.word = (r.word ^ uint64(c)) * prime
	if r.size++; r.size == prefix {
		r.head = r.word
	}
	r.tail = [suffix]rune{r.tail[1], r.tail[2], c}
	if r.s.named != nil {
		r.spelt = append(r.spelt, c)
	}
}

// mark is a character that is a word by itself, and may end a sentence.
func (r *reader) mark(c rune) {
	r.marks++
	switch c {
	case '.', '!', '。', '！', '؟', '?', '？', '।':
		if r.sentence {
			r.sentences++
			r.sentence = false
		}
		if c == '?' || c == '؟' || c == '？' {
			r.questions++
		}
	case '+', '*', '/', '=', '^', '<', '>', '|', '\\', '{', '}', '$', '%', '_', '~', '#', '@', '&', '[', ']', '×', '÷', '√', '∑', '∫', '≤', '≥', '−', '→', '∈':
		r.symbols++
	}
	if r.s.named != nil {
		r.spelt = append(r.spelt[:0], c)
	}
	r.emit((seedWord ^ uint64(c)) * prime)
}

func (r *reader) endLine() {
	r.lines++
	r.longest = max(r.longest, r.line)
	r.line, r.at = 0, 0
}

func (r *reader) endWord() {
	if r.size == 0 {
		return
	}
	r.words++
	r.sentence = true
	if r.emit(r.word) {
		r.distinct++
	}
	r.size = 0
}

// emit counts a word, and its pair with the word before. It says whether the word is new.
func (r *reader) emit(word uint64) (fresh bool) {
	one, pair := mix(word), uint64(0)
	fresh = r.add(one)
	if r.last != 0 {
		pair = mix(r.last*prime ^ bits.RotateLeft64(word, 21) ^ seedPair)
		r.add(pair)
	}
	r.last = word
	head, tail := r.pieces()
	if r.s.named != nil {
		r.nameWord(one, pair, head, tail)
	}
	return fresh
}

// pieces counts how a word begins and ends, for it shares that with its other forms.
func (r *reader) pieces() (head, tail uint64) {
	if r.size > prefix {
		head = mix(r.head ^ seedHead)
		r.add(head)
	}
	if r.size > suffix {
		tail = mix(uint64(r.tail[0])<<42 ^ uint64(r.tail[1])<<21 ^ uint64(r.tail[2]) ^ seedTail)
		r.add(tail)
	}
	return head, tail
}

// add counts a feature. What its hash says decides its slot and its sign. It says whether the slot was empty.
func (r *reader) add(h uint64) (fresh bool) {
	slot := uint32(h) & (Slots - 1)
	fresh = r.s.counts[slot] == 0
	r.s.add(slot, 1-2*int16(h>>63))
	return fresh
}

// name tells a feature's name to whoever asks, which is nobody but Explain.
func (r *reader) name(h uint64, kind, text string) {
	r.s.named(uint32(h)&(Slots-1), fmt.Sprintf("%s %q", kind, text))
}

// nameWord tells the names of a word's features.
func (r *reader) nameWord(word uint64, pair, head, tail uint64) {
	text := string(r.spelt)
	r.name(word, "word", text)
	if pair != 0 {
		r.name(pair, "words", r.lastSpelt+" "+text)
	}
	if head != 0 {
		r.name(head, "beginning", string(r.spelt[:prefix]))
	}
	if tail != 0 {
		r.name(tail, "ending", string(r.spelt[len(r.spelt)-suffix:]))
	}
	r.lastSpelt, r.spelt = text, r.spelt[:0]
}
