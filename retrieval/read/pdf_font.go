package read

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/unicode/norm"
)

// pdfFont tells what a font's codes mean and how wide they are.
type pdfFont struct {
	// wide is true for composite fonts, whose codes have two bytes unless the map says otherwise.
	wide    bool
	unicode *pdfMap
	simple  [256]string
	widths  map[int]float64 // in thousandths of the font's size
	width   float64         // of the others
}

// pdfGlyph is one code of a shown string.
type pdfGlyph struct {
	text  string
	width float64
	space bool // the code is 32 of one byte, which word spacing applies to
}

func (f *pdfFile) font(x any) *pdfFont {
	d := f.dict(x)
	out := &pdfFont{wide: f.name(d["Subtype"]) == "Type0", widths: map[int]float64{}, width: 500}
	if s, ok := f.get(d["ToUnicode"]).(*pdfStream); ok {
		out.unicode = parseMap(f.data(s))
	}
	if out.wide {
		if kids := f.array(d["DescendantFonts"]); len(kids) > 0 {
			cid := f.dict(kids[0])
			out.width = f.number(cid["DW"], 1000)
			f.wideWidths(out, f.array(cid["W"]))
		}
		return out
	}
	f.simpleEncoding(out, d)
	first := int(f.number(d["FirstChar"], 0))
	for i, w := range f.array(d["Widths"]) {
		if i > 255 {
			break
		}
		out.widths[first+i] = f.number(w, 500)
	}
	if scale := f.array(d["FontMatrix"]); f.name(d["Subtype"]) == "Type3" && len(scale) == 6 {
		for code := range out.widths {
			out.widths[code] *= 1000 * f.number(scale[0], 0.001)
		}
	}
	return out
}

// wideWidths reads "first [w w w]" and "first last w" (9.7.4.3).
func (f *pdfFile) wideWidths(out *pdfFont, w pdfArray) {
	for i := 0; i+1 < len(w) && len(out.widths) < 1<<16; {
		first := int(f.number(w[i], 0))
		if list := f.array(w[i+1]); list != nil {
			for j, x := range list[:min(len(list), 1<<16)] {
				out.widths[first+j] = f.number(x, 1000)
			}
			i += 2
			continue
		}
		if i+2 >= len(w) {
			return
		}
		last := min(int(f.number(w[i+1], 0)), first+1<<16)
		for code := first; code <= last; code++ {
			out.widths[code] = f.number(w[i+2], 1000)
		}
		i += 3
	}
}

// simpleEncoding sets what each byte means: a base encoding with differences (9.6.6).
func (f *pdfFile) simpleEncoding(out *pdfFont, d pdfDict) {
	encoding := f.get(d["Encoding"])
	base := charmap.Windows1252
	name, _ := encoding.(pdfName)
	ed, _ := encoding.(pdfDict)
	if name == "" {
		name = f.name(ed["BaseEncoding"])
	}
	if name == "MacRomanEncoding" {
		base = charmap.Macintosh
	}
	for i := range out.simple {
		if c := base.DecodeByte(byte(i)); i >= 32 && c != '\ufffd' {
			out.simple[i] = string(c)
		}
	}
	code := 0
	for _, x := range f.array(ed["Differences"]) {
		switch x := f.get(x).(type) {
		case float64:
			code = int(x)
		case pdfName:
			if code >= 0 && code < 256 {
				out.simple[code] = glyphText(string(x))
			}
			code++
		}
	}
}

// decode gives the glyphs of a shown string.
func (f *pdfFont) decode(s string, each func(pdfGlyph)) {
	for at := 0; at < len(s); {
		n := 1
		if f.wide {
			n = 2
		}
		if f.unicode != nil {
			n = f.unicode.length(s[at:], n)
		}
		n = min(n, len(s)-at)
		code := 0
		for _, c := range []byte(s[at : at+n]) {
			code = code<<8 | int(c)
		}
		g := pdfGlyph{width: f.width, space: n == 1 && code == 32}
		if w, ok := f.widths[code]; ok {
			g.width = w
		}
		known := false
		if f.unicode != nil {
			g.text, known = f.unicode.lookup(code, n)
		}
		if !known && !f.wide && code < 256 {
			g.text = f.simple[code]
		}
		each(g)
		at += n
	}
}

