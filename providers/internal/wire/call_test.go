package wire

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
)

// stepBody gives its parts, each after a pause, and then stalls until it is closed by the end of the call.
type stepBody struct {
	parts []string
	pause time.Duration
	done  <-chan struct{}
}

func (s *stepBody) Read(p []byte) (int, error) {
	if len(s.parts) == 0 {
		<-s.done
		return 0, errors.New("closed")
	}
	select {
	case <-time.After(s.pause):
	case <-s.done:
		return 0, errors.New("closed")
	}
	n := copy(p, s.parts[0])
	s.parts = s.parts[1:]
	return n, nil
}

func (s *stepBody) Close() error { return nil }

type stepServer struct {
	parts []string
	pause time.Duration
}

func (s stepServer) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1,
		Body: &stepBody{s.parts, s.pause, r.Context().Done()}}, nil
}

// TestIdleTimeCountsWaitingOnly: the time before the answer has begun and the time that the consumer
// takes are not idle; a pause within the answer is, to the millisecond.
func TestIdleTimeCountsWaitingOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base, _ := ParseBase("http://fake")
		c := Client{Backend: "b", Base: base, Idle: time.Second, MaxAnswer: 1000,
			HTTP: NewHTTP(&http.Client{Transport: stepServer{[]string{"{}\n", "{}\n", "{", "}\n"}, 900 * time.Millisecond}}, nil)}
		call, e := c.Start(t.Context(), "x", "m", "*/*", []byte("{}"))
		if e != nil {
			t.Fatal(e)
		}
		defer call.End()
		lines := NewNDJSON(call, 100)
		for range 2 {
			if _, _, err := lines.Next(); err != nil {
				t.Fatal(err)
			}
			if e := call.Frame(); e != nil {
				t.Fatal(e)
			}
			if e := call.Content(1); e != nil {
				t.Fatal(e)
			}
			time.Sleep(time.Hour) // a slow consumer, on the test's clock
		}
		start := time.Now()
		_, _, err := lines.Next() // its two parts take 1.8 s: bytes alone do not start the time anew
		got := call.ReadError(err)
		if got.Kind != providers.KindTimeout || !got.MayBill || time.Since(start) != time.Second {
			t.Errorf("%v after %v, billed %v", got, time.Since(start), got.MayBill)
		}
	})
}

func TestParseBase(t *testing.T) {
	for _, good := range []string{"http://127.0.0.1:8000/v1", "https://host/v1/", "http://[::1]:80"} {
		if u, err := ParseBase(good); err != nil || strings.HasSuffix(u.Path, "/") {
			t.Errorf("%s: %v, %v", good, u, err)
		}
	}
	for _, bad := range []string{"", "host:80", "ftp://h", "http://", "http://user:hunter2@h", "http://h?key=hunter2", "http://h/\x7fhunter2", "/v1"} {
		if _, err := ParseBase(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestCredentialsAreCheckedAndNotRepeated(t *testing.T) {
	h, err := Credentials(http.Header{"X-A": {"1"}}, map[string]string{"Authorization": "key", "X-B": ""})
	if d := cmp.Diff(http.Header{"X-A": {"1"}, "Authorization": {"Bearer key"}}, h); d != "" || err != nil {
		t.Errorf("%s, %v", d, err)
	}
	if _, err := Credentials(nil, map[string]string{"Authorization": "hunter2\n"}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a key with a line break: %v", err)
	}
}

func TestTheTransportUsesNoProxyUnlessTold(t *testing.T) {
	if NewTransport(nil).Proxy != nil {
		t.Error("a proxy")
	}
	if NewTransport(http.ProxyFromEnvironment).Proxy == nil {
		t.Error("no proxy")
	}
}

func TestVectorRefusesWhatIsNoNumber(t *testing.T) {
	var v Vector
	if err := json.Unmarshal([]byte(" [1, -2.5,\n3e-2 ,0]"), &v); err != nil || !cmp.Equal(v, Vector{1, -2.5, 0.03, 0}) {
		t.Errorf("%v, %v", v, err)
	}
	if err := json.Unmarshal([]byte("[ ]"), &v); err != nil || len(v) != 0 {
		t.Errorf("%v, %v", v, err)
	}
	for _, bad := range []string{"[null]", "[1,null]", `["1"]`, "[[1]]", "[true]", "[1e39]", "{}", "1", `"x"`, "[1,,2]", "[1,]"} {
		var v Vector
		if err := json.Unmarshal([]byte(bad), &v); err == nil {
			t.Errorf("%s was read as %v", bad, v)
		}
	}
}

func FuzzVector(f *testing.F) {
	for _, s := range []string{"[1,2]", "[ -0.5e3 , 1E-7]", "[]", "[null]", "[1e39]", "[[1]]", `["a,b"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got Vector
		err := json.Unmarshal(text, &got)
		var ref []*float32 // the reference tells null from 0
		want := json.Unmarshal(text, &ref) == nil && ref != nil
		for _, x := range ref {
			want = want && x != nil
		}
		if string(text) == "null" {
			return // encoding/json does not ask the type about null
		}
		if (err == nil) != want && !(err != nil && ref == nil) {
			t.Fatalf("%q: got %v, the reference says %v", text, err, want)
		}
		for i := range ref {
			if err == nil && math.Float32bits(*ref[i]) != math.Float32bits(got[i]) {
				t.Fatalf("%q: %v", text, got)
			}
		}
	})
}

func TestRetryAfterReadsAnything(t *testing.T) {
	for _, s := range []string{"", "x", "-1", "NaN", "Inf", "1e308", "Thu, 01 Jan 1970 00:00:00 GMT"} {
		h := http.Header{"Retry-After": {s}, "Retry-After-Ms": {s}}
		if d := RetryAfter(h, time.Now()); d < 0 || d > 24*time.Hour {
			t.Errorf("%q: %v", s, d)
		}
	}
}

func TestJSONNeedsAWholeBody(t *testing.T) {
	base, _ := ParseBase("http://fake")
	c := Client{Base: base, Idle: time.Second, MaxAnswer: 1, HTTP: NewHTTP(&http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(strings.NewReader(`{"a":"` + strings.Repeat("x", 100) + `"}`))}, nil
	})}, nil)}
	call, e := c.Start(t.Context(), "x", "m", "*/*", nil)
	if e != nil {
		t.Fatal(e)
	}
	defer call.End()
	var v any
	if e := call.JSON(&v); e == nil || e.Kind != providers.KindOverrun {
		t.Errorf("a body beyond the limit: %v", e)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
