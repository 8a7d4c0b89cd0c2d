package wire

import (
	"compress/flate"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"fairlead/providers"
)

var (
	errIdle    = errors.New("idle for too long")
	errOverrun = errors.New("too many bytes")
)

// Call is one request whose headers have come. It is for one goroutine.
type Call struct {
	Response *http.Response

	client      *Client
	model       string
	parent, ctx context.Context
	cancel      context.CancelCauseFunc
	body        io.Reader
	left        int64 // bytes that may still be read
	timer       *time.Timer
	armed       bool // the timer runs
	began       bool // a piece of the answer has come
	content     int  // bytes of the answer so far
}

// rawFactor is how many bytes may be read for a byte of the largest answer: frames of a few letters are
// mostly frame. It bounds what sends no content at all.
const rawFactor = 8

// open makes the body readable.
func (call *Call) open() *providers.Error {
	call.left = rawFactor * int64(call.client.MaxAnswer)
	switch strings.ToLower(call.Response.Header.Get("Content-Encoding")) {
	case "", "identity":
		call.body = call.Response.Body
	case "gzip", "x-gzip": // not asked for, but some proxies cannot be told
		call.body = &gunzip{from: call.Response.Body}
	default:
		return call.Fail(providers.KindProtocol, "its answer has a content encoding that was not asked for")
	}
	return nil
}

// gunzip opens a gzip reader at the first read, so that opening a call does not wait for a body.
type gunzip struct {
	from io.Reader
	r    *gzip.Reader
}

func (g *gunzip) Read(p []byte) (int, error) {
	if g.r == nil {
		r, err := gzip.NewReader(g.from)
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
		g.r = r
	}
	return g.r.Read(p)
}

// Read reads the body. It fails when nothing comes for the idle time after the answer has begun, and
// beyond the limit of bytes.
func (call *Call) Read(p []byte) (int, error) {
	if call.began && !call.armed {
		call.arm(call.client.Idle)
	}
	if int64(len(p)) > call.left {
		p = p[:max(call.left, 0)]
		if len(p) == 0 {
			return 0, errOverrun
		}
	}
	n, err := call.body.Read(p)
	call.left -= int64(n)
	return n, err
}

func (call *Call) arm(d time.Duration) {
	call.armed = true
	if call.timer == nil {
		call.timer = time.AfterFunc(d, func() { call.cancel(errIdle) })
	} else {
		call.timer.Reset(d)
	}
}

func (call *Call) disarm() {
	if call.armed {
		call.armed = false
		call.timer.Stop()
	}
}

// Frame says that a frame was read: the idle time begins anew with the next read, so the time that the
// consumer takes does not count, and neither do comments that only keep a connection alive. An ended
// context comes before what was read.
func (call *Call) Frame() *providers.Error {
	call.disarm()
	if call.parent.Err() != nil {
		return call.Canceled()
	}
	return nil
}

// Content counts n bytes of the answer. From the first call on, the answer has begun: it may be billed,
// and may not pause for longer than the idle time.
func (call *Call) Content(n int) *providers.Error {
	call.began = true
	if call.content += n; call.content > call.client.MaxAnswer {
		return call.Fail(providers.KindOverrun, "the limit on one answer was reached")
	}
	return nil
}

// Fail makes an error about the call.
func (call *Call) Fail(kind providers.Kind, detail string) *providers.Error {
	return &providers.Error{Kind: kind, Backend: call.client.Backend, Model: call.model, Detail: detail, MayBill: call.began}
}

// Canceled makes the error of a call whose context has ended.
func (call *Call) Canceled() *providers.Error {
	e := providers.AsError(call.parent, call.client.Backend, call.model, call.parent.Err())
	e.MayBill = call.began
	return e
}

// ReadError translates an error of reading the body.
func (call *Call) ReadError(err error) *providers.Error {
	call.disarm()
	var corrupt flate.CorruptInputError
	switch {
	case call.parent.Err() != nil:
		return call.Canceled()
	case context.Cause(call.ctx) == errIdle:
		return call.Fail(providers.KindTimeout, "the answer stopped coming")
	case errors.Is(err, errOverrun):
		return call.Fail(providers.KindOverrun, "the limit on bytes read for one answer was reached")
	case errors.Is(err, ErrFrameTooLong):
		return call.Fail(providers.KindOverrun, "the limit on one frame was reached")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum), errors.As(err, &corrupt):
		return call.Fail(providers.KindProtocol, "its compressed answer is corrupt")
	case err == io.EOF:
		return call.Fail(providers.KindTruncated, "")
	default:
		e := call.Fail(providers.KindTruncated, "the connection was lost")
		e.Err = cause(err)
		return e
	}
}

// Delimited says whether the end of the body, once reached, is a promise of the server and not only a
// closed connection.
func (call *Call) Delimited() bool {
	r := call.Response
	_, zipped := call.body.(*gunzip)
	return zipped || r.ProtoMajor >= 2 || r.ContentLength >= 0 || slices.Contains(r.TransferEncoding, "chunked")
}

// MediaType gives the body's type without its parameters; empty when the server does not say, and "?"
// when it says what cannot be read.
func (call *Call) MediaType() string {
	header := call.Response.Header.Get("Content-Type")
	if header == "" {
		return ""
	}
	media, _, err := mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return "?"
	}
	return media
}

// ErrorBody gives the start of a refusal's body; what is wrong with it does not matter any more.
func (call *Call) ErrorBody() []byte {
	call.arm(errorBodyTimeout)
	defer call.disarm()
	body, _ := io.ReadAll(io.LimitReader(call, maxErrorBody))
	return body
}

// JSON reads the whole body into v. It is for answers that are no streams.
func (call *Call) JSON(v any) *providers.Error {
	switch call.MediaType() {
	case "application/json", "":
	default:
		return call.Fail(providers.KindProtocol, "its answer is not JSON: is the base URL right?")
	}
	body, err := io.ReadAll(call)
	if err != nil {
		return call.ReadError(err)
	}
	if e := call.Frame(); e != nil {
		return e
	}
	if json.Unmarshal(body, v) != nil {
		return call.Fail(providers.KindProtocol, "its answer is not the JSON that was expected")
	}
	return nil
}

// Drain reads the little that should follow the mark of the end, so that the connection can be used
// again. What it finds there is no part of the answer.
func (call *Call) Drain() {
	call.arm(drainTimeout)
	_, _ = io.CopyN(io.Discard, call.Response.Body, 16<<10)
	call.disarm()
}

// End ends the call. It may be called more than once.
func (call *Call) End() {
	if call.timer != nil {
		call.timer.Stop()
	}
	if call.cancel != nil {
		call.cancel(nil)
	}
	if call.Response != nil {
		_ = call.Response.Body.Close()
	}
}
