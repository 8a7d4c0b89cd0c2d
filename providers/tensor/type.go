package tensor

import "fmt"

// Type is the type of a tensor's elements.
type Type uint8

// The types.
const (
	Invalid Type = iota
	Bool
	Int8
	Int16
	Int32
	Int64
	Uint8
	Uint16
	Uint32
	Uint64
	Float16
	BFloat16
	Float32
	Float64
	// String is bytes of any length, text or not.
	String
)

// The names are those of the Open Inference Protocol.
var types = [...]struct {
	name string
	size int
}{
	Invalid: {"INVALID", 0}, Bool: {"BOOL", 1},
	Int8: {"INT8", 1}, Int16: {"INT16", 2}, Int32: {"INT32", 4}, Int64: {"INT64", 8},
	Uint8: {"UINT8", 1}, Uint16: {"UINT16", 2}, Uint32: {"UINT32", 4}, Uint64: {"UINT64", 8},
	Float16: {"FP16", 2}, BFloat16: {"BF16", 2}, Float32: {"FP32", 4}, Float64: {"FP64", 8},
	String: {"BYTES", 0},
}

// Valid says whether it is one of the types.
func (t Type) Valid() bool { return t > Invalid && int(t) < len(types) }

// Numeric says whether the elements are numbers.
func (t Type) Numeric() bool { return t >= Int8 && t <= Float64 }

// Whole says whether the elements are whole numbers.
func (t Type) Whole() bool { return t >= Int8 && t <= Uint64 }

// Size is that of an element in bytes; 0 for String, whose elements have sizes of their own.
func (t Type) Size() int {
	if !t.Valid() {
		return 0
	}
	return types[t].size
}

// String gives the name, such as "FP32".
func (t Type) String() string {
	if !t.Valid() {
		return types[Invalid].name
	}
	return types[t].name
}

// ParseType reads a name such as "FP32".
func ParseType(name string) (Type, error) {
	for i, t := range types {
		if t.name == name && i != int(Invalid) {
			return Type(i), nil
		}
	}
	return Invalid, fmt.Errorf("reading the type of a tensor: %q is none", name)
}
