package extractive

import (
	"regexp"
	"strings"
)

// kind is what a unit is made of.
type kind uint8

const (
	prose kind = iota // a sentence
	item              // a list item
	row               // a table row
	code              // a fenced block with the line that leads to it
	group             // a list with the line that leads to it
)

// block says whether the unit is shown with its line ends.
func (k kind) block() bool { return k == code || k == group }

// unit is what is quoted as a whole. The bytes are those of its document's Text.
type unit struct {
	document   int
	start, end int
	kind       kind
	// heading is the heading above, parents are those above it.
	heading, parents string
	// lead is what the unit hangs on: the line before a list, the header of its table, the question before.
	lead string
	// place counts the units of the section before this one.
	place int
	// before and after are the neighbouring sentences of the paragraph, by place in the list of units, or -1.
	before, after int
}

// line is a line of a document without its end.
type line struct {
	start, end int
	text       string
}

var (
	reFence     = regexp.MustCompile("^[ \t]*(`{3,}|~{3,})")
	reHeading   = regexp.MustCompile(`^ {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*$`)
	reUnderline = regexp.MustCompile(`^ {0,3}(=+|-+)[ \t]*$`)
	reItem      = regexp.MustCompile(`^[ \t]*(?:[-*+•]|\d{1,4}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?`)
	reRow       = regexp.MustCompile(`^[ \t]*\|.*\|[ \t]*$`)
	reRuler     = regexp.MustCompile(`^[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$`)
	reRule      = regexp.MustCompile(`^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$`)
	reLinkDef   = regexp.MustCompile(`^ {0,3}\[[^\]]+\]:[ \t]`)
)

// splitter reads the units of one document.
type splitter struct {
	document int
	text     string
	lines    []line
	units    []unit

	headings []string // by level, from 1
	place    int
	// leadStart and leadEnd are the last thing said: what a list or a code block right after it hangs on.
	// said is where its paragraph began.
	leadStart, leadEnd, said int
	question                 string // a question in prose that the next units may answer
	paragraph                []line
}

// split gives the units of a document in their order.
func split(document int, text string) []unit {
	s := &splitter{document: document, text: text, headings: make([]string, 7)}
	for at := 0; at < len(text); {
		end, next := len(text), len(text)
		if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
			end, next = at+i, at+i+1
		}
		s.lines = append(s.lines, line{at, end, strings.TrimRight(text[at:end], "\r")})
		at = next
	}
	for i := 0; i < len(s.lines); {
		i = s.block(i)
	}
	s.flush()
	for i := range s.units {
		s.units[i].document = document
	}
	return s.units
}

// block reads what begins at line i and gives the line after it.
func (s *splitter) block(i int) int {
	l := s.lines[i]
	switch {
	case strings.TrimSpace(l.text) == "":
		s.flush()
		return i + 1
	case reFence.MatchString(l.text):
		s.flush()
		return s.fence(i)
	case strings.HasPrefix(strings.TrimSpace(l.text), "<!--"):
		s.flush()
		for i < len(s.lines) && !strings.Contains(s.lines[i].text, "-->") {
			i++
		}
		return i + 1
	case reHeading.MatchString(l.text):
		s.flush()
		m := reHeading.FindStringSubmatch(l.text)
		s.heading(len(m[1]), m[2])
		return i + 1
	case len(s.paragraph) == 1 && reUnderline.MatchString(l.text):
		level := 1
		if strings.Contains(l.text, "-") {
			level = 2
		}
		title := strings.TrimSpace(s.paragraph[0].text)
		s.paragraph = nil
		s.heading(level, title)
		return i + 1
	case reRule.MatchString(l.text), reLinkDef.MatchString(l.text):
		s.flush()
		return i + 1
	case reItem.MatchString(l.text):
		s.flush()
		return s.list(i)
	case reRow.MatchString(l.text):
		s.flush()
		return s.table(i)
	case len(s.paragraph) == 0 && strings.HasPrefix(l.text, "    "):
		return s.indented(i)
	}
	s.paragraph = append(s.paragraph, l)
	return i + 1
}

// heading enters a section.
func (s *splitter) heading(level int, title string) {
	s.headings[level] = title
	clear(s.headings[level+1:])
	s.place, s.leadStart, s.leadEnd, s.question = 0, 0, 0, ""
}

// add adds a unit in the section and gives its place in the list.
func (s *splitter) add(k kind, start, end int, lead string) int {
	level := len(s.headings) - 1
	for level > 0 && s.headings[level] == "" {
		level--
	}
	s.units = append(s.units, unit{
		start: start, end: end, kind: k, heading: s.headings[level], parents: strings.Join(s.headings[:level], " "),
		lead: strings.TrimSpace(lead + " " + s.question), place: s.place, before: -1, after: -1,
	})
	s.place++
	return len(s.units) - 1
}

// flush ends the paragraph.
func (s *splitter) flush() {
	if len(s.paragraph) == 0 {
		return
	}
	start, end := s.paragraph[0].start, s.paragraph[len(s.paragraph)-1].end
	s.paragraph, s.said = nil, start
	s.sentences(prose, start, end, "")
}

// sentences adds the sentences of text[start:end].
func (s *splitter) sentences(k kind, start, end int, lead string) {
	previous := -1
	for from, to := range sentences(s.text[start:end]) {
		from, to = trim(s.text, start+from, start+to)
		if from == to {
			continue
		}
		s.leadStart, s.leadEnd = from, to
		if last := s.text[from:to]; strings.HasSuffix(last, "?") || strings.HasSuffix(last, "؟") || strings.HasSuffix(last, "？") {
			// A question in a document answers nothing. It says what comes next.
			s.question, previous = last, -1
			continue
		}
		at := s.add(k, from, to, lead)
		if previous >= 0 {
			s.units[at].before, s.units[previous].after = previous, at
		}
		previous = at
	}
	if previous >= 0 && k == prose {
		// A question reaches to the end of the paragraph, or over the next one when it stands alone.
		s.question = ""
	}
}

