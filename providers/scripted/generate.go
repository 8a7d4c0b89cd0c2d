package scripted

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"fairlead/providers"
)

// Generate answers as the model's name says.
func (p *Provider) Generate(ctx context.Context, req *providers.Request) iter.Seq2[providers.Chunk, error] {
	return func(yield func(providers.Chunk, error) bool) {
		c, err := p.begin(ctx, req.Model, providers.Chat)
		if err != nil {
			yield(providers.Chunk{}, err)
			return
		}
		defer c.end()
		s := &stream{call: c, ctx: ctx, req: req, yield: yield, prompt: promptWords(req)}
		if err := s.run(); err != nil && !s.left {
			yield(providers.Chunk{}, err)
		}
	}
}

// stream is an answer in progress.
type stream struct {
	*call
	ctx    context.Context
	req    *providers.Request
	yield  func(providers.Chunk, error) bool
	prompt int64
	chunks int
	// left: the caller broke the loop, and nothing may follow.
	left bool
}

// run says the whole answer. Its error is the stream's, unless the caller left.
func (s *stream) run() error {
	script := s.script
	if s.fails() {
		if err := s.wait(s.ctx, script.ttft); err != nil {
			return err
		}
		return s.fail(script.failure())
	}
	text := script.text
	if !script.hasText {
		text = lastUser(s.req)
	}
	switch script.kind {
	case "cut":
		if err := s.repeat(text, script.after); err != nil || s.left {
			return err
		}
		return s.broken(providers.KindTruncated, fmt.Sprintf("the script cuts after %d chunks", script.after))
	case "garbage":
		if err := s.repeat(text, script.after); err != nil || s.left {
			return err
		}
		return s.broken(providers.KindProtocol, fmt.Sprintf("the script breaks after %d chunks", script.after))
	case "hang":
		if err := s.repeat(text, script.after); err != nil || s.left {
			return err
		}
		<-s.ctx.Done()
		return s.ended(s.ctx)
	case "infinite":
		limit := -1
		if s.req.MaxTokens != nil && !script.overrun {
			limit = *s.req.MaxTokens
		}
		if err := s.repeat(text, limit); err != nil || s.left {
			return err
		}
		return s.finish(providers.FinishLength)
	case "tool":
		if result, ok := toolResult(s.req); ok {
			return s.say(fmt.Sprintf("The tool %s answered: %s", script.tool, result))
		}
		if s.req.ToolChoice.Mode == providers.ToolsNone {
			return s.say("I may not use tools here.")
		}
		return s.ask(script.tool, script.args, script.calls)
	case "obedient":
		order := obey(s.req)
		if order.tool != "" {
			return s.ask(order.tool, order.args, 1)
		}
		return s.say(order.text)
	default:
		return s.say(text)
	}
}

// send hands over one chunk in its time and bills its words. Without an error the caller may have left.
func (s *stream) send(chunk providers.Chunk, words int64) error {
	var pause time.Duration
	switch {
	case s.chunks == 0:
		pause = s.script.ttft
	case s.script.tps > 0 && chunk.Finish == providers.FinishUnset: // the mark of the end takes no time
		pause = time.Duration(float64(time.Second) / s.script.tps)
	}
	if err := s.wait(s.ctx, pause); err != nil {
		return err
	}
	if s.chunks == 0 {
		chunk.Model = s.model
	}
	s.chunks++
	s.bill(s.prompt, words)
	if chunk.Finish != providers.FinishUnset {
		chunk.Usage = s.report()
	}
	s.left = !s.yield(chunk, nil)
	return nil
}

// finish ends a whole answer.
func (s *stream) finish(reason providers.FinishReason) error {
	return s.send(providers.Chunk{Finish: reason}, 0)
}

