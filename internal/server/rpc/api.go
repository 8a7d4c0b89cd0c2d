package rpc

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"net/http"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect"
	"connectrpc.com/validate"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/internal/server"
	"fairlead/orchestrator"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/feedback"
	"fairlead/orchestrator/routing"
	"fairlead/retrieval"
)

// Runner runs. The sequences end with RunFinished or with an error, and breaking the loop ends the run.
type Runner interface {
	Chat(context.Context, auth.Principal, orchestrator.ChatRequest) iter.Seq2[orchestrator.Event, error]
	Run(context.Context, auth.Principal, orchestrator.RunRequest) iter.Seq2[orchestrator.Event, error]
	// Chains gives the chains by name.
	Chains() []*chain.Chain
}

// Router tells about routing.
type Router interface {
	Explain(context.Context, auth.Principal, orchestrator.ChatRequest) (*routing.Plan, error)
	// Targets gives the targets by name.
	Targets() []routing.Candidate
	// Policies gives the names of the policies.
	Policies() []string
}

// Collections holds collections. Errors are *fault.Error.
type Collections interface {
	CreateCollection(ctx context.Context, tenant string, c retrieval.Collection) (*retrieval.Collection, error)
	ListCollections(ctx context.Context, tenant string) ([]retrieval.Collection, error)
	DeleteCollection(ctx context.Context, tenant, name string) (documents int64, err error)
	Search(ctx context.Context, tenant string, q retrieval.Query) (*retrieval.Found, error)
	// Reindex embeds a collection anew, tells how far it is, never twice at a time, and gives the collection as it is
	// then. The empty embedder is that of a reindex in progress, else the collection's own.
	Reindex(ctx context.Context, tenant, name, embedder string, told func(retrieval.Reindex)) (*retrieval.Collection, error)
	// AbortReindex drops a reindex in progress. Where there is none it does nothing.
	AbortReindex(ctx context.Context, tenant, name string) error
}

// Documents holds the documents of collections. Errors are *fault.Error.
type Documents interface {
	// Ingest gives one result for each source, in order. No document gets a label above the ceiling.
	Ingest(ctx context.Context, tenant, collection string, sources []retrieval.Source, ceiling label.Label) ([]retrieval.Result, error)
	// GetDocument gives a document with its text. One above the ceiling is not found.
	GetDocument(ctx context.Context, tenant, collection, idOrURI string, ceiling label.Label) (*retrieval.Document, error)
	// ListDocuments gives documents by uri, from the first one after `after`. Those above the ceiling are
	// left out; fewer than limit means that there are no more.
	ListDocuments(ctx context.Context, tenant, collection, after string, limit int, ceiling label.Label) ([]retrieval.Document, error)
	// DeleteDocument deletes a document. One above the ceiling is not found.
	DeleteDocument(ctx context.Context, tenant, collection, idOrURI string, ceiling label.Label) error
}

// Defaults of Config.
const (
	// DefaultMaxIngest is the most bytes of a request with documents.
	DefaultMaxIngest = 64 << 20
	// DefaultMaxInference is the most bytes of a request with pictures or tensors.
	DefaultMaxInference = 32 << 20
	// compressMin is the size from which a message is compressed: below it costs more than it saves.
	compressMin = 1 << 10
)

// Config is what the handlers work with.
type Config struct {
	Runner      Runner
	Router      Router
	Collections Collections
	Documents   Documents
	// Keys, Tenants and Usage are what AdminService works with. What is nil is answered as unimplemented.
	Keys    Keys
	Tenants Tenants
	Usage   Usage
	// Outcomes is what AdminService exports for the training of routers. Nil: it is answered as unimplemented.
	Outcomes Outcomes
	// Feedback takes what callers say of answers. Nil: this server does not record what it decides, and says so.
	Feedback Feedback
	// Models and Traffic are what ModelService works with. Without Models it is not served; without Traffic nothing can be
	// rolled back.
	Models  Models
	Traffic Traffic
	// Inference is what InferenceService works with. Nil: it is not served.
	Inference Inference
	// Logger is for internal errors and panics. Nil: nothing is logged.
	Logger *slog.Logger
	// MaxBody is the most bytes of a request, as sent and after decompression. 0: 4 MiB.
	MaxBody int64
	// MaxIngest is the same for Ingest. 0: 64 MiB. Content in JSON counts in base64.
	MaxIngest int64
	// MaxInference is the same for Classify and Predict, which take pictures and tensors. 0: 32 MiB, and MaxBody at least.
	MaxInference int64
	// Options are further handler options, such as the interceptors of traces.
	Options []connect.HandlerOption
}

// API is the handlers of all services.
type API struct {
	mounts []server.Mount
}

