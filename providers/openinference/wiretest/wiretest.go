// Package wiretest holds the adapter's messages against those that others generated from the protocol's own description. It
// owns the captures in testdata/wire of the adapter, and the way both sides fill and compare messages. It refuses to import
// either side: both register the same names, so that no program can hold both.
package wiretest

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// update writes the captures of the messages that are generated here.
var update = flag.Bool("update-wire", false, "write the captures of messages")

// Shared are the messages that both sides know.
func Shared() []protoreflect.FullName {
	return []protoreflect.FullName{
		"inference.ServerLiveRequest", "inference.ServerLiveResponse", "inference.ServerReadyRequest", "inference.ServerReadyResponse",
		"inference.ModelReadyRequest", "inference.ModelReadyResponse", "inference.ServerMetadataRequest", "inference.ServerMetadataResponse",
		"inference.ModelMetadataRequest", "inference.ModelMetadataResponse", "inference.InferParameter", "inference.InferTensorContents",
		"inference.ModelInferRequest", "inference.ModelInferResponse",
	}
}

// Check holds the program's own messages to the captures in dir: filled, they have the same bytes; read from those bytes,
// they have all of their fields, by the same names and with the same values; and written again, the same bytes.
func Check(t *testing.T, dir string) {
	t.Helper()
	for _, name := range Shared() {
		kind, err := protoregistry.GlobalTypes.FindMessageByName(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		filled := kind.New()
		fill(filled, new(int), 0)
		file := filepath.Join(dir, string(name.Name()))
		wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(filled.Interface())
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			text, _ := protojson.MarshalOptions{Multiline: true, UseProtoNames: true}.Marshal(filled.Interface())
			if err := errorOf(os.WriteFile(file+".binpb", wire, 0o600), os.WriteFile(file+".json", append(text, '\n'), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		captured, err := os.ReadFile(file + ".binpb")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(wire, captured) {
			t.Errorf("%s: %d bytes that differ from the capture's %d", name, len(wire), len(captured))
		}
		read := kind.New()
		if err := proto.Unmarshal(captured, read.Interface()); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := known(read); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if again, err := (proto.MarshalOptions{Deterministic: true}).Marshal(read.Interface()); err != nil || !bytes.Equal(again, captured) {
			t.Errorf("%s: read and written, it differs: %v", name, err)
		}
		text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(read.Interface())
		if err != nil {
			t.Fatal(err)
		}
		if err := sameJSON(file+".json", text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func sameJSON(file string, text []byte) error {
	captured, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var want, got any
	if err := errorOf(json.Unmarshal(captured, &want), json.Unmarshal(text, &got)); err != nil {
		return err
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("it says %s", text)
	}
	return nil
}

// known fails where a field of a message is not known.
func known(m protoreflect.Message) (err error) {
	if n := len(m.GetUnknown()); n > 0 {
		return fmt.Errorf("%s has %d bytes that are not known", m.Descriptor().FullName(), n)
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				err = known(v.Message())
				return err == nil
			})
		case f.IsList() && f.Message() != nil:
			for i := 0; i < v.List().Len() && err == nil; i++ {
				err = known(v.List().Get(i).Message())
			}
		case f.Message() != nil:
			err = known(v.Message())
		}
		return err == nil
	})
	return err
}

// fill gives each field a value of its own, by the order of the fields' numbers; of a oneof the last.
func fill(m protoreflect.Message, n *int, depth int) {
	all := m.Descriptor().Fields()
	fields := make([]protoreflect.FieldDescriptor, all.Len())
	for i := range fields {
		fields[i] = all.Get(i)
	}
	slices.SortFunc(fields, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number()) - int(b.Number()) })
	for _, f := range fields {
		switch {
		case f.IsMap():
			for i := range 3 {
				value := m.NewField(f).Map().NewValue()
				one := value.Message()
				choice := one.Descriptor().Fields().Get(i)
				one.Set(choice, scalar(choice, n))
				m.Mutable(f).Map().Set(protoreflect.ValueOfString(fmt.Sprintf("key%d", i)).MapKey(), value)
			}
		case f.IsList() && f.Message() != nil:
			for range 2 {
				fill(m.Mutable(f).List().AppendMutable().Message(), n, depth+1)
			}
		case f.IsList():
			for range 3 {
				m.Mutable(f).List().Append(scalar(f, n))
			}
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), n, depth+1)
		default:
			m.Set(f, scalar(f, n))
		}
	}
}

func scalar(f protoreflect.FieldDescriptor, n *int) protoreflect.Value {
	*n++
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(-*n))
	case protoreflect.Int64Kind:
		return protoreflect.ValueOfInt64(int64(-*n) << 33)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(*n) << 24)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(*n) << 56)
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(*n) / 3)
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(*n) / 3)
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(fmt.Sprintf("text %d é", *n))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{0, 0xff, byte(*n)})
	default:
		panic("a kind of field that the protocol does not have: " + f.Kind().String())
	}
}
