package orchestrator

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestACorrectionIsLearnedBoundedAndForgotten(t *testing.T) {
	var c corrections
	if got := c.apply("t", 1000); got != 1000 {
		t.Errorf("nothing learned: %d", got)
	}
	c.learn("t", 1000, 1300)
	c.learn("t", 1000, 1300)
	if got := c.apply("t", 1000); got != 1000 {
		t.Errorf("two samples are too few: %d", got)
	}
	c.learn("t", 1000, 1300)
	if got := c.apply("t", 1000); got != 1300 {
		t.Errorf("three samples: %d", got)
	}
	c.learn("t", 0, 7)
	c.learn("t", 7, 0)
	c.learn("t", 7, -1)
	if got := c.apply("t", 1000); got != 1300 {
		t.Errorf("what says nothing changed it: %d", got)
	}
	// The old is outweighed by the new.
	for range 50 {
		c.learn("t", 1000, 900)
	}
	if got := c.apply("t", 1000); got < 900 || got > 910 {
		t.Errorf("after a change: %d", got)
	}
	// Long prompts say more than short ones.
	for range 3 {
		c.learn("mixed", 10, 30)
		c.learn("mixed", 10_000, 10_000)
	}
	if got := c.apply("mixed", 10_000); got > 10_030 {
		t.Errorf("short prompts weigh too much: %d", got)
	}
	for range 20 {
		c.learn("wild", 100, 1<<30)
		c.learn("mild", 100, 1)
	}
	if high, low := c.apply("wild", 100), c.apply("mild", 100); high != 300 || low != 50 {
		t.Errorf("bounds: %d and %d", high, low)
	}
	c.forget("t")
	if got := c.apply("t", 1000); got != 1000 {
		t.Errorf("forgotten: %d", got)
	}
}

// Calls that are made at one time share it: together they are charged the time in which there was any.
func TestAMeterDividesTheTimeAmongTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meter
		a := m.start()
		time.Sleep(2 * time.Second) // a alone
		b := m.start()
		time.Sleep(4 * time.Second) // both
		if got := a.end(); got != 4*time.Second {
			t.Errorf("a: %v", got)
		}
		time.Sleep(time.Second) // b alone
		if got := b.end(); got != 3*time.Second {
			t.Errorf("b: %v", got)
		}
		time.Sleep(time.Hour) // nobody pays for idle time
		if got := a.end(); got != 4*time.Second {
			t.Errorf("ended twice: %v", got)
		}
		c := m.start()
		time.Sleep(time.Second)
		if got := c.end(); got != time.Second || m.active != 0 {
			t.Errorf("c: %v, %d active", got, m.active)
		}
	})
}
