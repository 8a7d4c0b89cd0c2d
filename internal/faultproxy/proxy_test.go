package faultproxy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// short is an answer that is soon dripped.
const short = "Do not delete it."

// unbroken gives a whole answer of that text.
func unbroken(t *testing.T, path, body string) string {
	t.Helper()
	g := start(t, Config{Answer: short}).ask(t.Context(), path, body)
	if g.err != nil || g.status != http.StatusOK {
		t.Fatalf("%+v", g)
	}
	return g.body
}

// Each fault, as a client sees it, before the proxy's own answers and before those of a server behind it.
func TestFaultsAsSeen(t *testing.T) {
	for _, behind := range []bool{false, true} {
		for path, body := range streamsOf {
			t.Run(fmt.Sprintf("behind=%v%s", behind, path), func(t *testing.T) {
				want := unbroken(t, path, body)
				upstream, own := "", short
				if behind {
					own = ""
					upstream = start(t, Config{Answer: short}).address
				}
				see := func(t *testing.T, fault string) (got, Exchange) {
					t.Helper()
					f, err := Parse(fault)
					if err != nil {
						t.Fatal(err)
					}
					p := start(t, Config{Upstream: upstream, Script: []Fault{f}, Answer: own})
					g := p.ask(t.Context(), path, body)
					x := p.over(t)
					if !x.Hit && f.Kind != None || x.Number != 1 || x.Path != path || x.Left || x.Failed {
						t.Errorf("the exchange: %+v", x)
					}
					// What the script does not name has no fault.
					if again := p.ask(t.Context(), path, body); again.err != nil || again.body != want {
						t.Errorf("the request after: %+v", again)
					}
					return g, x
				}
				n := len(want) / 2

				if g, _ := see(t, "none"); g.err != nil || g.body != want {
					t.Errorf("none: %+v", g)
				}
				if g, x := see(t, "delay:30ms"); g.err != nil || g.body != want || x.Duration < 30*time.Millisecond {
					t.Errorf("delay: %+v, %v", g, x.Duration)
				}
				for _, at := range []int{0, 1, n, len(want) - 1} {
					g, x := see(t, fmt.Sprintf("cut:%d", at))
					if g.err != nil || g.body != want[:at] || x.Sent != int64(at) {
						t.Errorf("cut at %d: %q, %v, sent %d", at, g.body, g.err, x.Sent)
					}
					if g, _ := see(t, fmt.Sprintf("close:%d", at)); !errors.Is(g.err, io.ErrUnexpectedEOF) || g.body != want[:at] {
						t.Errorf("close at %d: %q, %v", at, g.body, g.err)
					}
					if g, _ := see(t, fmt.Sprintf("reset:%d", at)); !errors.Is(g.err, syscall.ECONNRESET) || !strings.HasPrefix(want, g.body) || len(g.body) > at {
						t.Errorf("reset at %d: %q, %v", at, g.body, g.err)
					}
				}
				if g, _ := see(t, "drip:10us"); g.err != nil || g.body != want {
					t.Errorf("drip: %+v", g)
				}
				if g, _ := see(t, "status:429/2s"); g.status != 429 || g.header.Get("Retry-After") != "2" || !json.Valid([]byte(g.body)) {
					t.Errorf("status: %+v", g)
				}
				if g, _ := see(t, "status:503"); g.status != 503 || g.header.Get("Retry-After") != "" {
					t.Errorf("status: %+v", g)
				}
				if g, _ := see(t, "html"); g.status != 200 || !strings.HasPrefix(g.header.Get("Content-Type"), "text/html") || !strings.Contains(g.body, "<html>") {
					t.Errorf("html: %+v", g)
				}
				g, _ := see(t, fmt.Sprintf("garble:%d", n))
				if g.err != nil || len(g.body) >= len(want) || invalid(g.body) != 1 || invalid(want) != 0 {
					t.Errorf("garble: %d frames are broken, %d of %d bytes, %v", invalid(g.body), len(g.body), len(want), g.err)
				}
				g, x := see(t, fmt.Sprintf("error:%d", n))
				before, failure, _ := strings.Cut(g.body, `{"error":`)
				if g.err != nil || g.status != 200 || failure == "" || !strings.HasPrefix(want, strings.TrimSuffix(before, "data: ")) || x.Fault.At != int64(n) {
					t.Errorf("error: %+v", g)
				}
				if strings.Contains(g.body, "[DONE]") || strings.Contains(g.body, `"done":true`) {
					t.Errorf("the error has the mark of the end behind it: %s", g.body)
				}
			})
		}
	}
}

// invalid counts the frames of a stream that are not JSON.
func invalid(body string) (n int) {
	for line := range strings.Lines(body) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "data: ")
		if line != "" && line != "[DONE]" && !json.Valid([]byte(line)) {
			n++
		}
	}
	return n
}