// pdfMap is a map from codes to text (9.10.3).
type pdfMap struct {
	spaces []pdfRange
	chars  map[uint64]string
	ranges []pdfRange
}

// pdfRange is a range of codes of one length. The first means text, or each means its item of list.
type pdfRange struct {
	n      int
	lo, hi int
	text   string
	list   pdfArray
}

const pdfMapEntries = 1 << 17

func parseMap(data []byte) *pdfMap {
	m := &pdfMap{chars: map[uint64]string{}}
	l := &pdfLexer{b: data}
	var stack []any
	code := func(x any) (int, int, bool) {
		s, ok := x.(string)
		if !ok || len(s) < 1 || len(s) > 4 {
			return 0, 0, false
		}
		n := 0
		for _, c := range []byte(s) {
			n = n<<8 | int(c)
		}
		return n, len(s), true
	}
	for {
		x, ok := l.next(0)
		if !ok {
			break
		}
		word, isWord := x.(pdfWord)
		if !isWord {
			if len(stack) < 1<<16 {
				stack = append(stack, x)
			}
			continue
		}
		size := map[pdfWord]int{"endcodespacerange": 2, "endbfchar": 2, "endbfrange": 3}[word]
		if size > 0 {
			for i := 0; i+size <= len(stack) && len(m.chars)+len(m.ranges)+len(m.spaces) < pdfMapEntries; i += size {
				lo, n, ok := code(stack[i])
				if !ok {
					continue
				}
				if word == "endbfchar" {
					if text, ok := stack[i+1].(string); ok {
						m.chars[uint64(n)<<32|uint64(lo)] = utf16Text(text)
					}
					continue
				}
				hi, also, ok := code(stack[i+1])
				if !ok || also != n || hi < lo {
					continue
				}
				r := pdfRange{n: n, lo: lo, hi: hi}
				if word == "endcodespacerange" {
					m.spaces = append(m.spaces, r)
					continue
				}
				r.list, _ = stack[i+2].(pdfArray)
				r.text, _ = stack[i+2].(string)
				m.ranges = append(m.ranges, r)
			}
		}
		stack = stack[:0]
	}
	slices.SortStableFunc(m.ranges, func(a, b pdfRange) int { return (a.n-b.n)<<34 + a.lo - b.lo })
	m.spaces = m.spaces[:min(len(m.spaces), 64)]
	return m
}

// length gives how many bytes the code at the start of s has.
func (m *pdfMap) length(s string, fallback int) int {
	code := 0
	for n := 1; n <= 4 && n <= len(s); n++ {
		code = code<<8 | int(s[n-1])
		for _, r := range m.spaces {
			if r.n == n && r.lo <= code && code <= r.hi {
				return n
			}
		}
	}
	return fallback
}

func (m *pdfMap) lookup(code, n int) (string, bool) {
	if text, ok := m.chars[uint64(n)<<32|uint64(code)]; ok {
		return text, true
	}
	at, _ := slices.BinarySearchFunc(m.ranges, pdfRange{n: n, lo: code + 1}, func(a, b pdfRange) int { return (a.n-b.n)<<34 + a.lo - b.lo })
	if at == 0 {
		return "", false
	}
	r := m.ranges[at-1]
	if r.n != n || code < r.lo || code > r.hi {
		return "", false
	}
	if r.list != nil {
		if i := code - r.lo; i < len(r.list) {
			if text, ok := r.list[i].(string); ok {
				return utf16Text(text), true
			}
		}
		return "", false
	}
	last := []rune(utf16Text(r.text))
	if len(last) == 0 {
		return "", false
	}
	last[len(last)-1] += rune(code - r.lo)
	return string(last), true
}

// utf16Text reads big-endian UTF-16.
func utf16Text(s string) string {
	s = strings.TrimPrefix(s, "\xfe\xff")
	units := make([]uint16, len(s)/2)
	for i := range units {
		units[i] = uint16(s[2*i])<<8 | uint16(s[2*i+1])
	}
	return string(utf16.Decode(units))
}

// pdfText reads a text string, such as a title (7.9.2.2).
func pdfText(x any) string {
	s, _ := x.(string)
	switch {
	case strings.HasPrefix(s, "\xfe\xff"):
		s = utf16Text(s)
	case strings.HasPrefix(s, "\xef\xbb\xbf"):
		s = s[3:]
	default:
		s, _ = charmap.Windows1252.NewDecoder().String(s)
	}
	return strings.Join(strings.Fields(clean(s)), " ")
}

