package rpc

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"fairlead/internal/fault"
)

// maxDepth bounds how deeply messages are nested: a JSON value within a Struct takes two levels, so that
// 64 levels of JSON fit.
const maxDepth = 140

// connect reads a unary request before it calls interceptors, so an error that a codec returned would
// reach the caller without an ErrorInfo, and with whatever text the decoder chose, which quotes the request.
// The codecs therefore return nil and leave their verdict within the message, as an unknown field that
// begins with a secret of this process; the interceptor takes it out before anything else looks at the
// message.
const verdictField = protowire.MaxValidNumber

var verdictMark = func() []byte {
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // never fails, by its doc
	return append(protowire.AppendTag(nil, verdictField, protowire.BytesType), secret...)
}()

// leaveVerdict empties the message and leaves why it could not be read.
func leaveVerdict(m proto.Message, text string) {
	proto.Reset(m)
	m.ProtoReflect().SetUnknown(append(bytes.Clone(verdictMark), text...))
}

// takeVerdict gives why the message could not be read, or nil when it could.
func takeVerdict(message any) *fault.Error {
	m, ok := message.(proto.Message)
	if !ok {
		return nil
	}
	unknown := m.ProtoReflect().GetUnknown()
	if !bytes.HasPrefix(unknown, verdictMark) {
		return nil
	}
	return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, "reading the request: %s", unknown[len(verdictMark):])
}

var errNotProto = errors.New("not a protocol message")

// binaryCodec is connect's own with a limit on depth and errors of ours.
type binaryCodec struct{}

var (
	_ connect.Codec = binaryCodec{}
	_ connect.Codec = jsonCodec{}
)

// Name is the codec's name in content types.
func (binaryCodec) Name() string { return "proto" }

// IsBinary says that the output is not text.
func (binaryCodec) IsBinary() bool { return true }

// Marshal writes a message.
func (c binaryCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalAppend writes a message to the end of dst.
func (binaryCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, errNotProto
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, m)
}

// MarshalStable writes a message with its fields in order.
func (binaryCodec) MarshalStable(message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, errNotProto
	}
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// Unmarshal reads a message, or leaves the verdict in it.
func (binaryCodec) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return errNotProto
	}
	if err := (proto.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal(data, m); err != nil {
		leaveVerdict(m, binaryVerdict(err))
	}
	return nil
}

func binaryVerdict(err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "UTF-8"):
		return "a text of the message is not valid UTF-8"
	case strings.Contains(text, "recursion"):
		return "the message is nested too deeply"
	default:
		return "its bytes are not a message of this kind"
	}
}

// jsonCodec is the JSON form. Unlike connect's own it refuses unknown fields, since a misspelt one is a
// request that means something else.
type jsonCodec struct{ name string }

// Name is the codec's name in content types.
func (c jsonCodec) Name() string { return c.name }

// IsBinary says that the output is text.
func (jsonCodec) IsBinary() bool { return false }

// Marshal writes a message.
func (c jsonCodec) Marshal(message any) ([]byte, error) { return c.MarshalAppend(nil, message) }

// MarshalAppend writes a message to the end of dst.
func (jsonCodec) MarshalAppend(dst []byte, message any) ([]byte, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return nil, errNotProto
	}
	return protojson.MarshalOptions{}.MarshalAppend(dst, m)
}

// MarshalStable writes a message. protojson writes fields in order.
func (c jsonCodec) MarshalStable(message any) ([]byte, error) { return c.Marshal(message) }

// Unmarshal reads a message, or leaves the verdict in it.
func (jsonCodec) Unmarshal(data []byte, message any) error {
	m, ok := message.(proto.Message)
	if !ok {
		return errNotProto
	}
	if len(bytes.TrimSpace(data)) == 0 {
		leaveVerdict(m, "it is empty, where a JSON object is needed (\"{}\" at least)")
		return nil
	}
	if err := (protojson.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal(data, m); err != nil {
		leaveVerdict(m, jsonVerdict(err))
	}
	return nil
}

var (
	jsonPlace   = regexp.MustCompile(`\(line (\d+):(\d+)\)`)
	jsonUnknown = regexp.MustCompile(`unknown field "([A-Za-z_][A-Za-z0-9_]{0,63})"$`)
	jsonInvalid = regexp.MustCompile(`invalid value for (\w+) field (\w+): `)
)

// jsonVerdict says what protojson found, without the piece of the request that its own text quotes. A name
// of an unknown field is told when it is a plain word.
func jsonVerdict(err error) string {
	text, place := err.Error(), ""
	if m := jsonPlace.FindStringSubmatch(text); m != nil {
		place = fmt.Sprintf("line %s, column %s: ", m[1], m[2])
	}
	// The decoder's own words come right after the place, the quoted piece after them.
	words := text
	if at := jsonPlace.FindStringIndex(text); at != nil {
		words = text[at[1]:]
	}
	starts := func(s string) bool { return strings.HasPrefix(strings.TrimLeft(words, ": "), s) }
	switch {
	case starts("unknown field"):
		if m := jsonUnknown.FindStringSubmatch(words); m != nil {
			return fmt.Sprintf("%sthere is no field %q here", place, m[1])
		}
		return place + "there is no field of this name here"
	case starts("invalid value for"):
		if m := jsonInvalid.FindStringSubmatch(words); m != nil {
			if m[1] == "bytes" {
				m[1] += ", which is written in base64"
			}
			return fmt.Sprintf("%sfield %q does not take such a value: it is of the type %s", place, m[2], m[1])
		}
		return place + "a field does not take such a value"
	case starts("duplicate field"):
		return place + "a field is there twice"
	case starts("error parsing"):
		return place + "two fields exclude each other"
	case starts("invalid UTF-8"):
		return place + "a text is not valid UTF-8"
	case place == "" && strings.Contains(words, "exceeded max recursion depth"):
		return "its JSON is nested too deeply"
	case place == "" && strings.Contains(words, "unexpected EOF"):
		return "its JSON ends too early"
	case starts("invalid google.protobuf."), starts("google.protobuf."):
		return place + "a value is not of the form that its field needs"
	default:
		return place + "it is not the JSON of a request of this kind"
	}
}
