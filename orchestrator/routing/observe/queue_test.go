package observe

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// The backend's own queue, by hand: a call takes 2 s, so that of so many slots one is free every 2 s / slots.
func TestQueueOfTheBackend(t *testing.T) {
	for _, k := range []struct {
		what     string
		inFlight int
		limit    int
		q        Queue
		wait     time.Duration
		queue    time.Duration
		waiting  int
	}{
		{"six others on four slots: three must end", 0, 0, Queue{Others: 6, Slots: 4}, 1500 * time.Millisecond, 1500 * time.Millisecond, 2},
		{"as many as there are slots: one must end", 0, 0, Queue{Others: 4, Slots: 4}, 500 * time.Millisecond, 500 * time.Millisecond, 0},
		{"a slot is free", 0, 0, Queue{Others: 3, Slots: 4}, 0, 0, 0},
		{"its slots are not known", 0, 0, Queue{Others: 100}, 0, 0, 0},
		{"ours alone wait for each other, which was seen already", 8, 0, Queue{Ours: 8, Slots: 2}, 0, 0, 0},
		{"two others beside eight of ours", 8, 0, Queue{Others: 2, Ours: 8, Slots: 2}, 2 * time.Second, 2 * time.Second, 8},
		{"full, with slots", 0, 0, Queue{Others: 2, Slots: 4, Full: true}, 500 * time.Millisecond, 500 * time.Millisecond, 0},
		{"full of ours", 1, 0, Queue{Ours: 1, Slots: 1, Full: true}, 2 * time.Second, 2 * time.Second, 0},
		{"both queues", 4, 4, Queue{Others: 2, Ours: 4, Slots: 4}, 1500 * time.Millisecond, time.Second, 1},
		{"our queue alone", 5, 4, Queue{Ours: 4, Slots: 4}, time.Second, 0, 0},
	} {
		r := newRecorder(t)
		for range 100 {
			r.Observe(ok("t", time.Second, 10*time.Millisecond, start)) // 2 s of service
		}
		for range k.inFlight {
			r.Start("t")
		}
		p := r.Snapshot(start).Predict(Query{Target: unknown("t"), Step: "s", Concurrency: k.limit, Queue: k.q})
		near(t, k.what, p.Wait, k.wait, 1e-9)
		near(t, k.what+": of that in the backend", p.Queue, k.queue, 1e-9)
		near(t, k.what+": the whole", p.Latency, k.wait+p.TTFT+time.Duration(p.OutputTokens-1)*p.PerToken, 1e-9)
		if p.Waiting != k.waiting {
			t.Errorf("%s: %d wait, want %d", k.what, p.Waiting, k.waiting)
		}
	}
}

// Where no service time was seen, a call is held to take what is predicted of it, and what is not known does not wait.
func TestQueueWithoutObservations(t *testing.T) {
	s := newRecorder(t).Snapshot(start)
	target := unknown("t")
	if p := s.Predict(Query{Target: target, Step: "s", Queue: Queue{Others: 9, Slots: 1}}); p.Wait != 0 || p.Known {
		t.Errorf("a wait of %s, and nothing is known", p.Wait)
	}
	target.TTFT, target.PerToken = time.Second, 10*time.Millisecond
	p := s.Predict(Query{Target: target, Step: "s", MaxOutput: 101, Queue: Queue{Others: 9, Slots: 3}})
	near(t, "seven must end, three at once", p.Wait, 7*2*time.Second/3, 1e-6)
}

// A model that is loaded first makes everything later by as much.
func TestLoading(t *testing.T) {
	r := newRecorder(t)
	for range 1000 {
		r.Observe(ok("t", time.Second, 10*time.Millisecond, start)) // 2 s
	}
	s := r.Snapshot(start)
	q := Query{Target: unknown("t"), Step: "s", MaxOutput: 101, Quantile: 0.95}
	warm := s.Predict(q)
	q.Loading = 3 * time.Second
	cold := s.Predict(q)
	near(t, "first token", cold.TTFT, warm.TTFT+3*time.Second, 1e-9)
	near(t, "the whole", cold.Latency, warm.Latency+3*time.Second, 1e-9)
	if cold.Wait != 0 {
		t.Errorf("loading is no queue, and waits %s", cold.Wait)
	}
	for _, k := range []struct {
		left time.Duration
		want float64
	}{{4750 * time.Millisecond, 0}, {5250 * time.Millisecond, 1}} {
		if in, _ := cold.PFinish(k.left); math.Abs(in-k.want) > 0.01 {
			t.Errorf("%v finish within %s, want %v", in, k.left, k.want)
		}
	}
	if cold, none := s.Predict(Query{Target: unknown("other"), Loading: time.Second}), (Prediction{}); cold.TTFT != none.TTFT || cold.Known {
		t.Errorf("nothing is known, and there is a figure: %s", fmt.Sprint(cold.TTFT))
	}
}

// What a backend says of its queue makes no wait that wraps around to none.
func TestNoQueueIsEndless(t *testing.T) {
	r := newRecorder(t)
	for range 100 {
		r.Observe(ok("t", 20*time.Second, 10*time.Millisecond, start))
	}
	p := r.Snapshot(start).Predict(Query{Target: unknown("t"), Step: "s", Concurrency: 1, Queue: Queue{Others: 2e9, Ours: 1, Slots: 1}})
	if p.Queue != longestWait || p.Wait < p.Queue || p.Latency < p.Wait {
		t.Errorf("wait %s, in the backend %s, the whole %s", p.Wait, p.Queue, p.Latency)
	}
}
