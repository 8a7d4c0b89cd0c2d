package score

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sentence is one of an answer, with the numbers that it cites.
type Sentence struct {
	// Text is without its marks.
	Text string
	// Cites are the numbers of its marks, each once, in their order: "[2]", "[1, 3]", "[1][3]". A mark after the end of a
	// sentence belongs to that sentence.
	Cites []int
}

// Sentences cuts an answer into sentences. Headings, items of lists and lines of tables are sentences of their own; what
// has neither a letter nor a digit is none; code in fences is left out, since it claims nothing. It never cuts before a
// word in lower case, after a single letter, or within a number.
func Sentences(text string) []Sentence {
	var out []Sentence
	fenced := false
	paragraph := ""
	flush := func() {
		out = append(out, cut(paragraph)...)
		paragraph = ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~") {
			flush()
			fenced = !fenced
			continue
		}
		if fenced {
			continue
		}
		if item, ok := lead(line); ok {
			flush()
			line = item
		}
		if line == "" {
			flush()
			continue
		}
		paragraph = strings.TrimSpace(paragraph + " " + line)
	}
	flush()
	return out
}

// lead takes the sign of a heading, an item or a row of a table off a line, and says whether there was one.
func lead(line string) (string, bool) {
	if rest := strings.TrimLeft(line, "#>|"); rest != line {
		return strings.TrimSpace(strings.ReplaceAll(rest, "|", " ")), true
	}
	if len(line) > 1 && strings.ContainsRune("-*+", rune(line[0])) && line[1] == ' ' || strings.HasPrefix(line, "• ") {
		_, rest, _ := strings.Cut(line, " ")
		return strings.TrimSpace(rest), true
	}
	digits := len(line) - len(strings.TrimLeft(line, "0123456789"))
	if digits > 0 && digits < 4 && digits+1 < len(line) && (line[digits] == '.' || line[digits] == ')') && line[digits+1] == ' ' {
		return strings.TrimSpace(line[digits+1:]), true
	}
	return line, false
}

// cut parts a paragraph.
func cut(text string) []Sentence {
	var out []Sentence
	add := func(piece string) {
		s := marks(piece)
		if !strings.ContainsFunc(s.Text, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			if len(out) > 0 { // marks alone: those of the sentence before
				out[len(out)-1].cite(s.Cites)
			}
			return
		}
		out = append(out, s)
	}
	start := 0
	for i, r := range text {
		if i < start || !strings.ContainsRune(".!?…。！？؟।", r) {
			continue
		}
		end := i + utf8.RuneLen(r)
		end += len(text[end:]) - len(strings.TrimLeft(text[end:], ".!?…\"'”’»)]*_」』"))
		if !ends(text[start:i], text[end:], r) {
			continue
		}
		// Marks that follow belong to it.
		for {
			rest := strings.TrimLeft(text[end:], " ")
			n := markAt(rest)
			if n == 0 {
				break
			}
			end = len(text) - len(rest) + n
			end += len(text[end:]) - len(strings.TrimLeft(text[end:], "."))
		}
		add(text[start:end])
		start = end
	}
	add(text[start:])
	return out
}

// ends says whether a mark r between what stands before and after it ends a sentence.
func ends(before, after string, r rune) bool {
	if strings.ContainsRune("。！？؟।", r) || after == "" {
		return true
	}
	next, _ := utf8.DecodeRuneInString(after)
	if next != ' ' && next != '[' {
		return false
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimLeft(after, " \"'“‘«(*_"))
	if unicode.IsLower(first) {
		return false
	}
	if r == '.' {
		word := before[strings.LastIndexAny(before, " (")+1:]
		if utf8.RuneCountInString(word) == 1 && unicode.IsLetter([]rune(word)[0]) {
			return false
		}
	}
	return true
}

// markAt gives the length of the mark at the start of a text, such as "[1, 2]", or 0.
func markAt(text string) int {
	if len(text) < 3 || text[0] != '[' {
		return 0
	}
	end := strings.IndexByte(text, ']')
	if end < 2 || end > 40 {
		return 0
	}
	for _, part := range strings.Split(text[1:end], ",") {
		part = strings.TrimSpace(part)
		if n, err := strconv.Atoi(part); err != nil || n < 0 || n > 9999 || part[0] == '+' {
			return 0
		}
	}
	return end + 1
}

// marks takes the marks out of a sentence.
func marks(text string) Sentence {
	var s Sentence
	var b strings.Builder
	for i := 0; i < len(text); {
		n := markAt(text[i:])
		if n == 0 {
			b.WriteByte(text[i])
			i++
			continue
		}
		for _, part := range strings.Split(text[i+1:i+n-1], ",") {
			number, _ := strconv.Atoi(strings.TrimSpace(part))
			s.cite([]int{number})
		}
		i += n
	}
	s.Text = strings.Join(strings.Fields(b.String()), " ")
	return s
}

func (s *Sentence) cite(numbers []int) {
	for _, n := range numbers {
		seen := false
		for _, m := range s.Cites {
			seen = seen || m == n
		}
		if !seen {
			s.Cites = append(s.Cites, n)
		}
	}
}

// Abstains says whether an answer says that there is none, as the shipped prompts ask for it: one sentence without a mark.
// Nothing at all abstains too.
func Abstains(text string) bool {
	s := Sentences(text)
	return len(s) == 0 || len(s) == 1 && len(s[0].Cites) == 0
}
