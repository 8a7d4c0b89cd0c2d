package recent_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"fairlead/internal/auth/recent"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnswersAreKeptForTheirAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := recent.New(recent.Config{}, func(context.Context, string) (int, error) { asked++; return asked, nil })
		get := func(want int) {
			t.Helper()
			if got, err := c.Get(t.Context(), "a"); got != want || err != nil {
				t.Errorf("got %d, %v, want %d", got, err, want)
			}
		}
		get(1)
		time.Sleep(time.Second - 1)
		get(1)
		time.Sleep(1)
		get(2)
		c.Forget("a")
		get(3)
		c.Forget("b")
		get(3)
	})
}

func TestAgeCountsFromTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := recent.New(recent.Config{}, func(context.Context, string) (int, error) {
			asked++
			time.Sleep(600 * time.Millisecond) // what changes meanwhile is not in the answer
			return asked, nil
		})
		for _, want := range []int{1, 1, 2} {
			if got, err := c.Get(t.Context(), "a"); got != want || err != nil {
				t.Errorf("got %d, %v, want %d", got, err, want)
			}
			time.Sleep(300 * time.Millisecond)
		}
	})
}

func TestErrorsAreNotKept(t *testing.T) {
	broken := errors.New("broken")
	asked := 0
	c := recent.New(recent.Config{}, func(context.Context, string) (int, error) { asked++; return 0, broken })
	for range 3 {
		if _, err := c.Get(t.Context(), "a"); !errors.Is(err, broken) {
			t.Error(err)
		}
	}
	if asked != 3 {
		t.Errorf("asked %d times, want 3", asked)
	}
}

func TestOneAsksForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		c := recent.New(recent.Config{}, func(context.Context, string) (int32, error) {
			time.Sleep(time.Millisecond)
			return asked.Add(1), nil
		})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if got, err := c.Get(t.Context(), "a"); got != 1 || err != nil {
					t.Errorf("got %d, %v", got, err)
				}
			})
		}
		wg.Wait()
		if asked.Load() != 1 {
			t.Errorf("asked %d times", asked.Load())
		}
	})
}

func TestWhoLeavesSpoilsNothingForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		c := recent.New(recent.Config{}, func(ctx context.Context, _ string) (int32, error) {
			asked.Add(1)
			select {
			case <-ctx.Done():
				return 0, ctx.Err()
			case <-time.After(time.Second):
				return 7, nil
			}
		})
		first, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.Get(first, "a"); !errors.Is(err, context.Canceled) {
				t.Errorf("who left: %v", err)
			}
		})
		synctest.Wait()
		for range 5 {
			wg.Go(func() {
				if got, err := c.Get(t.Context(), "a"); got != 7 || err != nil {
					t.Errorf("who stayed: %d, %v", got, err)
				}
			})
		}
		waiting, alsoLeave := context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := c.Get(waiting, "a"); !errors.Is(err, context.Canceled) {
				t.Errorf("who left while waiting: %v", err)
			}
		})
		synctest.Wait()
		alsoLeave()
		synctest.Wait()
		leave()
		wg.Wait()
		if asked.Load() != 2 {
			t.Errorf("asked %d times, want 2", asked.Load())
		}
	})
}

func TestForgottenWhileAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		c := recent.New(recent.Config{}, func(context.Context, string) (int32, error) {
			n := asked.Add(1)
			time.Sleep(time.Millisecond)
			return n, nil
		})
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.Get(t.Context(), "a") })
		synctest.Wait()
		c.Forget("a")
		if got, err := c.Get(t.Context(), "a"); got != 2 || err != nil {
			t.Errorf("after it was forgotten: %d, %v", got, err)
		}
		wg.Wait()
		if got, err := c.Get(t.Context(), "a"); got != 2 || err != nil {
			t.Errorf("the older answer came back: %d, %v", got, err)
		}
	})
}

func TestAPanicLeavesNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := recent.New(recent.Config{}, func(context.Context, string) (int, error) {
			time.Sleep(time.Millisecond)
			panic("of a test")
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() { _ = recover() }()
			_, _ = c.Get(t.Context(), "a")
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := c.Get(t.Context(), "a"); err == nil {
				t.Error("no error")
			}
		})
		wg.Wait()
	})
}

func TestItsSizeIsBounded(t *testing.T) {
	asked := 0
	c := recent.New(recent.Config{Most: 10, Age: time.Hour}, func(context.Context, string) (int, error) { asked++; return asked, nil })
	get := func(name string) {
		if _, err := c.Get(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		get(fmt.Sprint(i))
	}
	asked = 0
	for i := range 1000 {
		get(fmt.Sprint(999 - i)) // the newest first: what is kept is met before it is driven out
	}
	if kept := 1000 - asked; kept < 10 || kept > 20 {
		t.Errorf("%d of 1000 were kept, want 10 to 20", kept)
	}
}
