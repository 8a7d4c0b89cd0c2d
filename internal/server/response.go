package server

import (
	"net/http"
	"time"
)

// past is a deadline that has passed: it ends a blocked read or write at once.
var past = time.Unix(1, 0)

// response counts what is written and cuts a reader that stalls.
type response struct {
	http.ResponseWriter
	control *http.ResponseController
	call    *Call
	limit   time.Duration
	dog     watchdog
}

func newResponse(w http.ResponseWriter, call *Call, limit time.Duration) *response {
	res := &response{ResponseWriter: w, control: http.NewResponseController(w), call: call, limit: limit}
	res.dog.bite = func() { _ = res.control.SetWriteDeadline(past) }
	return res
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the status.
func (w *response) WriteHeader(status int) {
	if w.call.Status == 0 && status >= 200 {
		w.call.Status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write writes within the time limit.
func (w *response) Write(p []byte) (int, error) {
	if w.call.Status == 0 {
		w.call.Status = http.StatusOK
	}
	w.dog.arm(w.limit)
	defer w.dog.disarm()
	n, err := w.ResponseWriter.Write(p)
	w.call.Bytes += int64(n)
	return n, err
}

// Flush flushes within the time limit; its error shows in the next write.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError flushes within the time limit.
func (w *response) FlushError() error {
	if w.call.Status == 0 {
		w.call.Status = http.StatusOK
	}
	w.dog.arm(w.limit)
	defer w.dog.disarm()
	return w.control.Flush()
}

// done is called when the handler has returned. What is still buffered is written by net/http after that,
// so the last deadline is a real one; net/http takes it away before the connection's next request.
func (w *response) done() {
	w.dog.end()
	_ = w.control.SetWriteDeadline(time.Now().Add(w.limit))
}
