package picture

import (
	"image"
	"image/color"
)

// rows reads a picture's pixels a row at a time, as three numbers for each pixel, or as one that is gray.
type rows struct {
	width, height int
	read          func(y int, dst []float64)
}

// newRows makes the reader of an image. The fast ones are for what the decoders give; any other image is read pixel by
// pixel.
func newRows(img image.Image, gray bool) rows {
	b := img.Bounds()
	r := rows{width: b.Dx(), height: b.Dy()}
	pixel := pixels(img)
	r.read = func(y int, dst []float64) {
		y += b.Min.Y
		if gray {
			for x := range dst {
				red, green, blue := pixel(b.Min.X+x, y)
				dst[x] = 0.299*red + 0.587*green + 0.114*blue
			}
			return
		}
		for x := range len(dst) / 3 {
			dst[3*x], dst[3*x+1], dst[3*x+2] = pixel(b.Min.X+x, y)
		}
	}
	return r
}

// pixels gives what reads a pixel, in [0,255] and not multiplied by alpha.
func pixels(img image.Image) func(x, y int) (r, g, b float64) {
	switch m := img.(type) {
	case *image.YCbCr:
		return func(x, y int) (float64, float64, float64) { return luma(m, x, y) }
	case *image.NYCbCrA:
		return func(x, y int) (float64, float64, float64) { return luma(&m.YCbCr, x, y) }
	case *image.NRGBA:
		return func(x, y int) (float64, float64, float64) {
			p := m.Pix[m.PixOffset(x, y):]
			return float64(p[0]), float64(p[1]), float64(p[2])
		}
	case *image.Gray:
		return func(x, y int) (float64, float64, float64) {
			v := float64(m.Pix[m.PixOffset(x, y)])
			return v, v, v
		}
	case *image.Gray16:
		return func(x, y int) (float64, float64, float64) {
			v := float64(m.Gray16At(x, y).Y) / 257
			return v, v, v
		}
	case *image.NRGBA64:
		return func(x, y int) (float64, float64, float64) {
			c := m.NRGBA64At(x, y)
			return float64(c.R) / 257, float64(c.G) / 257, float64(c.B) / 257
		}
	case *image.RGBA64: // of decoders, opaque
		return func(x, y int) (float64, float64, float64) { return deep(m.RGBA64At(x, y)) }
	case *image.RGBA:
		return func(x, y int) (float64, float64, float64) {
			p := m.Pix[m.PixOffset(x, y):]
			if p[3] != 0xff {
				return deep(m.RGBA64At(x, y))
			}
			return float64(p[0]), float64(p[1]), float64(p[2])
		}
	case *image.Paletted:
		table := make([][3]float64, 256) // a pixel may be beyond the palette: then black
		for i, c := range m.Palette {
			n := color.NRGBAModel.Convert(c).(color.NRGBA)
			table[i&255] = [3]float64{float64(n.R), float64(n.G), float64(n.B)}
		}
		return func(x, y int) (float64, float64, float64) {
			c := &table[m.Pix[m.PixOffset(x, y)]]
			return c[0], c[1], c[2]
		}
	default:
		return func(x, y int) (float64, float64, float64) {
			n := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			return float64(n.R), float64(n.G), float64(n.B)
		}
	}
}

func luma(m *image.YCbCr, x, y int) (float64, float64, float64) {
	c := m.COffset(x, y)
	r, g, b := color.YCbCrToRGB(m.Y[m.YOffset(x, y)], m.Cb[c], m.Cr[c])
	return float64(r), float64(g), float64(b)
}

// deep takes alpha back out of a colour.
func deep(c color.RGBA64) (float64, float64, float64) {
	if c.A == 0 {
		return 0, 0, 0
	}
	f := 255 / float64(c.A)
	return float64(c.R) * f, float64(c.G) * f, float64(c.B) * f
}
