package faultproxy

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strings"
)

// answer is a response on its way.
type answer struct {
	status int
	header http.Header
	body   io.ReadCloser
	// length is the number of the body's bytes, or below 0 when it is not known.
	length int64
}

// play sends the answer, and breaks it.
func (x *exchange) play(a *answer, where float64) ending {
	f := &x.Fault
	if values[f.Kind] == offset && f.At == Anywhere {
		reach := a.length
		if reach < 0 {
			reach = x.proxy.config.Reach
		}
		f.At = int64(where * float64(reach))
	}
	h := x.w.Header()
	maps.Copy(h, a.header)
	if f.Kind != None && f.Kind != Delay {
		h.Del("Content-Length") // a body that ends early would not match it
	}
	x.Status = a.status
	x.w.WriteHeader(a.status)
	_ = x.rc.Flush()
	switch f.Kind {
	case Stall, Cut, Close, Reset:
		return x.upTo(a)
	case Drip:
		return x.drip(a)
	case Garble, Flood, Error:
		if separator := separatorOf(a.header); separator != "" {
			return x.frames(a, separator)
		}
		return x.plain(a)
	default:
		return x.rest(a.body)
	}
}

// write sends bytes at once.
func (x *exchange) write(b []byte) bool {
	n, err := x.w.Write(b)
	x.Sent += int64(n)
	if err == nil {
		err = x.rc.Flush()
	}
	if err != nil || x.ctx.Err() != nil {
		x.Left = true
	}
	return !x.Left
}

// rest sends what is left of a body, as it comes.
func (x *exchange) rest(body io.Reader) ending {
	buf := make([]byte, 32<<10)
	for {
		n, err := body.Read(buf)
		if n > 0 && !x.write(buf[:n]) {
			return closed
		}
		if err != nil {
			return x.ended(err)
		}
	}
}

// ended is the end of the upstream's own body.
func (x *exchange) ended(err error) ending {
	switch {
	case err == io.EOF:
		return whole
	case x.ctx.Err() != nil:
		x.Left = true
	default:
		x.Failed = true
	}
	return closed // what the upstream did not end is not ended here
}

// upTo sends the body up to the fault's place, and then does what the fault says.
func (x *exchange) upTo(a *answer) ending {
	if end := x.rest(io.LimitReader(a.body, x.Fault.At)); end != whole {
		return end
	}
	var more [1]byte
	if n, err := io.ReadFull(a.body, more[:]); n == 0 { // there is nothing to cut off
		return x.ended(err)
	}
	x.Hit = true
	switch x.Fault.Kind {
	case Stall:
		return x.hang()
	case Close:
		return closed
	case Reset:
		return reset
	default:
		return whole
	}
}

// drip sends the body byte by byte.
func (x *exchange) drip(a *answer) ending {
	buf := make([]byte, 512)
	for {
		n, err := a.body.Read(buf)
		for i := range n {
			x.Hit = true
			if !x.write(buf[i:i+1]) || !x.wait(x.Fault.Wait) {
				return closed
			}
		}
		if err != nil {
			return x.ended(err)
		}
	}
}

// plain breaks a body that has no frames.
func (x *exchange) plain(a *answer) ending {
	switch x.Fault.Kind {
	case Error:
		x.Hit = true
		x.write(x.failure())
		return whole
	case Garble:
		data, err := io.ReadAll(io.LimitReader(a.body, x.proxy.config.MaxBody))
		if err != nil {
			return x.ended(err)
		}
		x.Hit = len(data) > 0
		x.write(data[:len(data)/2])
		return whole
	default:
		if end := x.rest(io.LimitReader(a.body, x.Fault.At)); end != whole {
			return end
		}
		return x.flood(bytes.Repeat([]byte(" "), 4<<10))
	}
}

// flood repeats a piece until the caller has had enough.
func (x *exchange) flood(piece []byte) ending {
	x.Hit = true
	for x.write(piece) {
	}
	return closed
}

// frames breaks a stream at the frame that holds the fault's place.
func (x *exchange) frames(a *answer, separator string) ending {
	split := newSplitter(a.body, separator)
	var before []byte // the frame before, for a flood at the end
	for {
		frame, err := split.next()
		if len(frame) == 0 {
			return x.ended(err)
		}
		if x.Hit || x.Sent+int64(len(frame)) <= x.Fault.At {
			before = append(before[:0], frame...)
			if !x.write(frame) {
				return closed
			}
			continue
		}
		switch x.Fault.Kind {
		case Error:
			x.Hit = true
			x.write(x.failure())
			return whole
		case Flood:
			if final(frame) && len(before) > 0 {
				frame = before
			}
			return x.flood(frame)
		default:
			x.Hit = true
			if !x.write(halved(frame)) {
				return closed
			}
		}
	}
}

// halved gives a frame without the second half of its last line.
func halved(frame []byte) []byte {
	payload := bytes.TrimRight(frame, "\r\n")
	last := bytes.LastIndexByte(payload, '\n') + 1
	return append(bytes.Clone(payload[:(last+len(payload)+1)/2]), frame[len(payload):]...)
}

// final says whether a frame ends an answer, so that to repeat it would be no flood.
func final(frame []byte) bool {
	for _, mark := range []string{"[DONE]", `"done":true`, `"finish_reason":"`} {
		if bytes.Contains(frame, []byte(mark)) {
			return true
		}
	}
	return false
}

// failure is the error of the request's format, as a frame or as a whole body.
func (x *exchange) failure() []byte {
	const message = "the fault proxy fails"
	openai := marshal(map[string]any{"error": map[string]any{"message": message, "type": "server_error", "code": nil}})
	switch {
	case strings.HasPrefix(x.Path, "/api/"):
		return append(marshal(map[string]any{"error": message}), '\n')
	case strings.HasPrefix(x.w.Header().Get("Content-Type"), "text/event-stream"):
		return append(append([]byte("data: "), openai...), "\n\n"...)
	default:
		return openai
	}
}