// broken ends a stream in the backend's own way of failing: it had begun, so it is billed.
func (s *stream) broken(kind providers.Kind, detail string) error {
	if s.chunks == 0 {
		if err := s.wait(s.ctx, s.script.ttft); err != nil {
			return err
		}
		s.bill(s.prompt, 0)
	} else if s.ctx.Err() != nil {
		return s.ended(s.ctx)
	}
	if usage := s.report(); usage != nil {
		if s.left = !s.yield(providers.Chunk{Usage: usage}, nil); s.left {
			return nil
		}
		if s.ctx.Err() != nil {
			return s.ended(s.ctx)
		}
	}
	return s.fail(&providers.Error{Kind: kind, Detail: detail, MayBill: true})
}

// say streams a text to its end, within the request's limits.
func (s *stream) say(text string) error {
	for _, stop := range s.req.Stop {
		if i := strings.Index(text, stop); stop != "" && i >= 0 {
			text = text[:i]
		}
	}
	n := 0
	for word := range words(text) {
		if s.req.MaxTokens != nil && n >= *s.req.MaxTokens {
			return s.finish(providers.FinishLength)
		}
		n++
		if err := s.send(providers.Chunk{Text: word}, 1); err != nil || s.left {
			return err
		}
	}
	return s.finish(providers.FinishStop)
}

// repeat says a text over and over, count chunks in all. Negative: for ever.
func (s *stream) repeat(text string, count int) error {
	if strings.TrimSpace(text) == "" {
		text = "again"
	}
	if !strings.HasSuffix(text, " ") && !strings.HasSuffix(text, "\n") {
		text += " "
	}
	for n := 0; ; {
		for word := range words(text) {
			if n == count {
				return nil
			}
			n++
			if err := s.send(providers.Chunk{Text: word}, 1); err != nil || s.left {
				return err
			}
		}
	}
}

// ask asks for the same tool n times at once: the names first, then the arguments in interleaved pieces.
func (s *stream) ask(name, args string, n int) error {
	for i := range n {
		d := providers.ToolCallDelta{Index: i, ID: fmt.Sprintf("call_%d_%d", s.number, i+1), Name: name}
		if err := s.send(providers.Chunk{ToolCalls: []providers.ToolCallDelta{d}}, 1); err != nil || s.left {
			return err
		}
	}
	for args != "" {
		size := min(len(args), 8)
		for size < len(args) && !utf8.RuneStart(args[size]) {
			size++
		}
		for i := range n {
			d := providers.ToolCallDelta{Index: i, Arguments: args[:size]}
			if err := s.send(providers.Chunk{ToolCalls: []providers.ToolCallDelta{d}}, 1); err != nil || s.left {
				return err
			}
		}
		args = args[size:]
	}
	return s.finish(providers.FinishToolCalls)
}

// words cuts a text into words, each with the space after it; space at the start goes with the first
// word. Joined they are the text.
func words(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start, inWord, after := 0, false, false
		for i, r := range text {
			switch space := unicode.IsSpace(r); {
			case !space && after:
				if !yield(text[start:i]) {
					return
				}
				start, after = i, false
			case space && inWord:
				after = true
			case !space:
				inWord = true
			}
		}
		if start < len(text) {
			yield(text[start:])
		}
	}
}

// promptWords counts what the request's messages say.
func promptWords(req *providers.Request) int64 {
	n := 0
	for _, m := range req.Messages {
		for _, part := range m.Parts {
			n += len(strings.Fields(part.Text))
		}
		for _, c := range m.ToolCalls {
			n += len(strings.Fields(c.Arguments)) + 1
		}
	}
	return int64(n)
}

// lastUser gives the text of the last user message.
func lastUser(req *providers.Request) string {
	for i := len(req.Messages) - 1; i >= 0; i-- {
		if req.Messages[i].Role == providers.User {
			return req.Messages[i].TextContent()
		}
	}
	return ""
}

// toolResult gives what tools answered since the last user message.
func toolResult(req *providers.Request) (string, bool) {
	var results []string
	for i := len(req.Messages) - 1; i >= 0 && req.Messages[i].Role != providers.User; i-- {
		if req.Messages[i].Role == providers.ToolRole {
			results = append([]string{req.Messages[i].TextContent()}, results...)
		}
	}
	return strings.Join(results, "\n"), results != nil
}
