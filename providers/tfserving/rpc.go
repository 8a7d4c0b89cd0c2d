package tfserving

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	serving "fairlead/gen/thirdparty/tensorflow/serving"
	"fairlead/providers"
)

// The methods of the server.
const (
	predictionService = "/tensorflow.serving.PredictionService/"
	modelService      = "/tensorflow.serving.ModelService/"
)

// rpc is the server's gRPC API.
type rpc struct {
	cfg     Config
	target  string
	options []grpc.DialOption
	header  metadata.MD

	mu    sync.Mutex
	conn  *grpc.ClientConn // nil: none is open
	calls int              // on conn
	drop  bool             // conn is closed when calls is 0
}

func newRPC(cfg Config, at address, header http.Header) (*rpc, error) {
	md, err := asMetadata(header)
	if err != nil {
		return nil, err
	}
	creds := insecure.NewCredentials()
	if at.secure {
		config := cfg.TLS.Clone()
		if config == nil {
			config = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		creds = credentials.NewTLS(config)
	}
	return &rpc{cfg: cfg, target: "dns:///" + at.host, header: md, options: []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithNoProxy(), // what the environment says must not decide where data go
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(), // retrying is decided above
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`), // replicas behind one name
		grpc.WithConnectParams(grpc.ConnectParams{
			// A server that comes back is noticed within seconds.
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
			MinConnectTimeout: cfg.ConnectTimeout,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: cfg.KeepAlive, Timeout: 20 * time.Second}),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) {
			return dialer(cfg.ConnectTimeout).DialContext(ctx, "tcp", addr)
		}),
		grpc.WithMaxHeaderListSize(256 << 10),
		grpc.WithUserAgent("fairlead"),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{}), grpc.MaxCallSendMsgSize(cfg.MaxMessage)),
	}}, nil
}

func dialer(timeout time.Duration) *net.Dialer {
	return &net.Dialer{Timeout: timeout, KeepAlive: probeInterval}
}

// asMetadata turns headers into gRPC's metadata.
func asMetadata(header http.Header) (metadata.MD, error) {
	md := metadata.MD{}
	for name, list := range header {
		name = strings.ToLower(name)
		if name == "" || strings.HasPrefix(name, "grpc-") || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			return nil, errors.New("a header has a name that gRPC does not send")
		}
		for _, value := range list {
			for _, b := range []byte(value) {
				if b < ' ' || b > '~' {
					return nil, fmt.Errorf("the value of %s holds a character that no header may, such as a line break", name)
				}
			}
		}
		md[name] = list
	}
	return md, nil
}

// codec passes messages through: they are read and written by hand.
type codec struct{}

// Name is that of the encoding on the wire.
func (codec) Name() string { return "proto" }

// Marshal takes a []byte.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	b, ok := v.([]byte)
	if !ok {
		return nil, fmt.Errorf("writing a message: it is a %T", v)
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

// Unmarshal gives a *[]byte.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("reading a message: it is a %T", v)
	}
	*b = data.Materialize()
	return nil
}

// acquire gives the connection for one call; release ends the call.
func (r *rpc) acquire() (*grpc.ClientConn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		conn, err := grpc.NewClient(r.target, r.options...)
		if err != nil {
			return nil, err
		}
		r.conn = conn
	}
	r.calls++
	return r.conn, nil
}

func (r *rpc) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calls--; r.calls == 0 && r.drop {
		r.close()
	}
}

func (r *rpc) closeIdle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.conn == nil {
		return
	}
	if r.drop = true; r.calls == 0 {
		r.close()
	}
}

func (r *rpc) close() {
	_ = r.conn.Close()
	r.conn, r.drop = nil, false
}

// call makes one call.
func (r *rpc) call(ctx context.Context, method, model string, request []byte, limit int) ([]byte, *providers.Error) {
	if len(request) > r.cfg.MaxMessage {
		return nil, r.fail(providers.KindInvalid, model, "the request has more bytes than one message may have")
	}
	conn, err := r.acquire()
	if err != nil {
		return nil, r.fail(providers.KindInvalid, model, "its address cannot be used")
	}
	defer r.release()
	md := r.header
	if r.cfg.Inject != nil {
		header := http.Header{}
		r.cfg.Inject(ctx, header)
		if more, err := asMetadata(header); err == nil {
			md = metadata.Join(md, more)
		}
	}
	var answer []byte
	var trailer metadata.MD
	err = conn.Invoke(metadata.NewOutgoingContext(ctx, md), method, request, &answer,
		grpc.MaxCallRecvMsgSize(limit), grpc.Trailer(&trailer))
	if err != nil {
		return nil, r.translate(ctx, model, limit, err, trailer)
	}
	if ctx.Err() != nil {
		return nil, providers.AsError(ctx, r.cfg.Name, model, ctx.Err())
	}
	return answer, nil
}

func (r *rpc) fail(kind providers.Kind, model, detail string) *providers.Error {
	return &providers.Error{Kind: kind, Backend: r.cfg.Name, Model: model, Detail: detail}
}

// unreadable is the error of an answer that could not be read.
func (r *rpc) unreadable(model string, err error) *providers.Error {
	e := r.fail(providers.KindProtocol, model, "reading its answer: "+err.Error())
	e.Err = err
	return e
}

func (r *rpc) predict(ctx context.Context, s spec, req *providers.PredictRequest, _ *providers.Signature) (*providers.Prediction, *providers.Error) {
	answer, e := r.call(ctx, predictionService+"Predict", s.model, encodePredict(s, req), r.cfg.MaxMessage)
	if e != nil {
		return nil, e
	}
	outputs, used, err := decodePredict(answer, r.cfg.Limits)
	if err != nil {
		return nil, r.unreadable(s.model, err)
	}
	return &providers.Prediction{Outputs: outputs, Model: usedName(used.model, s.model), Version: used.version}, nil
}

// usedName is the model's name as the server says it, or as it was asked for where it says nothing that is a name.
func usedName(said, asked string) string {
	if plain(said) {
		return said
	}
	return asked
}

func (r *rpc) examples(ctx context.Context, s spec, method string, list []Example) (*exampleResults, *providers.Error) {
	request, err := proto.Marshal(input(list))
	if err != nil {
		return nil, r.fail(providers.KindInvalid, s.model, "the examples cannot be written: a feature's name is not text")
	}
	name := "Classify"
	if method == methodRegress {
		name = "Regress"
	}
	answer, e := r.call(ctx, predictionService+name, s.model, appendField(appendSpec(nil, 1, s), 2, request), r.cfg.MaxMessage)
	if e != nil {
		return nil, e
	}
	out := &exampleResults{}
	var used spec
	if method == methodRegress {
		out.values, used, err = decodeRegression(answer, len(list))
	} else {
		out.classes, used, err = decodeClassification(answer, r.cfg.Limits, len(list))
	}
	if err != nil {
		return nil, r.unreadable(s.model, err)
	}
	out.model, out.version = usedName(used.model, s.model), used.version
	return out, nil
}

func (r *rpc) describe(ctx context.Context, model, version string) (*described, *providers.Error) {
	request := appendText(appendSpec(nil, 1, spec{model: model, version: version}), 2, "signature_def")
	answer, e := r.call(ctx, predictionService+"GetModelMetadata", model, request, min(describingMessage, r.cfg.MaxMessage))
	if e != nil {
		return nil, e
	}
	var metadata serving.GetModelMetadataResponse
	var signatures serving.SignatureDefMap
	if proto.Unmarshal(answer, &metadata) != nil {
		return nil, r.unreadable(model, errWire)
	}
	held, ok := metadata.GetMetadata()["signature_def"]
	if !ok || held.MessageName() != signatures.ProtoReflect().Descriptor().FullName() || held.UnmarshalTo(&signatures) != nil {
		return nil, r.unreadable(model, errWire)
	}
	said := metadata.GetModelSpec()
	number := ""
	if said.GetVersion() != nil {
		number = strconv.FormatInt(said.GetVersion().GetValue(), 10)
	}
	return describedBy(usedName(said.GetName(), model), number, signatures.GetSignatureDef()), nil
}

func (r *rpc) versions(ctx context.Context, model string) ([]providers.ModelVersion, *providers.Error) {
	answer, e := r.call(ctx, modelService+"GetModelStatus", model, appendSpec(nil, 1, spec{model: model}), min(describingMessage, r.cfg.MaxMessage))
	if e != nil {
		return nil, e
	}
	var status serving.GetModelStatusResponse
	if proto.Unmarshal(answer, &status) != nil {
		return nil, r.unreadable(model, errWire)
	}
	var out []providers.ModelVersion
	for _, v := range status.GetModelVersionStatus() {
		out = append(out, modelVersion(model, strconv.FormatInt(v.GetVersion(), 10), v.GetState().String(), v.GetStatus().GetErrorCode() != 0))
	}
	return sortVersions(out), nil
}

var _ api = (*rpc)(nil)
