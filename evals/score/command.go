package score

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"fairlead/internal/fault"
)

// Command is a scorer of one's own, in any language: a program that reads cases as JSON, one a line, and writes a score
// for each, one a line, in the order of the cases. It is started when it is first needed and serves many cases; it is
// asked one case at a time, and its input is closed when there are no more.
//
// It reads {"case": {"id", "input", "expected", "tags", "label", "locale"}, "outcome": {"text", "json", "tool_calls",
// "passages", "citations", "baseline", "target", "policy", "cost_usd", "latency_ms", "ttft_ms", "error"}}; what is not
// known is left out. It writes {"id": "the case's", "value": 0.5, "pass": true, "detail": "why"}, or "skipped" or "error"
// with the reason in place of "value": the one where the case expects nothing of the kind, the other where it cannot tell.
// Any other key is an error. The id is what tells a late or a doubled line from the answer.
//
// A program that exits, writes what is no score, writes a line longer than MaxLine, or does not answer within Timeout
// fails the case at hand (*CommandError), is ended with all its children, and is started anew for the next. So it is where the
// context is over.
type Command struct {
	// Run is the program and its arguments. No shell is involved.
	Run []string
	// Dir is the folder that it runs in. Empty: the current one.
	Dir string
	// Env are names of variables that it may see, beside PATH, HOME, LANG, LC_ALL, TZ and TMPDIR: keys of providers, which
	// the environment often holds, are not its business.
	Env []string
	// Timeout is for one case. Default 30s.
	Timeout time.Duration
	// MaxLine is how long a line of the program may be, in bytes. Default 1 MiB.
	MaxLine int

	mu      sync.Mutex
	process *process
	closed  bool
}

var (
	_ Scorer    = (*Command)(nil)
	_ io.Closer = (*Command)(nil)
)

// CommandError says that a command could not score a case.
type CommandError struct {
	// Case is its id.
	Case string
	// Why is such as "it exited".
	Why string
	// Stderr is the end of what the program wrote to its standard error since it was started. It may hold anything, such
	// as pieces of the case, so it is not in the error's text.
	Stderr string

	cause error
}

// Error gives the case and the reason.
func (e *CommandError) Error() string {
	return fmt.Sprintf("scoring case %q by a command: %s", e.Case, e.Why)
}

// Unwrap gives what the system said, or the context.
func (e *CommandError) Unwrap() error { return e.cause }

func (s *Command) check() error {
	switch {
	case len(s.Run) == 0 || s.Run[0] == "":
		return errors.New("run names no program")
	case s.Timeout < 0 || s.MaxLine < 0:
		return errors.New("timeout and max_line must not be negative")
	}
	return nil
}

// request is a line to the program.
type request struct {
	Case    caseLine    `json:"case"`
	Outcome outcomeLine `json:"outcome"`
}

type caseLine struct {
	ID       string         `json:"id"`
	Input    map[string]any `json:"input,omitempty"`
	Expected any            `json:"expected,omitempty"`
	Tags     []string       `json:"tags,omitempty"`
	Label    string         `json:"label,omitempty"`
	Locale   string         `json:"locale,omitempty"`
}

type outcomeLine struct {
	Text      string          `json:"text"`
	JSON      json.RawMessage `json:"json,omitempty"`
	ToolCalls []toolCallLine  `json:"tool_calls,omitempty"`
	Passages  []passageLine   `json:"passages,omitempty"`
	Citations []citationLine  `json:"citations,omitempty"`
	Baseline  string          `json:"baseline,omitempty"`
	Target    string          `json:"target,omitempty"`
	Policy    string          `json:"policy,omitempty"`
	CostUSD   *float64        `json:"cost_usd,omitempty"`
	LatencyMS float64         `json:"latency_ms,omitempty"`
	TTFTMS    float64         `json:"ttft_ms,omitempty"`
	Error     string          `json:"error,omitempty"`
}

type toolCallLine struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

type passageLine struct {
	ID       string `json:"id"`
	Document string `json:"document"`
	Text     string `json:"text"`
}

type citationLine struct {
	Number int    `json:"number"`
	Quote  string `json:"quote,omitempty"`
}

func line(c *Case, o *Outcome) ([]byte, error) {
	r := request{Case: caseLine{ID: c.ID, Input: c.Input, Expected: c.Expected, Tags: c.Tags, Locale: c.Locale}}
	if c.Label.Valid() {
		r.Case.Label = c.Label.String()
	}
	out := &r.Outcome
	*out = outcomeLine{Text: o.Text, Baseline: o.Baseline, Target: o.Target, Policy: o.Policy, LatencyMS: milliseconds(o.Latency), TTFTMS: milliseconds(o.TTFT)}
	if json.Valid(o.JSON) {
		out.JSON = o.JSON
	}
	for _, t := range o.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, toolCallLine{t.Name, t.Arguments})
	}
	for _, p := range o.Passages {
		out.Passages = append(out.Passages, passageLine(p))
	}
	for _, t := range o.Citations {
		out.Citations = append(out.Citations, citationLine(t))
	}
	if o.CostKnown {
		usd := o.Cost.USD()
		out.CostUSD = &usd
	}
	if o.Err != nil {
		out.Error = reasonOf(o.Err)
	}
	b, err := json.Marshal(r)
	return append(b, '\n'), err
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Score asks the program. A run that failed is asked about, too.
func (s *Command) Score(ctx context.Context, c *Case, o *Outcome) (Score, error) {
	request, err := line(c, o)
	if err != nil {
		return Score{}, failed(err, fault.InvalidArgument, c, "it cannot be written as JSON")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	fail := func(why string, cause error) (Score, error) {
		e := &CommandError{Case: c.ID, Why: why, cause: cause}
		if s.process != nil {
			e.Stderr = s.process.kill()
			s.process = nil
		}
		return Score{}, e
	}
	if s.closed {
		return fail("it was closed", nil)
	}
	if err := ctx.Err(); err != nil {
		return fail("it was broken off", err)
	}
	if s.process == nil {
		if s.process, err = s.start(); err != nil {
			return fail("the program could not be started", err)
		}
	}
	timeout := s.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	p := s.process
	go func() { p.written <- p.write(request) }()
	var answer []byte
	for written, answered := false, false; !written || !answered; {
		select {
		case err := <-p.written:
			if err != nil {
				return fail(p.ended(), err)
			}
			written = true
		case r := <-p.replies:
			switch {
			case r.err != nil:
				return fail(p.describe(r.err), r.err)
			case answered:
				return fail("it wrote two lines for one case", nil)
			}
			answer, answered = r.line, true
		case <-timer.C:
			return fail(fmt.Sprintf("it did not answer within %s", timeout), context.DeadlineExceeded)
		case <-ctx.Done():
			return fail("it was broken off", ctx.Err())
		}
	}
	got, err := parseReply(answer, c.ID)
	if err != nil {
		return fail(err.Error(), nil)
	}
	if got.Error != "" {
		// It knows what it does not know: that is no reason to end it.
		return Score{}, &CommandError{Case: c.ID, Why: "it says that it cannot tell", Stderr: clip(got.Error)}
	}
	return got.Score, nil
}

// Close closes the program's input, and ends it with its children where it does not end by itself within a second.
func (s *Command) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.process != nil {
		s.process.finish(time.Second)
		s.process = nil
	}
	return nil
}
