package rpc

import (
	"encoding/json"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
	"fairlead/providers"
)

// invalid is the fault of a request that the API's rules let through and that still makes no sense.
func invalid(field, format string, args ...any) *fault.Error {
	return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "checking the request: "+field+": "+format, args...)
}

// fields gives a Struct as what JSON knows. Infinities and NaN, which the binary form can carry, are
// refused: nothing behind us could write them down.
func fields(field string, s *structpb.Struct) (map[string]any, error) {
	if s == nil {
		return nil, nil
	}
	out := make(map[string]any, len(s.GetFields()))
	for name, v := range s.GetFields() {
		value, err := plain(field, v)
		if err != nil {
			return nil, err
		}
		out[name] = value
	}
	return out, nil
}

// plain gives a Value as what JSON knows. The codecs have bounded its depth.
func plain(field string, v *structpb.Value) (any, error) {
	switch kind := v.GetKind().(type) {
	case *structpb.Value_NullValue:
		return nil, nil
	case *structpb.Value_NumberValue:
		if math.IsNaN(kind.NumberValue) || math.IsInf(kind.NumberValue, 0) {
			return nil, invalid(field, "it holds a number that is not finite")
		}
		return kind.NumberValue, nil
	case *structpb.Value_StringValue:
		return kind.StringValue, nil
	case *structpb.Value_BoolValue:
		return kind.BoolValue, nil
	case *structpb.Value_StructValue:
		return fields(field, kind.StructValue)
	case *structpb.Value_ListValue:
		list := make([]any, 0, len(kind.ListValue.GetValues()))
		for _, element := range kind.ListValue.GetValues() {
			value, err := plain(field, element)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	default:
		return nil, invalid(field, "it holds a value without a kind")
	}
}

// structMessage gives a map of what JSON knows as a Struct. What JSON does not know is left out.
func structMessage(m map[string]any) *structpb.Struct {
	if m == nil {
		return nil
	}
	out := &structpb.Struct{Fields: make(map[string]*structpb.Value, len(m))}
	for name, v := range m {
		if value := valueMessage(v); value != nil {
			out.Fields[validText(name)] = value
		}
	}
	return out
}

func valueMessage(v any) *structpb.Value {
	switch v := v.(type) {
	case nil:
		return structpb.NewNullValue()
	case bool:
		return structpb.NewBoolValue(v)
	case string:
		return structpb.NewStringValue(validText(v))
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return structpb.NewNumberValue(v)
	case int:
		return structpb.NewNumberValue(float64(v))
	case int64:
		return structpb.NewNumberValue(float64(v))
	case map[string]any:
		return structpb.NewStructValue(structMessage(v))
	case []any:
		return listMessage(v)
	case []string:
		return listMessage(v)
	case []map[string]any:
		return listMessage(v)
	default: // a named type: the way through JSON knows them all
		text, err := json.Marshal(v)
		if err != nil {
			return nil
		}
		out := &structpb.Value{}
		if out.UnmarshalJSON(text) != nil {
			return nil
		}
		return out
	}
}

func listMessage[T any](list []T) *structpb.Value {
	out := &structpb.ListValue{Values: make([]*structpb.Value, 0, len(list))}
	for _, v := range list {
		if value := valueMessage(v); value != nil {
			out.Values = append(out.Values, value)
		}
	}
	return structpb.NewListValue(out)
}

// validText gives s, or s with what is not UTF-8 replaced: a message with such a text could not be sent.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func validTexts(list []string) []string {
	for i, s := range list {
		if !utf8.ValidString(s) {
			fixed := append([]string(nil), list...)
			for j := i; j < len(fixed); j++ {
				fixed[j] = validText(fixed[j])
			}
			return fixed
		}
	}
	return list
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// timeMessage gives a time, or nil for none.
func timeMessage(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func moneyMessage(m providers.Money) *pb.Money { return &pb.Money{NanoUsd: int64(m)} }

// clamp32 gives n as an int32 that does not wrap.
func clamp32(n int) int32 { return int32(max(math.MinInt32, min(math.MaxInt32, n))) }
