package openinference

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"fairlead/gen/thirdparty/inference"
	"fairlead/providers/tensor"
)

// secret stands in every text that the servers of these tests say about a failure: it must not come out of an error.
const secret = "hunter2-of-the-server"

// server answers both forms of the protocol over a trained model. Its REST is written with encoding/json, so that it shares no
// code with what reads it.
type server struct {
	mu      sync.Mutex
	ready   map[string]bool
	calls   []string
	headers []http.Header
	// What it does wrong; zero: nothing.
	noIndex, noBinary, typed bool
	// names are given by v2/models, as KServe does; nil: it is not there.
	names   []string
	fail    func(method string) error // a *failure, or a gRPC status
	mangle  func([]tensor.Tensor) []tensor.Tensor
	rewrite func(http.Header, []byte) []byte
	wait    func(ctx context.Context)
}

// failure is a status of both.
type failure struct {
	http   int
	code   codes.Code
	text   string
	header http.Header
}

func (f *failure) Error() string { return f.text + " " + secret }

func newServer() *server {
	return &server{ready: map[string]bool{"lang": true, "linear": true, "echo": true, "cold": false}}
}

func (s *server) called(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if c == method {
			n++
		}
	}
	return n
}

func (s *server) begin(ctx context.Context, method, model string) error {
	s.mu.Lock()
	s.calls = append(s.calls, method)
	wait, fail := s.wait, s.fail
	_, known := s.ready[model]
	s.mu.Unlock()
	if wait != nil && method == "ModelInfer" {
		wait(ctx)
		if ctx.Err() != nil {
			return &failure{http: 408, code: codes.DeadlineExceeded}
		}
	}
	if fail != nil {
		if err := fail(method); err != nil {
			return err
		}
	}
	if model != "" && !known {
		return &failure{http: 404, code: codes.NotFound, text: "Request for unknown model"}
	}
	return nil
}

type meta struct {
	Name     string           `json:"name"`
	Versions []string         `json:"versions"`
	Platform string           `json:"platform"`
	Inputs   []metadataTensor `json:"inputs"`
	Outputs  []metadataTensor `json:"outputs"`
}

func metaOf(model string) meta {
	m := meta{Name: model, Versions: []string{"1", "2"}, Platform: "go"}
	probabilities := metadataTensor{"probabilities", "FP32", []int64{-1, 3}}
	switch model {
	case "lang":
		m.Inputs = []metadataTensor{{"text", "BYTES", []int64{-1}}}
		m.Outputs = []metadataTensor{{"class", "BYTES", []int64{-1}}, probabilities}
	case "linear":
		m.Inputs = []metadataTensor{{"features", "FP32", []int64{-1, features}}}
		m.Outputs = []metadataTensor{probabilities}
	}
	return m // echo tells nothing
}

func (s *server) infer(model string, inputs []tensor.Tensor, wanted []string) ([]tensor.Tensor, error) {
	var out []tensor.Tensor
	row := func(x []float64, class, p *tensor.Tensor) {
		all := trained().probabilities(x)
		for _, v := range all {
			p.Data = binary.LittleEndian.AppendUint32(p.Data, math.Float32bits(float32(v)))
		}
		class.Strings = append(class.Strings, []byte(trained().classes[slices.Index(all, slices.Max(all))]))
	}
	class := tensor.Tensor{Name: "class", Type: tensor.String}
	p := tensor.Tensor{Name: "probabilities", Type: tensor.Float32}
	switch {
	case model == "lang" && len(inputs) == 1 && inputs[0].Type == tensor.String:
		for _, text := range inputs[0].Strings {
			row(hashed(string(text)), &class, &p)
		}
		class.Shape, p.Shape = inputs[0].Shape, []int64{int64(len(inputs[0].Strings)), 3}
		out = []tensor.Tensor{class, p}
	case model == "linear" && len(inputs) == 1 && inputs[0].Type == tensor.Float32:
		n := inputs[0].Shape[0]
		for i := range n {
			x := make([]float64, features+1)
			for j := range features {
				x[j] = float64(math.Float32frombits(binary.LittleEndian.Uint32(inputs[0].Data[4*(int(i)*features+j):])))
			}
			x[features] = 1
			row(x, &class, &p)
		}
		p.Shape = []int64{n, 3}
		out = []tensor.Tensor{p}
	case model == "echo":
		out = slices.Clone(inputs)
	default:
		return nil, &failure{http: 400, code: codes.InvalidArgument, text: "unexpected inputs"}
	}
	if s.mangle != nil {
		out = s.mangle(out)
	}
	if len(wanted) > 0 {
		out = slices.DeleteFunc(out, func(t tensor.Tensor) bool { return !slices.Contains(wanted, t.Name) })
	}
	return out, nil
}

