package read

import (
	"strconv"
	"strings"
)

// The objects of a PDF (ISO 32000-1, 7.3): nil, bool, float64, string, pdfName, pdfArray, pdfDict,
// pdfRef, *pdfStream, and pdfWord for what is none of them, such as an operator.
type (
	pdfName  string
	pdfWord  string
	pdfArray []any
	pdfDict  map[pdfName]any
	pdfRef   int
)

// pdfStream is a dictionary with bytes, packed as the dictionary says.
type pdfStream struct {
	dict pdfDict
	raw  []byte
}

const (
	// pdfDepth is how deep arrays and dictionaries may be nested: more is an attack on the stack.
	pdfDepth = 64
	// pdfItems is the most that one array or dictionary may hold.
	pdfItems = 1 << 20
)

// pdfLexer reads objects from bytes. What is malformed ends in nils and words, never in an error: a
// reader of text takes what it can. It always goes forward.
type pdfLexer struct {
	b  []byte
	at int
	// refs says that "1 0 R" is a reference: it is not in the content of a page.
	refs bool
}

func pdfSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0
}

func pdfDelimiter(c byte) bool {
	return strings.IndexByte("()<>[]{}/%", c) >= 0
}

// skip goes past space and comments, and says whether anything is left.
func (l *pdfLexer) skip() bool {
	for l.at < len(l.b) {
		switch c := l.b[l.at]; {
		case pdfSpace(c):
			l.at++
		case c == '%':
			for l.at < len(l.b) && l.b[l.at] != '\n' && l.b[l.at] != '\r' {
				l.at++
			}
		default:
			return true
		}
	}
	return false
}

// next gives the next object, and false at the end.
func (l *pdfLexer) next(depth int) (any, bool) {
	if !l.skip() {
		return nil, false
	}
	switch c := l.b[l.at]; c {
	case '/':
		return l.name(), true
	case '(':
		return l.literal(), true
	case '[':
		l.at++
		return l.array(depth + 1), true
	case '<':
		if l.at+1 < len(l.b) && l.b[l.at+1] == '<' {
			l.at += 2
			return l.dict(depth + 1), true
		}
		return l.hex(), true
	case '>':
		if l.at+1 < len(l.b) && l.b[l.at+1] == '>' {
			l.at += 2
			return pdfWord(">>"), true
		}
		l.at++
		return pdfWord(">"), true
	case ']', ')', '{', '}':
		l.at++
		return pdfWord(string(c)), true
	}
	start := l.at
	for l.at < len(l.b) && !pdfSpace(l.b[l.at]) && !pdfDelimiter(l.b[l.at]) {
		l.at++
	}
	word := string(l.b[start:l.at])
	switch word {
	case "true":
		return true, true
	case "false":
		return false, true
	case "null":
		return nil, true
	}
	if c := word[0]; c == '+' || c == '-' || c == '.' || c >= '0' && c <= '9' {
		n, err := strconv.ParseFloat(word, 64)
		if err == nil {
			if l.refs {
				if r, ok := l.ref(n); ok {
					return r, true
				}
			}
			return n, true
		}
	}
	return pdfWord(word), true
}

// ref reads what follows a number as the rest of a reference, if it is one.
func (l *pdfLexer) ref(n float64) (pdfRef, bool) {
	if n < 0 || n > 1<<30 || n != float64(int(n)) {
		return 0, false
	}
	at := l.at
	digits := func() bool {
		from := at
		for at < len(l.b) && l.b[at] >= '0' && l.b[at] <= '9' && at-from < 6 {
			at++
		}
		return at > from
	}
	space := func() bool {
		from := at
		for at < len(l.b) && pdfSpace(l.b[at]) && at-from < 16 {
			at++
		}
		return at > from
	}
	if !space() || !digits() || !space() || at >= len(l.b) || l.b[at] != 'R' {
		return 0, false
	}
	if at+1 < len(l.b) && !pdfSpace(l.b[at+1]) && !pdfDelimiter(l.b[at+1]) {
		return 0, false
	}
	l.at = at + 1
	return pdfRef(n), true
}

func (l *pdfLexer) name() pdfName {
	l.at++
	var out []byte
	for l.at < len(l.b) && !pdfSpace(l.b[l.at]) && !pdfDelimiter(l.b[l.at]) {
		c := l.b[l.at]
		if c == '#' && l.at+2 < len(l.b) {
			if n, err := strconv.ParseUint(string(l.b[l.at+1:l.at+3]), 16, 8); err == nil {
				c = byte(n)
				l.at += 2
			}
		}
		out = append(out, c)
		l.at++
	}
	return pdfName(out)
}

func (l *pdfLexer) literal() string {
	l.at++
	var out []byte
	for level := 1; l.at < len(l.b); l.at++ {
		c := l.b[l.at]
		switch c {
		case '(':
			level++
		case ')':
			if level--; level == 0 {
				l.at++
				return string(out)
			}
		case '\\':
			l.at++
			if l.at >= len(l.b) {
				return string(out)
			}
			var keep bool
			if c, keep = l.escape(); !keep {
				continue
			}
		}
		out = append(out, c)
	}
	return string(out)
}

// escape reads what follows a backslash; the lexer stays on its last byte.
func (l *pdfLexer) escape() (c byte, keep bool) {
	switch c = l.b[l.at]; c {
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case '\r':
		if l.at+1 < len(l.b) && l.b[l.at+1] == '\n' {
			l.at++
		}
		return 0, false
	case '\n':
		return 0, false
	}
	if c < '0' || c > '7' {
		return c, true
	}
	n := int(c - '0')
	for range 2 {
		if l.at+1 >= len(l.b) || l.b[l.at+1] < '0' || l.b[l.at+1] > '7' {
			break
		}
		l.at++
		n = n*8 + int(l.b[l.at]-'0')
	}
	return byte(n), true
}

func (l *pdfLexer) hex() string {
	l.at++
	var out []byte
	high, half := byte(0), false
	for ; l.at < len(l.b); l.at++ {
		c := l.b[l.at]
		if c == '>' {
			l.at++
			break
		}
		n := unhex(c)
		if n < 0 {
			continue
		}
		if half = !half; half {
			high = byte(n) << 4
		} else {
			out = append(out, high|byte(n))
		}
	}
	if half {
		out = append(out, high)
	}
	return string(out)
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

func (l *pdfLexer) array(depth int) pdfArray {
	out := pdfArray{}
	for depth <= pdfDepth {
		x, ok := l.next(depth)
		if !ok || x == pdfWord("]") || x == pdfWord("endobj") {
			break
		}
		if len(out) < pdfItems {
			out = append(out, x)
		}
	}
	return out
}

func (l *pdfLexer) dict(depth int) pdfDict {
	out := pdfDict{}
	for depth <= pdfDepth {
		key, ok := l.next(depth)
		if !ok || key == pdfWord(">>") || key == pdfWord("endobj") {
			break
		}
		name, isName := key.(pdfName)
		if !isName {
			continue
		}
		before := l.at
		value, ok := l.next(depth)
		if !ok {
			break
		}
		if word, isWord := value.(pdfWord); isWord {
			if word == ">>" {
				l.at = before
			}
			continue
		}
		if len(out) < pdfItems {
			out[name] = value
		}
	}
	return out
}
