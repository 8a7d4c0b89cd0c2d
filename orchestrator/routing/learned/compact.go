package learned

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
)

// MaxCompact is the most bytes of a row in its compact form.
const MaxCompact = 4 << 10

// compactHead is the version and the shape before the features.
const compactHead = 1 + 4*ShapeSize

// mostChars is the logarithm of more characters than any text has.
const mostChars = 36

// Compact gives the features of a text in the form in which they are kept where the text may not be: the version, the
// shape, and for each slot in use how far it is behind the one before, with its sign and its count. It has no word of the
// text, but who has it can try which words give these slots, so it is as sensitive as the text is. Of a text with more
// features than MaxCompact bytes hold (some 2,000, of about 500 words) those of some slots are left out, the same slots
// whatever the text is, so that what two texts share is left out of both. Nil where the text has no features.
func Compact(text string) []byte {
	s := scratches.Get().(*Scratch)
	defer scratches.Put(s)
	s.read(text)
	all := s.drain()
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b slotValue) int { return int(a.slot) - int(b.slot) })
	for below := uint64(1 << slotBits); ; {
		out := s.pack(all, below)
		if len(out) <= MaxCompact {
			return out
		}
		below = below * (MaxCompact - compactHead) / uint64(len(out)-compactHead) * 98 / 100
	}
}

// pack writes the features whose slots come below a place in an order by chance.
func (s *Scratch) pack(all []slotValue, below uint64) []byte {
	out := make([]byte, 1, 1<<10)
	out[0] = FeatureVersion
	for _, v := range s.shape {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	last := uint32(0)
	for _, f := range all {
		if below < Slots && mix(uint64(f.slot)+1)&(Slots-1) >= below {
			continue
		}
		word := uint64(f.slot-last) << 2
		last = f.slot
		if f.value < 0 {
			word |= 2
		}
		n := uint64(1)
		if v := abs(f.value); v > 1 {
			n = uint64(math.Round(math.Exp(float64(v) - 1)))
			word |= 1
		}
		if out = binary.AppendUvarint(out, word); n > 1 {
			out = binary.AppendUvarint(out, n)
		}
	}
	return out
}

// Expand reads what Compact gave. The slots of the row are in their own order. The error says what is wrong with it, or that
// it is of another version of features.
func Expand(data []byte) (Row, error) {
	const doing = "reading the features of a prompt"
	var row Row
	switch {
	case len(data) > 0 && data[0] != FeatureVersion:
		return row, fmt.Errorf("%s: they are of version %d, and this program's are of %d: features of two versions stand for different things", doing, data[0], FeatureVersion)
	case len(data) <= compactHead || len(data) > MaxCompact:
		return row, fmt.Errorf("%s: %d bytes are no features", doing, len(data))
	}
	for i := range row.Shape {
		v := math.Float32frombits(binary.LittleEndian.Uint32(data[1+4*i:]))
		most := float32(math.MaxInt32)
		if i == statChars {
			most = mostChars
		}
		if !(v >= 0 && v <= most) {
			return row, fmt.Errorf("%s: its %s is no number that it can be", doing, shapeNames[i])
		}
		row.Shape[i] = v
	}
	rest, slot := data[compactHead:], uint64(0)
	errBroken := errors.New(doing + ": they are not whole, or not features")
	next := func() (v uint64, ok bool) {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return 0, false
		}
		rest = rest[n:]
		return v, true
	}
	for len(rest) > 0 {
		word, ok := next()
		if gap := word >> 2; !ok || gap >= Slots || gap == 0 && len(row.Slots) > 0 {
			return row, errBroken
		}
		n := uint64(1)
		if word&1 != 0 {
			if n, ok = next(); !ok || n < 2 || n >= uint64(len(damped)) {
				return row, errBroken
			}
		}
		if slot += word >> 2; slot >= Slots {
			return row, errBroken
		}
		v := damped[n]
		if word&2 != 0 {
			v = -v
		}
		row.Slots, row.Values = append(row.Slots, uint32(slot)), append(row.Values, v)
	}
	return row, nil
}

// Chars is how many characters the text had: of one longer than 16 KiB, about.
func (r *Row) Chars() int { return int(math.Round(math.Expm1(float64(r.Shape[statChars])))) }
