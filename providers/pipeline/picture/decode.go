package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"golang.org/x/image/webp"
)

const (
	// MaxBytes is the most bytes of a file.
	MaxBytes = 32 << 20
	// maxSide is the most pixels of a side.
	maxSide = 1 << 15
	// defaultPixels is the most pixels, where nothing else is said.
	defaultPixels = 40_000_000
	// maxScans is the most scans of a JPEG: each makes the decoder go over all pixels, and a few bytes are a scan.
	// Encoders write about ten.
	maxScans = 64
)

// decode checks a file and decodes it. Nothing is made room for before the header was checked.
func (t *Transform) decode(file []byte) (image.Image, error) {
	if len(file) > MaxBytes {
		return nil, fmt.Errorf("it has %d bytes, the limit is %d", len(file), MaxBytes)
	}
	config, whole, err := decoders(file)
	if err != nil {
		return nil, err
	}
	c, err := config(bytes.NewReader(file))
	switch {
	case err != nil:
		return nil, errors.New("it is broken or cut short")
	case c.Width < 1 || c.Height < 1:
		return nil, errors.New("it has no pixels")
	case c.Width > maxSide || c.Height > maxSide:
		return nil, fmt.Errorf("it has a side of %d pixels, the limit is %d", max(c.Width, c.Height), maxSide)
	case int64(c.Width)*int64(c.Height) > t.c.MaxPixels:
		return nil, fmt.Errorf("it has %d x %d pixels, the limit is %d", c.Width, c.Height, t.c.MaxPixels)
	}
	img, err := whole(bytes.NewReader(file))
	if err != nil {
		return nil, errors.New("it is broken or cut short")
	}
	if b := img.Bounds(); b.Dx() != c.Width || b.Dy() != c.Height {
		return nil, errors.New("it has other sides than its header says")
	}
	return img, nil
}

type (
	configDecoder func(*bytes.Reader) (image.Config, error)
	imageDecoder  func(*bytes.Reader) (image.Image, error)
)

// decoders gives what reads a file, by its first bytes.
func decoders(file []byte) (configDecoder, imageDecoder, error) {
	switch {
	case bytes.HasPrefix(file, []byte("\xff\xd8\xff")):
		// FF DA begins a scan, and stands nowhere within one.
		if bytes.Count(file, []byte{0xff, 0xda}) > maxScans {
			return nil, nil, fmt.Errorf("it has more than %d scans", maxScans)
		}
		return func(r *bytes.Reader) (image.Config, error) { return jpeg.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return jpeg.Decode(r) }, nil
	case bytes.HasPrefix(file, []byte("\x89PNG\r\n\x1a\n")):
		// The chunk that makes an animation stands before the first pixel data.
		if before, _, ok := bytes.Cut(file, []byte("IDAT")); ok && bytes.Contains(before, []byte("acTL")) {
			return nil, nil, errors.New("it is an animation")
		}
		return func(r *bytes.Reader) (image.Config, error) { return png.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return png.Decode(r) }, nil
	case len(file) > 20 && string(file[:4]) == "RIFF" && string(file[8:12]) == "WEBP":
		if string(file[12:16]) == "VP8X" && file[20]&2 != 0 {
			return nil, nil, errors.New("it is an animation")
		}
		return func(r *bytes.Reader) (image.Config, error) { return webp.DecodeConfig(r) },
			func(r *bytes.Reader) (image.Image, error) { return webp.Decode(r) }, nil
	}
	return nil, nil, errors.New("it is neither JPEG nor PNG nor WebP")
}
