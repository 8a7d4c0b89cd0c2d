package analysis

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normal gives a text in which equal letters are equal runes: composed (NFC), without what is not seen, with
// compatible forms of letters and digits made one. A text of ASCII is given back as it is.
func normal(text string) string {
	i := 0
	for i < len(text) && text[i] < utf8.RuneSelf {
		i++
	}
	if i == len(text) {
		return text
	}
	if strings.ContainsFunc(text[i:], odd) {
		text = text[:i] + plain(text[i:])
	}
	return norm.NFC.String(text)
}

// odd says whether plain changes a rune.
func odd(r rune) bool {
	return compatible(r) || unseen(r) || r == 0x2010 || r == 0x2011 || r >= 0x0660 && decimal(r) >= 0
}

func plain(text string) string {
	var b strings.Builder
	b.Grow(len(text))
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case compatible(r):
			end := i + size
			for end < len(text) {
				r, size := utf8.DecodeRuneInString(text[end:])
				if !compatible(r) {
					break
				}
				end += size
			}
			b.WriteString(norm.NFKC.String(text[i:end]))
			i = end
			continue
		case unseen(r):
		case r == 0x2010 || r == 0x2011: // hyphens
			b.WriteByte('-')
		case decimal(r) >= 0:
			b.WriteByte(byte('0' + decimal(r)))
		default:
			b.WriteString(text[i : i+size])
		}
		i += size
	}
	return b.String()
}

// compatible says whether a rune is of the blocks of presentation forms: ligatures, Arabic forms, full and half width.
func compatible(r rune) bool {
	return r >= 0xFB00 && r <= 0xFDFF || r >= 0xFE70 && r <= 0xFEFE || r >= 0xFF01 && r <= 0xFFDC
}

// unseen says whether a rune is within words without being part of them: soft hyphens, joiners, directions, variants.
func unseen(r rune) bool {
	switch {
	case r < 0xAD:
		return false
	case r == 0xAD, r >= 0x200C && r <= 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2060 && r <= 0x2069, r == 0xFEFF,
		r >= 0xFE00 && r <= 0xFE0F, r >= 0xE0100 && r <= 0xE01EF:
		return true
	}
	return false
}

// decimal gives the value of a digit of a script whose digits stand for ours, or -1.
func decimal(r rune) int {
	for _, zero := range [...]rune{0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50} {
		if r >= zero && r < zero+10 {
			return int(r - zero)
		}
	}
	return -1
}

// lower appends a word in lower case, at most MaxRunes runes of it.
func lower(dst []byte, w string, turkish bool) []byte {
	n := 0
	for ; n < len(w) && n < MaxRunes && w[n] < utf8.RuneSelf && (w[n] != 'I' || !turkish); n++ {
		c := w[n]
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	for _, r := range w[n:] {
		if n++; n > MaxRunes {
			break
		}
		switch {
		case r < utf8.RuneSelf:
			switch {
			case r >= 'A' && r <= 'Z' && (r != 'I' || !turkish):
				r += 'a' - 'A'
			case r == 'I':
				r = 'ı'
			}
		case r == 'İ':
			r = 'i'
		case r == 'ς':
			r = 'σ'
		case r == 'ё' || r == 'Ё': // seldom written with its dots, and unknown to the stemmer
			r = 'е'
		default:
			r = unicode.ToLower(r)
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// fold takes the diacritics off the Latin and Greek letters of a word in lower case, and writes out those of Latin
// that are two. What the stemmers of other scripts need to tell apart stays.
func fold(w string) string {
	i := 0
	for i < len(w) && w[i] < utf8.RuneSelf {
		i++
	}
	if i == len(w) {
		return w
	}
	b := append(make([]byte, 0, len(w)+4), w[:i]...)
	var last rune // the letter that marks belong to
	if i > 0 {
		last = rune(w[i-1])
	}
	for _, r := range w[i:] {
		switch {
		case r < utf8.RuneSelf:
			b = append(b, byte(r))
		case r >= 0x0300 && r <= 0x036F:
			if last == 0 || !unicode.In(last, unicode.Latin, unicode.Greek, unicode.Cyrillic) {
				b = utf8.AppendRune(b, r)
			}
			continue
		case r >= 0x0591 && r <= 0x05C7: // points of Hebrew: the signs among them are no part of words
			continue
		case unicode.In(r, unicode.Latin, unicode.Greek):
			b = appendBase(b, r)
		default:
			b = utf8.AppendRune(b, r)
		}
		last = r
	}
	return string(b)
}

// appendBase appends the letter below the diacritics of a Latin or Greek one.
func appendBase(b []byte, r rune) []byte {
	switch r {
	case 'ß':
		return append(b, "ss"...)
	case 'æ':
		return append(b, "ae"...)
	case 'œ':
		return append(b, "oe"...)
	case 'þ':
		return append(b, "th"...)
	case 'ø':
		return append(b, 'o')
	case 'ł':
		return append(b, 'l')
	case 'đ', 'ð':
		return append(b, 'd')
	case 'ħ':
		return append(b, 'h')
	case 'ı':
		return append(b, 'i')
	}
	var buf [utf8.UTFMax]byte
	n := utf8.EncodeRune(buf[:], r)
	if d := norm.NFD.Properties(buf[:n]).Decomposition(); d != nil {
		for _, r := range string(d) {
			if !unicode.Is(unicode.Mn, r) {
				b = utf8.AppendRune(b, r)
			}
		}
		return b
	}
	return append(b, buf[:n]...)
}
