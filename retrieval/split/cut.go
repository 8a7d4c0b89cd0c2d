package split

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"fairlead/retrieval/read"
)

// ranges cuts a block into ranges that a piece may hold, without the space around them.
func ranges(text string, b read.Block, c Config) [][2]int {
	start, end := trim(text, b.Start, b.End)
	switch {
	case start == end:
		return nil
	case end-start <= c.MaxBytes:
		return [][2]int{{start, end}}
	}
	var atoms [][2]int
	next := sentence
	if b.Kind == read.Code || b.Kind == read.List || b.Kind == read.Table {
		next = lineEnd
	}
	atoms = atomize(atoms, text, start, end, c, []func(string) int{next, sentence, word, runes(c.TargetBytes)})
	// Put the atoms together up to the target.
	out := atoms[:0]
	for _, a := range atoms {
		if n := len(out) - 1; n >= 0 && a[1]-out[n][0] <= c.TargetBytes {
			out[n][1] = a[1]
			continue
		}
		out = append(out, a)
	}
	return out
}

// atomize cuts text[start:end] with the first of the cutters, and what is still over the target with the
// next ones.
func atomize(out [][2]int, text string, start, end int, c Config, cutters []func(string) int) [][2]int {
	for start < end {
		n := cutters[0](text[start:end])
		from, to := trim(text, start, start+n)
		switch {
		case from == to:
		case to-from <= c.TargetBytes || len(cutters) == 1:
			out = append(out, [2]int{from, to})
		default:
			out = atomize(out, text, from, to, c, cutters[1:])
		}
		start += n
	}
	return out
}

// lineEnd gives the length of the first line with its end.
func lineEnd(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i + 1
	}
	return len(s)
}

// word gives the length of the first word with the space around it.
func word(s string) int {
	seen := false
	for i, c := range s {
		if !unicode.IsSpace(c) {
			seen = true
		} else if seen {
			return i
		}
	}
	return len(s)
}

// runes gives a cutter of at most n bytes that does not cut a rune.
func runes(n int) func(string) int {
	return func(s string) int {
		if len(s) <= n {
			return len(s)
		}
		at := n
		for at > 0 && !utf8.RuneStart(s[at]) {
			at--
		}
		if at == 0 { // not UTF-8: any cut is as good
			return n
		}
		return at
	}
}

// The words after which a full stop does not end a sentence.
var abbreviations = map[string]bool{
	"e.g": true, "i.e": true, "cf": true, "vs": true, "etc": true, "al": true, "fig": true, "eq": true, "no": true, "dr": true,
	"mr": true, "mrs": true, "ms": true, "prof": true, "st": true, "inc": true, "ltd": true, "co": true, "vol": true, "pp": true,
	"z.b": true, "bzw": true, "usw": true, "approx": true, "sec": true, "ch": true,
}

// sentence gives the length of the first sentence with what closes it. It follows punctuation, not
// grammar: a mark of an end followed by space, or any ideographic one, ends a sentence unless it follows
// an abbreviation or an initial, or a small letter follows it. A blank line always ends one.
func sentence(s string) int {
	for i := 0; i < len(s); {
		c, size := utf8.DecodeRuneInString(s[i:])
		at := i + size
		switch c {
		case '\n':
			if rest := strings.TrimLeft(s[at:], " \t\r"); strings.HasPrefix(rest, "\n") {
				return len(s) - len(rest) + 1
			}
		case '。', '！', '？':
			return closing(s, at)
		case '.', '!', '?', '؟', '…':
			end := closing(s, at)
			if end >= len(s) {
				return len(s)
			}
			follows, _ := utf8.DecodeRuneInString(s[end:])
			if !unicode.IsSpace(follows) {
				break
			}
			if c == '.' && !endsSentence(s[:i], s[end:]) {
				break
			}
			return end
		}
		i = at
	}
	return len(s)
}

// closing gives where the quotes and brackets after an end mark end.
func closing(s string, at int) int {
	for at < len(s) {
		c, size := utf8.DecodeRuneInString(s[at:])
		if !strings.ContainsRune(`.!?"')]}»”’」』`, c) {
			break
		}
		at += size
	}
	return at
}

// endsSentence says whether a full stop between the two ends a sentence.
func endsSentence(before, after string) bool {
	if before == "" || before[len(before)-1] == ' ' { // "end ." stands by itself
		return true
	}
	from := strings.LastIndexAny(before[max(0, len(before)-16):], " \t\r\n(") + 1
	last := before[max(0, len(before)-16):][from:]
	if utf8.RuneCountInString(last) == 1 && unicode.IsLetter([]rune(last)[0]) {
		return false
	}
	if abbreviations[strings.ToLower(last)] {
		return false
	}
	next, _ := utf8.DecodeRuneInString(strings.TrimLeft(after, " \t\r\n"))
	return strings.HasPrefix(after, "  ") || !unicode.IsLower(next)
}

func trim(text string, start, end int) (int, int) {
	s := text[start:end]
	from := end - len(strings.TrimLeftFunc(s, unicode.IsSpace))
	return from, max(from, start+len(strings.TrimRightFunc(s, unicode.IsSpace)))
}
