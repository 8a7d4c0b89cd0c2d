package picture

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Ways to come to a size.
const (
	// Exact resizes to the size, whatever becomes of the proportions.
	Exact = "exact"
	// Shorter keeps the proportions, and cuts the middle out.
	Shorter = "shorter"
)

// Channels and their order.
const (
	RGB  = "RGB"
	BGR  = "BGR"
	Gray = "gray"
)

// Orders of the axes: channels first or last.
const (
	NCHW = "NCHW"
	NHWC = "NHWC"
)

// Config says what a model wants. The zero value of a field is the default that stands with it.
type Config struct {
	// Height and Width are what the model sees, in pixels. Required.
	Height, Width int
	// Resize is Exact or Shorter. Empty: Exact.
	Resize string
	// Shorter is what the shorter side becomes before the middle is cut out, for Resize Shorter. 0: as little as covers
	// Height and Width.
	Shorter int
	// Aliased leaves samples out when a picture becomes smaller, as tf.image.resize and OpenCV do.
	Aliased bool
	// Channels is RGB, BGR or Gray. Empty: RGB.
	Channels string
	// Scale is what values from 0 to 255 are multiplied by. 0: 1/255.
	Scale float64
	// Mean and Std are taken off, and divided by, after Scale: one number for all channels, or one for each in the order
	// of Channels. Empty: 0 and 1.
	Mean, Std []float64
	// Layout is NCHW or NHWC. Empty: NCHW.
	Layout string
	// MaxPixels is the most pixels that a picture may have. 0: 40 million.
	MaxPixels int64
}

// The most that a size may be: a tensor of it is then within 64 MiB.
const maxSize = 2048

// Transform turns files into numbers. It does not change and may be used by several goroutines at once.
type Transform struct {
	c         Config
	channels  int
	mean, std [3]float64
}

// New checks a configuration.
func New(c Config) (*Transform, error) {
	if c.Resize == "" {
		c.Resize = Exact
	}
	if c.Channels == "" {
		c.Channels = RGB
	}
	if c.Layout == "" {
		c.Layout = NCHW
	}
	if c.Scale == 0 {
		c.Scale = 1.0 / 255
	}
	if c.MaxPixels == 0 {
		c.MaxPixels = defaultPixels
	}
	t := &Transform{c: c, channels: 3}
	if c.Channels == Gray {
		t.channels = 1
	}
	switch {
	case c.Height < 1 || c.Width < 1 || c.Height > maxSize || c.Width > maxSize:
		return nil, fmt.Errorf("a picture becomes %d x %d pixels: want 1 to %d for each", c.Height, c.Width, maxSize)
	case c.Resize != Exact && c.Resize != Shorter:
		return nil, errors.New("resize is neither exact nor shorter")
	case c.Resize == Exact && c.Shorter != 0:
		return nil, errors.New("the length of the shorter side is for resize: shorter")
	case c.Shorter != 0 && (c.Shorter < max(c.Height, c.Width) || c.Shorter > 2*maxSize):
		return nil, fmt.Errorf("the shorter side becomes %d: want %d, the size, to %d", c.Shorter, max(c.Height, c.Width), 2*maxSize)
	case !slices.Contains([]string{RGB, BGR, Gray}, c.Channels):
		return nil, errors.New("channels are neither RGB nor BGR nor gray")
	case c.Layout != NCHW && c.Layout != NHWC:
		return nil, errors.New("the layout is neither NCHW nor NHWC")
	case c.MaxPixels < 1 || c.MaxPixels > 1<<30:
		return nil, errors.New("the most pixels are not from 1 to 2^30")
	case !(c.Scale > 0) || math.IsInf(c.Scale, 0):
		return nil, errors.New("the scale is not above 0")
	}
	var err error
	if t.mean, err = t.each("mean", c.Mean, 0); err != nil {
		return nil, err
	}
	if t.std, err = t.each("std", c.Std, 1); err != nil {
		return nil, err
	}
	for _, s := range t.std[:t.channels] {
		if s <= 0 {
			return nil, errors.New("std is not above 0")
		}
	}
	return t, nil
}

// each gives a number for each channel.
func (t *Transform) each(name string, list []float64, none float64) (out [3]float64, err error) {
	for i := range t.channels {
		switch len(list) {
		case 0:
			out[i] = none
		case 1:
			out[i] = list[0]
		case t.channels:
			out[i] = list[i]
		default:
			return out, fmt.Errorf("%s has %d numbers: want one, or %d", name, len(list), t.channels)
		}
		if math.IsNaN(out[i]) || math.IsInf(out[i], 0) {
			return out, fmt.Errorf("%s is not a number", name)
		}
	}
	return out, nil
}

// Shape is that of one picture, without the axis of a batch.
func (t *Transform) Shape() []int64 {
	h, w, c := int64(t.c.Height), int64(t.c.Width), int64(t.channels)
	if t.c.Layout == NHWC {
		return []int64{h, w, c}
	}
	return []int64{c, h, w}
}

// Append turns a file into numbers and appends them, row-major in the order of Shape. The error says what is wrong with
// the file, and repeats nothing of it.
func (t *Transform) Append(dst []float32, file []byte) ([]float32, error) {
	img, err := t.decode(file)
	if err != nil {
		return dst, err
	}
	values := t.resize(newRows(img, t.c.Channels == Gray))
	at := len(dst)
	dst = append(dst, make([]float32, len(values))...)
	out := dst[at:]
	plane := t.c.Height * t.c.Width
	for p := range plane {
		for k := range t.channels {
			from := k
			if t.c.Channels == BGR {
				from = 2 - k
			}
			v := float32((values[p*t.channels+from]*t.c.Scale - t.mean[k]) / t.std[k])
			if t.c.Layout == NHWC {
				out[p*t.channels+k] = v
			} else {
				out[k*plane+p] = v
			}
		}
	}
	return dst, nil
}
