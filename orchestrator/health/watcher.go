package health

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Watcher asks backends how they are until it is stopped. Make it with New.
type Watcher struct {
	consumer Consumer
	asked    func(backend string, err error)

	mu   sync.Mutex
	stop func()
}

// New makes a watcher that asks nobody yet. asked, where it is not nil, is told after each round what the backend as a
// whole answered: nil is that it is there. It is told of one backend at a time.
func New(consumer Consumer, asked func(backend string, err error)) *Watcher {
	return &Watcher{consumer: consumer, asked: asked}
}

// Watch asks these backends, and no others any more. When it returns, nothing is told of the others.
func (w *Watcher) Watch(backends []Backend) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var telling sync.Mutex
	for _, b := range backends {
		if b.Every <= 0 {
			continue
		}
		r := newRounds(b, w.consumer)
		running.Go(func() {
			r.run(ctx, func(err error) {
				telling.Lock()
				defer telling.Unlock()
				if w.asked != nil {
					w.asked(b.Name, err)
				}
			})
		})
	}
	w.stop = func() {
		cancel()
		running.Wait()
	}
}

// Stop ends the asking, and waits until nothing is asked or told any more. Watch may be called again.
func (w *Watcher) Stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
}

func (w *Watcher) end() {
	if w.stop != nil {
		w.stop()
		w.stop = nil
	}
}

// spread is how much shorter or longer a period may be, as a share of it.
const spread = 0.1

// run asks in rounds until the context ends.
func (r *rounds) run(ctx context.Context, asked func(error)) {
	wait := time.Duration(rand.Float64() * float64(r.backend.Every))
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		worse, known, err := r.ask(ctx)
		if ctx.Err() != nil {
			return
		}
		if known {
			asked(err)
		}
		wait = time.Duration((1 - spread + 2*spread*rand.Float64()) * float64(r.backend.Every))
		if worse {
			wait /= 4
		}
		timer.Reset(wait)
	}
}
