package openinference

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"fairlead/gen/thirdparty/inference"
	"fairlead/providers"
	"fairlead/providers/internal/wire"
	"fairlead/providers/tensor"
)

// service is what the calls are called under.
const service = "/inference.GRPCInferenceService/"

const (
	// maxDescription is the most bytes of an answer that tells of a model or the server, maxIndex of one that lists models.
	maxDescription = 1 << 20
	maxIndex       = 4 << 20
	// maxModels is the most entries of an index, maxVersions the most versions of a model.
	maxModels   = 10000
	maxVersions = 256
	// maxHeaders is the most bytes of the headers of an answer, in which gRPC tells what failed.
	maxHeaders = 64 << 10
	connecting = 5 * time.Second
	// idleGRPC is how long a connection stays open when nobody uses it.
	idleGRPC = 30 * time.Minute
	// longestPause is the most time between two tries to connect, so that a server that is back is soon found.
	longestPause = 5 * time.Second
)

// grpcProtocol is the protocol over gRPC.
type grpcProtocol struct {
	cfg    Config
	conn   *grpc.ClientConn
	header metadata.MD
}

var _ protocol = (*grpcProtocol)(nil)

func newGRPC(cfg Config, hostPort string, secure bool) (*grpcProtocol, error) {
	header, err := wire.Credentials(cfg.Header, map[string]string{"Authorization": cfg.APIKey})
	if err != nil {
		return nil, err
	}
	g := &grpcProtocol{cfg: cfg, header: metadata.MD{}}
	for name, values := range header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "grpc-") || strings.HasPrefix(name, ":") || http.CanonicalHeaderKey(name) == "Connection" {
			return nil, fmt.Errorf("the header %s is gRPC's own", name)
		}
		g.header[name] = values
	}
	creds := insecure.NewCredentials()
	if secure {
		c := &tls.Config{MinVersion: tls.VersionTLS12}
		if cfg.TLS != nil {
			c = cfg.TLS.Clone()
		}
		creds = credentials.NewTLS(c)
	}
	most := int(cfg.Limits.Bytes + slack)
	pause := backoff.DefaultConfig
	pause.MaxDelay = longestPause
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithNoProxy(), // what the environment says about proxies must not decide where a company's data go
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
		grpc.WithMaxHeaderListSize(maxHeaders),
		grpc.WithIdleTimeout(idleGRPC),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: pause, MinConnectTimeout: connecting}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(most), grpc.MaxCallSendMsgSize(most)),
	}
	if cfg.KeepAlive > 0 {
		options = append(options, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: cfg.KeepAlive, Timeout: 20 * time.Second}))
	}
	if g.conn, err = grpc.NewClient("dns:///"+hostPort, append(options, cfg.DialOptions...)...); err != nil {
		return nil, fmt.Errorf("making the client: %q is no address of gRPC", hostPort) // the cause would repeat more
	}
	return g, nil
}

func (g *grpcProtocol) closeIdle() {}

func (g *grpcProtocol) close() error { return g.conn.Close() }

// codec marshals what is sent, and gives what comes as it is where it goes into a *message.
type codec struct{}

// message is an answer that has not been read.
type message []byte

func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	m, ok := v.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("a %T is no message", v)
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return nil, err
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	switch v := v.(type) {
	case *message:
		*v = data.Materialize()
		return nil
	case proto.Message:
		buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
		defer buffer.Free()
		return proto.Unmarshal(buffer.ReadOnlyData(), v)
	default:
		return fmt.Errorf("a %T is no message", v)
	}
}

// invoke makes a call.
func (g *grpcProtocol) invoke(ctx context.Context, method, model string, in proto.Message, out any, options ...grpc.CallOption) error {
	if err := ctx.Err(); err != nil {
		return providers.AsError(ctx, g.cfg.Name, model, err)
	}
	var trailer metadata.MD
	sent := metadata.NewOutgoingContext(ctx, g.header)
	err := g.conn.Invoke(sent, service+method, in, out, append(options, grpc.ForceCodecV2(codec{}), grpc.Trailer(&trailer))...)
	if err != nil {
		return g.failed(ctx, model, err, trailer)
	}
	if err := ctx.Err(); err != nil {
		return providers.AsError(ctx, g.cfg.Name, model, err)
	}
	return nil
}

func (g *grpcProtocol) infer(ctx context.Context, req *providers.PredictRequest) (*providers.Prediction, error) {
	m, err := inferRequest(req)
	if err != nil {
		return nil, fail(g.cfg.Name, providers.KindInvalid, req.Model, "%v", err)
	}
	var answer message
	if err := g.invoke(ctx, "ModelInfer", req.Model, m, &answer); err != nil {
		return nil, err
	}
	p, err := readInfer(answer, g.cfg.Limits)
	if err != nil {
		return nil, unreadable(g.cfg.Name, req.Model, err)
	}
	return p, nil
}

func (g *grpcProtocol) describe(ctx context.Context, model, version string) (*providers.ModelDescription, []string, error) {
	var m inference.ModelMetadataResponse
	err := g.invoke(ctx, "ModelMetadata", model, &inference.ModelMetadataRequest{Name: model, Version: version}, &m, grpc.MaxCallRecvMsgSize(maxDescription))
	if err != nil {
		return nil, nil, err
	}
	specs := func(of []*inference.ModelMetadataResponse_TensorMetadata) []metadataTensor {
		out := make([]metadataTensor, len(of))
		for i, t := range of {
			out[i] = metadataTensor{t.GetName(), t.GetDatatype(), t.GetShape()}
		}
		return out
	}
	about, err := description(g.cfg, model, version, m.GetVersions(), specs(m.GetInputs()), specs(m.GetOutputs()))
	return about, m.GetVersions(), err
}

