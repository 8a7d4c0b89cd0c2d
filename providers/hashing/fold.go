package hashing

import (
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// class is what a character is to the tokenizer.
type class uint8

const (
	gap    class = iota // between words
	letter              // of a word: a letter or a digit
	alone               // of a script without spaces
	mark                // not there at all
)

// classify says what a character is and as which it counts. It has no decomposition.
func classify(r rune) (class, rune) {
	switch {
	case unicode.Is(spaceless, r):
		return alone, r
	case unicode.Is(dropped, r):
		return mark, 0
	case !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r):
		return gap, 0
	}
	r = unicode.ToLower(r)
	switch r {
	case 'ى': // dotless, often written for the letter with dots
		r = 'ي'
	case 'ة': // the feminine ending, often written without its dots
		r = 'ه'
	case 'ς':
		r = 'σ'
	case 'ı':
		r = 'i'
	}
	return letter, r
}

// decompose calls feed with each character of a text in its compatible, decomposed form (NFKD), but for
// Hangul and kana, which stay composed.
func decompose(text string, feed func(class, rune)) {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			i++
			switch {
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
				feed(letter, rune(c))
			case c >= 'A' && c <= 'Z':
				feed(letter, rune(c)+'a'-'A')
			default:
				feed(gap, 0)
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		if r >= 0xac00 && r <= 0xd7a3 { // Hangul syllables
			feed(letter, r)
			i += size
			continue
		}
		d := norm.NFKD.PropertiesString(text[i:]).Decomposition()
		i += size
		if len(d) == 0 || unicode.Is(spaceless, r) && r < 0xf900 {
			feed(classify(r))
			continue
		}
		for len(d) > 0 {
			r, size := utf8.DecodeRune(d)
			d = d[size:]
			feed(classify(r))
		}
	}
}

// compose composes a text's Hangul and kana, if it has any that is not.
func compose(text string) string {
	for _, r := range text {
		if r >= 0x1100 && r <= 0x11ff || r == 0x3099 || r == 0x309a || r >= 0xff65 && r <= 0xff9f {
			return norm.NFKC.String(text)
		}
	}
	return text
}

// dropped are marks that writers leave out or put in without another meaning. Marks of other scripts are
// part of their words.
var dropped = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00ad, Hi: 0x00ad, Stride: 1}, // soft hyphen
		{Lo: 0x0300, Hi: 0x036f, Stride: 1}, // accents
		{Lo: 0x0591, Hi: 0x05bd, Stride: 1}, // Hebrew points
		{Lo: 0x05bf, Hi: 0x05c7, Stride: 1},
		{Lo: 0x0610, Hi: 0x061a, Stride: 1}, // Arabic signs
		{Lo: 0x0640, Hi: 0x0640, Stride: 1}, // tatweel
		{Lo: 0x064b, Hi: 0x065f, Stride: 1}, // Arabic vowels
		{Lo: 0x0670, Hi: 0x0670, Stride: 1},
		{Lo: 0x200b, Hi: 0x200f, Stride: 1}, // joiners and directions
		{Lo: 0x2060, Hi: 0x2060, Stride: 1},
		{Lo: 0xfe00, Hi: 0xfe0f, Stride: 1}, // variation selectors
		{Lo: 0xfeff, Hi: 0xfeff, Stride: 1},
	},
}

// spaceless are the letters of scripts that are written without spaces between words.
var spaceless = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x0e01, Hi: 0x0e4e, Stride: 1}, // Thai
		{Lo: 0x0e81, Hi: 0x0ece, Stride: 1}, // Lao
		{Lo: 0x1000, Hi: 0x1039, Stride: 1}, // Burmese
		{Lo: 0x1780, Hi: 0x17d3, Stride: 1}, // Khmer
		{Lo: 0x3005, Hi: 0x3007, Stride: 1},
		{Lo: 0x3041, Hi: 0x3096, Stride: 1}, // hiragana
		{Lo: 0x30a1, Hi: 0x30fa, Stride: 1}, // katakana
		{Lo: 0x30fc, Hi: 0x30fe, Stride: 1},
		{Lo: 0x3400, Hi: 0x4dbf, Stride: 1}, // Han
		{Lo: 0x4e00, Hi: 0x9fff, Stride: 1},
		{Lo: 0xf900, Hi: 0xfaff, Stride: 1},
	},
	R32: []unicode.Range32{{Lo: 0x20000, Hi: 0x323af, Stride: 1}},
}