// The form over gRPC.

func unary[Q any, A any, PQ interface {
	*Q
	proto.Message
}](name string, answer func(s *server, ctx context.Context, q PQ) (*A, error)) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		q := PQ(new(Q))
		if err := decode(q); err != nil {
			return nil, err
		}
		s := srv.(*server)
		model := ""
		for _, field := range []string{"name", "model_name"} {
			if f := q.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(field)); f != nil {
				model = q.ProtoReflect().Get(f).String()
			}
		}
		md, _ := metadata.FromIncomingContext(ctx)
		s.mu.Lock()
		s.headers = append(s.headers, http.Header(md))
		s.mu.Unlock()
		err := s.begin(ctx, name, model)
		if err == nil {
			var a *A
			if a, err = answer(s, ctx, q); err == nil {
				return a, nil
			}
		}
		if f, ok := err.(*failure); ok {
			if ms := f.header.Get("grpc-retry-pushback-ms"); ms != "" {
				_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", ms))
			}
			return nil, status.Error(f.code, f.Error())
		}
		return nil, err
	}}
}

var errNoIndex = &failure{http: 404, code: codes.Unimplemented, text: ""}

var inferenceService = grpc.ServiceDesc{ServiceName: "inference.GRPCInferenceService", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{
	unary("ServerLive", func(*server, context.Context, *inference.ServerLiveRequest) (*inference.ServerLiveResponse, error) {
		return &inference.ServerLiveResponse{Live: true}, nil
	}),
	unary("ServerReady", func(*server, context.Context, *inference.ServerReadyRequest) (*inference.ServerReadyResponse, error) {
		return &inference.ServerReadyResponse{Ready: true}, nil
	}),
	unary("ModelReady", func(s *server, _ context.Context, q *inference.ModelReadyRequest) (*inference.ModelReadyResponse, error) {
		return &inference.ModelReadyResponse{Ready: s.isReady(q.GetName())}, nil
	}),
	unary("ModelMetadata", func(_ *server, _ context.Context, q *inference.ModelMetadataRequest) (*inference.ModelMetadataResponse, error) {
		m := metaOf(q.GetName())
		a := &inference.ModelMetadataResponse{Name: m.Name, Versions: m.Versions, Platform: m.Platform}
		for _, t := range m.Inputs {
			a.Inputs = append(a.Inputs, &inference.ModelMetadataResponse_TensorMetadata{Name: t.Name, Datatype: t.Datatype, Shape: t.Shape})
		}
		for _, t := range m.Outputs {
			a.Outputs = append(a.Outputs, &inference.ModelMetadataResponse_TensorMetadata{Name: t.Name, Datatype: t.Datatype, Shape: t.Shape})
		}
		return a, nil
	}),
	unary("ModelInfer", func(s *server, _ context.Context, q *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		var inputs []tensor.Tensor
		for i, in := range q.GetInputs() {
			t := tensor.Tensor{Name: in.GetName(), Shape: in.GetShape()}
			t.Type, _ = tensor.ParseType(in.GetDatatype())
			if raw := q.GetRawInputContents()[i]; t.Type != tensor.String {
				t.Data = raw
			} else {
				for len(raw) > 0 {
					n := binary.LittleEndian.Uint32(raw)
					t.Strings, raw = append(t.Strings, raw[4:4+n]), raw[4+n:]
				}
			}
			inputs = append(inputs, t)
		}
		var wanted []string
		for _, o := range q.GetOutputs() {
			wanted = append(wanted, o.GetName())
		}
		out, err := s.infer(q.GetModelName(), inputs, wanted)
		if err != nil {
			return nil, err
		}
		a := &inference.ModelInferResponse{ModelName: q.GetModelName(), ModelVersion: "2", Id: q.GetId()}
		for _, t := range out {
			o := &inference.ModelInferResponse_InferOutputTensor{Name: t.Name, Datatype: t.Type.String(), Shape: t.Shape}
			if s.typed {
				o.Contents = typedContents(t)
			} else {
				a.RawOutputContents = append(a.RawOutputContents, rawBytes(t))
			}
			a.Outputs = append(a.Outputs, o)
		}
		return a, nil
	}),
	unary("RepositoryIndex", func(s *server, _ context.Context, _ *inference.RepositoryIndexRequest) (*inference.RepositoryIndexResponse, error) {
		if s.noIndex {
			return nil, errNoIndex
		}
		a := &inference.RepositoryIndexResponse{}
		for _, e := range s.entries() {
			a.Models = append(a.Models, &inference.RepositoryIndexResponse_ModelIndex{Name: e.Name, Version: e.Version, State: e.State, Reason: e.Reason})
		}
		return a, nil
	}),
	unary("RepositoryModelLoad", func(s *server, _ context.Context, q *inference.RepositoryModelLoadRequest) (*inference.RepositoryModelLoadResponse, error) {
		return &inference.RepositoryModelLoadResponse{}, s.set(q.GetModelName(), true)
	}),
	unary("RepositoryModelUnload", func(s *server, _ context.Context, q *inference.RepositoryModelUnloadRequest) (*inference.RepositoryModelUnloadResponse, error) {
		return &inference.RepositoryModelUnloadResponse{}, s.set(q.GetModelName(), false)
	}),
}}

