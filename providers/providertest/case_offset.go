package providertest

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"fairlead/providers"
)

// runOffsets sends one good stream split, and cut, at every byte. It uses raw connections, so that each
// part is one chunk of the body.
func runOffsets(t *testing.T, w *Wire) {
	f := w.format()
	last, mark := f.end()
	body := f.text("The ferry ") + f.text("leaves at nine.") + last + mark
	noLeak(t)

	t.Run("split", func(t *testing.T) {
		parts := make(chan [2]string, 1)
		g := rawServer(t, w, func(conn net.Conn) {
			p := <-parts
			_, _ = io.WriteString(conn, chunked(p[0])+chunked(p[1])+"0\r\n\r\n")
		})
		for at := 1; at < len(body); at++ {
			parts <- [2]string{body[:at], body[at:]}
			r := drain(t, g.Generate(lasting, chatRequest()), nil)
			if wantGood(t, r); t.Failed() {
				t.Fatalf("split at byte %d, before %q", at, clip(body[at:]))
			}
		}
	})

	// The mark of the end is whole without the line ends after it.
	whole := len(strings.TrimRight(body, "\n"))
	// In the OpenAI dialect a finish and a clean end are enough.
	enough := whole
	if w.Dialect == OpenAI {
		enough = strings.Index(body, `"stop"`)
		enough += strings.IndexByte(body[enough:], '\n')
	}
	for _, clean := range []bool{false, true} {
		name := "cut hard"
		if clean {
			name = "cut cleanly"
		}
		t.Run(name, func(t *testing.T) {
			part := make(chan string, 1)
			g := rawServer(t, w, func(conn net.Conn) {
				end := ""
				if clean {
					end = "0\r\n\r\n"
				}
				_, _ = io.WriteString(conn, chunked(<-part)+end)
			})
			for at := range len(body) + 1 {
				part <- body[:at]
				r := drain(t, g.Generate(lasting, chatRequest()), nil)
				ok := r.err == nil
				switch {
				case ok && at < enough:
					t.Fatalf("a stream cut at byte %d of %d was a success: %q", at, len(body), r.answer().Text)
				case ok && !clean && at < whole:
					t.Fatalf("a stream cut hard at byte %d of %d was a success", at, len(body))
				case ok:
					wantGood(t, r)
				case at == len(body):
					t.Fatalf("the whole stream was no success: %v", r.err)
				case clean && at == enough:
					t.Fatalf("a stream with all that is needed was no success: %v", r.err)
				}
				if !ok && providers.KindOf(r.err) != providers.KindTruncated {
					t.Fatalf("cut at byte %d: %v", at, r.err)
				}
			}
		})
	}
}

// chunked writes one chunk of a chunked body.
func chunked(s string) string {
	if s == "" {
		return "" // an empty chunk is the end
	}
	return strconv.FormatInt(int64(len(s)), 16) + "\r\n" + s + "\r\n"
}

// rawServer makes an adapter for a server that writes the body by hand, after the headers of a chunked
// stream, and then closes the connection.
func rawServer(t *testing.T, w *Wire, write func(net.Conn)) providers.Generator {
	s := newServer(t, w.format(), func(x *exchange) {
		conn := x.hijack()
		defer conn.Close()
		var head bytes.Buffer
		_ = http.Header{"Content-Type": {x.server.format.mediaType}, "Transfer-Encoding": {"chunked"}, "Connection": {"close"}}.Write(&head)
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\n"+head.String()+"\r\n")
		write(conn)
	})
	return w.generator(t, s, Endpoint{})
}
