package orchestrator

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"fairlead/providers"
)

// What one version answered is not kept as another's, which a call at the same time was answered by.
func TestAnAnswerIsKeptAsItsOwnVersions(t *testing.T) {
	c, err := newCache(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	q := &question{needs: providers.Classify, texts: []string{"x"}}
	for range 2000 {
		made := newTarget(Target{Cache: time.Hour})
		var all sync.WaitGroup
		for _, version := range []string{"1", "2"} {
			l := &lookup{cache: c, target: made, edition: made.edition(), rest: q, missing: []int{0}}
			l.keys = made.keys("", l.edition, q)
			all.Go(func() {
				for range 20 {
					l.keep(&reply{version: version, classes: [][]providers.Class{{{Name: version, Probability: 1}}}})
					runtime.Gosched()
				}
			})
		}
		all.Wait()
		for _, version := range []string{"1", "2"} {
			k := c.get(made.keys("", "\x00\x00"+version, q)[0], time.Now())
			if k == nil || k.classes[0].Name != version {
				t.Fatalf("of version %s: %+v", version, k)
			}
		}
	}
}