// lead gives the line that what begins at start hangs on, when there is nothing but space between.
func (s *splitter) lead(start int) (from, to int, ok bool) {
	if s.leadEnd == 0 || strings.Trim(s.text[s.leadEnd:start], " \t\r\n*_>") != "" {
		return 0, 0, false
	}
	return s.leadStart, s.leadEnd, true
}

// fence reads a fenced code block that begins at line i, to its end or the document's.
func (s *splitter) fence(i int) int {
	mark := reFence.FindStringSubmatch(s.lines[i].text)[1]
	last := i
	for j := i + 1; j < len(s.lines); j++ {
		last = j
		if shut := strings.TrimSpace(s.lines[j].text); strings.HasPrefix(shut, mark) && strings.Trim(shut, mark[:1]) == "" {
			break
		}
	}
	s.codeBlock(s.lines[i].start, s.lines[last].end)
	return last + 1
}

// indented reads a code block that is indented.
func (s *splitter) indented(i int) int {
	last := i
	for j := i; j < len(s.lines) && (strings.HasPrefix(s.lines[j].text, "    ") || strings.TrimSpace(s.lines[j].text) == ""); j++ {
		if reFence.MatchString(s.lines[j].text) {
			break
		}
		if strings.TrimSpace(s.lines[j].text) != "" {
			last = j
		}
	}
	s.codeBlock(s.lines[i].start, s.lines[last].end)
	return last + 1
}

func (s *splitter) codeBlock(start, end int) {
	if from, to, ok := s.lead(start); ok {
		start = from
		// What does not say itself that something follows is read with its paragraph.
		if paragraph := s.text[min(s.said, from):to]; !strings.HasSuffix(paragraph, ":") && len(strings.Fields(paragraph)) <= 40 {
			start = min(s.said, from)
		}
		start, _ = trim(s.text, start, end)
	}
	_, end = trim(s.text, start, end)
	s.add(code, start, end, "")
	s.leadStart, s.leadEnd = 0, 0
}

// list reads the list that begins at line i: each item is a unit, and so is the whole list with the line
// that leads to it, if there is one or the list is numbered.
func (s *splitter) list(i int) int {
	leadStart, leadEnd, leads := s.lead(s.lines[i].start)
	lead := ""
	if leads {
		lead = s.text[leadStart:leadEnd]
		leads = strings.HasSuffix(lead, ":") || strings.HasSuffix(lead, "：")
	}
	first, end := len(s.units), 0
	numbered := strings.ContainsAny(strings.TrimLeft(s.lines[i].text, " \t")[:1], "0123456789")
	if !leads {
		leadStart = s.lines[i].start
	}
	for i < len(s.lines) {
		l := s.lines[i]
		if strings.TrimSpace(l.text) == "" {
			// A list goes on after an empty line when an item or its indented text follows.
			if i+1 < len(s.lines) && reItem.MatchString(s.lines[i+1].text) {
				i++
				continue
			}
			break
		}
		m := reItem.FindString(l.text)
		if m == "" {
			break
		}
		start, stop := l.start+len(m), l.end
		for i++; i < len(s.lines) && s.continues(s.lines[i].text); i++ {
			stop = s.lines[i].end
		}
		start, stop = trim(s.text, start, stop)
		if start < stop {
			if len(strings.Fields(s.text[start:stop])) > 40 {
				s.sentences(item, start, stop, lead)
			} else {
				s.add(item, start, stop, lead)
			}
			end = stop
			s.leadStart, s.leadEnd, s.said = start, stop, start
		}
	}
	if n := len(s.units) - first; (leads || numbered) && n > 1 && n <= 12 {
		s.add(group, leadStart, end, "")
	}
	return i
}

// continues says whether a line belongs to the list item before it.
func (s *splitter) continues(text string) bool {
	return strings.TrimSpace(text) != "" && !reItem.MatchString(text) && !reFence.MatchString(strings.TrimLeft(text, " \t")) &&
		!reHeading.MatchString(text) && !reRow.MatchString(text)
}

// table reads the table that begins at line i: each row is a unit that hangs on the header.
func (s *splitter) table(i int) int {
	header := ""
	if from, to, ok := s.lead(s.lines[i].start); ok {
		header = s.text[from:to] + " "
	}
	for ; i < len(s.lines) && reRow.MatchString(s.lines[i].text); i++ {
		l := s.lines[i]
		if reRuler.MatchString(l.text) {
			continue
		}
		if i+1 < len(s.lines) && reRuler.MatchString(s.lines[i+1].text) {
			header += strings.ReplaceAll(l.text, "|", " ")
			continue
		}
		start, end := trim(s.text, l.start, l.end)
		for start < end && (s.text[start] == '|' || s.text[start] == ' ') {
			start++
		}
		for start < end && (s.text[end-1] == '|' || s.text[end-1] == ' ') {
			end--
		}
		if start < end {
			s.add(row, start, end, header)
		}
	}
	s.leadStart, s.leadEnd = 0, 0
	return i
}

// trim leaves out space, and the marks of quotations, at both ends.
func trim(text string, start, end int) (int, int) {
	for start < end && strings.IndexByte(" \t\r\n>", text[start]) >= 0 {
		start++
	}
	for start < end && strings.IndexByte(" \t\r\n", text[end-1]) >= 0 {
		end--
	}
	return start, end
}