func (s *server) isReady(model string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready[model]
}

func (s *server) set(model string, ready bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ready[model] = ready
	return nil
}

func (s *server) entries() []indexEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []indexEntry
	for model, ready := range s.ready {
		e := indexEntry{model, "2", "READY", ""}
		if !ready {
			e.State, e.Reason = "UNAVAILABLE", "unloaded"
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b indexEntry) int { return strings.Compare(a.Name, b.Name) })
	return append(out, indexEntry{"ruin", "1", "UNAVAILABLE", "failed to load " + secret}, indexEntry{"shelf", "", "", ""})
}

func rawBytes(t tensor.Tensor) []byte {
	if t.Type != tensor.String {
		return t.Data
	}
	var raw []byte
	for _, s := range t.Strings {
		raw = append(binary.LittleEndian.AppendUint32(raw, uint32(len(s))), s...)
	}
	return raw
}

// typedContents gives elements one by one, as servers do that know no raw contents.
func typedContents(t tensor.Tensor) *inference.InferTensorContents {
	c := &inference.InferTensorContents{BytesContents: t.Strings}
	for i := 0; t.Type != tensor.String && i < len(t.Data); i += t.Type.Size() {
		e := t.Data[i:]
		switch t.Type {
		case tensor.Bool:
			c.BoolContents = append(c.BoolContents, e[0] != 0)
		case tensor.Int8:
			c.IntContents = append(c.IntContents, int32(int8(e[0])))
		case tensor.Int16:
			c.IntContents = append(c.IntContents, int32(int16(binary.LittleEndian.Uint16(e))))
		case tensor.Int32:
			c.IntContents = append(c.IntContents, int32(binary.LittleEndian.Uint32(e)))
		case tensor.Int64:
			c.Int64Contents = append(c.Int64Contents, int64(binary.LittleEndian.Uint64(e)))
		case tensor.Uint8:
			c.UintContents = append(c.UintContents, uint32(e[0]))
		case tensor.Uint16:
			c.UintContents = append(c.UintContents, uint32(binary.LittleEndian.Uint16(e)))
		case tensor.Uint32:
			c.UintContents = append(c.UintContents, binary.LittleEndian.Uint32(e))
		case tensor.Uint64:
			c.Uint64Contents = append(c.Uint64Contents, binary.LittleEndian.Uint64(e))
		case tensor.Float32:
			c.Fp32Contents = append(c.Fp32Contents, math.Float32frombits(binary.LittleEndian.Uint32(e)))
		case tensor.Float64:
			c.Fp64Contents = append(c.Fp64Contents, math.Float64frombits(binary.LittleEndian.Uint64(e)))
		}
	}
	return c
}

// startGRPC serves s and gives its address.
func startGRPC(t testing.TB, s *server, cert *tls.Certificate) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options := []grpc.ServerOption{grpc.MaxRecvMsgSize(128 << 20)}
	scheme := "grpc://"
	if cert != nil {
		scheme = "grpcs://"
		options = append(options, grpc.Creds(credentials.NewServerTLSFromCert(cert)))
	}
	g := grpc.NewServer(options...)
	g.RegisterService(&inferenceService, s)
	done := make(chan struct{})
	go func() { defer close(done); _ = g.Serve(l) }()
	t.Cleanup(func() { g.Stop(); <-done })
	return scheme + l.Addr().String()
}
