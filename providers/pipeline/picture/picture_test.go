package picture

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func transform(t testing.TB, c Config) *Transform {
	t.Helper()
	tr, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// noise is a picture of random pixels.
func noise(w, h int, seed uint64) *image.NRGBA {
	r, m := rand.New(rand.NewPCG(seed, 1)), image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = byte(r.Uint32())
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return m
}

func asPNG(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// reference is the documentation's formula, in two dimensions at once and over all pixels: slow and short.
func reference(m *image.NRGBA, c Config) []float32 {
	h, w := m.Bounds().Dy(), m.Bounds().Dx()
	rh, rw, top, left := c.Height, c.Width, 0, 0
	if c.Resize == Shorter {
		if h < w {
			rh, rw = c.Shorter, c.Shorter*w/h
		} else {
			rh, rw = c.Shorter*h/w, c.Shorter
		}
		top, left = int(math.RoundToEven(float64(rh-c.Height)/2)), int(math.RoundToEven(float64(rw-c.Width)/2))
	}
	weight := func(j, i, n, m int) float64 {
		s := max(1, float64(n)/float64(m))
		if c.Aliased {
			s = 1
		}
		return max(0, 1-math.Abs(float64(j)+0.5-(float64(i)+0.5)*float64(n)/float64(m))/s)
	}
	out := make([]float32, 3*c.Height*c.Width)
	for i := range c.Height {
		for j := range c.Width {
			var sum [3]float64
			total := 0.0
			for y := range h {
				wy := weight(y, i+top, h, rh)
				for x := 0; wy > 0 && x < w; x++ {
					f := wy * weight(x, j+left, w, rw)
					total += f
					p := m.NRGBAAt(x, y)
					for k, v := range []byte{p.R, p.G, p.B} {
						sum[k] += f * float64(v)
					}
				}
			}
			for k := range 3 {
				v := float32((sum[k]/total/255 - c.Mean[k]) / c.Std[k])
				if c.Layout == NHWC {
					out[(i*c.Width+j)*3+k] = v
				} else {
					out[(k*c.Height+i)*c.Width+j] = v
				}
			}
		}
	}
	return out
}

func TestValuesAreThoseOfTheFormula(t *testing.T) {
	for _, k := range []struct {
		w, h int
		c    Config
	}{
		{50, 40, Config{Height: 16, Width: 24}},
		{50, 40, Config{Height: 16, Width: 24, Aliased: true}},
		{7, 5, Config{Height: 16, Width: 24, Layout: NHWC}},
		{61, 40, Config{Height: 16, Width: 16, Resize: Shorter, Shorter: 19}},
		{40, 61, Config{Height: 16, Width: 18, Resize: Shorter, Shorter: 19, Layout: NHWC}},
		{40, 61, Config{Height: 16, Width: 18, Resize: Shorter, Shorter: 50, Aliased: true}},
		{1, 1, Config{Height: 3, Width: 2}}, {1, 40, Config{Height: 3, Width: 2}},
	} {
		k.c.Mean, k.c.Std = []float64{0.485, 0.456, 0.406}, []float64{0.229, 0.224, 0.225}
		m := noise(k.w, k.h, 7)
		got, err := transform(t, k.c).Append(nil, asPNG(t, m))
		want := reference(m, k.c)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%+v: %d numbers, want %d: %v", k, len(got), len(want), err)
		}
		for i := range want {
			if math.Abs(float64(got[i]-want[i])) > 1e-5 {
				t.Fatalf("%+v: number %d is %v, want %v", k, i, got[i], want[i])
			}
		}
	}
}

// What Pillow 13 gives for pictures of float32 (mode F), which it does not round.
func TestResizingIsThatOfPillow(t *testing.T) {
	var raw []struct {
		Width, Height int
		To            [2]int
		Pixels        []int
		Want          []float64
	}
	if err := json.Unmarshal(file(t, "pillow.json"), &raw); err != nil || len(raw) < 5 {
		t.Fatal(err, len(raw))
	}
	for _, k := range raw {
		m := image.NewGray(image.Rect(0, 0, k.Width, k.Height))
		for i, v := range k.Pixels {
			m.Pix[i] = byte(v)
		}
		got, err := transform(t, Config{Height: k.To[0], Width: k.To[1], Scale: 1, Channels: Gray}).Append(nil, asPNG(t, m))
		if err != nil || len(got) != len(k.Want) {
			t.Fatal(err, len(got))
		}
		for i, want := range k.Want {
			if math.Abs(float64(got[i])-want) > 1e-3 {
				t.Errorf("%d x %d to %v: number %d is %v, want %v", k.Height, k.Width, k.To, i, got[i], want)
			}
		}
	}
}

// Without resizing, each pixel of each form of image comes through as it is.
func TestFormsOfImages(t *testing.T) {
	src := noise(6, 4, 3)
	same := func(c color.Model) image.Image {
		var m interface {
			image.Image
			Set(x, y int, c color.Color)
		}
		r := src.Bounds()
		switch c {
		case color.GrayModel:
			m = image.NewGray(r)
		case color.Gray16Model:
			m = image.NewGray16(r)
		case color.NRGBA64Model:
			m = image.NewNRGBA64(r)
		case color.RGBA64Model:
			m = image.NewRGBA64(r)
		case color.RGBAModel:
			m = image.NewRGBA(r)
		case color.CMYKModel:
			m = image.NewCMYK(r)
		default:
			palette := color.Palette{}
			for y := range 4 {
				for x := range 6 {
					palette = append(palette, src.At(x, y))
				}
			}
			m = image.NewPaletted(r, palette)
		}
		for y := range 4 {
			for x := range 6 {
				m.Set(x, y, src.At(x, y))
			}
		}
		return m
	}
	for _, model := range []color.Model{color.GrayModel, color.Gray16Model, color.NRGBA64Model, color.RGBA64Model, color.RGBAModel, color.CMYKModel, nil} {
		m := same(model)
		tr := transform(t, Config{Height: 4, Width: 6, Scale: 1, Layout: NHWC})
		values := tr.resize(newRows(m, false))
		for i, v := range values {
			n := color.NRGBAModel.Convert(m.At(i/3%6, i/18)).(color.NRGBA)
			if want := float64([]byte{n.R, n.G, n.B}[i%3]); math.Abs(v-want) > 1 {
				t.Errorf("%T: number %d is %v, want %v", m, i, v, want)
			}
		}
	}
	// Alpha is dropped, and what lies under it is taken.
	clear := image.NewNRGBA(image.Rect(0, 0, 1, 1))
	clear.SetNRGBA(0, 0, color.NRGBA{R: 200, G: 100, B: 50, A: 0})
	got, err := transform(t, Config{Height: 1, Width: 1, Scale: 1, Channels: BGR}).Append(nil, asPNG(t, clear))
	if err != nil || fmt.Sprint(got) != "[50 100 200]" {
		t.Error(got, err)
	}
	got, err = transform(t, Config{Height: 1, Width: 1, Scale: 1, Channels: Gray}).Append(nil, asPNG(t, clear))
	if err != nil || math.Abs(float64(got[0])-(0.299*200+0.587*100+0.114*50)) > 1e-4 {
		t.Error(got, err)
	}
}

func TestWebPAndJPEG(t *testing.T) {
	tr := transform(t, Config{Height: 12, Width: 10})
	a, err := tr.Append(nil, file(t, "lossless.webp"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := tr.Append(nil, file(t, "lossless.png"))
	if err != nil || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("the same picture is another as WebP: %v", err)
	}
	if _, err := tr.Append(nil, file(t, "lossy.webp")); err != nil {
		t.Error(err)
	}
	even := image.NewNRGBA(image.Rect(0, 0, 64, 48))
	for i := range even.Pix {
		even.Pix[i] = []byte{200, 100, 50, 255}[i%4]
	}
	for _, m := range []image.Image{even, image.NewCMYK(even.Bounds()), image.NewGray(even.Bounds())} {
		var j bytes.Buffer
		if err := jpeg.Encode(&j, m, &jpeg.Options{Quality: 95}); err != nil {
			t.Fatal(err)
		}
		got, err := transform(t, Config{Height: 2, Width: 2, Layout: NHWC, Scale: 1}).Append(nil, j.Bytes())
		if err != nil || m == image.Image(even) && (math.Abs(float64(got[0])-200) > 3 || math.Abs(float64(got[2])-50) > 3) {
			t.Errorf("%T: %v, %v", m, got, err)
		}
	}
}

// huge is a PNG whose header promises so many pixels and which holds none.
func huge(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n")
	chunk := binary.BigEndian.AppendUint32([]byte("IHDR"), w)
	chunk = append(binary.BigEndian.AppendUint32(chunk, h), 8, 2, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, 13)
	return binary.BigEndian.AppendUint32(append(b, chunk...), crc32.ChecksumIEEE(chunk))
}

func TestBombsAndWhatIsNoPictureAreRefused(t *testing.T) {
	tr := transform(t, Config{Height: 8, Width: 8})
	whole := asPNG(t, noise(64, 64, 1))
	var j bytes.Buffer
	if err := jpeg.Encode(&j, noise(64, 64, 1), nil); err != nil {
		t.Fatal(err)
	}
	scans := append(bytes.Clone(j.Bytes()[:j.Len()-2]), bytes.Repeat([]byte{0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0}, 1000)...)
	// A WebP whose outer header is small and whose picture is huge.
	inner := file(t, "lossless.webp")
	at := bytes.Index(inner, []byte("VP8L"))
	nested := append([]byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00\x09\x00\x00\x0b\x00\x00"), inner[at:]...)
	binary.LittleEndian.PutUint32(nested[4:], uint32(len(nested)-8))
	if _, err := tr.Append(nil, nested); err != nil {
		t.Fatalf("the crafted file is not read as it should be: %v", err)
	}
	copy(nested[30+9:], []byte{0xff, 0xff, 0xff, 0x0f}) // 16384 x 16384
	for name, k := range map[string]struct {
		file []byte
		want string
	}{
		"50k x 50k":     {huge(50_000, 50_000), "a side of 50000"},
		"too many":      {huge(20_000, 20_000), "20000 x 20000 pixels, the limit is 40000000"},
		"overflow":      {huge(1<<31-1, 1<<31-1), ""},
		"nested":        {nested, "broken"},
		"bytes":         {make([]byte, MaxBytes+1), "the limit is"},
		"scans":         {scans, "scans"},
		"animated webp": {file(t, "animated.webp"), "animation"},
		"animated png":  {file(t, "animated.png"), "animation"},
		"gif":           {[]byte("GIF89a\x01\x00\x01\x00"), "neither"},
		"empty":         {nil, "neither"},
		"svg":           {[]byte("<svg/>"), "neither"},
		"cut png":       {whole[:len(whole)/2], "cut short"},
		"cut jpeg":      {j.Bytes()[:j.Len()/2], "cut short"},
		"cut webp":      {inner[:len(inner)/2], "cut short"},
		"header":        {whole[:12], "cut short"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := tr.Append(nil, k.file)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: %v", name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("%s: %d bytes were allocated", name, n)
		}
	}
	if _, err := transform(t, Config{Height: 8, Width: 8, MaxPixels: 64*64 - 1}).Append(nil, whole); err == nil {
		t.Error("more pixels than allowed are taken")
	}
}

func TestWrongConfigurationsAreRefused(t *testing.T) {
	for _, c := range []Config{
		{}, {Height: 8}, {Height: 8, Width: 4096}, {Height: 8, Width: 8, Resize: "x"}, {Height: 8, Width: 8, Shorter: 9},
		{Height: 8, Width: 8, Resize: Shorter, Shorter: 7}, {Height: 8, Width: 8, Channels: "x"}, {Height: 8, Width: 8, Layout: "x"},
		{Height: 8, Width: 8, Mean: []float64{1, 2}}, {Height: 8, Width: 8, Std: []float64{0}}, {Height: 8, Width: 8, Scale: -1},
		{Height: 8, Width: 8, Channels: Gray, Std: []float64{1, 1, 1}}, {Height: 8, Width: 8, Mean: []float64{math.NaN()}}, {Height: 8, Width: 8, MaxPixels: -1},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}

func FuzzAppend(f *testing.F) {
	for _, name := range []string{"lossless.webp", "lossy.webp", "animated.webp", "animated.png", "lossless.png"} {
		f.Add(file(f, name))
	}
	var j bytes.Buffer
	if err := jpeg.Encode(&j, noise(9, 7, 1), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(j.Bytes())
	f.Add(huge(1<<20, 1<<20))
	tr := transform(f, Config{Height: 3, Width: 5, Resize: Shorter, MaxPixels: 1 << 16})
	f.Fuzz(func(t *testing.T, data []byte) { check(t, tr, data) })
}

func check(t testing.TB, tr *Transform, data []byte) {
	out, err := tr.Append(nil, data)
	if err != nil {
		return
	}
	if len(out) != 3*3*5 {
		t.Fatalf("%d numbers", len(out))
	}
	for _, v := range out {
		if !(v >= -1e-6 && v <= 1+1e-6) {
			t.Fatalf("a value is %v", v)
		}
	}
}

// A million mutated files: most end at the header or a checksum, as those of attackers do.
func TestMillionsOfMutations(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n /= 20
	}
	var j bytes.Buffer
	if err := jpeg.Encode(&j, noise(9, 7, 1), nil); err != nil {
		t.Fatal(err)
	}
	seeds := [][]byte{file(t, "lossless.webp"), j.Bytes(), file(t, "lossless.png"), huge(7, 5)}
	tr := transform(t, Config{Height: 3, Width: 5, MaxPixels: 1 << 12})
	r := rand.New(rand.NewPCG(2, 3))
	buffer := make([]byte, 0, 4096)
	for range n {
		buffer = append(buffer[:0], seeds[r.IntN(len(seeds))]...)
		for range 1 + r.IntN(3) {
			buffer[r.IntN(min(len(buffer), 64))] = byte(r.Uint32())
		}
		check(t, tr, buffer[:len(buffer)-r.IntN(8)])
	}
}

func BenchmarkAppend(b *testing.B) {
	var j bytes.Buffer
	if err := jpeg.Encode(&j, noise(640, 480, 1), nil); err != nil {
		b.Fatal(err)
	}
	tr := transform(b, Config{Height: 224, Width: 224, Resize: Shorter, Shorter: 256})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tr.Append(nil, j.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
