package langchain

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/tmc/langchaingo/chains"
	"github.com/tmc/langchaingo/llms"
	"github.com/tmc/langchaingo/memory"
	"github.com/tmc/langchaingo/schema"
	"github.com/tmc/langchaingo/textsplitter"

	"fairlead/internal/fault"
	"fairlead/providers"
)

// The methods of Summarize.
const (
	// Stuff shows everything to the model at once.
	Stuff = "stuff"
	// MapReduce summarizes pieces side by side, and then the summaries.
	MapReduce = "map_reduce"
	// Refine works piece after piece into one summary.
	Refine = "refine"
)

// The prompts of Summarize, by the names under which we ship them, with the values they are given.
const (
	// PromptSummarize takes text.
	PromptSummarize = "summarize"
	// PromptCombine takes text: the summaries.
	PromptCombine = "summarize-combine"
	// PromptRefine takes existing and text.
	PromptRefine = "summarize-refine"
)

// The defaults of SummarizeArgs.
const (
	DefaultPieceSize   = 12_000
	DefaultConcurrency = 4
)

// SummarizeArgs is one summarize step.
type SummarizeArgs struct {
	// Method is Stuff, MapReduce or Refine.
	Method string
	// Documents is what to summarize, in its order. Long ones are split, and short ones put together.
	Documents []providers.Document
	// PieceSize is the most characters that are summarized by one call of MapReduce and Refine. 0 is
	// DefaultPieceSize.
	PieceSize int
	// Concurrency is the most calls at once. 0 is DefaultConcurrency.
	Concurrency int
	// Render fills a prompt. Its values may hold anything and must not be evaluated. It must be safe for
	// concurrent use.
	Render func(name string, values map[string]string) (system, user string, err error)
	// Request holds the settings of every call. Its messages are not looked at.
	Request providers.Request
	// Call makes the calls, several at once with MapReduce.
	Call CallFunc
	// Final, when not nil, makes the last call, whose text is the summary: it can be streamed.
	Final CallFunc
}

// Summarize makes one text of documents. Errors of Call and Render are passed on as they are. When it
// returns, no call is in progress.
func Summarize(ctx context.Context, args SummarizeArgs) (string, error) {
	if args.PieceSize <= 0 {
		args.PieceSize = DefaultPieceSize
	}
	if args.Concurrency <= 0 {
		args.Concurrency = DefaultConcurrency
	}
	if args.Final == nil {
		args.Final = args.Call
	}
	docs, err := pieces(args.Documents, args.PieceSize, args.Method != Stuff)
	if err != nil {
		return "", err
	}
	if len(docs) == 0 {
		return "", fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "summarizing: there is no text")
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &summary{args: args}
	defer s.calls.wait()
	defer cancel()

	var chain chains.Chain
	switch {
	case args.Method == Stuff, args.Method == MapReduce && len(docs) == 1:
		chain = chains.NewStuffDocuments(s.chain(PromptSummarize, func() bool { return true }))
	case args.Method == MapReduce:
		m := chains.NewMapReduceDocuments(s.chain(PromptSummarize, nil), collapse{s})
		m.MaxNumberOfConcurrent = min(args.Concurrency, len(docs))
		chain = m
	case args.Method == Refine:
		var done atomic.Int64
		last := func() bool { return done.Add(1) == int64(len(docs)) }
		chain = chains.NewRefineDocuments(s.chain(PromptSummarize, last), s.chain(PromptRefine, last))
	default:
		return "", fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "summarizing: there is no method %q", args.Method)
	}
	out, err := chains.Call(ctx, chain, map[string]any{documentsKey: docs})
	if err != nil {
		return "", err
	}
	text, _ := out[outputKey].(string)
	return text, nil
}

// The names that langchaingo's document chains use.
const (
	documentsKey = "input_documents"
	contextKey   = "context"
	existingKey  = "existing_answer"
)

// pieces makes the documents to summarize: of at most size characters when split.
func pieces(documents []providers.Document, size int, split bool) ([]schema.Document, error) {
	var texts []string
	for _, d := range documents {
		text := strings.TrimSpace(d.Text)
		if text == "" {
			continue
		}
		head := strings.Join(append([]string{d.Title}, d.Heading...), " > ")
		if head = strings.Trim(head, " >"); head != "" {
			text = head + "\n" + text
		}
		texts = append(texts, text)
	}
	if split {
		splitter := textsplitter.NewRecursiveCharacter(textsplitter.WithChunkSize(size), textsplitter.WithChunkOverlap(0))
		var all []string
		for _, text := range texts {
			if utf8.RuneCountInString(text) <= size {
				all = append(all, text)
				continue
			}
			parts, err := splitter.SplitText(text)
			if err != nil {
				return nil, fmt.Errorf("splitting a text: %w", err)
			}
			all = append(all, parts...)
		}
		texts = pack(all, size)
	}
	docs := make([]schema.Document, len(texts))
	for i, text := range texts {
		docs[i] = schema.Document{PageContent: text}
	}
	return docs, nil
}

// pack joins neighbours as long as they stay within size characters.
func pack(texts []string, size int) []string {
	var out []string
	room := 0
	for _, text := range texts {
		n := utf8.RuneCountInString(text) + 2
		if len(out) > 0 && n <= room {
			out[len(out)-1] += "\n\n" + text
			room -= n
			continue
		}
		out = append(out, text)
		room = size - n
	}
	return out
}

