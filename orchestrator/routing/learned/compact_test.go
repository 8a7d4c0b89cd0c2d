package learned

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sorted gives a row with its slots in their own order, as Expand does.
func sorted(r Row) Row {
	order := make([]int, len(r.Slots))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return int(r.Slots[a]) - int(r.Slots[b]) })
	out := Row{Shape: r.Shape}
	for _, i := range order {
		out.Slots, out.Values = append(out.Slots, r.Slots[i]), append(out.Values, r.Values[i])
	}
	return out
}

func TestCompactKeepsAllFeatures(t *testing.T) {
	for _, text := range []string{
		"a", "Where is the parcel?", "wo ist das Paket, bitte? " + strings.Repeat("sehr ", 300), "包裹在哪里？", "x = 1,024.5;\n- a\n- b\n", strings.Repeat("word ", 254),
	} {
		data := Compact(text)
		got, err := Expand(data)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if diff := cmp.Diff(sorted(NewScratch().Read(text)), got); diff != "" {
			t.Errorf("%q (-read +expanded):\n%s", text, diff)
		}
		if n := len([]rune(text)); got.Chars() != n {
			t.Errorf("%q has %d characters, not %d", text, n, got.Chars())
		}
		if len(text) > 8 && bytes.Contains(data, []byte(text[:4])) {
			t.Errorf("%q is in what is kept of it", text)
		}
	}
	for _, none := range []string{"", " \n"} {
		if data := Compact(none); data != nil {
			t.Errorf("%q gives %x", none, data)
		}
	}
}

// words gives so many words that are hardly ever the same.
func words(n int, seed uint64) string {
	rng := rand.New(rand.NewPCG(seed, 1))
	var b strings.Builder
	for range n {
		fmt.Fprintf(&b, "w%06x ", rng.Uint32()>>8)
	}
	return b.String()
}

// Of long texts the same slots are left out, so that texts that are alike stay so.
func TestCompactOfLongTexts(t *testing.T) {
	share := words(900, 1)
	a, b := share+words(100, 2), share+words(100, 3)
	rows := [2]Row{}
	for i, text := range []string{a, b} {
		data := Compact(text)
		if len(data) > MaxCompact || len(data) < MaxCompact*3/4 {
			t.Errorf("%d bytes", len(data))
		}
		var err error
		if rows[i], err = Expand(data); err != nil {
			t.Fatal(err)
		}
	}
	cosine := func(a, b Row) float64 {
		at := map[uint32]float32{}
		aa, bb, ab := 0.0, 0.0, 0.0
		for i, slot := range a.Slots {
			at[slot] = a.Values[i]
			aa += float64(a.Values[i] * a.Values[i])
		}
		for i, slot := range b.Slots {
			ab += float64(at[slot] * b.Values[i])
			bb += float64(b.Values[i] * b.Values[i])
		}
		return ab * ab / (aa * bb)
	}
	whole, kept := cosine(NewScratch().Read(a), NewScratch().Read(b)), cosine(rows[0], rows[1])
	if kept < whole-0.1 || kept > whole+0.1 {
		t.Errorf("the squared cosine of what is kept is %.3f, and of the texts %.3f", kept, whole)
	}
}

func TestExpandRefuses(t *testing.T) {
	good := Compact("Where is the parcel?")
	cut := good[:len(good)-1]
	other := slices.Clone(good)
	other[0]++
	shape := slices.Clone(good)
	copy(shape[1:], "\xff\xff\xff\xff")
	same := append(slices.Clone(good), 0)
	far := append(slices.Clone(good), 0xff, 0xff, 0xff, 0x01)
	once := append(slices.Clone(good[:compactHead]), 5, 1)
	much := append(slices.Clone(good[:compactHead]), 5, 0x80, 0x02)
	for name, data := range map[string][]byte{
		"none": nil, "the shape alone": good[:compactHead], "another version": other, "a shape that is no number": shape, "a slot twice": same, "a slot that is none": far,
		"a count that is said without need": once, "a count that none can be": much, "too much": make([]byte, MaxCompact+1),
	} {
		if len(data) > MaxCompact {
			data[0] = FeatureVersion
		}
		if _, err := Expand(data); err == nil || strings.Contains(err.Error(), "parcel") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if row, err := Expand(cut); err == nil && len(row.Slots) >= len(sorted(NewScratch().Read("Where is the parcel?")).Slots) {
		t.Error("what is cut is whole")
	}
}

func FuzzExpand(f *testing.F) {
	f.Add(Compact("Where is the parcel?"))
	f.Add(Compact(strings.Repeat("wo ", 100)))
	f.Add([]byte{FeatureVersion})
	f.Fuzz(func(t *testing.T, data []byte) {
		row, err := Expand(data)
		if err != nil {
			return
		}
		if len(row.Slots) == 0 || len(row.Slots) != len(row.Values) || !slices.IsSorted(row.Slots) || row.Slots[len(row.Slots)-1] >= Slots || row.Chars() < 0 {
			t.Errorf("%x gives %+v", data, row)
		}
	})
}

func BenchmarkCompact(b *testing.B) {
	for _, n := range []int{20, 200, 2000} {
		text := words(n, 1)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				Compact(text)
			}
		})
	}
}
