package openaihttp

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
	"fairlead/providers"
)

// stream writes a run to one caller as it goes on.
//
// It is idle (nothing sent), open (headers sent) or closed. A timer beside the handler keeps an idle or
// waiting connection alive; the lock keeps the two apart, and after close neither writes.
type stream struct {
	h            *handler
	rc           *http.ResponseController
	includeUsage bool
	created      time.Time
	// http2: a deadline that is left standing between two writes resets the stream there, so each one is
	// taken away again. On HTTP/1 a deadline counts only while something is written, and moving it once in
	// a while is enough.
	http2 bool

	// mu guards all that follows.
	mu     sync.Mutex
	w      http.ResponseWriter
	timer  *time.Timer
	open   bool
	closed bool
	// writes counts frames, so that the timer can tell whether the connection was silent since it last
	// looked, at no cost to the frames.
	writes, seen uint64
	// extended is when the write deadline was last moved.
	extended time.Time
	// broken is true when a write failed: nothing more is written.
	broken bool

	answer answer
	frames *frames
	buf    []byte
	// said is true when some of the run's output was sent.
	said bool
	// known has the tool calls whose first piece was sent.
	known map[int]bool
}

// streamChat serves a chat as a stream. An error is returned only while nothing was sent.
func (h *handler) streamChat(w http.ResponseWriter, r *http.Request, p auth.Principal, call *chatCall) error {
	s := &stream{
		h: h, w: w, rc: http.NewResponseController(w), includeUsage: call.IncludeUsage, created: h.Now(),
		http2: r.ProtoMajor >= 2, buf: make([]byte, 0, 1<<10),
	}
	s.watch()
	defer s.close()

	var failure error
	for e, err := range h.Engine.Chat(r.Context(), p, call.ChatRequest) {
		if err == nil {
			err = s.event(&e)
		}
		if err != nil {
			failure = err
			break
		}
	}
	if failure == nil && s.answer.finished == nil {
		failure = fault.New(fault.Internal, fault.ReasonInternal, "the run ended without an end: see the server's log with the request's id")
	}
	if failure == nil {
		failure = s.finish()
	}
	if failure == nil {
		return nil
	}
	failure = ended(r.Context(), failure)
	if s.close(); !s.open {
		s.answer.headers(w.Header())
		return failure
	}
	s.abort(r, failure)
	return nil
}

// watch starts the timer.
func (s *stream) watch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(s.h.HoldHeaders, s.keepAlive)
}

// event sends what the caller is to see of an event.
func (s *stream) event(e *orchestrator.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer.note(e)
	switch b := e.Body.(type) {
	case *orchestrator.TextDelta:
		if !b.Output || b.Text == "" {
			return nil
		}
		s.said = true
		return s.send(false, func(buf []byte) []byte { return s.frames.text(buf, "content", b.Text) })
	case *orchestrator.ReasoningDelta:
		if s.answer.chain != "" || b.Text == "" {
			return nil
		}
		return s.send(false, func(buf []byte) []byte { return s.frames.text(buf, "reasoning_content", b.Text) })
	case *orchestrator.ToolCallDelta:
		if s.answer.chain != "" {
			return nil
		}
		s.said = true
		return s.send(true, func(buf []byte) []byte {
			return s.frames.delta(buf, func(buf []byte) []byte { return s.toolCall(buf, &b.ToolCallDelta) })
		})
	case *orchestrator.Retracted:
		if s.said {
			return fault.New(fault.Unavailable, fault.ReasonStreamTruncated, "the answer was withdrawn after some of it was sent, and this dialect cannot take it back: ask again")
		}
	}
	return nil
}

// toolCall adds a delta with a piece of a tool call.
func (s *stream) toolCall(b []byte, d *providers.ToolCallDelta) []byte {
	b = append(b, `{"tool_calls":[{"index":`...)
	b = strconv.AppendInt(b, int64(d.Index), 10)
	if !s.known[d.Index] {
		if s.known == nil {
			s.known = make(map[int]bool)
		}
		s.known[d.Index] = true
		b = append(b, `,"id":`...)
		b = appendText(b, d.ID)
		b = append(b, `,"type":"function","function":{"name":`...)
		b = appendText(b, d.Name)
		b = append(b, ',')
	} else {
		b = append(b, `,"function":{`...)
	}
	b = append(b, `"arguments":`...)
	b = appendText(b, d.Arguments)
	return append(b, `}}]}`...)
}

