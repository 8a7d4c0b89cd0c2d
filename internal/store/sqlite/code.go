package sqlite

import (
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"sync"
)

// maxDimensions is the longest vector: sqlite-vec's limit on the bits of a code.
const maxDimensions = 8192

// minCodeBits is the shortest code: with fewer bits, the angle is known too roughly.
const minCodeBits = 1024

// codeBits gives the length of the codes of vectors of some length: a power of two, as the rotation needs.
func codeBits(dimensions int) int {
	return max(minCodeBits, 1<<bits.Len(uint(dimensions-1)))
}

// encoder makes codes: the signs of a vector after a random rotation. The share of bits in which two codes
// differ then estimates the angle between the vectors, whatever their distribution (Charikar, "Similarity
// estimation techniques from rounding algorithms", 2002); the signs of the bare components do so only for
// dense vectors. The rotation is two rounds of random signs and a Hadamard transform, O(n log n), after
// Ailon and Chazelle's fast Johnson-Lindenstrauss transform. Its seed is part of the file's format.
type encoder struct {
	bits  int
	signs [2][]float32
}

var encoders sync.Map // bits → *encoder

func encoderOf(dimensions int) *encoder {
	n := codeBits(dimensions)
	if e, ok := encoders.Load(n); ok {
		return e.(*encoder)
	}
	e := &encoder{bits: n}
	r := rand.New(rand.NewPCG(0xfa1e1ead, uint64(n)))
	for round := range e.signs {
		e.signs[round] = make([]float32, n)
		for i := range e.signs[round] {
			e.signs[round][i] = float32(int(r.Uint64()&1)*2 - 1)
		}
	}
	actual, _ := encoders.LoadOrStore(n, e)
	return actual.(*encoder)
}

// encode gives the code of a vector of at most e.bits components. scratch has e.bits components.
func (e *encoder) encode(vector, scratch []float32) []byte {
	clear(scratch[copy(scratch, vector):])
	for _, signs := range e.signs {
		for i, s := range signs {
			scratch[i] *= s
		}
		hadamard(scratch)
	}
	code := make([]byte, e.bits/8)
	for i, x := range scratch {
		if x > 0 {
			code[i/8] |= 1 << (i % 8)
		}
	}
	return code
}

// hadamard is the fast Walsh-Hadamard transform, in place, without the scale that signs do not need.
func hadamard(x []float32) {
	for h := 1; h < len(x); h *= 2 {
		for i := 0; i < len(x); i += 2 * h {
			a, b := x[i:i+h], x[i+h:i+2*h]
			for j := range a {
				a[j], b[j] = a[j]+b[j], a[j]-b[j]
			}
		}
	}
}

// pack gives a vector's bytes, as the tables hold them.
func pack(vector []float32) []byte {
	out := make([]byte, 4*len(vector))
	for i, x := range vector {
		binary.LittleEndian.PutUint32(out[4*i:], math.Float32bits(x))
	}
	return out
}

// dot is the product of a vector and a packed one. Four sums, so that additions need not wait for each other.
func dot(a []float32, packed []byte) float64 {
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(a) && 4*i+16 <= len(packed); i += 4 {
		p := packed[4*i : 4*i+16]
		s0 += a[i] * math.Float32frombits(binary.LittleEndian.Uint32(p))
		s1 += a[i+1] * math.Float32frombits(binary.LittleEndian.Uint32(p[4:]))
		s2 += a[i+2] * math.Float32frombits(binary.LittleEndian.Uint32(p[8:]))
		s3 += a[i+3] * math.Float32frombits(binary.LittleEndian.Uint32(p[12:]))
	}
	sum := float64(s0) + float64(s1) + float64(s2) + float64(s3)
	for ; i < len(a) && 4*i+4 <= len(packed); i++ {
		sum += float64(a[i]) * float64(math.Float32frombits(binary.LittleEndian.Uint32(packed[4*i:])))
	}
	return sum
}
