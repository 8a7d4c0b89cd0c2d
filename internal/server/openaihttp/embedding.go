package openaihttp

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"net/http"
	"strconv"

	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/orchestrator"
)

// maxInputs is the most texts in one request for embeddings.
const maxInputs = 2048

// embedCall is a decoded POST /v1/embeddings.
type embedCall struct {
	orchestrator.EmbedRequest
	Base64 bool
}

// decodeEmbed reads a request for embeddings. The error is a *wireError. Fields that are not known are left
// out: none of the dialect's others changes a vector.
func decodeEmbed(body []byte) (*embedCall, error) {
	r := newReader(body)
	var call embedCall
	hasInput := false
	seen := make(map[string]bool, 4)
	r.object(func(name string) {
		if seen[name] {
			r.fail("given twice")
			return
		}
		seen[name] = true
		if r.null() {
			return
		}
		switch name {
		case "model":
			call.Model = r.text()
		case "input":
			hasInput = true
			call.Texts = r.inputs()
		case "dimensions":
			call.Dimensions = int(r.integer(1, 1<<16))
		case "encoding_format":
			switch r.text() {
			case "float":
			case "base64":
				call.Base64 = true
			default:
				r.fail("expected float or base64")
			}
		}
	})
	r.end()
	switch {
	case r.err != nil:
	case call.Model == "":
		r.failAt("model", "required: auto or a target's name")
	case !hasInput:
		r.failAt("input", "required")
	}
	if r.err != nil {
		return nil, r.err
	}
	return &call, nil
}

// inputs reads a text or a list of texts.
func (r *reader) inputs() []string {
	var texts []string
	switch c := r.peek(); c {
	case '"':
		texts = []string{r.text()}
	case '[':
		r.list(func(i int) {
			switch c := r.peek(); {
			case i >= maxInputs:
				r.fail("expected %d texts at most", maxInputs)
			case isNumber(c), c == '[':
				r.refuse("tokens are not supported: a token means another word to every model; send text")
			default:
				texts = append(texts, r.text())
			}
		})
	default:
		r.wrongType(c, "a string or a list of strings")
		return nil
	}
	if r.err == nil && len(texts) == 0 {
		r.fail("expected one text at least")
	}
	for _, t := range texts {
		if t == "" {
			r.fail("a text is empty")
			break
		}
	}
	return texts
}

// appendEmbeddings writes the answer.
func appendEmbeddings(b []byte, e *orchestrator.Embedded, asBase64 bool) ([]byte, error) {
	b = append(b, `{"object":"list","data":[`...)
	var bytes, encoded []byte
	for i, vector := range e.Vectors {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"object":"embedding","index":`...)
		b = strconv.AppendInt(b, int64(i), 10)
		b = append(b, `,"embedding":`...)
		bytes = bytes[:0]
		for j, v := range vector {
			if f := float64(v); math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, fault.New(fault.Unavailable, fault.ReasonUpstreamProtocol, "embedding with %s: the backend sent a vector with a value that is not a number", e.Target)
			}
			if asBase64 {
				bytes = binary.LittleEndian.AppendUint32(bytes, math.Float32bits(v))
				continue
			}
			if b = append(b, '['); j > 0 {
				b[len(b)-1] = ','
			}
			b = strconv.AppendFloat(b, float64(v), 'g', -1, 32)
		}
		if asBase64 {
			encoded = base64.StdEncoding.AppendEncode(encoded[:0], bytes)
			b = append(b, '"')
			b = append(b, encoded...)
			b = append(b, `"}`...)
			continue
		}
		if len(vector) == 0 {
			b = append(b, '[')
		}
		b = append(b, `]}`...)
	}
	b = append(b, `],"model":`...)
	b = appendText(b, e.Target)
	b = append(b, `,"usage":{"prompt_tokens":`...)
	b = strconv.AppendInt(b, e.Usage.Input, 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, e.Usage.Input+e.Usage.Output, 10)
	b = append(b, `},"fairlead":{"target":`...)
	b = appendText(b, e.Target)
	if e.Model != "" {
		b = append(b, `,"reported_model":`...)
		b = appendText(b, e.Model)
	}
	if e.CostKnown {
		b = append(b, `,"cost_usd":`...)
		b = append(b, dollars(e.Cost)...)
	}
	return append(b, `}}`...), nil
}

// embeddings serves POST /v1/embeddings.
func (h *handler) embeddings(w http.ResponseWriter, r *http.Request, p auth.Principal) error {
	body, err := h.readBody(w, r)
	if err != nil {
		return err
	}
	call, err := decodeEmbed(body)
	if err != nil {
		return err
	}
	if err := limits(r.Header, p, &call.Limits); err != nil {
		return err
	}
	e, err := h.Engine.Embed(r.Context(), p, call.EmbedRequest)
	if err != nil {
		return ended(r.Context(), err)
	}
	out, err := appendEmbeddings(nil, e, call.Base64)
	if err != nil {
		return err
	}
	w.Header().Set(headerTarget, e.Target)
	if e.CostKnown {
		w.Header().Set(headerCost, dollars(e.Cost))
	}
	w.Header().Set("Content-Type", "application/json")
	h.extend(http.NewResponseController(w))
	_, _ = w.Write(out) // the caller may be gone, and the work is done
	return nil
}
