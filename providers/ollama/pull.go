package ollama

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strings"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

const (
	// maxProgress is the most bytes in a line of a pull.
	maxProgress = 64 << 10
	// maxParts is the most parts that a model may have.
	maxParts = 1024
	// maxPart is the most bytes of a part that are believed.
	maxPart = 1 << 50
)

// Statuses of a pull, in our words.
const (
	pullAsking   = "asking for the model"
	pullFetching = "fetching"
	pullChecking = "checking"
	pullWriting  = "writing"
	pullDone     = "done"
	pullWorking  = "working"
)

// pullStatus translates a status of the server, whose text is not passed on.
func pullStatus(status string) string {
	switch {
	case status == "success":
		return pullDone
	case status == "pulling manifest":
		return pullAsking
	case strings.HasPrefix(status, "pulling "):
		return pullFetching
	case strings.HasPrefix(status, "verifying "):
		return pullChecking
	case strings.HasPrefix(status, "writing "):
		return pullWriting
	default:
		return pullWorking
	}
}

// progress is a line of a pull.
type progress struct {
	Status    string          `json:"status"`
	Digest    string          `json:"digest"`
	Total     int64           `json:"total"`
	Completed int64           `json:"completed"`
	Error     json.RawMessage `json:"error"`
}

// readProgress reads a line; open says that it has no end. What is wrong with it has a kind and a detail alone.
func readProgress(text []byte, open bool) (*progress, *providers.Error) {
	var line progress
	switch err := json.Unmarshal(text, &line); {
	case err != nil && open:
		return nil, &providers.Error{Kind: providers.KindTruncated, Detail: "it ended within a line"}
	case err != nil:
		return nil, &providers.Error{Kind: providers.KindProtocol, Detail: "a line is not the JSON of a pull"}
	case len(line.Error) > 0 && string(line.Error) != "null":
		return nil, &providers.Error{Kind: providers.KindUnavailable, Detail: "it could not fetch the model"}
	case line.Status == "":
		return nil, &providers.Error{Kind: providers.KindProtocol, Detail: "a line does not say how far the pull is"}
	}
	return &line, nil
}

// pull is the state of one pull. The server tells of the parts one after the other.
type pull struct {
	parts map[string]*part
	last  providers.Pulled
}

type part struct{ done, total int64 }

// take adds a line up: Done and Total are the bytes of all parts that the server has begun with.
func (p *pull) take(line *progress) (now providers.Pulled, ok bool) {
	now = providers.Pulled{Status: pullStatus(line.Status)}
	if line.Digest != "" {
		of := p.parts[line.Digest]
		if of == nil {
			if len(p.parts) == maxParts {
				return now, false
			}
			of = &part{}
			p.parts[line.Digest] = of
		}
		of.total = min(max(line.Total, of.total), maxPart)
		of.done = min(max(line.Completed, of.done), of.total)
	}
	for _, of := range p.parts {
		now.Done, now.Total = now.Done+of.done, now.Total+of.total
	}
	return now, true
}

// Pull fetches a model; see providers.Puller. Done and Total count the parts that have been begun, so Total grows. What was
// fetched stays at the server when a pull ends early, and the next goes on from there. A pull takes as long as it takes: the
// context ends it.
func (c *Client) Pull(ctx context.Context, model string, told func(providers.Pulled) error) error {
	if model == "" {
		return c.fail(providers.KindInvalid, "", "the request names no model")
	}
	body, err := json.Marshal(map[string]any{"model": model, "stream": true})
	if err != nil {
		return c.fail(providers.KindInvalid, model, "the request cannot be written as JSON")
	}
	calls := c.wire
	calls.MaxAnswer = math.MaxInt32 // what a pull sends is bounded by line; hours of it are small
	call, e := calls.Start(ctx, "api/pull", model, "application/x-ndjson", body)
	if e != nil {
		return e
	}
	defer call.End()
	if call.Response.StatusCode != http.StatusOK {
		return refused(call)
	}
	p := pull{parts: map[string]*part{}}
	lines := wire.NewNDJSON(call, maxProgress)
	for {
		text, open, err := lines.Next()
		if err != nil {
			return call.ReadError(err) // the end of the body too: a pull that has succeeded has left the loop
		}
		if e := call.Frame(); e != nil {
			return e
		}
		line, problem := readProgress(text, open)
		if problem != nil {
			e := call.Fail(problem.Kind, problem.Detail)
			if problem.Kind == providers.KindUnavailable {
				applyPull(e, errorText(text))
			}
			return e
		}
		now, ok := p.take(line)
		if !ok {
			return call.Fail(providers.KindOverrun, "the model has more parts than any model has")
		}
		if now != p.last {
			p.last = now
			if told != nil {
				if err := told(now); err != nil {
					return err
				}
			}
			if e := call.Frame(); e != nil {
				return e
			}
		}
		if now.Status == pullDone {
			call.Drain()
			return nil
		}
	}
}

// applyPull makes e say what the text says.
func applyPull(e *providers.Error, text string) {
	text = strings.ToLower(text)
	switch {
	case strings.Contains(text, "file does not exist"), strings.Contains(text, "not found"):
		e.Kind, e.Detail = providers.KindNotFound, "where it fetches models from there is none of this name"
	case strings.Contains(text, "no space left"):
		e.Kind, e.Detail = providers.KindUnknown, "its disk is full"
	case strings.Contains(text, "requires a newer version"):
		e.Kind, e.Detail = providers.KindUnsupported, "the model needs a newer version of the server"
	case strings.Contains(text, "unauthorized"), strings.Contains(text, "access denied"):
		e.Kind, e.Detail = providers.KindAuth, "the place where it fetches models from refused it"
	}
}
