package torture

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"fairlead/internal/faultproxy"
)

// other is a fault with what must come of it.
type other struct {
	fault faultproxy.Fault
	// reason is what the error says; empty: the answer is whole all the same.
	reason string
	// attempt is what the attempt's failure says where another target is left. Empty: as reason.
	attempt string
	// final: no other target is asked, because it would refuse as well.
	final bool
	// timeout is the run's. 0: none.
	timeout time.Duration
}

// deadline is short enough for a test, and half of it, which is left when a first target has not begun, long
// enough for a busy machine.
const deadline = 800 * time.Millisecond

// others are the faults that are no cuts. Where one has a place, At is drawn anew for each case.
var others = []other{
	{fault: faultproxy.Fault{Kind: faultproxy.Garble}, reason: "upstream_protocol"},
	{fault: faultproxy.Fault{Kind: faultproxy.Error}, reason: "upstream_unavailable"},
	{fault: faultproxy.Fault{Kind: faultproxy.Flood}, reason: "upstream_overrun"},
	{fault: faultproxy.Fault{Kind: faultproxy.HTML}, reason: "upstream_protocol"},
	{fault: faultproxy.Fault{Kind: faultproxy.Status, Status: 503}, reason: "upstream_unavailable"},
	{fault: faultproxy.Fault{Kind: faultproxy.Status, Status: 429}, reason: "rate_limited"},
	{fault: faultproxy.Fault{Kind: faultproxy.Status, Status: 400}, reason: "upstream_refused", final: true},
	{fault: faultproxy.Fault{Kind: faultproxy.Status, Status: 401}, reason: "upstream_refused"},
	{fault: faultproxy.Fault{Kind: faultproxy.Hang}, reason: "deadline_exceeded", attempt: "upstream_timeout", timeout: deadline},
	{fault: faultproxy.Fault{Kind: faultproxy.Stall}, reason: "deadline_exceeded", attempt: "upstream_timeout", timeout: deadline},
	{fault: faultproxy.Fault{Kind: faultproxy.Delay, Wait: 5 * time.Millisecond}},
	{fault: faultproxy.Fault{Kind: faultproxy.Drip, Wait: time.Microsecond}},
	{fault: faultproxy.Fault{Kind: faultproxy.None}},
}

// A fault that is no cut is told as what it is, or does no harm.
func TestOtherFaults(t *testing.T) {
	all := bodies(t)
	var outcomes tally
	spread(t, max(*cases/5, len(others)*len(surfaces)), limits{answer: 32 << 10}, func(r *rig, i int) {
		rng := rand.New(rand.NewPCG(*seed, uint64(i)|1<<40))
		// Every fault meets every surface before one meets the other adapter.
		row := others[i%len(others)]
		pair := i / len(others)
		s := surfaces[pair%len(surfaces)]
		adapter := adapters[(pair/len(surfaces)+i)%2]
		f := row.fault
		// A flood has said something before it is one, and one of tool calls is out of protocol before it is too long.
		flood := f.Kind == faultproxy.Flood
		tools := rng.IntN(5) == 0 && !flood
		b := all[adapter][tools]
		early := rng.IntN(2) == 0 && !flood // before anything was said, with a second target
		policy, reach := fail, b.length
		if early {
			policy, reach = failover, b.said-1
		}
		switch f.Kind {
		case faultproxy.Garble, faultproxy.Error, faultproxy.Flood, faultproxy.Stall:
			f.At = rng.Int64N(reach)
		}
		what := fmt.Sprintf("case %d, seed %d: %s over %s, policy %s, tools %v, fault %v", i, *seed, adapter, s.name, policy, tools, f)

		r.prepare(t, f)
		o := s.ask(t.Context(), r, question{policy: adapter + "-" + policy, tools: tools, timeout: row.timeout})
		calls := r.calls(t)
		outcomes.add(string(f.Kind), map[bool]string{true: "whole", false: o.reason}[o.whole])
		saves := early && !row.final
		first := slices.IndexFunc(calls, func(x call) bool { return x.server == 0 })
		switch {
		case o.wrong != "":
			t.Errorf("%s: %s", what, o.wrong)
		case first < 0 || calls[first].Hit != (f.Kind != faultproxy.None):
			t.Errorf("%s: the fault did not happen: %+v", what, calls)
		case row.reason == "" && (!o.whole || o.text != expected(0, tools)):
			t.Errorf("%s: it does no harm, and came of it: %v", what, &o)
		case row.reason != "" && saves && (!o.whole || o.text != expected(1, tools)):
			t.Errorf("%s: the second target was whole, and came of it: %v", what, &o)
		case row.reason != "" && !saves && (o.whole || o.reason != row.reason):
			t.Errorf("%s: came of it: %v", what, &o)
		case row.reason != "" && saves && s.retracts && !slices.Contains(o.failed, cmp.Or(row.attempt, row.reason)):
			t.Errorf("%s: the attempt's reasons are %v", what, o.failed)
		}
	})
	outcomes.print(t.Output(), "faults that are no cuts")
}

