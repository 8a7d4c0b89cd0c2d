package observe

import "time"

// NeedsProbe says whether a target has gone so long without a sample that it should get a share of the
// traffic that it may serve, whatever its prediction. A target that was never seen needs one.
func (r *Recorder) NeedsProbe(target string, now time.Time) bool {
	t := (*r.targets.Load())[target]
	if t == nil {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last.IsZero() || now.Sub(t.last) > r.cfg.ProbeAfter
}

// ProbeShare says whether key is among the given share, in [0,1], of all keys. It is a function of its
// arguments alone, and a key that is in a share is in every larger one. The key names the request and the
// target, so that not the same requests probe every target.
func ProbeShare(key string, share float64) bool {
	// FNV-1a, and the finalizer of MurmurHash3 (fmix64), without which short keys do not spread.
	h := uint64(14695981039346656037)
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return float64(h>>11)/(1<<53) < share
}
