package torture

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"fairlead/internal/faultproxy"
)

// body is what a model server sends when nothing breaks it.
type body struct {
	length int64
	// said is where the first piece of the answer ends: what is cut before it said nothing.
	said int64
	// ends are where its frames end: a cut there leaves nothing half.
	ends []int64
}

// bodies has the bodies by adapter and by whether a tool is called.
func bodies(t *testing.T) map[string]map[bool]body {
	t.Helper()
	p, err := faultproxy.New(faultproxy.Config{Answer: answers[0]})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(p)
	defer s.Close()
	all := map[string]map[bool]body{}
	for adapter, path := range map[string]string{"openai": "/v1/chat/completions", "ollama": "/api/chat"} {
		all[adapter] = map[bool]body{}
		for _, tools := range []bool{false, true} {
			request, first := `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`, `"content":"The"`
			if tools {
				request, first = strings.Replace(request, "{", `{"tools":[{"function":{"name":"look"}}],`, 1), `"tool_calls"`
			}
			resp, err := http.Post(s.URL+path, "application/json", strings.NewReader(request))
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			at := bytes.Index(data, []byte(first))
			if err != nil || at < 0 {
				t.Fatalf("%v: %s", err, data)
			}
			end := at + bytes.IndexByte(data[at:], '\n')
			b := body{length: int64(len(data)), said: int64(end)}
			separator := map[string]string{"openai": "\n\n", "ollama": "\n"}[adapter]
			for frame := range strings.SplitAfterSeq(string(data), separator) {
				b.ends = append(b.ends, int64(len(frame)))
				if n := len(b.ends); n > 1 {
					b.ends[n-1] += b.ends[n-2]
				}
			}
			all[adapter][tools] = b
		}
	}
	http.DefaultClient.CloseIdleConnections()
	return all
}

// tally counts outcomes by a name.
type tally struct {
	mu     sync.Mutex
	counts map[string]map[string]int
}

func (c *tally) add(row, column string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]map[string]int{}
	}
	if c.counts[row] == nil {
		c.counts[row] = map[string]int{}
	}
	c.counts[row][column]++
}

// print writes the counts as a table.
func (c *tally) print(w io.Writer, title string) {
	columns := map[string]bool{}
	for _, row := range c.counts {
		for name := range row {
			columns[name] = true
		}
	}
	names := slices.Sorted(maps.Keys(columns))
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(tw, "%s\t%s\t\n", title, strings.Join(names, "\t"))
	for _, row := range slices.Sorted(maps.Keys(c.counts)) {
		fmt.Fprintf(tw, "%s\t", row)
		for _, name := range names {
			fmt.Fprintf(tw, "%d\t", c.counts[row][name])
		}
		fmt.Fprintln(tw)
	}
	_ = tw.Flush()
}

// spread runs n cases on the rigs of all workers.
func spread(t *testing.T, n int, l limits, do func(r *rig, i int)) {
	t.Helper()
	var wg sync.WaitGroup
	numbers := make(chan int)
	for range workers {
		r := newRig(t, l)
		wg.Go(func() {
			for i := range numbers {
				do(r, i)
			}
		})
	}
	for i := range n {
		if t.Failed() && i > 200 {
			break // the rest would say the same
		}
		numbers <- i
	}
	close(numbers)
	wg.Wait()
}

// expected is the answer of a model server.
func expected(server int, tools bool) string {
	if tools {
		return faultproxy.ToolArguments
	}
	return answers[server]
}

// cut is one case: where and how which stream is cut.
type cut struct {
	adapter, policy string
	surface         surface
	tools           bool
	faults          []faultproxy.Fault
	// once: only the first call is cut, and to ask again may help.
	once bool
}

func (c *cut) String() string {
	return fmt.Sprintf("%s over %s, policy %s, tools %v, faults %v, once %v", c.adapter, c.surface.name, c.policy, c.tools, c.faults, c.once)
}

