package extractive

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"fairlead/providers"
)

// Name is the model's name. A request may also leave it empty.
const Name = "extractive"

// NoAnswer is what is said when the documents do not answer the question.
const NoAnswer = "The sources do not answer this question."

// Config is what a generator is made of.
type Config struct {
	// Backend is the backend's name, for errors. Empty: "extractive".
	Backend string
	// MaxQuotes is the most quotes in an answer. 0: 4.
	MaxQuotes int
	// MaxWords is the most words of all quotes together; the best quote is given even if it is longer. 0: 120.
	MaxWords int
	// MinCoverage is how much of the question, in (0,1], the best quote must speak of for there to be an
	// answer: higher is stricter. 0: 0.3.
	MinCoverage float64
	// NoAnswer is said when there is none. Empty: the constant NoAnswer.
	NoAnswer string
}

// Generator answers by quoting. It is safe for concurrent use.
type Generator struct {
	backend     string
	maxQuotes   int
	maxWords    int
	minCoverage float64
	noAnswer    string
}

var (
	_ providers.Generator = (*Generator)(nil)
	_ providers.Lister    = (*Generator)(nil)
)

// New makes a generator.
func New(c Config) (*Generator, error) {
	if c.MaxQuotes < 0 || c.MaxWords < 0 || c.MinCoverage < 0 || c.MinCoverage > 1 {
		return nil, fmt.Errorf("making the extractive answerer: max quotes %d, max words %d and min coverage %g must not be negative, and the last at most 1",
			c.MaxQuotes, c.MaxWords, c.MinCoverage)
	}
	g := &Generator{backend: c.Backend, maxQuotes: c.MaxQuotes, maxWords: c.MaxWords, minCoverage: c.MinCoverage, noAnswer: c.NoAnswer}
	if g.backend == "" {
		g.backend = "extractive"
	}
	if g.maxQuotes == 0 {
		g.maxQuotes = 4
	}
	if g.maxWords == 0 {
		g.maxWords = 120
	}
	if g.minCoverage == 0 {
		g.minCoverage = 0.3
	}
	if g.noAnswer == "" {
		g.noAnswer = NoAnswer
	}
	return g, nil
}

// Models gives the one model.
func (g *Generator) Models(ctx context.Context) ([]providers.Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, providers.AsError(ctx, g.backend, "", err)
	}
	return []providers.Model{{Name: Name, Does: providers.Extract}}, nil
}

// Generate answers Request.Question() with quotes from Request.Documents. The package's documentation
// says how, and what it refuses.
func (g *Generator) Generate(ctx context.Context, req *providers.Request) iter.Seq2[providers.Chunk, error] {
	return func(yield func(providers.Chunk, error) bool) {
		fail := func(err error) { yield(providers.Chunk{}, providers.AsError(ctx, g.backend, req.Model, err)) }
		if ctx.Err() != nil {
			fail(ctx.Err())
			return
		}
		if e := g.refuse(req); e != nil {
			e.Backend, e.Model = g.backend, req.Model
			fail(e)
			return
		}
		a, err := g.answer(ctx, req)
		if err != nil {
			fail(err)
			return
		}
		for _, c := range a.chunks {
			if ctx.Err() != nil {
				fail(ctx.Err())
				return
			}
			if !yield(c, nil) {
				return
			}
		}
		if ctx.Err() != nil {
			fail(ctx.Err())
			return
		}
		yield(providers.Chunk{Finish: a.finish, Usage: &a.usage}, nil)
	}
}

// refuse says what of a request it cannot do. Nil: it can all.
func (g *Generator) refuse(req *providers.Request) *providers.Error {
	unsupported := func(format string, args ...any) *providers.Error {
		return &providers.Error{Kind: providers.KindUnsupported, Detail: fmt.Sprintf(format, args...)}
	}
	needs := req.Needs()
	if names := providers.MeaningfulExtra(req.Extra); names != nil {
		e := unsupported("it quotes documents and cannot do what this field asks")
		e.Param = providers.SafeCode(names[0])
		return e
	}
	switch {
	case req.Model != "" && req.Model != Name:
		return &providers.Error{Kind: providers.KindNotFound, Detail: "the only model is " + Name}
	case needs.Has(providers.JSON):
		return unsupported("it quotes documents and cannot write JSON")
	case needs.Has(providers.Vision):
		return unsupported("it quotes documents and cannot see pictures")
	case req.ToolChoice.Mode == providers.ToolsRequired, req.ToolChoice.Mode == providers.ToolsNamed:
		return unsupported("it quotes documents and cannot call tools")
	case req.Documents == nil: // none were looked for; an empty list is a search that found nothing
		return unsupported("it answers only from documents, and the request has none: use the chain \"answer\", which finds some, or a chat backend")
	case strings.TrimSpace(req.Question()) == "":
		return &providers.Error{Kind: providers.KindInvalid, Detail: "the request has no question: give a query or a user message"}
	case req.MaxTokens != nil && *req.MaxTokens <= 0:
		return &providers.Error{Kind: providers.KindInvalid, Param: "max_tokens", Detail: "it must be 1 or more"}
	}
	return nil
}

