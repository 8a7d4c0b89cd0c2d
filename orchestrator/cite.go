package orchestrator

import (
	"strings"

	"fairlead/prompts"
	"fairlead/providers"
	"fairlead/retrieval"
)

// citer finds the citations of an answer as it streams: marks such as "[2]" in the text, or what a
// provider that quotes says of itself, to the word.
type citer struct {
	passages []retrieval.Passage
	// quotes: the provider names its quotes, and marks are not looked at.
	quotes bool
	found  []*Citation
	seen   map[int]bool
	// number is that of the mark being read; state says where in it we are.
	number int
	state  int8
	// ticks counts the backticks that were just read, and code those that opened the code we are in: what
	// looks like a mark there is an index. blank says that the line has nothing yet.
	ticks, code int
	blank       bool
}

func newCiter(passages []retrieval.Passage, quotes bool) *citer {
	return &citer{passages: passages, quotes: quotes}
}

const (
	outside int8 = iota
	opened       // after "["
	inside       // after "[" and a digit
)

// next gives the citations that a chunk completes. A mark may be spread over chunks; a number is cited
// once; a number that is no document's is not a citation.
func (c *citer) next(chunk *providers.Chunk) []*Citation {
	if len(c.passages) == 0 {
		return nil
	}
	before := len(c.found)
	if q := chunk.Citation; q != nil && q.Document >= 0 && q.Document < len(c.passages) {
		c.found = append(c.found, quoted(c.passages[q.Document], q))
	}
	if !c.quotes {
		c.marks(chunk.Text)
	}
	return c.found[before:]
}

func (c *citer) marks(text string) {
	for i := range len(text) {
		b := text[i]
		if c.inCode(b) {
			c.state = outside
			continue
		}
		digit := b >= '0' && b <= '9'
		switch {
		case b == '[':
			c.state, c.number = opened, 0
		case c.state != outside && digit && c.number < 10_000:
			c.state, c.number = inside, c.number*10+int(b-'0')
		case c.state == inside && (b == ']' || b == ','):
			c.mark(c.number)
			c.number = 0
			if c.state = opened; b == ']' {
				c.state = outside
			}
		case c.state == opened && b == ' ': // "[1, 2]"
		default:
			c.state = outside
		}
	}
}

// inCode says whether a byte belongs to Markdown's code, with its backticks. Code in a line ends with its
// paragraph at the latest, so that a backtick that stands alone hides no more than that.
func (c *citer) inCode(b byte) bool {
	if b == '`' {
		c.ticks++
		c.blank = false
		return true
	}
	switch {
	case c.ticks == 0:
	case c.code == 0:
		c.code = c.ticks
	case c.ticks == c.code, c.code >= 3 && c.ticks > c.code:
		c.code = 0
	}
	c.ticks = 0
	switch b {
	case '\n':
		if c.blank && c.code < 3 {
			c.code = 0
		}
		c.blank = true
	case ' ', '\t', '\r':
	default:
		c.blank = false
	}
	return c.code > 0
}

func (c *citer) mark(number int) {
	if number < 1 || number > len(c.passages) || c.seen[number] {
		return
	}
	if c.seen == nil {
		c.seen = map[int]bool{}
	}
	c.seen[number] = true
	p := c.passages[number-1]
	c.found = append(c.found, &Citation{Number: number, Passage: p, Span: p.Span})
}

// quoted narrows a passage's place to that of the quote.
func quoted(p retrieval.Passage, q *providers.Citation) *Citation {
	c := &Citation{Number: q.Document + 1, Passage: p, Span: p.Span}
	if q.Start < 0 || q.End > len(p.Text) || q.Start >= q.End {
		return c
	}
	c.Quote = p.Text[q.Start:q.End]
	c.Span.ByteStart = p.Span.ByteStart + q.Start
	c.Span.ByteEnd = p.Span.ByteStart + q.End
	c.Span.LineStart = p.Span.LineStart + strings.Count(p.Text[:q.Start], "\n")
	c.Span.LineEnd = c.Span.LineStart + strings.Count(strings.TrimRight(c.Quote, "\n"), "\n")
	return c
}

// documents gives passages as a provider and as a prompt sees them.
func documents(passages []retrieval.Passage) ([]providers.Document, string) {
	docs := make([]providers.Document, len(passages))
	shown := make([]prompts.Document, len(passages))
	for i, p := range passages {
		docs[i] = providers.Document{ID: p.ID, Title: p.Title, Heading: p.Heading, Text: p.Text}
		shown[i] = prompts.Document{Title: p.URI, Heading: p.Heading, Text: p.Text}
	}
	return docs, prompts.Documents(shown)
}