// draw makes case i: all adapters, surfaces and policies in turn, the rest by chance.
func draw(i int, all map[string]map[bool]body) *cut {
	rng := rand.New(rand.NewPCG(*seed, uint64(i)))
	c := &cut{adapter: adapters[i%2], surface: surfaces[i/2%len(surfaces)], tools: rng.IntN(5) == 0}
	b := all[c.adapter][c.tools]
	fault := func(length int64) faultproxy.Fault {
		kinds := []faultproxy.Kind{faultproxy.Cut, faultproxy.Close, faultproxy.Reset}
		f := faultproxy.Fault{Kind: kinds[rng.IntN(len(kinds))], At: rng.Int64N(length)}
		if end := b.ends[rng.IntN(len(b.ends))]; end < length && rng.IntN(3) == 0 {
			f.At = end
		}
		return f
	}
	switch i / 2 / len(surfaces) % 6 {
	case 0:
		c.policy, c.faults = fail, []faultproxy.Fault{fault(b.length)}
	case 1: // before the first byte of the answer: silent
		c.policy, c.faults = failover, []faultproxy.Fault{fault(b.said - 1)}
	case 2:
		c.policy, c.faults = failover, []faultproxy.Fault{fault(b.length)}
	case 3:
		c.policy, c.faults = restart, []faultproxy.Fault{fault(b.length)}
	case 4: // asked again, the model server answers
		c.policy, c.faults, c.once = fail, []faultproxy.Fault{fault(b.said - 1)}, true
	default: // both model servers
		c.policy, c.faults = restart, []faultproxy.Fault{fault(b.length), fault(b.length / 2)}
	}
	return c
}

// TestCutStreams is the main one.
func TestCutStreams(t *testing.T) {
	all := bodies(t)
	var outcomes, seen, reasons tally
	began := time.Now()
	spread(t, *cases, limits{}, func(r *rig, i int) {
		c := draw(i, all)
		r.prepare(t, c.faults...)
		if c.once {
			r.mu.Lock()
			r.once = true
			r.mu.Unlock()
		}
		o := c.surface.ask(t.Context(), r, question{policy: c.adapter + "-" + c.policy, tools: c.tools})
		calls := r.calls(t)
		name := judge(t, fmt.Sprintf("case %d, seed %d: %v", i, *seed, c), c, &o, calls, all)
		outcomes.add(c.adapter+" "+c.surface.name, name)
		outcomes.add("all", name)
		if !o.whole {
			reasons.add(o.reason, c.policy)
		}
		for _, x := range calls {
			seen.add(string(x.Fault.Kind), map[bool]string{true: "hit", false: "answered whole"}[x.Hit])
		}
	})
	outcomes.print(t.Output(), fmt.Sprintf("%d streams cut in %s", *cases, time.Since(began).Round(time.Millisecond)))
	seen.print(t.Output(), "calls of model servers")
	reasons.print(t.Output(), "reasons of failures, by policy")
	for _, bad := range []string{partAsWhole, wrongText, wrongEnd, wrongReason} {
		n := outcomes.counts["all"][bad]
		fmt.Fprintf(t.Output(), "%s: %d\n", bad, n)
		if n > 0 {
			t.Fail()
		}
	}
}

// The names of outcomes. The first two are good.
const (
	wholeAnswer = "whole"
	told        = "failed, and said so"
	partAsWhole = "part passed off as the whole"
	wrongText   = "text told twice, mixed or changed"
	wrongEnd    = "an end that contradicts the answer, or a second target not used"
	wrongReason = "an error that does not say what happened"
)

// judge names an outcome, and says what is wrong with it.
func judge(t *testing.T, what string, c *cut, o *outcome, calls []call, all map[string]map[bool]body) string {
	first, second := expected(0, c.tools), expected(1, c.tools)
	if o.wrong != "" {
		t.Errorf("%s: %s", what, o.wrong)
		return wrongEnd
	}
	if o.whole && o.text != first && o.text != second {
		t.Errorf("%s: passed off as whole: %v", what, o)
		if strings.HasPrefix(first, o.text) || strings.HasPrefix(second, o.text) {
			return partAsWhole
		}
		return wrongText
	}
	if !o.whole && !strings.HasPrefix(first, o.text) && !strings.HasPrefix(second, o.text) {
		t.Errorf("%s: what was said before the error is not the answer's: %v", what, o)
		return wrongText
	}
	// The error of the call, and each attempt's, say what happened.
	truth := []string{"stream_truncated"}
	for _, x := range calls {
		if x.Fault.Kind == faultproxy.Reset {
			// A reset may overtake the headers, and then there was no stream.
			truth = append(truth, "upstream_unavailable")
		}
	}
	reasons := o.failed
	if !o.whole {
		reasons = append(reasons, o.reason)
	}
	for _, reason := range reasons {
		if !slices.Contains(truth, reason) {
			t.Errorf("%s: the reason is %q", what, reason)
			return wrongReason
		}
	}
	// What could be saved was saved: a second target that answers is used where nothing was said, or where
	// what was said can be taken back or was held back.
	saved := len(c.faults) == 1 && (c.policy == failover && c.faults[0].At < all[c.adapter][c.tools].said-1 ||
		c.policy == restart && (c.surface.retracts || !c.surface.stream))
	if saved && !o.whole {
		t.Errorf("%s: it failed with %q, and the second target was whole", what, o.reason)
		return wrongEnd
	}
	if o.whole {
		return wholeAnswer
	}
	return told
}
