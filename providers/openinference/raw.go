package openinference

import (
	"fmt"
	"strconv"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// malformed is what is wrong with an answer, in words that hold nothing of it but sizes.
type malformed struct {
	kind providers.Kind
	text string
}

func (m *malformed) Error() string { return m.text }

func broken(format string, args ...any) error {
	return &malformed{providers.KindProtocol, fmt.Sprintf(format, args...)}
}

func beyond(format string, args ...any) error {
	return &malformed{providers.KindOverrun, fmt.Sprintf(format, args...)}
}

// budget is what an answer may still take of its limits.
type budget struct {
	tensor.Limits
	used int64
}

// shape checks the type and shape of output i, before memory is taken for it, and gives its elements and bytes.
func (b *budget) shape(i int, t tensor.Type, shape []int64) (elements, bytes int64, err error) {
	elements, bytes, err = b.Check(t, shape)
	if err != nil {
		return 0, 0, beyond("output %d: %v", i, err)
	}
	return elements, bytes, b.take(bytes)
}

// take counts bytes of tensors.
func (b *budget) take(n int64) error {
	if b.used += n; b.used > b.Bytes {
		return beyond("its outputs have more than %d bytes, the limit", b.Bytes)
	}
	return nil
}

// raw makes output i of raw elements, of which it keeps the memory.
func (b *budget) raw(i int, out *tensor.Tensor, data []byte) error {
	return b.parse(i, out, len(data), func(name string) (tensor.Tensor, error) {
		return tensor.ParseRaw(name, out.Type, out.Shape, data[:len(data):len(data)], b.Limits)
	})
}

// json makes output i of its "data", flat or nested as its shape is.
func (b *budget) json(i int, out *tensor.Tensor, data []byte) error {
	if out.Type == tensor.Float16 || out.Type == tensor.BFloat16 {
		return broken("output %d: %s can only come as binary data", i, out.Type)
	}
	return b.parse(i, out, len(data), func(name string) (tensor.Tensor, error) {
		return tensor.ParseJSON(name, out.Type, out.Shape, data, tensor.JSON{Limits: b.Limits, Finite: true})
	})
}

// parse makes output i with a way of reading it, which comes after its shape was found to be within the limits. Errors
// call it by its number: its name is the server's.
func (b *budget) parse(i int, out *tensor.Tensor, size int, read func(name string) (tensor.Tensor, error)) error {
	if _, _, err := b.shape(i, out.Type, out.Shape); err != nil {
		return err
	}
	if out.Type == tensor.String {
		if err := b.take(int64(size)); err != nil {
			return err
		}
	}
	parsed, err := read(strconv.Itoa(i))
	if err != nil {
		return broken("its outputs: %v", err)
	}
	parsed.Name = out.Name
	*out = parsed
	return nil
}

// rawOf gives the elements of a tensor as raw bytes: those of a numeric one are its own.
func rawOf(t *tensor.Tensor) ([]byte, error) {
	if t.Type != tensor.String {
		return t.Data, nil
	}
	return t.AppendRaw(nil)
}
