package read

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/unicode"
)

const mark = "\ufeff"

// decode gives the text of a file that is text. The text is the file to the byte unless it is UTF-16.
func (r *reading) decode() (string, error) {
	b := r.content
	if bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff}) {
		if len(b)%2 != 0 {
			return "", r.fail("it is UTF-16 that ends in the middle of a character: save it as UTF-8")
		}
		// The byte-order mark is dropped, and halves of a pair become U+FFFD.
		converted, err := unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder().Bytes(b)
		if err != nil {
			return "", r.fail("it is malformed UTF-16: save it as UTF-8")
		}
		b = converted
	}
	if err := r.checkText(b); err != nil {
		return "", err
	}
	return string(b), nil
}

// checkText refuses what is not text: bytes that are not UTF-8, a NUL, or many other control characters.
func (r *reading) checkText(b []byte) error {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		return r.fail("it is not text: there is a NUL at byte %d", i)
	}
	if !utf8.Valid(b) {
		at := 0
		for at < len(b) {
			c, size := utf8.DecodeRune(b[at:])
			if c == utf8.RuneError && size == 1 {
				break
			}
			at += size
		}
		return r.fail("it is not valid UTF-8 at byte %d: save it as UTF-8", at)
	}
	controls := 0
	for _, c := range b {
		if c < 0x20 && !strings.ContainsRune("\t\n\v\f\r\b\x1b", rune(c)) {
			controls++
		}
	}
	if controls > 8 && controls > len(b)/100 {
		return r.fail("it is not text: %d of its %d bytes are control characters", controls, len(b))
	}
	return nil
}

// clean makes text that was read out of a file fit to store: valid, without control characters.
func clean(s string) string {
	ok := true
	for i := range len(s) {
		if c := s[i]; c < 0x20 && c != '\n' && c != '\t' || c >= 0x7f {
			ok = false
			break
		}
	}
	if ok {
		return s
	}
	return strings.Map(func(c rune) rune {
		switch {
		case c == '\n' || c == '\t':
			return c
		case c == '\r' || c == '\u00a0' || c == '\f' || c == '\v':
			return ' '
		case c < 0x20 || c >= 0x7f && c < 0xa0 || c == '\u00ad' || c == '\u200b' || c == '\ufeff':
			return -1
		default:
			return c
		}
	}, strings.ToValidUTF8(s, "\ufffd"))
}

// clip cuts s to at most n bytes, at a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// outline keeps the headings above the current place.
type outline struct {
	path   []string
	levels []int
}

// enter puts a heading of a level, from 1, and gives the path with it.
func (o *outline) enter(level int, text string) []string {
	n := len(o.levels)
	for n > 0 && o.levels[n-1] >= level {
		n--
	}
	// A new slice each time: blocks keep the old ones.
	path := make([]string, n, n+1)
	copy(path, o.path[:n])
	if text != "" {
		path = append(path, clip(text, 256))
		o.levels = append(o.levels[:n:n], level)
	} else {
		o.levels = o.levels[:n:n]
	}
	o.path = path
	return path
}

// builder puts a text together out of blocks, for formats whose text is not that of the file.
type builder struct {
	text   strings.Builder
	blocks []Block
	outline
	page int
}

// add puts a block. An empty one is dropped. The level is for headings.
func (b *builder) add(kind Kind, level int, text string) {
	text = strings.Trim(clean(text), " \t\n")
	if text == "" {
		return
	}
	path := b.path
	if kind == Heading {
		path = b.enter(level, strings.Join(strings.Fields(text), " "))
	}
	if b.text.Len() > 0 {
		b.text.WriteString("\n\n")
	}
	start := b.text.Len()
	b.text.WriteString(text)
	b.blocks = append(b.blocks, Block{Start: start, End: b.text.Len(), Kind: kind, Heading: path, Page: b.page})
}

func (b *builder) document() *Document {
	return &Document{Text: b.text.String(), Blocks: b.blocks}
}
