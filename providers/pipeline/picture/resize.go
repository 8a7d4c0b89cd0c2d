package picture

import "math"

// taps are the inputs that an output is made of: their weights, which sum to 1, from the first on.
type taps struct {
	first   int
	weights []float64
}

// filter gives the taps of count outputs, from offset on, where n samples become m.
func filter(n, m, offset, count int, aliased bool) []taps {
	step := float64(n) / float64(m)
	support := max(1, step)
	if aliased {
		support = 1
	}
	list := make([]taps, count)
	room := make([]float64, 0, count*(2*int(math.Ceil(support))+1))
	for i := range list {
		centre := (float64(i+offset) + 0.5) * step
		first := max(0, int(math.Floor(centre-support+0.5)))
		last := min(n, int(math.Floor(centre+support+0.5)))
		start, sum := len(room), 0.0
		for j := first; j < last; j++ {
			w := max(0, 1-math.Abs(float64(j)+0.5-centre)/support)
			room = append(room, w)
			sum += w
		}
		weights := room[start:]
		for k := range weights {
			weights[k] /= sum
		}
		list[i] = taps{first: first, weights: weights}
	}
	return list
}

// resize gives the values of the pixels, row by row, in [0,255]. The rows of the picture are read once, one at a time.
func (t *Transform) resize(r rows) []float64 {
	h, w := t.c.Height, t.c.Width // of the whole picture, resized
	top, left := 0, 0
	if t.c.Resize == Shorter {
		h, w = t.covering(r.height, r.width)
		top, left = int(math.RoundToEven(float64(h-t.c.Height)/2)), int(math.RoundToEven(float64(w-t.c.Width)/2))
	}
	across, down := filter(r.width, w, left, t.c.Width, t.c.Aliased), filter(r.height, h, top, t.c.Height, t.c.Aliased)
	k, line := t.channels, t.c.Width*t.channels
	out := make([]float64, t.c.Height*line)
	source, narrow := make([]float64, r.width*k), make([]float64, line)
	begin := 0
	for y := down[0].first; begin < len(down); y++ {
		needed := false
		for i := begin; i < len(down) && down[i].first <= y; i++ {
			if y >= down[i].first+len(down[i].weights) {
				if i == begin {
					begin++
				}
				continue
			}
			if !needed { // some rows are skipped where samples are left out
				needed = true
				r.read(y, source)
				squeeze(narrow, source, across, k)
			}
			weight, to := down[i].weights[y-down[i].first], out[i*line:(i+1)*line]
			for x, v := range narrow {
				to[x] += weight * v
			}
		}
	}
	return out
}

// squeeze resizes one row.
func squeeze(dst, source []float64, across []taps, channels int) {
	if channels == 1 {
		for x, tap := range across {
			sum := 0.0
			for j, w := range tap.weights {
				sum += w * source[tap.first+j]
			}
			dst[x] = sum
		}
		return
	}
	for x, tap := range across {
		var a, b, c float64
		from := source[3*tap.first:]
		for j, w := range tap.weights {
			p := from[3*j : 3*j+3]
			a, b, c = a+w*p[0], b+w*p[1], c+w*p[2]
		}
		dst[3*x], dst[3*x+1], dst[3*x+2] = a, b, c
	}
}

// covering gives the size to which a picture is resized before the middle is cut out.
func (t *Transform) covering(height, width int) (h, w int) {
	short, long := min(height, width), max(height, width)
	if t.c.Shorter == 0 {
		f := max(float64(t.c.Height)/float64(height), float64(t.c.Width)/float64(width))
		return max(t.c.Height, int(f*float64(height))), max(t.c.Width, int(f*float64(width)))
	}
	other := int(int64(t.c.Shorter) * int64(long) / int64(short))
	if height < width {
		return t.c.Shorter, other
	}
	return other, t.c.Shorter
}
