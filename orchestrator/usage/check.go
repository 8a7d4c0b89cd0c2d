package usage

import (
	"slices"
	"strings"
	"unicode/utf8"

	"fairlead/internal/fault"
)

// MostText is the most bytes of a text of a record: what every store's keys have room for.
const MostText = 255

// texts gives the texts of a record.
func (r *Record) texts() [9]*string {
	return [...]*string{&r.Tenant, &r.Key, &r.RunID, &r.Step, &r.Chain, &r.Target, &r.Backend, &r.Model, &r.Failed}
}

// Check says what is wrong with a record: InvalidArgument, or nil. Stores refuse what it refuses.
func (r *Record) Check() error {
	u := &r.Usage
	switch {
	case r.Tenant == "" || r.RunID == "" || r.Step == "" || r.Attempt < 1:
		return refused("one names no tenant, run, step or attempt")
	case r.Time.Year() < 1970 || r.Time.Year() > 9999:
		return refused("one has no time")
	case min(u.Input, u.CachedInput, u.Output, u.Reasoning, int64(r.Cost), int64(r.TTFT), int64(r.Duration)) < 0:
		return refused("one has a count, a cost or a time below 0")
	case !r.CostKnown && r.Cost != 0:
		return refused("one has a cost that is not known")
	}
	for _, text := range r.texts() {
		if len(*text) > MostText || !utf8.ValidString(*text) || strings.ContainsRune(*text, 0) {
			return refused("one has a text that is too long, or not a text")
		}
	}
	return nil
}

func refused(why string) error {
	return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "recording usage: %s", why)
}

// clean makes a record of what a backend and a caller said into one that Check lets pass.
func (r *Record) clean() {
	for _, text := range r.texts() {
		if len(*text) <= MostText && utf8.ValidString(*text) && !strings.ContainsRune(*text, 0) {
			continue
		}
		*text = strings.ToValidUTF8(strings.ReplaceAll(*text, "\x00", ""), "")
		if cut := MostText; len(*text) > cut {
			for !utf8.RuneStart((*text)[cut]) {
				cut--
			}
			*text = (*text)[:cut]
		}
	}
}

// Check says what is wrong with a query: InvalidArgument, or nil. Stores refuse what it refuses.
func (q *Query) Check() error {
	for i, d := range q.By {
		if !slices.Contains([]Dimension{ByTarget, ByKey, ByChain, ByDay}, d) || slices.Contains(q.By[:i], d) {
			return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "summing usage: by target, key, chain and day, each once")
		}
	}
	for _, day := range q.days() {
		if day.Year() < 0 || day.Year() > 9999 {
			return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "summing usage: a day is not in the years 0 to 9999")
		}
	}
	if q.From.After(q.Until) {
		return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "summing usage: the first day is after the last")
	}
	return nil
}
