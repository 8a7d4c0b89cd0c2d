package orchestrator

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"fairlead/providers"
)

// cacheBytes is the most that answers take that are kept, of all targets together.
const cacheBytes = 64 << 20

// caching says what a call has to do with answers that are kept.
type caching uint8

const (
	// cacheUse takes an answer that is kept, and keeps new ones.
	cacheUse caching = iota
	// cacheRenew asks all the same, and keeps what is answered.
	cacheRenew
	// cacheOff neither takes nor keeps: passages that are indexed come once, and would push out what is asked often.
	cacheOff
)

// cacheKey is the SHA-256 of all that an answer depends on: tenant, target, model, version, dimensions and the item.
type cacheKey [sha256.Size]byte

// memo is the answer to one item.
type memo struct {
	classes        []providers.Class
	vector         []float32
	model, version string
	until          time.Time
}

// weight gives about how many bytes it takes.
func (k *memo) weight() uint32 {
	n := 200 + len(k.model) + len(k.version) + 4*len(k.vector)
	for _, c := range k.classes {
		n += 24 + len(c.Name)
	}
	return uint32(min(n, math.MaxUint32))
}

// cache keeps answers. Those that are asked for often and lately stay when it is full (W-TinyLFU, as otter has it). It
// runs no goroutine of its own: an answer whose time is over is dropped when it is asked for, or when it is pushed out.
type cache struct {
	answers *otter.Cache[cacheKey, *memo]
}

func newCache(bytes uint64) (*cache, error) {
	answers, err := otter.New(&otter.Options[cacheKey, *memo]{
		MaximumWeight: bytes,
		Weigher:       func(_ cacheKey, k *memo) uint32 { return k.weight() },
	})
	if err != nil {
		return nil, err
	}
	return &cache{answers: answers}, nil
}

func (c *cache) get(key cacheKey, now time.Time) *memo {
	k, ok := c.answers.GetIfPresent(key)
	switch {
	case !ok:
		return nil
	case now.After(k.until):
		c.answers.Invalidate(key)
		return nil
	}
	return k
}

// generations number the targets of all configurations, so that no answer outlives the configuration that it was made
// under: another threshold makes other classes of the same model.
var generations atomic.Uint64

// edition is what a target's answers come from, as far as it is known: the version that its backend says stands behind
// the configured one, and the model and version that its last answer reported.
func (t *target) edition() string {
	answered := ""
	if last := t.answered.Load(); last != nil {
		answered = *last
	}
	return t.resolved() + "\x00" + answered
}

// report takes what an answer says of where it comes from, and gives the edition that it belongs to: its own, whatever
// another call is told at the same moment.
func (t *target) report(a *reply) (edition string) {
	if a.model == "" && a.version == "" {
		return t.edition()
	}
	said := a.model + "\x00" + a.version
	if last := t.answered.Load(); last == nil || *last != said {
		t.answered.Store(&said)
	}
	return t.resolved() + "\x00" + said
}

// keys gives the key of each item of a question.
func (t *target) keys(tenant, edition string, q *question) []cacheKey {
	var head []byte
	add := func(parts ...string) {
		for _, s := range parts {
			head = binary.AppendUvarint(head, uint64(len(s)))
			head = append(head, s...)
		}
	}
	add(tenant, t.Name, t.Model, t.Version, edition)
	head = binary.AppendUvarint(head, t.generation)
	head = binary.AppendUvarint(head, uint64(q.needs))
	head = binary.AppendUvarint(head, uint64(q.dimensions))
	keys := make([]cacheKey, 0, q.items())
	h := sha256.New()
	sum := func(kind byte, item []byte) {
		h.Reset()
		h.Write(head)
		h.Write([]byte{kind})
		h.Write(item)
		keys = append(keys, cacheKey(h.Sum(nil)))
	}
	for _, text := range q.texts {
		sum('t', []byte(text))
	}
	for _, image := range q.images {
		sum('i', image)
	}
	return keys
}

// lookup is what is known of a question's answer before anything is asked.
type lookup struct {
	cache   *cache
	target  *target
	tenant  string
	edition string
	keys    []cacheKey
	// found has the answer to each item, nil where there is none; missing are the places of those.
	found   []*memo
	missing []int
	// rest is the question about what is missing.
	rest *question
}

// look looks for the answers to an errand's question that are kept. It is called once the target was found to be cleared for
// the data: what it may not see, it does not answer from memory either.
func (r *run) look(q *errand) *lookup {
	t := q.target
	l := &lookup{target: t, tenant: r.principal.Tenant, rest: q.question}
	if t.Cache <= 0 || q.caching == cacheOff || q.question.needs == providers.Predict || len(q.question.texts) > 0 && len(q.question.images) > 0 {
		return l
	}
	l.cache, l.edition = r.engine.cache, t.edition()
	l.keys = t.keys(l.tenant, l.edition, q.question)
	l.found = make([]*memo, len(l.keys))
	now := time.Now()
	for i, key := range l.keys {
		if q.caching == cacheUse {
			l.found[i] = l.cache.get(key, now)
		}
		if l.found[i] == nil {
			l.missing = append(l.missing, i)
		}
	}
	if len(l.missing) > 0 && len(l.missing) < len(l.keys) {
		l.rest = q.question.only(l.missing)
	}
	return l
}

// all says whether nothing needs to be asked.
func (l *lookup) all() bool { return len(l.keys) > 0 && len(l.missing) == 0 }

// hits counts the items that need not be asked about.
func (l *lookup) hits() int { return len(l.keys) - len(l.missing) }

// keep keeps what the target answered to the rest of the question. What may come from another version than the one that
// was known when it was asked is not kept, unless it says itself where it comes from.
func (l *lookup) keep(a *reply) {
	edition := l.target.report(a)
	if l.cache == nil {
		return
	}
	keys := l.keys
	if edition != l.edition {
		if a.version == "" && a.model == "" {
			return
		}
		all := l.target.keys(l.tenant, edition, l.rest)
		keys = make([]cacheKey, len(l.keys))
		for i, place := range l.missing {
			keys[place] = all[i]
		}
	}
	until := time.Now().Add(l.target.Cache)
	for i, place := range l.missing {
		k := &memo{model: a.model, version: a.version, until: until}
		if a.classes != nil {
			k.classes = slices.Clone(a.classes[i])
		} else {
			k.vector = slices.Clone(a.vectors[i])
		}
		l.cache.answers.Set(keys[place], k)
	}
}

// whole puts an answer to the rest of the question, nil where nothing was asked, together with what was found.
func (l *lookup) whole(a *reply) *reply {
	if l.hits() == 0 {
		return a
	}
	out := &reply{}
	if a != nil {
		out.model, out.version, out.usage = a.model, a.version, a.usage
	}
	next := 0
	for _, k := range l.found {
		var classes []providers.Class
		var vector []float32
		switch {
		case k != nil:
			// Whoever gets it may change it.
			classes, vector = slices.Clone(k.classes), slices.Clone(k.vector)
			if out.model == "" && out.version == "" {
				out.model, out.version = k.model, k.version
			}
		case a.classes != nil:
			classes = a.classes[next]
			next++
		default:
			vector = a.vectors[next]
			next++
		}
		if classes != nil {
			out.classes = append(out.classes, classes)
		} else {
			out.vectors = append(out.vectors, vector)
		}
	}
	return out
}
