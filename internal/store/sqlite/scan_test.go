package sqlite

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// TestScanFindsWhatSQLiteVecFinds holds our reading of sqlite-vec's chunks to its own search, with two
// collections in one table, several chunks, deletions and labels.
func TestScanFindsWhatSQLiteVecFinds(t *testing.T) {
	const dims, k = 48, 40
	s := open(t, filepath.Join(t.TempDir(), "a.db"))
	r := rand.New(rand.NewPCG(5, 6))
	random := func() []float32 {
		v := make([]float32, dims)
		for i := range v {
			v[i] = float32(r.NormFloat64())
		}
		return v
	}
	for _, name := range []string{"one", "two"} {
		if err := s.CollectionInsert(t.Context(), "t", retrieval.Collection{Name: name, Dimensions: dims}); err != nil {
			t.Fatal(fault.Cause(err))
		}
	}
	for i := range 50 {
		for _, name := range []string{"one", "two"} {
			d := retrieval.Document{ID: fmt.Sprint(i), URI: fmt.Sprint(i), Collection: name, Label: label.Label(1 + i%4)}
			var passages []retrieval.Passage
			var vectors [][]float32
			for j := range 25 {
				passages, vectors = append(passages, retrieval.Passage{ID: fmt.Sprint(i, "-", j)}), append(vectors, random())
			}
			if err := s.DocumentPut(t.Context(), "t", d, passages, vectors); err != nil {
				t.Fatal(fault.Cause(err))
			}
			if i%7 == 3 {
				if err := s.DocumentDelete(t.Context(), "t", name, fmt.Sprint(i-1)); err != nil {
					t.Fatal(fault.Cause(err))
				}
			}
		}
	}
	e := encoderOf(dims)
	err := s.read(t.Context(), "comparing", func(tx *sql.Tx) error {
		for _, name := range []string{"one", "two"} {
			c, err := find(t.Context(), tx, "t", name, "comparing")
			if err != nil {
				return err
			}
			for _, ceiling := range []label.Label{label.Public, label.Confidential, label.Restricted} {
				code := e.encode(random(), make([]float32, e.bits))
				got, err := nearCodes(t.Context(), tx, c.searched(), code, k, ceiling, ceiling == label.Restricted)
				if err != nil {
					return err
				}
				rows, err := tx.Query("SELECT distance FROM "+c.searched().codes()+" WHERE code MATCH vec_bit(?) AND k = ? AND collection = ? AND label <= ? ORDER BY distance",
					code, k, c.id, int(ceiling))
				if err != nil {
					return err
				}
				var want []int
				if err := each(rows, func() error {
					var d float64
					err := rows.Scan(&d)
					want = append(want, int(d))
					return err
				}); err != nil {
					return err
				}
				var distances []int
				for _, x := range got {
					distances = append(distances, x.distance)
				}
				if len(want) != k || !slices.Equal(distances, want) {
					t.Errorf("%s up to %v: distances %v, sqlite-vec finds %v", name, ceiling, distances, want)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(fault.Cause(err))
	}
}

// TestCodesTellTheAngle holds that the share of differing bits is the angle, also for sparse vectors.
func TestCodesTellTheAngle(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	for _, dims := range []int{2, 3, 384, 1536} {
		e := encoderOf(dims)
		scratch := make([]float32, e.bits)
		for _, filled := range []int{1, 3, dims} {
			var worst float64
			for range 40 {
				a, b := make([]float32, dims), make([]float32, dims)
				for range filled {
					i := r.IntN(dims)
					a[i] = float32(r.NormFloat64())
					b[i] = a[i] + float32(r.NormFloat64())
					b[r.IntN(dims)] += float32(r.NormFloat64())
				}
				a, _ = form.Unit(a)
				b, _ = form.Unit(b)
				words := make([]uint64, e.bits/64)
				code := e.encode(a, scratch)
				for i := range words {
					for j := range 8 {
						words[i] |= uint64(code[8*i+j]) << (8 * j)
					}
				}
				got := math.Pi * float64(distance(words, e.encode(b, scratch))) / float64(e.bits)
				want := math.Acos(min(max(dot(a, pack(b)), -1), 1))
				worst = max(worst, math.Abs(got-want))
			}
			// Five standard deviations of 1024 fair coins are 0.25 radians.
			if worst > 0.25 {
				t.Errorf("%d dimensions, %d filled: the angle is wrong by %.2f", dims, filled, worst)
			}
		}
	}
}

func TestUnitAndDot(t *testing.T) {
	for _, v := range [][]float32{{3, 4}, {1e-30, 0, 0}, {1e30, 1e30, 1e30, 1e30, 1e30}} {
		u, ok := form.Unit(v)
		if !ok || math.Abs(dot(u, pack(u))-1) > 1e-6 {
			t.Errorf("form.Unit(%v) = %v, %v", v, u, ok)
		}
	}
	if _, ok := form.Unit([]float32{1, float32(math.Inf(1))}); ok {
		t.Error("an infinite number has a direction")
	}
}

// TestCodesStay holds the codes to what files hold: a change of the encoder needs a migration.
func TestCodesStay(t *testing.T) {
	v := make([]float32, 100)
	for i := range v {
		v[i] = float32(i%7) - 3
	}
	e := encoderOf(len(v))
	sum := sha256.Sum256(e.encode(v, make([]float32, e.bits)))
	if got, want := hex.EncodeToString(sum[:8]), "0c3c526c5129149b"; got != want {
		t.Errorf("the code's hash is %s, want %s", got, want)
	}
}
