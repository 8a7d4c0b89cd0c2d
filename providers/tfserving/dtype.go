package tfserving

import (
	tensorflow "fairlead/gen/thirdparty/tensorflow"
	"fairlead/providers/tensor"
)

// valueKind says how the values of a type stand in a TensorProto.
type valueKind uint8

const (
	noValues valueKind = iota
	fixedValues
	varintValues
	bytesValues
)

// layout is how one of our types is written.
type layout struct {
	data  tensorflow.DataType
	field int // of TensorProto
	kind  valueKind
}

var layouts = [...]layout{
	tensor.Bool:     {tensorflow.DataType_DT_BOOL, 11, varintValues},
	tensor.Int8:     {tensorflow.DataType_DT_INT8, 7, varintValues},
	tensor.Int16:    {tensorflow.DataType_DT_INT16, 7, varintValues},
	tensor.Int32:    {tensorflow.DataType_DT_INT32, 7, varintValues},
	tensor.Int64:    {tensorflow.DataType_DT_INT64, 10, varintValues},
	tensor.Uint8:    {tensorflow.DataType_DT_UINT8, 7, varintValues},
	tensor.Uint16:   {tensorflow.DataType_DT_UINT16, 7, varintValues},
	tensor.Uint32:   {tensorflow.DataType_DT_UINT32, 16, varintValues},
	tensor.Uint64:   {tensorflow.DataType_DT_UINT64, 17, varintValues},
	tensor.Float16:  {tensorflow.DataType_DT_HALF, 13, varintValues},
	tensor.BFloat16: {tensorflow.DataType_DT_BFLOAT16, 13, varintValues},
	tensor.Float32:  {tensorflow.DataType_DT_FLOAT, 5, fixedValues},
	tensor.Float64:  {tensorflow.DataType_DT_DOUBLE, 6, fixedValues},
	tensor.String:   {tensorflow.DataType_DT_STRING, 8, bytesValues},
}

// typeOf gives our type for TensorFlow's; tensor.Invalid where we have none.
func typeOf(data tensorflow.DataType) tensor.Type {
	for t, l := range layouts {
		if l.kind != noValues && l.data == data {
			return tensor.Type(t)
		}
	}
	return tensor.Invalid
}
