package router

import (
	"math"

	"fairlead/orchestrator/routing/learned"
)

// matrix is sparse rows: row i has the columns index[start[i]:start[i+1]] with the values beside them.
type matrix struct {
	start   []int
	index   []uint32
	value   []float32
	columns int
}

func (m *matrix) rows() int { return len(m.start) - 1 }

func (m *matrix) dot(row int, w []float64) float64 {
	sum := 0.0
	for k := m.start[row]; k < m.start[row+1]; k++ {
		sum += float64(m.value[k]) * w[m.index[k]]
	}
	return sum
}

// logistic fits weights w and an intercept that minimise
//
//	|w|²/2 + c·Σ loss(yᵢ, w·xᵢ + b)
//
// where loss is the logistic loss for outcomes in [0,1]; the intercept, the last of the weights, is not held small.
// It is solved with L-BFGS (Nocedal and Wright, "Numerical Optimization", 2006, algorithm 7.4) from the weights given.
// Rows without an outcome (NaN) are left out.
func logistic(m *matrix, y []float64, c float64, w []float64) []float64 {
	n := m.columns + 1
	if w == nil {
		w = make([]float64, n)
		w[n-1] = learned.Logit(known(y))
	}
	objective := func(w, g []float64) float64 {
		sum := 0.0
		for i := range g {
			g[i] = w[i]
			sum += w[i] * w[i]
		}
		sum, g[n-1] = (sum-w[n-1]*w[n-1])/2, 0
		for i := range m.rows() {
			if math.IsNaN(y[i]) {
				continue
			}
			z := m.dot(i, w) + w[n-1]
			loss, d := logLoss(z, y[i])
			sum, d = sum+c*loss, c*d
			for k := m.start[i]; k < m.start[i+1]; k++ {
				g[m.index[k]] += d * float64(m.value[k])
			}
			g[n-1] += d
		}
		return sum
	}
	return minimise(objective, w, 60, 1e-3)
}

// minimise is L-BFGS with backtracking, from w on. It ends after so many steps or when the gradient is so small beside
// what it was.
func minimise(f func(w, g []float64) float64, w []float64, steps int, tolerance float64) []float64 {
	const memory = 6
	n := len(w)
	w = append([]float64(nil), w...)
	g, next, ng, d := make([]float64, n), make([]float64, n), make([]float64, n), make([]float64, n)
	var s, y [][]float64
	var rho []float64
	at := f(w, g)
	first := math.Sqrt(inner(g, g))
	for range steps {
		if math.Sqrt(inner(g, g)) <= tolerance*max(first, 1) {
			break
		}
		copy(d, g)
		alpha := make([]float64, len(s))
		for i := len(s) - 1; i >= 0; i-- {
			alpha[i] = rho[i] * inner(s[i], d)
			axpy(-alpha[i], y[i], d)
		}
		scale := 1 / max(math.Sqrt(inner(g, g)), 1)
		if k := len(s); k > 0 {
			scale = 1 / (rho[k-1] * inner(y[k-1], y[k-1]))
		}
		for i := range d {
			d[i] *= scale
		}
		for i := range s {
			axpy(alpha[i]-rho[i]*inner(y[i], d), s[i], d)
		}
		slope := -inner(g, d)
		if slope >= 0 {
			break
		}
		step := 1.0
		var to float64
		for {
			for i := range next {
				next[i] = w[i] - step*d[i]
			}
			if to = f(next, ng); to <= at+1e-4*step*slope || step < 1e-8 {
				break
			}
			step /= 2
		}
		if step < 1e-8 {
			break
		}
		ds, dy := make([]float64, n), make([]float64, n)
		for i := range next {
			ds[i], dy[i] = next[i]-w[i], ng[i]-g[i]
		}
		if curve := inner(ds, dy); curve > 1e-12 {
			if len(s) == memory {
				s, y, rho = s[1:], y[1:], rho[1:]
			}
			s, y, rho = append(s, ds), append(y, dy), append(rho, 1/curve)
		}
		w, next, g, ng, at = next, w, ng, g, to
	}
	return w
}

func inner(a, b []float64) float64 {
	sum := 0.0
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}

func axpy(a float64, x, y []float64) {
	for i, v := range x {
		y[i] += a * v
	}
}

// logLoss is log(1+e^z) - y·z, written so that nothing overflows, and its slope by z.
func logLoss(z, y float64) (loss, slope float64) {
	return max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - y*z, learned.Sigmoid(z) - y
}

// known is the mean of the outcomes that there are.
func known(y []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range y {
		if !math.IsNaN(v) {
			sum, n = sum+v, n+1
		}
	}
	return sum / float64(max(n, 1))
}