// summary is one call of Summarize.
type summary struct {
	args  SummarizeArgs
	calls gate
}

// chain makes a chain of one prompt. last says, once for each call, whether it is the last one; nil is
// never.
func (s *summary) chain(name string, last func() bool) *chains.LLMChain {
	if last == nil {
		last = func() bool { return false }
	}
	variables := []string{contextKey}
	if name == PromptRefine {
		variables = append(variables, existingKey)
	}
	c := chains.NewLLMChain(&framed{s, last}, prompt{variables, func(values map[string]any) (string, error) {
		text, _ := values[contextKey].(string)
		given := map[string]string{"text": text}
		if existing, ok := values[existingKey].(string); ok && name == PromptRefine {
			given["existing"] = existing
		}
		system, user, err := s.args.Render(name, given)
		if err != nil {
			return "", err
		}
		return frame(system, user), nil
	}})
	c.OutputParser, c.OutputKey = verbatim{}, outputKey
	return c
}

// frame writes a system and a user message as the one text that an LLMChain can carry: the length comes
// first, so nothing in the texts can be taken for the boundary.
func frame(system, user string) string {
	return strconv.Itoa(len(system)) + ":" + system + user
}

func unframe(text string) (system, user string, err error) {
	size, rest, ok := strings.Cut(text, ":")
	n, convErr := strconv.Atoi(size)
	if !ok || convErr != nil || n < 0 || n > len(rest) {
		return "", "", errors.New("summarizing: a prompt lost its frame")
	}
	return rest[:n], rest[n:], nil
}

// framed is the model beneath the summary's chains.
type framed struct {
	summary *summary
	last    func() bool
}

var _ llms.Model = (*framed)(nil)

// GenerateContent calls the model with the messages that the frame holds.
func (m *framed) GenerateContent(ctx context.Context, contents []llms.MessageContent, options ...llms.CallOption) (*llms.ContentResponse, error) {
	given, err := toMessages(contents)
	if err != nil {
		return nil, err
	}
	if len(given) != 1 {
		return nil, errors.New("summarizing: a chain gave more than one message")
	}
	system, user, err := unframe(given[0].TextContent())
	if err != nil {
		return nil, err
	}
	if !m.summary.calls.enter(ctx) {
		return nil, ctx.Err()
	}
	defer m.summary.calls.leave()
	model := Model{Do: m.summary.args.Call, Base: m.summary.args.Request}
	if m.last() {
		model.Do = m.summary.args.Final
	}
	model.Base.Messages = nil
	if system != "" {
		model.Base.Messages = append(model.Base.Messages, providers.Text(providers.System, system))
	}
	model.Base.Messages = append(model.Base.Messages, providers.Text(providers.User, user))
	return model.GenerateContent(ctx, nil, options...)
}

// Call is part of llms.Model.
func (m *framed) Call(ctx context.Context, text string, options ...llms.CallOption) (string, error) {
	return llms.GenerateFromSinglePrompt(ctx, m, text, options...)
}

// collapse is the reduce chain: it combines summaries, in groups and again while they are too long for
// one call.
type collapse struct{ *summary }

var _ chains.Chain = collapse{}

// Call combines the documents.
func (c collapse) Call(ctx context.Context, values map[string]any, options ...chains.ChainCallOption) (map[string]any, error) {
	docs, _ := values[documentsKey].([]schema.Document)
	texts := make([]string, len(docs))
	for i, d := range docs {
		texts[i] = d.PageContent
	}
	for {
		groups := pack(texts, c.args.PieceSize)
		if len(groups) == 1 || len(groups) == len(texts) {
			// All fits; or nothing gets shorter by grouping, and then one call must do.
			combine := chains.NewStuffDocuments(c.chain(PromptCombine, func() bool { return true }))
			return chains.Call(ctx, combine, map[string]any{documentsKey: documentsOf(texts)}, options...)
		}
		inputs := make([]map[string]any, len(groups))
		for i, g := range groups {
			inputs[i] = map[string]any{contextKey: g}
		}
		results, err := chains.Apply(ctx, c.chain(PromptCombine, nil), inputs, min(c.args.Concurrency, len(inputs)), options...)
		if err != nil {
			return nil, err
		}
		texts = make([]string, len(results))
		for i, r := range results {
			texts[i], _ = r[outputKey].(string)
		}
	}
}

func documentsOf(texts []string) []schema.Document {
	docs := make([]schema.Document, len(texts))
	for i, text := range texts {
		docs[i] = schema.Document{PageContent: text}
	}
	return docs
}

// GetMemory gives a memory that remembers nothing.
func (collapse) GetMemory() schema.Memory { return memory.NewSimple() }

// GetInputKeys names the documents.
func (collapse) GetInputKeys() []string { return []string{documentsKey} }

// GetOutputKeys names the text.
func (collapse) GetOutputKeys() []string { return []string{outputKey} }

// gate counts calls in progress and lets no more in once it is waited for.
type gate struct {
	mu     sync.Mutex
	closed bool
	group  sync.WaitGroup
}

// enter says whether a call may begin; leave must follow when it may.
func (g *gate) enter(ctx context.Context) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || ctx.Err() != nil {
		return false
	}
	g.group.Add(1)
	return true
}

func (g *gate) leave() { g.group.Done() }

// wait closes the gate and returns when all calls have left.
func (g *gate) wait() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.group.Wait()
}
