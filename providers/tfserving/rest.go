package tfserving

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// rest is the server's REST API.
type rest struct {
	cfg Config
	// calls is for answers of tensors, describing for those that describe.
	calls, describing wire.Client
}

// rawFactor is how many bytes package wire reads for each byte of wire.Client.MaxAnswer.
const rawFactor = 8

func newREST(cfg Config, at address, header http.Header) *rest {
	client := wire.Client{Backend: cfg.Name, Base: at.base, HTTP: httpClient(cfg), Header: header, MaxAnswer: max(cfg.MaxMessage/rawFactor, 1)}
	small := client
	small.MaxAnswer = min(describingMessage/rawFactor, client.MaxAnswer)
	return &rest{cfg: cfg, calls: client.WithDefaults(), describing: small.WithDefaults()}
}

// path gives the address of a model. Its names have been checked.
func path(model, version, end string) string {
	p := "v1/models/" + model
	switch {
	case isNumber(version):
		p += "/versions/" + version
	case version != "":
		p += "/labels/" + version
	}
	return p + end
}

// call makes one call and reads its answer.
func (r *rest) call(ctx context.Context, c *wire.Client, path, model string, body []byte) ([]byte, *wire.Call, *providers.Error) {
	if len(body) > r.cfg.MaxMessage {
		return nil, nil, r.fail(providers.KindInvalid, model, "the request has more bytes than one message may have")
	}
	call, e := c.Start(ctx, path, model, "application/json", body)
	if e != nil {
		return nil, nil, e
	}
	defer call.End()
	if status := call.Response.StatusCode; status != http.StatusOK {
		e := call.Refused()
		switch status {
		case http.StatusRequestEntityTooLarge:
			e.Kind, e.Detail = providers.KindInvalid, "the request has more bytes than the server takes"
		case http.StatusNotImplemented:
			e.Kind = providers.KindUnsupported
		case http.StatusPreconditionFailed:
			e.Detail = "the model or its version is not in a state to answer"
		}
		return nil, nil, e
	}
	if media := call.MediaType(); media != "application/json" && media != "" {
		return nil, nil, call.Fail(providers.KindProtocol, "its answer is not JSON: is the URL right?")
	}
	answer, err := io.ReadAll(call)
	if err != nil {
		return nil, nil, call.ReadError(err)
	}
	if e := call.Frame(); e != nil {
		return nil, nil, e
	}
	return answer, call, nil
}

func (r *rest) fail(kind providers.Kind, model, detail string) *providers.Error {
	return &providers.Error{Kind: kind, Backend: r.cfg.Name, Model: model, Detail: detail}
}

// unreadable is the error of an answer that could not be read. One whose end nobody promised may have been cut.
func (r *rest) unreadable(call *wire.Call, model string, err error) *providers.Error {
	if !call.Delimited() {
		return r.fail(providers.KindTruncated, model, "")
	}
	e := r.fail(providers.KindProtocol, model, "reading its answer: "+err.Error())
	e.Err = err
	return e
}

func (r *rest) predict(ctx context.Context, s spec, req *providers.PredictRequest, sig *providers.Signature) (*providers.Prediction, *providers.Error) {
	write := appendColumns
	if r.cfg.Rows {
		write = appendRows
	}
	body, err := write(nil, s.signature, req.Inputs)
	if err != nil {
		return nil, r.fail(providers.KindUnsupported, s.model, err.Error())
	}
	answer, call, e := r.call(ctx, &r.calls, path(s.model, s.version, ":predict"), s.model, body)
	if e != nil {
		return nil, e
	}
	outputs, err := decodeJSON(answer, sig.Outputs, r.cfg.Limits)
	if err != nil {
		return nil, r.unreadable(call, s.model, err)
	}
	return &providers.Prediction{Outputs: outputs, Model: s.model, Version: numbered(s.version)}, nil
}

// numbered gives a version that is a number: REST does not say where a label points.
func numbered(version string) string {
	if isNumber(version) {
		return version
	}
	return ""
}