// send writes the frames that add appends, and before the first ones the role. toolsFirst says that the
// answer begins with a tool call: its content is then null. The caller holds the lock.
func (s *stream) send(toolsFirst bool, add func([]byte) []byte) error {
	s.buf = s.buf[:0]
	if s.frames == nil {
		s.frames = newFrames("chatcmpl-"+s.answer.run, s.answer.model(), s.created.Unix(), s.includeUsage)
		role := `{"role":"assistant","content":"","refusal":null}`
		if toolsFirst {
			role = `{"role":"assistant","content":null,"refusal":null}`
		}
		s.buf = s.frames.delta(s.buf, func(b []byte) []byte { return append(b, role...) })
	}
	s.buf = add(s.buf)
	return s.flush()
}

// finish sends the rest of a run that went well, and the mark of the end.
func (s *stream) finish() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if output := s.answer.finished.Output; !s.said && output != "" {
		err := s.send(false, func(buf []byte) []byte { return s.frames.text(buf, "content", output) })
		if err != nil {
			return err
		}
	}
	facts, err := encodeJSON(s.answer.facts())
	if err != nil {
		return err
	}
	usage, err := encodeJSON(usageOf(s.answer.finished.Usage))
	if err != nil {
		return err
	}
	var annotations []byte
	if found := s.answer.annotations(); len(found) > 0 {
		if annotations, err = encodeJSON(found); err != nil {
			return err
		}
	}
	return s.send(false, func(b []byte) []byte {
		b = append(b, s.frames.front...)
		b = append(b, `{"index":0,"delta":{`...)
		if annotations != nil {
			b = append(b, `"annotations":`...)
			b = append(b, annotations...)
		}
		b = append(b, `},"finish_reason":`...)
		b = appendText(b, finishOf(s.answer.finished.Finish))
		b = append(b, `}]`...)
		if s.includeUsage {
			b = append(b, `,"usage":null}`...)
			b = append(b, "\n\n"...)
			b = append(b, s.frames.front...)
			b = append(b, `],"usage":`...)
			b = append(b, usage...)
		}
		b = append(b, `,"fairlead":`...)
		b = append(b, facts...)
		return append(b, "}\n\ndata: [DONE]\n\n"...)
	})
}

// begin sends the status and the headers.
func (s *stream) begin() {
	if s.open {
		return
	}
	s.open = true
	s.answer.headers(s.w.Header())
	h := s.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache, no-transform")
	h.Set("X-Accel-Buffering", "no") // nginx would hold frames back
	s.w.WriteHeader(http.StatusOK)
}

// flush writes the buffer through to the connection. The caller holds the lock.
func (s *stream) flush() error {
	s.begin()
	s.writes++
	if now := time.Now(); s.http2 || now.Sub(s.extended) > s.h.WriteTimeout/15 {
		s.extended = now
		s.h.extend(s.rc)
	}
	_, err := s.w.Write(s.buf)
	if err == nil {
		if err = s.rc.Flush(); errors.Is(err, http.ErrNotSupported) {
			err = nil
		}
	}
	if s.http2 {
		_ = s.rc.SetWriteDeadline(time.Time{})
	}
	if err != nil {
		s.broken = true
		return fault.Wrap(err, fault.Canceled, fault.ReasonCanceled, "the caller left before the answer was written")
	}
	return nil
}

// keepAlive runs beside the handler: when HoldHeaders has passed, and then in each interval without a
// frame, it sends a comment.
func (s *stream) keepAlive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	if s.writes == s.seen {
		s.buf = append(s.buf[:0], ": keep-alive\n\n"...)
		if s.flush() != nil {
			return // the handler's next write fails too, or the context ends
		}
	}
	s.seen = s.writes
	s.timer.Reset(s.h.KeepAlive)
}

// close ends the timer's part. It may be called again.
func (s *stream) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.timer.Stop()
}

// abort tells the caller of a failure after the headers, and breaks the connection off: a body that ends
// as usual would be taken for a whole answer by clients that do not look for [DONE].
func (s *stream) abort(r *http.Request, failure error) {
	e := fromError(failure)
	s.h.log(r, s.answer.run, e, true)
	s.h.ended(r, e)
	if !s.broken {
		s.buf = append(s.buf[:0], "data: "...)
		s.buf = append(s.buf, e.body()...)
		s.buf = append(s.buf, "\n\n"...)
		_ = s.flush() // broken off anyway
	}
	panic(http.ErrAbortHandler)
}