// answer is a whole answer, before it is streamed.
type answer struct {
	chunks []providers.Chunk
	finish providers.FinishReason
	usage  providers.Usage
}

// answer finds the quotes and puts them together.
func (g *Generator) answer(ctx context.Context, req *providers.Request) (*answer, error) {
	asked := req.Question()
	a := &answer{finish: providers.FinishStop}
	a.usage.Input = int64(len(strings.Fields(asked)))
	var units []unit
	var texts, titles []string
	for i, d := range req.Documents {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		a.usage.Input += int64(len(strings.Fields(d.Text)))
		found := split(i, d.Text)
		above := strings.Join(d.Heading, " ")
		for j := range found {
			if found[j].heading != "" {
				found[j].parents += " " + above
			} else if n := len(d.Heading); n > 0 {
				found[j].heading, found[j].parents = d.Heading[n-1], strings.Join(d.Heading[:n-1], " ")
			}
			// Neighbours are places in the list of all units.
			if found[j].before >= 0 {
				found[j].before += len(units)
			}
			if found[j].after >= 0 {
				found[j].after += len(units)
			}
		}
		units = append(units, found...)
		texts = append(texts, d.Text)
		titles = append(titles, d.Title)
	}
	words := g.maxWords
	if req.MaxTokens != nil {
		words = min(words, *req.MaxTokens)
	}
	chosen := g.choose(rank(readQuestion(asked), units, texts, titles), words)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if chosen == nil {
		a.say(g.noAnswer, req.MaxTokens)
	}
	for i, c := range chosen {
		gap := ""
		if i > 0 {
			gap = " "
			if c.kind.block() || chosen[i-1].kind.block() {
				gap = "\n\n"
			}
		}
		end := c.end
		if req.MaxTokens != nil && c.length > *req.MaxTokens {
			// Only the best quote can be longer than that, and then it is the only one.
			end = c.start + wordEnd(texts[c.document][c.start:c.end], *req.MaxTokens)
			a.finish = providers.FinishLength
		}
		a.quote(gap, c, texts[c.document][c.start:end], end)
	}
	a.stop(req.Stop)
	if len(a.chunks) > 0 {
		a.chunks[0].Model = Name
	}
	return a, nil
}

// say adds a text that is no quote.
func (a *answer) say(text string, limit *int) {
	if limit != nil {
		if end := wordEnd(text, *limit); end < len(text) {
			text, a.finish = text[:end], providers.FinishLength
		}
	}
	a.usage.Output = int64(len(strings.Fields(text)))
	a.chunks = append(a.chunks, providers.Chunk{Text: text})
}

// quote adds a quote with its mark and citation.
func (a *answer) quote(gap string, c *candidate, source string, end int) {
	mark := " [" + strconv.Itoa(c.document+1) + "]"
	if c.kind.block() {
		mark = "\n" + mark[1:]
	}
	shown := show(c.kind, source)
	a.usage.Output += int64(len(strings.Fields(shown)))
	a.chunks = append(a.chunks,
		providers.Chunk{Text: gap + shown},
		providers.Chunk{Text: mark, Citation: &providers.Citation{Document: c.document, Start: c.start, End: end}})
}

// stop cuts the answer before the first stop sequence. A citation whose mark is cut off goes with it.
func (a *answer) stop(sequences []string) {
	var b strings.Builder
	for _, c := range a.chunks {
		b.WriteString(c.Text)
	}
	cut := b.Len()
	for _, s := range sequences {
		if i := strings.Index(b.String(), s); s != "" && i >= 0 {
			cut = min(cut, i)
		}
	}
	if cut == b.Len() {
		return
	}
	a.finish = providers.FinishStop
	for i, c := range a.chunks {
		if len(c.Text) < cut {
			cut -= len(c.Text)
			continue
		}
		a.chunks = a.chunks[:i+1]
		if cut < len(c.Text) {
			a.chunks[i] = providers.Chunk{Text: c.Text[:cut]}
		}
		return
	}
}

// show gives a quote as an answer shows it: the document's words, with its lines joined unless they are
// a block's, and without the marks of a quotation.
func show(k kind, source string) string {
	if k.block() {
		lines := strings.Split(source, "\n")
		for i := range lines {
			lines[i] = strings.TrimRight(lines[i], " \t\r")
		}
		return strings.Join(lines, "\n")
	}
	words := strings.Fields(strings.ReplaceAll(source, "\n>", "\n"))
	return strings.Join(words, " ")
}

// wordEnd gives the byte after the text's n-th word, or the text's end.
func wordEnd(text string, n int) int {
	in := false
	for i := range len(text) {
		if isSpace(text[i]) {
			if in {
				if n--; n == 0 {
					return i
				}
			}
			in = false
		} else {
			in = true
		}
	}
	return len(text)
}
