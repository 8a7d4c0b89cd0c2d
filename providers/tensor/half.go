package tensor

import "math"

// float16 gives a number of IEEE 754 binary16, which a float32 holds exactly.
func float16(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch {
	case exponent == 0x1f: // infinite, or no number
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	case exponent != 0:
		return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
	}
	f := float32(fraction) * (1.0 / (1 << 24)) // exact: a multiple of the smallest number
	return math.Float32frombits(sign | math.Float32bits(f))
}

// toFloat16 rounds to the nearest binary16, to even where two are as near. What is too large becomes infinite.
func toFloat16(f float32) uint16 {
	bits := math.Float32bits(f)
	sign, rest := uint16(bits>>16)&0x8000, bits&0x7fffffff
	switch {
	case rest > 0x7f800000:
		return sign | 0x7e00
	case rest >= 0x477ff000: // 65520 and more are nearer to what is beyond the largest, 65504
		return sign | 0x7c00
	case rest < 0x38800000: // below the smallest normal number: count in units of the smallest number
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(rest))*(1<<24)))
	}
	rest += 0xfff + rest>>13&1
	return sign | uint16((rest-0x38000000)>>13)
}

// bfloat16 gives a number of bfloat16, which is the upper half of a float32.
func bfloat16(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

// toBFloat16 rounds to the nearest bfloat16, to even where two are as near.
func toBFloat16(f float32) uint16 {
	bits := math.Float32bits(f)
	if bits&0x7fffffff > 0x7f800000 {
		return uint16(bits>>16) | 0x40 // rounding could make an infinity of what is no number
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
