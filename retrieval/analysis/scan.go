package analysis

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind says what a token is.
type kind uint8

const (
	word   kind = iota // letters: to be stemmed
	exact              // a number, or a word with digits: folded and not stemmed
	name               // an identifier: as exact
	camel              // a word written likeThis: both a word and an identifier
	letter             // letters of a script without spaces between words, one after another
)

// token is a piece of a text, as it is written.
type token struct {
	kind kind
	text string
}

// How tightly a sign within an identifier binds. a_b.c/d gives a_b, a_b.c and a_b.c/d.
const levels = 3

// bind gives the level of a sign that joins words when it stands alone between them, or -1.
func bind(c byte) int {
	switch c {
	case '_', '-':
		return 0
	case '.', ',': // a comma between digits alone
		return 1
	case '/', '\\', '@', ':', '+', '&', '#':
		return 2
	}
	return -1
}

// Signs are the characters of terms that are neither letters, digits nor marks.
const Signs = `_-.,/\@:+&#`

// scan gives the tokens of a text that normal made, in order: the words, and after them the identifiers that they
// make. It says whether yield wanted all.
func scan(text string, yield func(token) bool) bool {
	for i := 0; i < len(text); {
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		switch {
		case !partOfWord(r):
			i += size
		case unspaced(r):
			end := i + size
			for end < len(text) {
				r, size := utf8.DecodeRuneInString(text[end:])
				if !unspaced(r) || !partOfWord(r) {
					break
				}
				end += size
			}
			if !yield(token{letter, text[i:end]}) {
				return false
			}
			i = end
		default:
			end, ok := compound(text, i, yield)
			if !ok {
				return false
			}
			i = end
		}
	}
	return true
}

// compound gives the words from a place on that are joined by signs, and the identifiers that they make.
func compound(text string, start int, yield func(token) bool) (end int, ok bool) {
	var from [levels]int // where the identifier of each level begins
	var has [levels]bool // and whether there is more to it than to that of the level below
	for l := range from {
		from[l] = start
	}
	finish := func(level, end int) bool {
		for l := range level {
			whole := text[from[l]:end]
			if has[l] && !tooLong(whole) && !prose(whole) && !yield(token{name, whole}) {
				return false
			}
		}
		return true
	}
	for at := start; ; {
		end = wordEnd(text, at)
		if !atom(text, at, end, yield) {
			return end, false
		}
		next, level := join(text, at, end)
		if level < 0 {
			if sharp := end + sharpLength(text, at, end); sharp > end {
				if !yield(token{name, text[at:sharp]}) {
					return sharp, false
				}
				return sharp, finish(levels, end)
			}
			return end, finish(levels, end)
		}
		if !finish(level, end) {
			return end, false
		}
		for l := range level {
			from[l], has[l] = next, false
		}
		has[level] = true
		at = next
	}
}

// prose says whether an identifier is but two words of a language with a hyphen. To index those as one too makes
// the ranking of prose worse (Cranfield's nDCG@10 by 0.004), and three are rather the name of something.
func prose(whole string) bool {
	one, two, ok := strings.Cut(whole, "-")
	return ok && wordEnd(one, 0) == len(one) && wordEnd(two, 0) == len(two) &&
		!strings.ContainsFunc(one, unicode.IsNumber) && !strings.ContainsFunc(two, unicode.IsNumber)
}

// wordEnd gives the end of the word that begins at a place.
func wordEnd(text string, at int) int {
	for at < len(text) {
		if c := text[at]; c < utf8.RuneSelf {
			if ascii[c]&isWord == 0 {
				return at
			}
			at++
			continue
		}
		r, size := utf8.DecodeRuneInString(text[at:])
		if !partOfWord(r) || unspaced(r) {
			return at
		}
		at += size
	}
	return at
}

// join gives where the next word of an identifier begins, and how tightly the sign before it binds, or -1.
func join(text string, at, end int) (next, level int) {
	if end >= len(text) || text[end] >= utf8.RuneSelf {
		return 0, -1
	}
	c := text[end]
	if level = bind(c); level < 0 {
		return 0, -1
	}
	next = end + 1
	if (c == '_' || c == ':') && next < len(text) && text[next] == c {
		next++ // snake__case, a::b
	}
	if next >= len(text) {
		return 0, -1
	}
	r, _ := utf8.DecodeRuneInString(text[next:])
	if !partOfWord(r) || unspaced(r) {
		return 0, -1
	}
	if c == ',' && (!digit(text[end-1]) || !digit(text[next])) {
		return 0, -1
	}
	return next, level
}

// sharpLength gives the length of the signs of C++ and C#.
func sharpLength(text string, at, end int) int {
	if end-at != 1 || end == len(text) || ascii[text[at]&0x7F]&isLetter == 0 {
		return 0
	}
	for _, signs := range []string{"++", "#"} {
		if rest, ok := strings.CutPrefix(text[end:], signs); ok {
			if r, _ := utf8.DecodeRuneInString(rest); rest == "" || !partOfWord(r) {
				return len(signs)
			}
		}
	}
	return 0
}

