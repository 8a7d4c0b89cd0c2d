package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// readSSE reads all events; the last error is nil for io.EOF.
func readSSE(r io.Reader, limit int) (events []Event, err error) {
	s := NewSSE(r, limit)
	for {
		e, err := s.Next()
		if err == io.EOF {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		e.Data = bytes.Clone(e.Data)
		events = append(events, e)
	}
}

// plainSSE is the reference: the whole body at once, by the letter of the standard.
func plainSSE(body string) (events []Event) {
	body = strings.TrimPrefix(body, "\uFEFF")
	body = strings.ReplaceAll(body, "\r\n", "\n")
	body = strings.ReplaceAll(body, "\r", "\n")
	rows := strings.Split(body, "\n")
	var data []string
	name := ""
	for i, row := range rows {
		last := i == len(rows)-1
		if row == "" {
			if last {
				break
			}
			if data != nil {
				events = append(events, Event{Name: name, Data: []byte(strings.Join(data, "\n"))})
			}
			data, name = nil, ""
			continue
		}
		field, value, _ := strings.Cut(row, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "data":
			data = append(data, value)
		case "event":
			name = value
		case "", "id", "retry":
		default:
			events = append(events, Event{Data: []byte(row), Open: last, Bare: true})
			data, name = nil, ""
		}
	}
	if data != nil {
		events = append(events, Event{Name: name, Data: []byte(strings.Join(data, "\n")), Open: true})
	}
	return events
}

func equalEvents(a, b []Event) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Name != b[i].Name || !bytes.Equal(a[i].Data, b[i].Data) || a[i].Open != b[i].Open || a[i].Bare != b[i].Bare {
			return false
		}
	}
	return true
}

var sseSeeds = []string{
	"data: {\"a\":1}\n\ndata: [DONE]\n\n",
	"\uFEFFdata: a\r\n\r\n: comment\r\ndata: b\r\rdata:c\n\n",
	"event: error\ndata: {\"error\":{}}\n\n",
	"data: one\ndata: two\n\ndata\n\ndata:\n\n",
	"data: [DONE]",
	"id: 1\nretry: 3\ndata: x\n",
	"{\"error\":\"bare\"}\n\nInternal Server Error",
	"data: a\r", "\n\n\n", ":", "",
}

func TestSSEMatchesTheReference(t *testing.T) {
	for _, body := range sseSeeds {
		for name, r := range map[string]io.Reader{
			"whole":       strings.NewReader(body),
			"byte a time": iotest.OneByteReader(strings.NewReader(body)),
			"with EOF":    iotest.DataErrReader(strings.NewReader(body)),
		} {
			got, err := readSSE(r, 1<<20)
			if err != nil || !equalEvents(got, plainSSE(body)) {
				t.Errorf("%q, %s: got %+v, %v, want %+v", body, name, got, err, plainSSE(body))
			}
		}
	}
}

func TestAFailedBodyGivesItsErrorAndNoOpenFrame(t *testing.T) {
	fail := errors.New("reset")
	events, err := readSSE(io.MultiReader(strings.NewReader("data: a\n\ndata: b\n"), iotest.ErrReader(fail)), 100)
	if !errors.Is(err, fail) || len(events) != 1 {
		t.Errorf("sse: %+v, %v", events, err)
	}
	n := NewNDJSON(io.MultiReader(strings.NewReader("{}\n{}"), iotest.ErrReader(fail)), 100)
	if _, _, err := n.Next(); err != nil {
		t.Error(err)
	}
	if line, _, err := n.Next(); !errors.Is(err, fail) {
		t.Errorf("ndjson: %q, %v", line, err)
	}
}

func TestFramesHaveALimit(t *testing.T) {
	fits := strings.Repeat("x", 1000)
	if events, err := readSSE(strings.NewReader("data: "+fits+"\n\n"), 1000); err != nil || len(events) != 1 {
		t.Errorf("a frame of the limit: %d events, %v", len(events), err)
	}
	for name, body := range map[string]string{
		"one line":    "data: x" + fits + "\n\n",
		"many lines":  strings.Repeat("data: xxxxxxxxx\n", 101) + "\n",
		"a comment":   ": " + strings.Repeat(fits, 20),
		"no line end": "data: " + strings.Repeat(fits, 20),
	} {
		if _, err := readSSE(strings.NewReader(body), 1000); !errors.Is(err, ErrFrameTooLong) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := NewNDJSON(strings.NewReader(fits+"x\n"), 1000).Next(); !errors.Is(err, ErrFrameTooLong) {
		t.Errorf("ndjson: %v", err)
	}
	endless := NewSSE(neverReader{}, 1000)
	if _, err := endless.Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that gives nothing: %v", err)
	}
}

type neverReader struct{}

func (neverReader) Read([]byte) (int, error) { return 0, nil }

func FuzzSSE(f *testing.F) {
	for _, s := range sseSeeds {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		got, err := readSSE(&pieces{body: body, size: int(size%16) + 1}, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if want := plainSSE(string(body)); !equalEvents(got, want) {
			t.Errorf("events differ (-want +got):\n%s", cmp.Diff(want, got))
		}
	})
}

func FuzzNDJSON(f *testing.F) {
	for _, s := range []string{"{}\n{}\n", "{\"done\":true}", "\r\n {} \r\n\n", "\uFEFF{}", ""} {
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		var want []string
		rows := strings.Split(string(body), "\n")
		for i, row := range rows {
			if i == 0 {
				row = strings.TrimPrefix(row, "\uFEFF")
			}
			if row = strings.Trim(row, " \t\r"); row != "" {
				want = append(want, row)
			}
		}
		var got []string
		n := NewNDJSON(&pieces{body: body, size: int(size%16) + 1}, 1<<20)
		for {
			line, _, err := n.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(line))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("lines differ (-want +got):\n%s", d)
		}
	})
}

// pieces gives a body in pieces of one size.
type pieces struct {
	body []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.body) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.body[:min(p.size, len(p.body))])
	p.body = p.body[n:]
	return n, nil
}
