package wordpiece

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Tokenizer turns texts into tokens. It does not change and may be used by several goroutines at once.
type Tokenizer struct {
	vocab    map[string]int64
	unknown  int64
	prefix   string
	maxChars int

	clean, chinese, accents, lower bool

	before, after []token
	typeID        int64
	pad, padType  int64
	pads          bool
}

type token struct{ id, typeID int64 }

// Encoding is a text as tokens: their numbers, and the number of the sequence that each belongs to.
type Encoding struct {
	IDs, Types []int64
}

// Pad gives what fills sequences up to a common length; ok is false where the tokenizer has nothing for it.
func (t *Tokenizer) Pad() (id, typeID int64, ok bool) { return t.pad, t.padType, t.pads }

// Around gives how many special tokens stand around a text.
func (t *Tokenizer) Around() int { return len(t.before) + len(t.after) }

// Highest gives the highest number of a token.
func (t *Tokenizer) Highest() int64 {
	highest := t.pad
	for _, id := range t.vocab {
		highest = max(highest, id)
	}
	return highest
}

// Encode turns a text into at most so many tokens, those around it included; the text's end is left out where it has
// more. limit must be Around or more; 0 is no limit. Bytes that are not UTF-8 are left out, as the normaliser leaves
// out U+FFFD, or are unknown where it does not.
func (t *Tokenizer) Encode(text string, limit int) Encoding {
	room := -1
	if limit > 0 {
		room = max(limit-t.Around(), 0)
	}
	var e Encoding
	for _, b := range t.before {
		e.IDs, e.Types = append(e.IDs, b.id), append(e.Types, b.typeID)
	}
	start := len(e.IDs)
	for word := range t.words(text) {
		e.IDs = t.pieces(e.IDs, word)
		if room >= 0 && len(e.IDs)-start >= room {
			e.IDs = e.IDs[:start+room]
			break
		}
	}
	for len(e.Types) < len(e.IDs) {
		e.Types = append(e.Types, t.typeID)
	}
	for _, a := range t.after {
		e.IDs, e.Types = append(e.IDs, a.id), append(e.Types, a.typeID)
	}
	return e
}

// pieces appends the tokens of a word: the longest token that it begins with, then the longest that goes on from there.
// A word with a part that no token is, or with too many letters, is unknown as a whole.
func (t *Tokenizer) pieces(dst []int64, word string) []int64 {
	if utf8.RuneCountInString(word) > t.maxChars {
		return append(dst, t.unknown)
	}
	start := len(dst)
	var buffer [128]byte
	for rest := word; rest != ""; {
		key := buffer[:0]
		if len(rest) < len(word) {
			key = append(key, t.prefix...)
		}
		prefix := len(key)
		key = append(key, rest...)
		found := false
		for end := len(rest); end > 0; {
			if id, ok := t.vocab[string(key[:prefix+end])]; ok {
				dst, rest, found = append(dst, id), rest[end:], true
				break
			}
			_, size := utf8.DecodeLastRuneInString(rest[:end])
			end -= size
		}
		if !found {
			return append(dst[:start], t.unknown)
		}
	}
	return dst
}

// words gives the normalised words of a text, each sign of punctuation as one.
func (t *Tokenizer) words(text string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		// A part at a time, cut where white space is: long texts whose end is left out are then not normalised to the end.
		for len(text) > 0 {
			end := cut(text, 4096)
			part := t.normalise(text[:end])
			text = text[end:]
			if !split(part, yield) {
				return
			}
		}
	}
}

// cut gives the end of the first part of a text: behind the first space or line end after so many bytes.
func cut(text string, after int) int {
	if len(text) <= after {
		return len(text)
	}
	if i := strings.IndexAny(text[after:], " \n"); i >= 0 {
		return after + i + 1
	}
	return len(text)
}

// split parts a normalised text at white space, which is dropped, and around punctuation.
func split(text string, yield func(string) bool) bool {
	start := 0
	for i, r := range text {
		space := isSpace(r)
		if !space && !isPunctuation(r) {
			continue
		}
		if start < i && !yield(text[start:i]) {
			return false
		}
		start = i + utf8.RuneLen(r)
		if !space && !yield(text[i:start]) {
			return false
		}
	}
	return start >= len(text) || yield(text[start:])
}

// normalise does what the BERT normaliser does, in its order: clean, set Chinese characters apart, strip accents, lower
// case.
func (t *Tokenizer) normalise(text string) string {
	plain := true
	for i := range len(text) {
		if c := text[i]; c >= utf8.RuneSelf || c < 0x20 && c != '\t' && c != '\n' && c != '\r' || c == 0x7f {
			plain = false
			break
		}
	}
	if plain { // ASCII has no accents and nothing Chinese
		if t.lower {
			return strings.ToLower(text)
		}
		return text
	}
	var b strings.Builder
	b.Grow(len(text) + 16)
	for _, r := range text {
		if t.clean {
			if r == 0 || r == utf8.RuneError || isControl(r) {
				continue
			}
			if isSpace(r) {
				r = ' '
			}
		}
		if t.chinese && isChinese(r) {
			b.WriteByte(' ')
			b.WriteRune(r)
			b.WriteByte(' ')
			continue
		}
		b.WriteRune(r)
	}
	text = b.String()
	if t.accents {
		decomposed := norm.NFD.String(text)
		text = strings.Map(func(r rune) rune {
			if unicode.Is(unicode.Mn, r) {
				return -1
			}
			return r
		}, decomposed)
	}
	if t.lower {
		// U+0130 is the one letter whose small form is two code points, which ToLower does not know.
		text = strings.ToLower(strings.ReplaceAll(text, "\u0130", "i\u0307"))
	}
	return text
}

// isSpace is White_Space of Unicode.
func isSpace(r rune) bool { return unicode.IsSpace(r) }

// isControl says whether the normaliser takes a character for a control character: the categories C of Unicode, but for
// what separates.
func isControl(r rune) bool {
	return r != '\t' && r != '\n' && r != '\r' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs)
}

// isPunctuation says whether a character stands alone: the signs of ASCII, and the categories P of Unicode.
func isPunctuation(r rune) bool {
	switch {
	case r < utf8.RuneSelf:
		return r > ' ' && r < 0x7f && (r < '0' || r > '9' && r < 'A' || r > 'Z' && r < 'a' || r > 'z')
	default:
		return unicode.IsPunct(r)
	}
}

// isChinese says whether a character is one of the CJK blocks that the normaliser sets apart: its own list, which leaves
// out 2B820 to 2B91F.
func isChinese(r rune) bool {
	switch {
	case r < 0x3400:
		return false
	case r <= 0x4dbf, r >= 0x4e00 && r <= 0x9fff, r >= 0xf900 && r <= 0xfaff:
		return true
	case r >= 0x20000 && r <= 0x2a6df, r >= 0x2a700 && r <= 0x2b81f, r >= 0x2b920 && r <= 0x2ceaf, r >= 0x2f800 && r <= 0x2fa1f:
		return true
	}
	return false
}
