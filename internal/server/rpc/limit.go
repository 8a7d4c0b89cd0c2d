package rpc

import (
	"compress/gzip"
	"io"
	"net/http"

	"connectrpc.com/connect"

	"fairlead/internal/server"
)

// connect's own limit (WithReadMaxBytes) is not used: it reads what is beyond the limit to its end, also
// the gigabytes that a small gzip stream unfolds to, and its errors cannot carry an ErrorInfo. The body is
// limited as it is sent and once more as it is unfolded; both give a connect.Error, which connect passes on.

// limitBody gives the body's errors their form. The limit itself is the server's.
func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			r.Body = &body{ReadCloser: r.Body, request: r}
		}
		next.ServeHTTP(w, r)
	})
}

type body struct {
	io.ReadCloser
	request *http.Request
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == nil {
		return n, nil
	}
	if tooLarge := server.BodyTooLarge(err); tooLarge != nil {
		server.SetOutcome(b.request.Context(), tooLarge.Code.String(), string(tooLarge.Reason))
		return n, connectError(b.request.Context(), tooLarge)
	}
	return n, err
}

// withGzip offers gzip, both ways. A request may unfold to limit bytes.
func withGzip(limit int64) connect.HandlerOption {
	return connect.WithCompression("gzip",
		func() connect.Decompressor { return &unfolder{limit: limit} },
		func() connect.Compressor { return gzip.NewWriter(io.Discard) },
	)
}

// unfolder reads gzip up to a limit. It does not know the request, so its error has no request id; the
// header X-Request-Id has it.
type unfolder struct {
	gzip.Reader
	limit, left int64
}

// Reset begins a new stream.
func (u *unfolder) Reset(r io.Reader) error {
	u.left = u.limit
	return u.Reader.Reset(r)
}

func (u *unfolder) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	u.left -= int64(n)
	if u.left < 0 {
		return 0, newConnectError(server.TooLarge(u.limit), "")
	}
	return n, err
}