func (g *grpcProtocol) ready(ctx context.Context, model, version string) (bool, error) {
	var m inference.ModelReadyResponse
	err := g.invoke(ctx, "ModelReady", model, &inference.ModelReadyRequest{Name: model, Version: version}, &m, grpc.MaxCallRecvMsgSize(maxDescription))
	return m.GetReady(), err
}

func (g *grpcProtocol) healthy(ctx context.Context, ready bool) (bool, error) {
	if ready {
		var m inference.ServerReadyResponse
		err := g.invoke(ctx, "ServerReady", "", &inference.ServerReadyRequest{}, &m, grpc.MaxCallRecvMsgSize(maxDescription))
		return m.GetReady(), err
	}
	var m inference.ServerLiveResponse
	err := g.invoke(ctx, "ServerLive", "", &inference.ServerLiveRequest{}, &m, grpc.MaxCallRecvMsgSize(maxDescription))
	return m.GetLive(), err
}

func (g *grpcProtocol) index(ctx context.Context, _ string) ([]providers.ModelVersion, error) {
	var m inference.RepositoryIndexResponse
	if err := g.invoke(ctx, "RepositoryIndex", "", &inference.RepositoryIndexRequest{}, &m, grpc.MaxCallRecvMsgSize(maxIndex)); err != nil {
		return nil, err
	}
	entries := make([]indexEntry, len(m.GetModels()))
	for i, e := range m.GetModels() {
		entries[i] = indexEntry{e.GetName(), e.GetVersion(), e.GetState(), e.GetReason()}
	}
	return index(g.cfg, entries)
}

func (g *grpcProtocol) load(ctx context.Context, model string) error {
	return g.invoke(ctx, "RepositoryModelLoad", model, &inference.RepositoryModelLoadRequest{ModelName: model},
		&inference.RepositoryModelLoadResponse{}, grpc.MaxCallRecvMsgSize(maxDescription))
}

func (g *grpcProtocol) unload(ctx context.Context, model string) error {
	return g.invoke(ctx, "RepositoryModelUnload", model, &inference.RepositoryModelUnloadRequest{ModelName: model},
		&inference.RepositoryModelUnloadResponse{}, grpc.MaxCallRecvMsgSize(maxDescription))
}

// metadataTensor is what a server tells of an input or output.
type metadataTensor struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

// description makes what a server tells of a model ours. An empty shape is an unknown rank: servers that know no shapes
// send none, and over gRPC that is the same as the shape of a single element.
func description(cfg Config, model, version string, versions []string, inputs, outputs []metadataTensor) (*providers.ModelDescription, error) {
	if len(inputs) > cfg.Limits.Tensors || len(outputs) > cfg.Limits.Tensors || len(versions) > maxVersions {
		return nil, fail(cfg.Name, providers.KindOverrun, model, "its description of the model names more than may be")
	}
	if version == "" && len(versions) == 1 {
		version = versions[0]
	}
	for _, v := range versions {
		if len(v) > maxName {
			return nil, fail(cfg.Name, providers.KindOverrun, model, "its description of the model has a version with a name that is too long")
		}
	}
	var s providers.Signature
	for _, of := range []struct {
		from []metadataTensor
		to   *[]providers.Spec
	}{{inputs, &s.Inputs}, {outputs, &s.Outputs}} {
		for _, t := range of.from {
			if t.Name == "" || len(t.Name) > maxName || len(t.Shape) > cfg.Limits.Rank {
				return nil, fail(cfg.Name, providers.KindProtocol, model, "its description of the model has a tensor with no name, or with one or a shape that is too long")
			}
			spec := providers.Spec{Name: t.Name}
			spec.Type, _ = tensor.ParseType(t.Datatype) // a type of the server's own is one that we do not know
			for _, d := range t.Shape {
				spec.Shape = append(spec.Shape, max(d, -1))
			}
			*of.to = append(*of.to, spec)
		}
	}
	return &providers.ModelDescription{Model: model, Version: version, Signatures: map[string]providers.Signature{"": s}}, nil
}

// indexEntry is a line of a repository's index.
type indexEntry struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

// index makes a repository's index ours. The server's reasons stay where they are: they may say anything.
func index(cfg Config, entries []indexEntry) ([]providers.ModelVersion, error) {
	if len(entries) > maxModels {
		return nil, fail(cfg.Name, providers.KindOverrun, "", "its index has more than %d models", maxModels)
	}
	out := make([]providers.ModelVersion, 0, len(entries))
	for _, e := range entries {
		if e.Name == "" || len(e.Name) > maxName || len(e.Version) > maxName {
			return nil, fail(cfg.Name, providers.KindProtocol, "", "its index has a model with no name, or with one that is too long")
		}
		v := providers.ModelVersion{Model: e.Name, Version: e.Version}
		switch e.State[strings.LastIndexByte(e.State, '.')+1:] { // MLServer on Python 3.11 says State.READY
		case "READY":
			v.State = providers.ModelReady
		case "LOADING":
			v.State = providers.ModelLoading
		case "UNLOADING":
			v.State = providers.ModelUnloading
		case "":
			v.State, v.Detail = providers.ModelAbsent, "it is in the repository and was never loaded"
		case "UNAVAILABLE":
			v.State, v.Detail = providers.ModelBroken, "the server could not load it; its log says why"
			if e.Reason == "" || strings.EqualFold(e.Reason, "unloaded") {
				v.State, v.Detail = providers.ModelAbsent, "it is in the repository and not loaded"
			}
		default:
			v.State, v.Detail = providers.ModelBroken, "the server gives it a state that the protocol does not know"
		}
		out = append(out, v)
	}
	return out, nil
}