// atom gives the tokens of one word.
func atom(text string, start, end int, yield func(token) bool) bool {
	w := text[start:end]
	letters, digits, humps := true, false, false
	if !usual(w) {
		letters, digits, humps = census(w)
	}
	switch {
	case !letters && !digits:
		return true // marks alone
	case !letters:
		return yield(token{exact, w})
	case digits && !humps:
		return yield(token{name, w})
	case apostrophe(text, start, end):
		return true
	case !humps:
		return yield(token{word, w})
	}
	for at := 0; at < len(w); {
		end := hump(w, at)
		if end-at > 1 {
			part := token{word, w[at:end]}
			if strings.ContainsFunc(part.text, unicode.IsNumber) {
				part.kind = exact
			}
			if !yield(part) {
				return false
			}
		}
		at = end
	}
	if tooLong(w) {
		return true
	}
	if digits {
		return yield(token{name, w})
	}
	return yield(token{camel, w})
}

// usual says whether a word is of small letters of ASCII but for the first: most are, and need no census.
func usual(w string) bool {
	if ascii[w[0]&0x7F]&isLetter == 0 || w[0] >= utf8.RuneSelf {
		return false
	}
	for i := 1; i < len(w); i++ {
		if w[i] < 'a' || w[i] > 'z' {
			return false
		}
	}
	return true
}

// census says what a word holds, and whether it is written likeThis: in two parts of two letters or more.
func census(w string) (letters, digits, humps bool) {
	lower, inside := false, false
	for i, r := range w {
		if r < utf8.RuneSelf {
			letters = letters || ascii[r]&isLetter != 0
			digits = digits || digit(byte(r))
			upper := r >= 'A' && r <= 'Z'
			inside = inside || upper && i > 0
			lower = lower || r >= 'a' && r <= 'z'
			continue
		}
		digits = digits || unicode.IsNumber(r)
		letters = letters || !unicode.IsMark(r) && !unicode.IsNumber(r)
		inside = inside || i > 0 && unicode.IsUpper(r)
		lower = lower || unicode.IsLower(r)
	}
	if !inside || !lower {
		return letters, digits, false
	}
	parts := 0
	for at := 0; at < len(w) && parts < 2; {
		end := hump(w, at)
		if end-at > 1 {
			parts++
		}
		at = end
	}
	return letters, digits, parts == 2
}

// hump gives the end of the part of a word likeThis that begins at a place: before a capital after another letter,
// and before the last capital of several (HTTPServer).
func hump(w string, at int) int {
	before, last := rune(0), 0 // the letter before, and where it is
	for i, r := range w[at:] {
		i += at
		if before != 0 && i > at {
			switch {
			case unicode.IsUpper(r) && !unicode.IsUpper(before):
				return i
			case unicode.IsLower(r) && unicode.IsUpper(before) && last > at:
				return last
			}
		}
		before, last = r, i
	}
	return len(w)
}

// apostrophe says whether a word is a single letter beside an apostrophe within a word.
func apostrophe(text string, start, end int) bool {
	if end-start > utf8.UTFMax {
		return false
	}
	r, size := utf8.DecodeRuneInString(text[start:end])
	if size != end-start || !unicode.IsLetter(r) {
		return false
	}
	if rest, ok := cutApostrophe(text[end:]); ok {
		if r, _ := utf8.DecodeRuneInString(rest); rest != "" && partOfWord(r) {
			return true
		}
	}
	before, ok := strings.CutSuffix(text[:start], "'")
	if !ok {
		before, ok = strings.CutSuffix(text[:start], "’")
	}
	r, _ = utf8.DecodeLastRuneInString(before)
	return ok && before != "" && partOfWord(r)
}

func cutApostrophe(s string) (string, bool) {
	if rest, ok := strings.CutPrefix(s, "'"); ok {
		return rest, true
	}
	return strings.CutPrefix(s, "’")
}

func tooLong(s string) bool {
	return len(s) > MaxRunes && (len(s) > utf8.UTFMax*MaxRunes || utf8.RuneCountInString(s) > MaxRunes)
}

const (
	isWord = 1 << iota
	isLetter
)

var ascii = func() (t [utf8.RuneSelf]uint8) {
	for c := range t {
		switch c := rune(c); {
		case unicode.IsLetter(c):
			t[c] = isWord | isLetter
		case unicode.IsDigit(c):
			t[c] = isWord
		}
	}
	return t
}()

func digit(c byte) bool { return c >= '0' && c <= '9' }

// partOfWord says whether a rune belongs to a word: letters, numbers, marks and what is for private use.
func partOfWord(r rune) bool {
	if r < utf8.RuneSelf {
		return ascii[r]&isWord != 0
	}
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.In(r, unicode.Mn, unicode.Mc, unicode.Co)
}

// unspaced says whether a letter is of a script whose words are not parted by spaces. Hangul is: its words are, but
// carry their particles with them.
func unspaced(r rune) bool {
	switch {
	case r < 0x0E00:
		return false
	case r >= 0x4E00 && r <= 0x9FFF, r >= 0x3041 && r <= 0x3096, r >= 0x30A1 && r <= 0x30FF, r >= 0xAC00 && r <= 0xD7A3:
		return true
	}
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul,
		unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}