// Faults that end only with the caller.
func TestFaultsWithoutEnd(t *testing.T) {
	for path, body := range streamsOf {
		want := unbroken(t, path, body)
		for _, fault := range []Fault{
			{Kind: Hang}, {Kind: Stall, At: 0}, {Kind: Stall, At: 200}, {Kind: Flood, At: 200}, {Kind: Flood, At: int64(len(want) - 1)}, {Kind: Drip, Wait: time.Hour}, {Kind: Delay, Wait: time.Hour},
		} {
			t.Run(path+" "+fault.String(), func(t *testing.T) {
				p := start(t, Config{Script: []Fault{fault}, Answer: short})
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.address+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				if fault.Kind == Hang || fault.Kind == Delay {
					time.AfterFunc(20*time.Millisecond, leave)
					if _, err := p.client.Do(req); !errors.Is(err, context.Canceled) {
						t.Errorf("it answered: %v", err)
					}
				} else {
					resp, err := p.client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					reads := map[Kind]int{Stall: int(fault.At), Flood: 1 << 20, Drip: 1}[fault.Kind]
					data := make([]byte, reads)
					if n, err := io.ReadFull(resp.Body, data); err != nil {
						t.Fatalf("%d bytes, %v", n, err)
					}
					if !strings.HasPrefix(want, string(data[:min(reads, 200)])) {
						t.Errorf("not the answer: %q", data[:min(reads, 200)])
					}
					if fault.Kind == Flood && final(data[len(data)/2:]) {
						t.Error("the flood is not one of frames that go on")
					}
					leave()
				}
				x := p.over(t)
				// Who leaves with the last byte before a stall may be gone before it begins.
				either := fault.Kind == Stall && fault.At > 0
				if !x.Left || !either && x.Hit != (fault.Kind != Delay) {
					t.Errorf("the exchange: %+v", x)
				}
				if s := p.Stats(); s.Left != 1 || s.Requests != 1 {
					t.Errorf("the counts: %+v", s)
				}
			})
		}
	}
}

// Answers that are no streams break too.
func TestFaultsOfWholeBodies(t *testing.T) {
	want := unbroken(t, chatPath, openaiPlain)
	p := start(t, Config{Answer: short, Script: []Fault{{Kind: Garble, At: Anywhere}, {Kind: Error, At: Anywhere}, {Kind: Cut, At: 10}, {Kind: Close, At: 10}}})
	if g := p.ask(t.Context(), chatPath, openaiPlain); g.err != nil || g.body != want[:len(want)/2] {
		t.Errorf("garble: %+v", g)
	}
	var failure struct{ Error struct{ Type string } }
	if g := p.ask(t.Context(), chatPath, openaiPlain); g.err != nil || json.Unmarshal([]byte(g.body), &failure) != nil || failure.Error.Type != "server_error" {
		t.Errorf("error: %+v", g)
	}
	if g := p.ask(t.Context(), chatPath, openaiPlain); g.err != nil || g.body != want[:10] {
		t.Errorf("cut: %+v", g)
	}
	if g := p.ask(t.Context(), chatPath, openaiPlain); g.err == nil || g.body != want[:10] {
		t.Errorf("close: %+v", g)
	}
	ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	flooded := start(t, Config{Answer: short, Script: []Fault{{Kind: Flood, At: 5}}})
	if g := flooded.ask(ctx, chatPath, openaiPlain); g.err == nil || !strings.HasPrefix(g.body, want[:5]+"   ") {
		t.Errorf("flood: %v", g.err)
	}
}

// The same seed hits the same requests at the same places, whatever runs beside.
func TestChanceIsTheSeeds(t *testing.T) {
	shares := []Share{{Fault{Kind: Cut, At: Anywhere}, 0.3}, {Fault{Kind: Status, Status: 503}, 0.2}}
	run := func(seed uint64) (all []string) {
		p := start(t, Config{Seed: seed, Shares: shares})
		for range 60 {
			p.ask(t.Context(), chatPath, openaiStream)
			x := p.over(t)
			all = append(all, x.Fault.String())
		}
		return all
	}
	one, two, other := run(1), run(1), run(2)
	if d := cmp.Diff(one, two); d != "" {
		t.Errorf("one seed, two runs:\n%s", d)
	}
	if cmp.Equal(one, other) {
		t.Error("two seeds, one run")
	}
	count := map[string]int{}
	for _, f := range one {
		kind, _, _ := strings.Cut(f, ":")
		count[kind]++
	}
	if count["cut"] < 8 || count["status"] < 4 || count["none"] < 15 {
		t.Errorf("of 60 requests: %v", count)
	}
}

func TestScriptsRepeatOrEnd(t *testing.T) {
	script := []Fault{{Kind: Status, Status: 500}, {Kind: None}}
	for _, repeat := range []bool{false, true} {
		p := start(t, Config{Script: script, Repeat: repeat, Only: []string{"/v1/chat"}})
		var statuses []int
		for range 5 {
			p.ask(t.Context(), "/v1/models", "") // not concerned, and not counted
			statuses = append(statuses, p.ask(t.Context(), chatPath, openaiPlain).status)
		}
		want := []int{500, 200, 200, 200, 200}
		if repeat {
			want = []int{500, 200, 500, 200, 500}
		}
		if d := cmp.Diff(want, statuses); d != "" {
			t.Errorf("repeat %v:\n%s", repeat, d)
		}
	}
}

