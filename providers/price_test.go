package providers

import (
	"math"
	"testing"
	"time"
)

func TestABillCountsTokensCallsPicturesAndTime(t *testing.T) {
	for name, tt := range map[string]struct {
		price Price
		work  Work
		want  Money
		known bool
	}{
		"nothing":           {Price{}, Work{Usage: Usage{Input: 5}}, 0, true},
		"tokens":            {Price{Input: 1, Output: 2}, Work{Usage: Usage{Input: 1000, Output: 500}}, USD(0.002), true},
		"pictures":          {Price{PerCall: 0.01, PerImage: 0.002}, Work{Images: 3}, USD(0.016), true},
		"fewer pictures":    {Price{PerImage: 0.002}, Work{Images: -3}, 0, true},
		"an hour":           {Price{GPUHour: 1.2}, Work{Service: time.Hour, Timed: true}, USD(1.2), true},
		"three seconds":     {Price{GPUHour: 1.2}, Work{Service: 3 * time.Second, Timed: true}, USD(0.001), true},
		"no time":           {Price{GPUHour: 1.2}, Work{Timed: true}, 0, true},
		"time unknown":      {Price{GPUHour: 1.2, Output: 5}, Work{Usage: Usage{Output: 1000}}, 0, false},
		"time is free":      {Price{Output: 1}, Work{Usage: Usage{Output: 1000}, Service: math.MaxInt64, Timed: true}, USD(0.001), true},
		"more than any":     {Price{GPUHour: 1e12}, Work{Service: math.MaxInt64, Timed: true}, mostMoney, true},
		"less than no time": {Price{GPUHour: 1}, Work{Service: -time.Hour, Timed: true}, 0, true},
	} {
		if got, known := tt.price.Bill(tt.work); got != tt.want || known != tt.known {
			t.Errorf("%s: %s, known %t", name, got, known)
		}
	}
}

func TestPicturesAreCounted(t *testing.T) {
	r := &Request{Messages: []Message{Text(User, "x"), {Role: User, Parts: []Part{{Image: &Image{}}, {Text: "and"}, {Image: &Image{}}}}}}
	if got := r.Images(); got != 2 {
		t.Errorf("%d pictures", got)
	}
}
