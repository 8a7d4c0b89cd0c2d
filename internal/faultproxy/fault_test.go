package faultproxy

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Fault{
		"none": {Kind: None}, "cut": {Kind: Cut, At: Anywhere}, "cut:0": {Kind: Cut}, "reset:12": {Kind: Reset, At: 12},
		"delay:300ms": {Kind: Delay, Wait: 300 * time.Millisecond}, "delay": {Kind: Delay, Wait: DefaultDelay}, "drip": {Kind: Drip, Wait: DefaultDrip},
		"status:429": {Kind: Status, Status: 429}, "status:429/1500ms": {Kind: Status, Status: 429, Wait: 1500 * time.Millisecond},
		"hang": {Kind: Hang}, "html": {Kind: HTML}, "error:7": {Kind: Error, At: 7},
	} {
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, says := range map[string]string{
		"": "there is no kind", "cuts": "there is no kind", "cut:": "cut:BYTES", "cut:-1": "not negative", "cut:x": "cut:BYTES", "status": "status:CODE",
		"status:200": "400 to 599", "delay:5": "delay:DURATION", "delay:-1s": "not negative", "hang:3": "takes no value", "status:429/": "status:CODE/WAIT",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if s, err := ParseShare("status=0.05:429/2s"); err != nil || s != (Share{Fault{Kind: Status, Status: 429, Wait: 2 * time.Second}, 0.05}) {
		t.Errorf("%+v, %v", s, err)
	}
	for text, says := range map[string]string{"cut": "KIND=PART", "cut=0": "above 0", "cut=1.1": "above 0", "cut=NaN": "above 0", "cut=x": "above 0", "none=": "above 0", "cat=1": "no kind"} {
		if _, err := ParseShare(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, k := range Kinds() {
		if _, known := values[k]; !known {
			t.Errorf("%s is not known", k)
		}
	}
	if len(Kinds()) != len(values) {
		t.Error("not every kind is listed")
	}
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		config Config
		says   string
	}{
		"upstream":  {Config{Upstream: "127.0.0.1:80"}, "address such as"},
		"no url":    {Config{Upstream: "http://u:secret@[::1"}, "address such as"},
		"password":  {Config{Upstream: "http://u:secret@x"}, "more than scheme"},
		"both":      {Config{Upstream: "http://x", Answer: "a"}, "without an upstream"},
		"script":    {Config{Script: []Fault{{Kind: "x"}}}, "fault 1 of the script"},
		"no script": {Config{Repeat: true}, "no script"},
		"share":     {Config{Shares: []Share{{Fault: Fault{Kind: Cut}}}}, "above 0"},
		"sum":       {Config{Shares: []Share{{Fault{Kind: Cut}, 0.6}, {Fault{Kind: Reset}, 0.6}}}, "add up to 1.2"},
		"path":      {Config{Only: []string{"v1"}}, "slash"},
		"negative":  {Config{Pace: -1}, "not negative"},
	} {
		if _, err := New(c.config); err == nil || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, k := range Kinds() {
		f.Add(string(k))
	}
	for _, s := range []string{"cut:12", "status:429/2s", "delay:1h", "cut=0.5:3", "status=1:500"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := Parse(text)
		if share, err := ParseShare(text); err == nil && (share.Validate() != nil || !(share.P > 0 && share.P <= 1)) {
			t.Errorf("%q is read as %+v", text, share)
		}
		if err != nil {
			return
		}
		if err := fault.Validate(); err != nil {
			t.Errorf("%q is read, and not valid: %v", text, err)
		}
		if again, err := Parse(fault.String()); err != nil || again != fault {
			t.Errorf("%q is written %q and read as %+v, %v", text, fault, again, err)
		}
	})
}

func frames(t testing.TB, r io.Reader, separator string) (all []string) {
	t.Helper()
	s := newSplitter(r, separator)
	for {
		frame, err := s.next()
		if len(frame) == 0 {
			if err != io.EOF {
				t.Fatal(err)
			}
			return all
		}
		all = append(all, string(frame))
	}
}

func TestFrames(t *testing.T) {
	got := frames(t, iotest.OneByteReader(strings.NewReader("data: a\n\nevent: x\r\ndata: b\r\n\r\ndata: c")), events)
	if d := cmp.Diff([]string{"data: a\n\n", "event: x\r\ndata: b\r\n\r\n", "data: c"}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"{}\n", "\n", "{"}, frames(t, strings.NewReader("{}\n\n{"), lines)); d != "" {
		t.Error(d)
	}
	long := strings.Repeat("x", maxFrame+1<<17)
	if got := frames(t, strings.NewReader(long), lines); len(got) < 2 || strings.Join(got, "") != long {
		t.Errorf("a frame without an end came in %d parts", len(got))
	}
	if got := string(halved([]byte("event: e\ndata: abcdef\n\n"))); got != "event: e\ndata: \n\n" && got != "event: e\ndata: a\n\n" {
		t.Errorf("%q", got)
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("data: a\n\ndata: b\n\n"), true)
	f.Add([]byte("{}\r\n\r\n{}"), false)
	f.Fuzz(func(t *testing.T, body []byte, sse bool) {
		separator := lines
		if sse {
			separator = events
		}
		if got := strings.Join(frames(t, iotest.HalfReader(bytes.NewReader(body)), separator), ""); got != string(body) {
			t.Errorf("%q became %q", body, got)
		}
	})
}