// New makes the handlers. The error is a *fault.Error with ReasonBadConfig.
func New(c Config) (*API, error) {
	if c.Runner == nil || c.Router == nil || c.Collections == nil || c.Documents == nil {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "rpc: runner, router, collections and documents are all needed")
	}
	if c.Feedback == nil {
		c.Feedback = feedback.New(nil)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.MaxBody == 0 {
		c.MaxBody = server.DefaultMaxBody
	}
	if c.MaxIngest == 0 {
		c.MaxIngest = DefaultMaxIngest
	}
	if c.MaxInference == 0 {
		c.MaxInference = max(DefaultMaxInference, c.MaxBody)
	}
	validator, err := protovalidate.New(protovalidate.WithMessages(
		&pb.ChatRequest{}, &pb.RunRequest{}, &pb.ExplainRequest{}, &pb.IngestRequest{}, &pb.SearchRequest{},
		&pb.ClassifyRequest{}, &pb.EmbedRequest{}, &pb.PredictRequest{}, &pb.FeedbackRequest{},
	))
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, fault.ReasonInternal, "rpc: compiling the rules of the API")
	}
	options := []connect.HandlerOption{
		connect.WithCodec(binaryCodec{}),
		connect.WithCodec(jsonCodec{name: "json"}),
		connect.WithCodec(jsonCodec{name: "json; charset=utf-8"}),
		connect.WithCompressMinBytes(compressMin),
		connect.WithConditionalHandlerOptions(func(spec connect.Spec) []connect.HandlerOption {
			return []connect.HandlerOption{withGzip(c.limit(spec.Procedure))}
		}),
		// The first is the outermost.
		connect.WithInterceptors(
			&errorsInterceptor{logger: c.Logger},
			validate.NewInterceptor(validate.WithValidator(validator), validate.WithoutErrorDetails()),
		),
	}
	options = append(options, c.Options...)

	a := &API{}
	_, chat := fairleadv1connect.NewChatServiceHandler(&chatService{runner: c.Runner}, options...)
	_, run := fairleadv1connect.NewRunServiceHandler(&runService{runner: c.Runner, feedback: c.Feedback}, options...)
	_, routes := fairleadv1connect.NewRoutingServiceHandler(&routingService{router: c.Router}, options...)
	_, documents := fairleadv1connect.NewRetrievalServiceHandler(
		&retrievalService{collections: c.Collections, documents: c.Documents}, options...)
	err = errors.Join(
		a.add(&c, pb.File_fairlead_v1_chat_proto, chat),
		a.add(&c, pb.File_fairlead_v1_run_proto, run),
		a.add(&c, pb.File_fairlead_v1_routing_proto, routes),
		a.add(&c, pb.File_fairlead_v1_retrieval_proto, documents),
	)
	if err == nil && (c.Keys != nil || c.Tenants != nil || c.Usage != nil) {
		_, handler := fairleadv1connect.NewAdminServiceHandler(&adminService{keys: c.Keys, tenants: c.Tenants, usage: c.Usage, outcomes: c.Outcomes}, options...)
		err = a.add(&c, pb.File_fairlead_v1_admin_proto, handler)
	}
	if err == nil && c.Models != nil {
		_, handler := fairleadv1connect.NewModelServiceHandler(&modelService{models: c.Models, traffic: c.Traffic}, options...)
		err = a.add(&c, pb.File_fairlead_v1_models_proto, handler)
	}
	if err == nil && c.Inference != nil {
		_, handler := fairleadv1connect.NewInferenceServiceHandler(&inferenceService{inference: c.Inference}, options...)
		err = a.add(&c, pb.File_fairlead_v1_inference_proto, handler)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// limit gives the most bytes of a procedure's request.
func (c *Config) limit(procedure string) int64 {
	switch procedure {
	case fairleadv1connect.RetrievalServiceIngestProcedure:
		return c.MaxIngest
	case fairleadv1connect.InferenceServiceClassifyProcedure, fairleadv1connect.InferenceServicePredictProcedure:
		return c.MaxInference
	}
	return c.MaxBody
}

// add mounts each procedure of a file's services by itself, so that each has its own limit and its own name
// in logs and metrics.
func (a *API) add(c *Config, file protoreflect.FileDescriptor, handler http.Handler) error {
	handler = limitBody(handler)
	services := file.Services()
	for i := range services.Len() {
		service := services.Get(i)
		methods := service.Methods()
		for j := range methods.Len() {
			procedure := "/" + string(service.FullName()) + "/" + string(methods.Get(j).Name())
			need, ok := scopes[procedure]
			if !ok {
				return fault.New(fault.Internal, fault.ReasonInternal, "rpc: nobody has said which scope %s needs", procedure)
			}
			a.mounts = append(a.mounts, server.Mount{
				Pattern: procedure,
				Handler: scoped(need, handler),
				MaxBody: c.limit(procedure),
				Refuse:  Refuse,
				Serves:  []string{string(service.FullName())},
			})
		}
	}
	return nil
}

// Mounts gives the handlers with their places, for server.Config.
func (a *API) Mounts() []server.Mount { return a.mounts }

// principal gives who is calling. That there is none is our mistake, not the caller's.
func principal(ctx context.Context) (auth.Principal, error) {
	p, ok := auth.From(ctx)
	if !ok {
		return p, fault.New(fault.Internal, fault.ReasonInternal, "internal error: the call has no principal")
	}
	return p, nil
}