// A stream that pauses for too long is ended, and that is told as what it is.
func TestStalledStreams(t *testing.T) {
	all := bodies(t)
	spread(t, max(*cases/50, 2*len(surfaces)), limits{idle: 100 * time.Millisecond}, func(r *rig, i int) {
		adapter, s := adapters[i%2], surfaces[i/2%len(surfaces)]
		b := all[adapter][false]
		f := faultproxy.Fault{Kind: faultproxy.Stall, At: b.said + 2 + rand.New(rand.NewPCG(*seed, uint64(i)|1<<41)).Int64N((b.length-b.said)/2)}
		r.prepare(t, f)
		o := s.ask(t.Context(), r, question{policy: adapter + "-" + fail})
		r.calls(t)
		if o.whole || o.reason != "upstream_timeout" || o.wrong != "" {
			t.Errorf("case %d, seed %d: %s over %s, %v: %v", i, *seed, adapter, s.name, f, &o)
		}
	})
}

// hangUpLimit is how soon the call of a model server ends after the caller has left.
const hangUpLimit = 250 * time.Millisecond

// When the caller leaves, the call of the model server ends.
func TestCallersWhoLeave(t *testing.T) {
	all := bodies(t)
	var slowest atomic.Int64
	var late atomic.Int64
	n := max(*cases/10, 2*len(surfaces))
	spread(t, n, limits{}, func(r *rig, i int) {
		adapter, s := adapters[i%2], surfaces[i/2%len(surfaces)]
		rng := rand.New(rand.NewPCG(*seed, uint64(i)|1<<42))
		b := all[adapter][false]
		f := faultproxy.Fault{Kind: faultproxy.Hang}
		spoken := rng.IntN(2) == 0 // leave when something was said, or before
		if spoken {
			f = faultproxy.Fault{Kind: faultproxy.Stall, At: b.said + 2 + rng.Int64N((b.length-b.said)/2)}
		}
		r.prepare(t, f)
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		var left atomic.Int64
		hangUp := func() {
			if left.CompareAndSwap(0, time.Now().UnixNano()) {
				leave()
			}
		}
		q := question{policy: adapter + "-" + fail}
		if spoken && s.stream {
			q.heard = hangUp
		} else {
			go func() {
				r.await(func() bool { return r.started > 0 })
				hangUp()
			}()
		}
		o := s.ask(ctx, r, q)
		calls := r.calls(t)
		what := fmt.Sprintf("case %d, seed %d: %s over %s, %v", i, *seed, adapter, s.name, f)
		if o.whole {
			t.Errorf("%s: it is whole: %+v", what, &o)
		}
		if len(calls) != 1 || !calls[0].Left {
			t.Errorf("%s: the calls: %+v", what, calls)
			return
		}
		took := calls[0].at.Sub(time.Unix(0, left.Load()))
		if took > hangUpLimit {
			late.Add(1)
		}
		for {
			most := slowest.Load()
			if int64(took) <= most || slowest.CompareAndSwap(most, int64(took)) {
				break
			}
		}
	})
	fmt.Fprintf(t.Output(), "%d callers left; the last of their calls ended after %s\n", n, time.Duration(slowest.Load()).Round(10*time.Microsecond))
	// A busy machine may stop the test itself for as long: one case in a hundred may be late.
	if int(late.Load()) > n/100 {
		t.Errorf("%d of %d calls went on for more than %s after their callers had left", late.Load(), n, hangUpLimit)
	}
}
