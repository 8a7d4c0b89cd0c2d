package tfserving

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"fairlead/providers"
	"fairlead/providers/tensor"
)

// spec names a model, a version of it and a signature.
type spec struct {
	model, version, signature string
}

// isNumber says whether a version is a number and not a label.
func isNumber(version string) bool {
	_, err := strconv.ParseUint(version, 10, 63)
	return err == nil
}

// The encoding is by hand because a tensor's bytes then are copied once, and because it costs nothing where the decoding is by hand.

// appendSpec writes a ModelSpec as a field.
func appendSpec(b []byte, field protowire.Number, s spec) []byte {
	var m []byte
	m = appendText(m, 1, s.model)
	if n, err := strconv.ParseUint(s.version, 10, 63); err == nil {
		version := protowire.AppendTag(nil, 1, protowire.VarintType)
		version = protowire.AppendVarint(version, n)
		m = protowire.AppendTag(m, 2, protowire.BytesType)
		m = protowire.AppendBytes(m, version)
	}
	m = appendText(m, 3, s.signature)
	if s.version != "" && !isNumber(s.version) {
		m = appendText(m, 4, s.version)
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendBytes(b, m)
}

// appendText writes a string field that is not empty.
func appendText(b []byte, field protowire.Number, text string) []byte {
	if text == "" {
		return b
	}
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendString(b, text)
}

// encodePredict writes a PredictRequest. The tensors have been checked.
func encodePredict(s spec, req *providers.PredictRequest) []byte {
	size := 256 + len(s.model) + len(s.version) + len(s.signature)
	for i := range req.Inputs {
		size += 2*16 + len(req.Inputs[i].Name) + tensorSize(&req.Inputs[i])
	}
	for _, name := range req.Outputs {
		size += 8 + len(name)
	}
	b := appendSpec(make([]byte, 0, size), 1, s)
	for i := range req.Inputs {
		t := &req.Inputs[i]
		n := tensorSize(t)
		entry := protowire.SizeTag(1) + protowire.SizeBytes(len(t.Name)) + protowire.SizeTag(2) + protowire.SizeBytes(n)
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(entry))
		b = protowire.AppendTag(b, 1, protowire.BytesType)
		b = protowire.AppendString(b, t.Name)
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(n))
		b = appendTensor(b, t)
	}
	for _, name := range req.Outputs {
		b = protowire.AppendTag(b, 3, protowire.BytesType)
		b = protowire.AppendString(b, name)
	}
	return b
}

// shapeSize is the size of a TensorShapeProto.
func shapeSize(shape []int64) (size int) {
	for _, d := range shape {
		size += protowire.SizeTag(2) + protowire.SizeBytes(dimSize(d))
	}
	return size
}

// dimSize is the size of a dimension; one of 0 is written as nothing.
func dimSize(d int64) int {
	if d == 0 {
		return 0
	}
	return protowire.SizeTag(1) + protowire.SizeVarint(uint64(d))
}

// tensorSize is the size of a TensorProto as appendTensor writes it.
func tensorSize(t *tensor.Tensor) int {
	size := protowire.SizeTag(1) + protowire.SizeVarint(uint64(layouts[t.Type].data))
	size += protowire.SizeTag(2) + protowire.SizeBytes(shapeSize(t.Shape))
	for _, s := range t.Strings {
		size += protowire.SizeTag(8) + protowire.SizeBytes(len(s))
	}
	if len(t.Data) > 0 {
		size += protowire.SizeTag(4) + protowire.SizeBytes(len(t.Data))
	}
	return size
}

// appendTensor writes a TensorProto: texts as string_val, all else as tensor_content.
func appendTensor(b []byte, t *tensor.Tensor) []byte {
	b = protowire.AppendTag(b, 1, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(layouts[t.Type].data))
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(shapeSize(t.Shape)))
	for _, d := range t.Shape {
		b = protowire.AppendTag(b, 2, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(dimSize(d)))
		if d != 0 {
			b = protowire.AppendTag(b, 1, protowire.VarintType)
			b = protowire.AppendVarint(b, uint64(d))
		}
	}
	for _, s := range t.Strings {
		b = protowire.AppendTag(b, 8, protowire.BytesType)
		b = protowire.AppendBytes(b, s)
	}
	if len(t.Data) > 0 {
		b = protowire.AppendTag(b, 4, protowire.BytesType)
		b = protowire.AppendBytes(b, t.Data)
	}
	return b
}
