package openinference

import (
	"fmt"
	"testing"

	"fairlead/providers/tensor"
)

// BenchmarkRead is the time for an answer of 100,000 FP32, in each form.
func BenchmarkRead(b *testing.B) {
	const n = 100_000
	one := tensor.Tensor{Name: "a", Type: tensor.Float32, Shape: []int64{n}, Data: make([]byte, 4*n)}
	for i := range one.Data {
		one.Data[i] = byte(i * 7 & 0x3f)
	}
	header := fmt.Sprintf(`{"outputs":[{"name":"a","datatype":"FP32","shape":[%d],"parameters":{"binary_data_size":%d}}]}`, n, len(one.Data))
	for name, read := range map[string]func() error{
		"grpc": func() func() error {
			m := response([][]byte{output("a", "FP32", nil, n)}, one.Data)
			return func() error { _, err := readInfer(m, tensor.Limits{}); return err }
		}(),
		"rest binary": func() func() error {
			body := append([]byte(header), one.Data...)
			return func() error { _, err := readREST(body, int64(len(header)), tensor.Limits{}); return err }
		}(),
		"rest json": func() func() error {
			body := fmt.Appendf(nil, `{"outputs":[{"name":"a","datatype":"FP32","shape":[%d],"data":%s}]}`, n, elementsJSON(one, false))
			return func() error { _, err := readREST(body, -1, tensor.Limits{}); return err }
		}(),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