func (r *rest) examples(ctx context.Context, s spec, method string, list []Example) (*exampleResults, *providers.Error) {
	answer, call, e := r.call(ctx, &r.calls, path(s.model, s.version, ":"+method), s.model, appendExamples(nil, s.signature, list))
	if e != nil {
		return nil, e
	}
	out := &exampleResults{model: s.model, version: numbered(s.version)}
	var err error
	if method == methodRegress {
		out.values, err = decodeValues(answer, len(list))
	} else {
		out.classes, err = decodeClasses(answer, len(list))
	}
	if err != nil {
		return nil, r.unreadable(call, s.model, err)
	}
	return out, nil
}

// modelInfo is how REST describes a tensor.
type modelInfo struct {
	Type  string `json:"dtype"`
	Shape *struct {
		Dim []struct {
			Size json.RawMessage `json:"size"`
		} `json:"dim"`
		Unknown bool `json:"unknown_rank"`
	} `json:"tensor_shape"`
}

func (r *rest) describe(ctx context.Context, model, version string) (*described, *providers.Error) {
	answer, call, e := r.call(ctx, &r.describing, path(model, version, "/metadata"), model, nil)
	if e != nil {
		return nil, e
	}
	var held struct {
		Spec struct {
			Name    string `json:"name"`
			Version string `json:"version"`
		} `json:"model_spec"`
		Metadata struct {
			Outer struct {
				Signatures map[string]struct {
					Inputs   map[string]modelInfo       `json:"inputs"`
					Outputs  map[string]modelInfo       `json:"outputs"`
					Method   string                     `json:"method_name"`
					Defaults map[string]json.RawMessage `json:"defaults"`
				} `json:"signature_def"`
			} `json:"signature_def"`
		} `json:"metadata"`
	}
	if json.Unmarshal(answer, &held) != nil || held.Metadata.Outer.Signatures == nil {
		return nil, r.unreadable(call, model, errWire)
	}
	signatures := map[string]*tensorflow.SignatureDef{}
	for name, s := range held.Metadata.Outer.Signatures {
		def := &tensorflow.SignatureDef{MethodName: s.Method, Defaults: map[string]*tensorflow.TensorProto{}}
		var err error
		if def.Inputs, err = infos(s.Inputs); err == nil {
			def.Outputs, err = infos(s.Outputs)
		}
		if err != nil {
			return nil, r.unreadable(call, model, err)
		}
		for input := range maps.Keys(s.Defaults) {
			def.Defaults[input] = nil
		}
		signatures[name] = def
	}
	number := ""
	if isNumber(held.Spec.Version) {
		number = held.Spec.Version
	}
	return describedBy(usedName(held.Spec.Name, model), number, signatures), nil
}

// infos gives what REST says of tensors as gRPC says it.
func infos(list map[string]modelInfo) (map[string]*tensorflow.TensorInfo, error) {
	out := make(map[string]*tensorflow.TensorInfo, len(list))
	for name, info := range list {
		t := &tensorflow.TensorInfo{Dtype: tensorflow.DataType(tensorflow.DataType_value[info.Type])}
		if info.Shape != nil {
			t.TensorShape = &tensorflow.TensorShapeProto{UnknownRank: info.Shape.Unknown}
			for _, d := range info.Shape.Dim {
				size, err := strconv.ParseInt(string(bytes.Trim(d.Size, `"`)), 10, 64) // JSON of protobuf has it as text
				if err != nil {
					return nil, errWire
				}
				t.TensorShape.Dim = append(t.TensorShape.Dim, &tensorflow.TensorShapeProto_Dim{Size: size})
			}
		}
		out[name] = t
	}
	return out, nil
}

func (r *rest) versions(ctx context.Context, model string) ([]providers.ModelVersion, *providers.Error) {
	answer, call, e := r.call(ctx, &r.describing, path(model, "", ""), model, nil)
	if e != nil {
		return nil, e
	}
	var held struct {
		Versions []struct {
			Version string `json:"version"`
			State   string `json:"state"`
			Status  struct {
				Code string `json:"error_code"`
			} `json:"status"`
		} `json:"model_version_status"`
	}
	if json.Unmarshal(answer, &held) != nil || held.Versions == nil {
		return nil, r.unreadable(call, model, errWire)
	}
	var out []providers.ModelVersion
	for _, v := range held.Versions {
		if !isNumber(v.Version) {
			return nil, r.unreadable(call, model, errWire)
		}
		out = append(out, modelVersion(model, v.Version, v.State, v.Status.Code != "" && v.Status.Code != "OK"))
	}
	return sortVersions(out), nil
}

var _ api = (*rest)(nil)
