package openinference

import (
	"strconv"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
	"fairlead/providers/tensor"
)

// restRequest is the body of a request. header is the length of its JSON; what follows it is binary data.
func restRequest(backend string, req *providers.PredictRequest, withBinary bool) (body []byte, header int, err error) {
	size := 256
	for i := range req.Inputs {
		size += 128
		if withBinary {
			size += int(sizeOf(&req.Inputs[i]))
		}
	}
	b := append(make([]byte, 0, size), `{"inputs":[`...)
	for i := range req.Inputs {
		in := &req.Inputs[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"name":`...)
		b = appendText(b, in.Name)
		b = append(b, `,"shape":[`...)
		for d, n := range in.Shape {
			if d > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, n, 10)
		}
		b = append(b, `],"datatype":"`...)
		b = append(b, in.Type.String()...)
		if withBinary {
			b = append(b, `","parameters":{"binary_data_size":`...)
			n := int64(len(in.Data))
			if in.Type == tensor.String {
				n = sizeOf(in)
			}
			b = append(strconv.AppendInt(b, n, 10), `}}`...)
			continue
		}
		if in.Type == tensor.Float16 || in.Type == tensor.BFloat16 {
			return nil, 0, fail(backend, providers.KindUnsupported, req.Model, "input %q: %s can only be sent as binary data, which the server does not take", in.Name, in.Type)
		}
		b = append(b, `","data":`...)
		if b, err = in.AppendJSON(b, tensor.JSON{Flat: true, Finite: true}); err != nil {
			return nil, 0, fail(backend, providers.KindInvalid, req.Model, "%v; the server takes no binary data", err)
		}
		b = append(b, '}')
	}
	b = append(b, ']')
	for i, name := range req.Outputs {
		b = append(b, map[bool]string{true: `,"outputs":[{"name":`, false: `,{"name":`}[i == 0]...)
		b = appendText(b, name)
		if withBinary {
			b = append(b, `,"parameters":{"binary_data":true}`...)
		}
		b = append(b, '}')
	}
	switch {
	case len(req.Outputs) > 0:
		b = append(b, ']')
	case withBinary:
		b = append(b, `,"parameters":{"binary_data_output":true}`...)
	}
	b = append(b, '}')
	header = len(b)
	if withBinary {
		for i := range req.Inputs {
			if b, err = req.Inputs[i].AppendRaw(b); err != nil {
				return nil, 0, fail(backend, providers.KindInvalid, req.Model, "%v", err)
			}
		}
	}
	return b, header, nil
}

// appendText adds a string that is known to be UTF-8, or whose bytes that are not become U+FFFD.
func appendText(b []byte, s string) []byte {
	text, err := wire.Marshal(s)
	if err != nil {
		return append(b, `""`...) // a string always marshals
	}
	return append(b, text...)
}

// outputSpans is where the parts of an output stand in the JSON of an answer.
type outputSpans struct {
	data []byte
	size int64 // of its binary data; -1: it has none
}

// readREST reads an answer. header is the length of its JSON, of which the rest is binary data; -1: it is all JSON.
// The outputs may keep the body's memory.
func readREST(body []byte, header int64, limits tensor.Limits) (*providers.Prediction, error) {
	b := budget{Limits: limits.WithDefaults()}
	var rest []byte
	if header >= 0 {
		if header > int64(len(body)) {
			return nil, broken("its header says that %d bytes are JSON, and %d came", header, len(body))
		}
		body, rest = body[:header], body[header:]
	}
	p := &providers.Prediction{}
	var spans []outputSpans
	var err error
	seen := 0
	s := scan{b: body}
	ok := s.members(func(key []byte) bool {
		var good bool
		switch string(key) {
		case "model_name":
			p.Model, good = s.shortText()
		case "model_version":
			p.Version, good = s.shortText()
		case "outputs":
			if seen++; seen > 1 {
				return false
			}
			good = s.items(func() bool {
				if len(p.Outputs) == b.Tensors {
					err = beyond("it has more than %d outputs, the limit", b.Tensors)
					return false
				}
				var out tensor.Tensor
				var span outputSpans
				if out, span, err = s.output(len(p.Outputs), b.Limits); err != nil {
					return false
				}
				p.Outputs, spans = append(p.Outputs, out), append(spans, span)
				return true
			})
		default:
			_, good = s.skip()
		}
		return good
	})
	switch {
	case err != nil:
		return nil, err
	case !ok || !s.end():
		return nil, broken("its answer is not the JSON that was expected")
	case seen == 0:
		return nil, broken("its answer has no outputs")
	}
	for i := range p.Outputs {
		if spans[i].size < 0 {
			err = b.json(i, &p.Outputs[i], spans[i].data)
		} else if size := spans[i].size; size > int64(len(rest)) {
			err = broken("output %d has %d bytes of binary data, and %d are left", i, size, len(rest))
		} else {
			err = b.raw(i, &p.Outputs[i], rest[:size])
			rest = rest[size:]
		}
		if err != nil {
			return nil, err
		}
	}
	if len(rest) > 0 {
		return nil, broken("%d bytes of binary data are of no output", len(rest))
	}
	return p, nil
}

// shortText takes a name, or null.
func (s *scan) shortText() (string, bool) {
	if s.word("null") {
		return "", true
	}
	raw, ok := s.quoted()
	if !ok || len(raw) > maxName {
		return "", false
	}
	text, ok := unquote(raw)
	return string(text), ok
}

// output takes an output but for its data.
func (s *scan) output(i int, l tensor.Limits) (out tensor.Tensor, span outputSpans, err error) {
	span.size = -1
	var hasShape bool
	var typeName string
	ok := s.members(func(key []byte) bool {
		var good bool
		switch string(key) {
		case "name":
			out.Name, good = s.shortText()
		case "datatype":
			typeName, good = s.shortText()
		case "shape":
			if hasShape {
				return false
			}
			hasShape, out.Shape = true, []int64{} // nil would be an unknown one
			good = s.items(func() bool {
				raw, ok := s.number()
				if !ok || len(out.Shape) == l.Rank {
					return false
				}
				d, err := strconv.ParseInt(string(raw), 10, 64)
				out.Shape = append(out.Shape, d)
				return err == nil
			})
		case "data":
			if span.data != nil {
				return false
			}
			span.data, good = s.skip()
		case "parameters":
			good = s.parameters(&span)
		default:
			_, good = s.skip()
		}
		return good
	})
	switch {
	case !ok:
		return out, span, broken("output %d is not as the protocol has it", i)
	case out.Name == "" || !hasShape:
		return out, span, broken("output %d has no name or no shape", i)
	case span.size >= 0 && span.data != nil:
		return out, span, broken("output %d has data and binary data", i)
	}
	if out.Type, err = tensor.ParseType(typeName); err != nil {
		return out, span, broken("output %d has a type that the protocol does not know", i)
	}
	return out, span, nil
}

// parameters takes those of an output.
func (s *scan) parameters(span *outputSpans) bool {
	if s.word("null") {
		return true
	}
	return s.members(func(key []byte) bool {
		if string(key) != "binary_data_size" {
			_, ok := s.skip()
			return ok
		}
		raw, ok := s.number()
		if !ok || span.size >= 0 {
			return false
		}
		n, err := strconv.ParseInt(string(raw), 10, 64)
		span.size = n
		return err == nil && n >= 0
	})
}