func TestRequestsNameTheirFault(t *testing.T) {
	p := start(t, Config{Header: true})
	if g := p.ask(t.Context(), chatPath, openaiPlain, FaultHeader, "status:418"); g.status != 418 {
		t.Errorf("%+v", g)
	}
	if g := p.ask(t.Context(), chatPath, openaiPlain, FaultHeader, "no such"); g.status != 400 {
		t.Errorf("%+v", g)
	}
	closed := start(t, Config{})
	if g := closed.ask(t.Context(), chatPath, openaiPlain, FaultHeader, "status:418"); g.status != 200 {
		t.Errorf("a header counts that was not allowed: %+v", g)
	}
}

// The answer that is shorter than the fault's place is whole, and the counts say so.
func TestMissed(t *testing.T) {
	p := start(t, Config{Answer: short, Script: []Fault{{Kind: Cut, At: 1 << 20}, {Kind: Garble, At: 1 << 20}, {Kind: Reset, At: 3}, {Kind: Reset, At: 3}}})
	want := unbroken(t, chatPath, openaiStream)
	for i := range 4 {
		if g := p.ask(t.Context(), chatPath, openaiStream); (g.err == nil && g.body == want) != (i < 2) {
			t.Errorf("request %d: %+v", i, g)
		}
		p.over(t)
	}
	if d := cmp.Diff(Stats{Requests: 4, Missed: 2, Hits: map[Kind]int64{Reset: 2}}, p.Stats()); d != "" {
		t.Error(d)
	}
}

// What passes through is not changed.
func TestTransparent(t *testing.T) {
	var asked *http.Request
	var body string
	back := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		asked, body = r, string(data)
		w.Header().Set("X-Back", "yes")
		w.Header().Set("Connection", "X-Hop")
		w.Header().Set("X-Hop", "one connection's")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "short and stout")
	}))
	defer back.Close()
	p := start(t, Config{Upstream: back.URL + "/base/"})
	g := p.ask(t.Context(), "/v1/x?a=b%20c", "the body", "Authorization", "Bearer k", "Connection", "X-Mine", "X-Mine", "hop")
	if g.status != http.StatusTeapot || g.body != "short and stout" || g.header.Get("X-Back") != "yes" || g.header.Get("X-Hop") != "" || g.header.Get("Content-Length") != "15" {
		t.Errorf("the answer: %+v", g)
	}
	if asked.URL.String() != "/base/v1/x?a=b%20c" || body != "the body" || asked.Header.Get("Authorization") != "Bearer k" || asked.Header.Get("X-Mine") != "" {
		t.Errorf("the request: %s %q %v", asked.URL, body, asked.Header)
	}
	back.Close()
	if g := p.ask(t.Context(), "/v1/x", ""); g.status != http.StatusBadGateway || strings.Contains(g.body, "127.0.0.1") {
		t.Errorf("without the server: %+v", g)
	}
	p.over(t)
	if x := p.over(t); !x.Failed {
		t.Errorf("%+v", x)
	}
}

// An upstream that breaks by itself looks broken through the proxy.
func TestUpstreamsOwnFault(t *testing.T) {
	back := start(t, Config{Script: []Fault{{Kind: Close, At: 100}, {Kind: Reset, At: 100}}})
	p := start(t, Config{Upstream: back.address})
	for range 2 {
		if g := p.ask(t.Context(), chatPath, openaiStream); g.err == nil || g.status != 200 {
			t.Errorf("%+v", g)
		}
		if x := p.over(t); !x.Failed {
			t.Errorf("%+v", x)
		}
	}
}

// When the server ends, so does what hangs in it.
func TestServeEndsWhatHangs(t *testing.T) {
	arrived := make(chan struct{})
	p, err := New(Config{Choose: func(Request) Fault { close(arrived); return Fault{Kind: Hang} }})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served, asked := make(chan error, 1), make(chan error, 1)
	go func() { served <- p.Serve(ctx, ln) }()
	go func() {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := c.Post("http://"+ln.Addr().String()+chatPath, "application/json", strings.NewReader(openaiPlain))
		if err == nil {
			resp.Body.Close()
		}
		asked <- err
	}()
	<-arrived
	stop()
	if err := <-served; err != nil {
		t.Errorf("Serve = %v", err)
	}
	if err := <-asked; err == nil {
		t.Error("what hung was answered")
	}
	if s := p.Stats(); s.Left != 1 {
		t.Errorf("Serve did not wait for the call: %+v", s)
	}
}

func TestTooLarge(t *testing.T) {
	p := start(t, Config{MaxBody: 10})
	if g := p.ask(t.Context(), chatPath, openaiPlain); g.status != http.StatusRequestEntityTooLarge {
		t.Errorf("%+v", g)
	}
}