var glyphNames = map[string]string{
	"space": " ", "exclam": "!", "quotedbl": `"`, "numbersign": "#", "dollar": "$", "percent": "%", "ampersand": "&",
	"quotesingle": "'", "quoteright": "’", "quoteleft": "‘", "parenleft": "(", "parenright": ")", "asterisk": "*", "plus": "+",
	"comma": ",", "hyphen": "-", "minus": "−", "period": ".", "slash": "/", "colon": ":", "semicolon": ";", "less": "<",
	"equal": "=", "greater": ">", "question": "?", "at": "@", "bracketleft": "[", "backslash": `\`, "bracketright": "]",
	"asciicircum": "^", "underscore": "_", "grave": "`", "braceleft": "{", "bar": "|", "braceright": "}", "asciitilde": "~",
	"zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
	"ff": "ff", "fi": "fi", "fl": "fl", "ffi": "ffi", "ffl": "ffl", "f_f": "ff", "f_i": "fi", "f_l": "fl", "f_f_i": "ffi",
	"quotedblleft": "“", "quotedblright": "”", "quotedblbase": "„", "quotesinglbase": "‚", "guillemotleft": "«", "guillemotright": "»",
	"guilsinglleft": "‹", "guilsinglright": "›", "endash": "–", "emdash": "—", "bullet": "•", "ellipsis": "…", "dagger": "†",
	"daggerdbl": "‡", "degree": "°", "section": "§", "paragraph": "¶", "copyright": "©", "registered": "®", "trademark": "™",
	"Euro": "€", "sterling": "£", "yen": "¥", "cent": "¢", "germandbls": "ß", "ae": "æ", "AE": "Æ", "oe": "œ", "OE": "Œ",
	"oslash": "ø", "Oslash": "Ø", "lslash": "ł", "Lslash": "Ł", "eth": "ð", "Eth": "Ð", "thorn": "þ", "Thorn": "Þ",
	"dotlessi": "ı", "mu": "µ", "multiply": "×", "divide": "÷", "plusminus": "±", "periodcentered": "·", "exclamdown": "¡",
	"questiondown": "¿", "onehalf": "½", "onequarter": "¼", "threequarters": "¾", "fraction": "⁄", "nbspace": " ",
	"alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "theta": "θ", "lambda": "λ", "pi": "π", "rho": "ρ",
	"sigma": "σ", "tau": "τ", "phi": "φ", "omega": "ω", "Delta": "Δ", "Omega": "Ω", "Sigma": "Σ", "lessequal": "≤",
	"greaterequal": "≥", "notequal": "≠", "approxequal": "≈", "infinity": "∞", "partialdiff": "∂", "summation": "∑", "arrowright": "→",
}

// The accents that a glyph's name may end in, as combining characters.
var glyphAccents = []struct{ name, mark string }{
	{"acute", "\u0301"}, {"grave", "\u0300"}, {"circumflex", "\u0302"}, {"dieresis", "\u0308"}, {"tilde", "\u0303"},
	{"cedilla", "\u0327"}, {"ring", "\u030a"}, {"caron", "\u030c"}, {"macron", "\u0304"}, {"ogonek", "\u0328"},
	{"breve", "\u0306"}, {"dotaccent", "\u0307"}, {"hungarumlaut", "\u030b"}, {"commaaccent", "\u0327"},
}

// glyphText gives what a glyph's name stands for, "" when the name does not tell.
func glyphText(name string) string {
	if i := strings.IndexByte(name, '.'); i > 0 { // a variant, such as "a.sc"
		name = name[:i]
	}
	if len(name) == 1 {
		return name
	}
	if text, ok := glyphNames[name]; ok {
		return text
	}
	for _, prefix := range []string{"uni", "u"} {
		if digits, ok := strings.CutPrefix(name, prefix); ok && len(digits) >= 4 && len(digits) <= 6 {
			if n, err := strconv.ParseUint(digits, 16, 32); err == nil && n <= 0x10ffff {
				return string(rune(n))
			}
		}
	}
	for _, accent := range glyphAccents {
		if letter, ok := strings.CutSuffix(name, accent.name); ok && len(letter) == 1 {
			return norm.NFC.String(letter + accent.mark)
		}
	}
	return ""
}
