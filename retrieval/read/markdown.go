package read

import (
	"regexp"
	"strings"
	"unicode"
)

// markdown reads blocks in the way of CommonMark, as far as blocks need it: it tells headings from what
// looks like them in code, comments, quotes and lists. It does not read inline markup.
type markdown struct {
	outline
	text   string
	title  string
	blocks []Block
	// The block being read: start is -1 when there is none.
	start, end int
	kind       Kind
	lineCount  int
	second     string // its second line
	// fence is the mark that closes the code being read, "" outside.
	fence   string
	comment bool
	// gap is true in a list after a blank line.
	gap bool
}

var (
	bulletMark = regexp.MustCompile(`^[ \t]*(?:[-*+]|[0-9]{1,9}[.)])(?:[ \t]|$)`)
	tableMark  = regexp.MustCompile(`^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$`)
	ruleMark   = regexp.MustCompile(`^ {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$`)
	linkMark   = regexp.MustCompile(`!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])`)
	anchorMark = regexp.MustCompile(`[ \t]*\{#[^}]*\}$`)
)

func readMarkdown(r *reading) (*Document, error) {
	text, err := r.decode()
	if err != nil {
		return nil, err
	}
	title, metadata, rest := frontMatter(text)
	m := &markdown{text: text, title: title, start: -1}
	if rest == 0 {
		rest = len(text) - len(strings.TrimPrefix(text, mark))
	}
	for l := range lines(text, rest) {
		l.text = strings.TrimRightFunc(l.text, unicode.IsSpace)
		m.line(l)
	}
	m.flush()
	return &Document{Text: text, Title: m.title, Metadata: metadata, Blocks: m.blocks}, nil
}

func (m *markdown) line(l line) {
	trimmed := strings.TrimLeftFunc(l.text, unicode.IsSpace)
	indent := len(l.text) - len(trimmed)
	switch {
	case m.fence != "":
		m.extend(l)
		if strings.HasPrefix(trimmed, m.fence) && strings.Trim(trimmed, m.fence[:1]) == "" {
			m.fence = ""
			if m.kind == Code {
				m.flush()
			}
		}
		return
	case m.comment:
		m.comment = !strings.Contains(trimmed, "-->")
		return
	case trimmed == "":
		if m.kind == List && m.start >= 0 {
			m.gap = true
		} else {
			m.flush()
		}
		return
	}
	inList := m.start >= 0 && m.kind == List
	if inList && m.gap && indent == 0 && !bulletMark.MatchString(l.text) {
		m.flush()
		inList = false
	}
	m.gap = false
	// In a list what is indented is the list's, whatever it looks like.
	shallow := indent < 4 && (!inList || indent == 0)
	if f := fence(trimmed); f != "" && (indent < 4 || inList) {
		if !inList || indent == 0 {
			m.begin(Code, l)
		}
		m.fence = f
		m.extend(l)
		return
	}
	if shallow {
		if level, text, ok := atx(trimmed); ok {
			m.flush()
			m.heading(l, l, level, text)
			return
		}
		if strings.HasPrefix(trimmed, "<!--") {
			m.flush()
			m.comment = !strings.Contains(trimmed, "-->")
			return
		}
		if m.start >= 0 && m.kind == Paragraph && !strings.HasPrefix(m.text[m.start:], ">") && !strings.HasPrefix(m.text[m.start:], "|") {
			if level := setext(trimmed); level > 0 {
				first := line{text: m.text[m.start:m.end], start: m.start}
				m.start = -1
				m.heading(first, l, level, first.text)
				return
			}
		}
		if ruleMark.MatchString(l.text) {
			m.flush()
			return
		}
	}
	switch {
	case inList:
	case bulletMark.MatchString(l.text) && indent < 4 && (m.start < 0 || m.kind != Paragraph || strings.ContainsAny(trimmed[:1], "-*+1")):
		// Only a bullet or a "1." may interrupt a paragraph.
		m.begin(List, l)
	case m.start >= 0:
	case indent >= 4 || l.text[0] == '\t':
		m.begin(Code, l)
	default:
		m.begin(Paragraph, l)
	}
	m.extend(l)
}

// begin ends the block before and begins one.
func (m *markdown) begin(kind Kind, l line) {
	m.flush()
	m.kind = kind
	m.start = l.start
	if kind != Code {
		m.start += l.indent()
	}
}

// extend puts a line to the block.
func (m *markdown) extend(l line) {
	if end := l.start + len(strings.TrimRightFunc(l.text, unicode.IsSpace)); end > m.start {
		m.end = end
	}
	m.lineCount++
	if m.lineCount == 2 {
		m.second = l.text
	}
}

func (m *markdown) flush() {
	if m.start >= 0 && m.end > m.start {
		if m.kind == Paragraph && strings.Contains(m.second, "|") && tableMark.MatchString(m.second) {
			m.kind = Table
		}
		m.blocks = append(m.blocks, Block{Start: m.start, End: m.end, Kind: m.kind, Heading: m.path})
	}
	m.start, m.end, m.lineCount, m.second, m.gap, m.kind = -1, 0, 0, "", false, Paragraph
}

func (m *markdown) heading(first, last line, level int, text string) {
	text = plainHeading(text)
	if m.title == "" && level == 1 {
		m.title = text
	}
	start, end := first.start+first.indent(), last.start+len(last.text)
	path := m.enter(level, text)
	m.flush()
	m.blocks = append(m.blocks, Block{Start: start, End: end, Kind: Heading, Heading: path})
}

// fence gives the mark that closes the code that a line opens, or "".
func fence(trimmed string) string {
	for _, c := range []string{"`", "~"} {
		n := len(trimmed) - len(strings.TrimLeft(trimmed, c))
		if n >= 3 && (c == "~" || !strings.Contains(trimmed[n:], "`")) {
			return trimmed[:n]
		}
	}
	return ""
}

// atx reads a heading of the form "## text".
func atx(trimmed string) (level int, text string, ok bool) {
	level = len(trimmed) - len(strings.TrimLeft(trimmed, "#"))
	if level < 1 || level > 6 {
		return 0, "", false
	}
	text = trimmed[level:]
	if text != "" && text[0] != ' ' && text[0] != '\t' {
		return 0, "", false
	}
	text = strings.TrimSpace(text)
	if bare := strings.TrimRight(text, "#"); bare == "" || strings.HasSuffix(bare, " ") || strings.HasSuffix(bare, "\t") {
		text = strings.TrimSpace(bare)
	}
	return level, text, true
}

// setext gives the level of the heading that a line underlines, or 0.
func setext(trimmed string) int {
	switch {
	case strings.Trim(trimmed, "=") == "":
		return 1
	case strings.Trim(trimmed, "-") == "":
		return 2
	}
	return 0
}

// plainHeading takes the commonest inline markup out of a heading.
func plainHeading(text string) string {
	text = linkMark.ReplaceAllString(anchorMark.ReplaceAllString(text, ""), "$1")
	text = strings.NewReplacer("**", "", "__", "", "`", "").Replace(text)
	return strings.Join(strings.Fields(text), " ")
}
