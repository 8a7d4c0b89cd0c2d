package openinference

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"fairlead/providers"
	"fairlead/providers/internal/wire"
)

// headerLength is the header that says how much of a body is JSON.
const headerLength = "Inference-Header-Content-Length"

// binaryExtension is what servers that know binary data name among their extensions. The second is of older ones.
var binaryExtension = []string{"binary_tensor_data", "binary_data"}

// restProtocol is the protocol over REST.
type restProtocol struct {
	cfg  Config
	wire wire.Client

	mu sync.Mutex
	// binary is whether the server knows binary data, as it said before until.
	binary bool
	until  time.Time
}

var _ protocol = (*restProtocol)(nil)

func newREST(cfg Config) (*restProtocol, error) {
	w, err := newWire(cfg, cfg.URL, cfg.APIKey)
	if err != nil {
		return nil, err
	}
	return &restProtocol{cfg: cfg, wire: w}, nil
}

func (r *restProtocol) closeIdle() { r.wire.HTTP.CloseIdleConnections() }

func (r *restProtocol) close() error {
	r.closeIdle()
	return nil
}

// modelPath is the address of a model.
func modelPath(model, version, rest string) string {
	path := "v2/models/" + url.PathEscape(model)
	if version != "" {
		path += "/versions/" + url.PathEscape(version)
	}
	return path + rest
}

// readBody reads an answer of limit bytes at most. It takes memory as the bytes come, not as the server says that they will.
func readBody(call *wire.Call, limit int64) ([]byte, *providers.Error) {
	length := call.Response.ContentLength
	if length > limit {
		return nil, call.Fail(providers.KindOverrun, "the limit on the bytes of one answer was reached")
	}
	body := make([]byte, 0, min(max(length+1, 512), 64<<10))
	for {
		if len(body) == cap(body) {
			grown := int64(cap(body)) * 2
			if length >= 0 {
				grown = min(grown, length+1)
			}
			body = append(make([]byte, 0, min(grown, limit+1)), body...)
		}
		n, err := call.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if int64(len(body)) > limit {
			return nil, call.Fail(providers.KindOverrun, "the limit on the bytes of one answer was reached")
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, call.ReadError(err)
		}
	}
	if e := call.Frame(); e != nil {
		return nil, e
	}
	return body, nil
}

// fetch makes a call whose answer is small JSON.
func fetch(ctx context.Context, w *wire.Client, r wire.Request, optional bool, limit int64, into any) error {
	r.Accept, r.ContentType = "application/json", "application/json"
	call, e := w.Send(ctx, r)
	if e != nil {
		return e
	}
	defer call.End()
	if call.Response.StatusCode != http.StatusOK {
		return refused(call, optional)
	}
	body, e := readBody(call, limit)
	if e != nil {
		return e
	}
	if into != nil && json.Unmarshal(body, into) != nil {
		return call.Fail(providers.KindProtocol, "its answer is not the JSON that was expected: is the URL right?")
	}
	return nil
}

func (r *restProtocol) infer(ctx context.Context, req *providers.PredictRequest) (*providers.Prediction, error) {
	withBinary, err := r.sendsBinary(ctx)
	if err != nil {
		return nil, err
	}
	body, header, err := restRequest(r.cfg.Name, req, withBinary)
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > r.cfg.Limits.Bytes+slack {
		return nil, fail(r.cfg.Name, providers.KindInvalid, req.Model, "the request has %d bytes as JSON, more than the limit", len(body))
	}
	sent := wire.Request{Path: modelPath(req.Model, req.Version, "/infer"), Model: req.Model, Accept: "application/json", Body: body, ContentType: "application/json"}
	if withBinary {
		sent.Header = http.Header{headerLength: {strconv.Itoa(header)}}
		sent.Accept, sent.ContentType = "application/octet-stream, application/json", "application/octet-stream"
	}
	call, e := r.wire.Send(ctx, sent)
	if e != nil {
		return nil, e
	}
	defer call.End()
	if call.Response.StatusCode != http.StatusOK {
		return nil, refused(call, false)
	}
	answer, e := readBody(call, r.cfg.Limits.Bytes+slack)
	if e != nil {
		return nil, e
	}
	length := int64(-1)
	if values := call.Response.Header.Values(headerLength); len(values) > 0 {
		n, err := strconv.ParseUint(values[0], 10, 31)
		if err != nil || len(values) > 1 {
			return nil, call.Fail(providers.KindProtocol, "its header does not say how many bytes are JSON")
		}
		length = int64(n)
	}
	p, err := readREST(answer, length, r.cfg.Limits)
	if err != nil {
		if !call.Delimited() { // where only the end of the connection ends a body, what is missing was cut off
			return nil, call.Fail(providers.KindTruncated, "")
		}
		return nil, unreadable(r.cfg.Name, req.Model, err)
	}
	return p, nil
}

// sendsBinary says whether requests go as binary data. A server that does not tell of itself does not know it.
func (r *restProtocol) sendsBinary(ctx context.Context) (bool, error) {
	if r.cfg.Binary != BinaryAuto {
		return r.cfg.Binary == BinaryAlways, nil
	}
	r.mu.Lock()
	known, binary := time.Now().Before(r.until), r.binary
	r.mu.Unlock()
	if known {
		return binary, nil
	}
	ctx, cancel := context.WithTimeout(ctx, r.cfg.ProbeTimeout)
	defer cancel()
	var about struct {
		Extensions []string `json:"extensions"`
	}
	err := fetch(ctx, &r.wire, wire.Request{Path: "v2"}, true, maxDescription, &about)
	switch providers.KindOf(err) {
	case providers.KindUnsupported, providers.KindNotFound:
	default:
		if err != nil {
			return false, err
		}
	}
	binary = slices.ContainsFunc(about.Extensions, func(e string) bool { return slices.Contains(binaryExtension, e) })
	r.mu.Lock()
	r.binary, r.until = binary, time.Now().Add(r.cfg.MetadataTTL)
	r.mu.Unlock()
	return binary, nil
}

func (r *restProtocol) describe(ctx context.Context, model, version string) (*providers.ModelDescription, []string, error) {
	var about struct {
		Versions []string         `json:"versions"`
		Inputs   []metadataTensor `json:"inputs"`
		Outputs  []metadataTensor `json:"outputs"`
	}
	err := fetch(ctx, &r.wire, wire.Request{Path: modelPath(model, version, ""), Model: model}, false, maxDescription, &about)
	if err != nil {
		return nil, nil, err
	}
	out, err := description(r.cfg, model, version, about.Versions, about.Inputs, about.Outputs)
	return out, about.Versions, err
}

// ask makes a call that says yes with 200, and no with {"ready": false} or a status that says "not now".
func (r *restProtocol) ask(ctx context.Context, path, model string) (bool, error) {
	call, e := r.wire.Send(ctx, wire.Request{Path: path, Model: model, Accept: "application/json"})
	if e != nil {
		return false, e
	}
	defer call.End()
	switch call.Response.StatusCode {
	case http.StatusOK:
	case http.StatusBadRequest, http.StatusTooEarly, http.StatusServiceUnavailable:
		err := refused(call, false)
		if k := providers.KindOf(err); k == providers.KindNotFound || k == providers.KindCanceled || k == providers.KindTimeout || providers.RetryAfter(err) > 0 {
			return false, err
		}
		return false, nil
	default:
		return false, refused(call, false)
	}
	body, e := readBody(call, maxDescription)
	if e != nil {
		return false, e
	}
	var answer struct {
		Ready *bool `json:"ready"`
		Live  *bool `json:"live"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return true, nil // the status says it; the body need not be there
	}
	for _, said := range []*bool{answer.Ready, answer.Live} {
		if said != nil && !*said {
			return false, nil
		}
	}
	return true, nil
}

func (r *restProtocol) ready(ctx context.Context, model, version string) (bool, error) {
	return r.ask(ctx, modelPath(model, version, "/ready"), model)
}

func (r *restProtocol) healthy(ctx context.Context, ready bool) (bool, error) {
	if ready {
		return r.ask(ctx, "v2/health/ready", "")
	}
	return r.ask(ctx, "v2/health/live", "")
}

func (r *restProtocol) index(ctx context.Context, model string) ([]providers.ModelVersion, error) {
	var entries []indexEntry
	err := fetch(ctx, &r.wire, wire.Request{Path: "v2/repository/index", Body: []byte("{}")}, true, maxIndex, &entries)
	if model == "" && providers.KindOf(err) == providers.KindUnsupported {
		return r.list(ctx)
	}
	if err != nil {
		return nil, err
	}
	return index(r.cfg, entries)
}

// list is the index of KServe's own servers, which list names alone.
func (r *restProtocol) list(ctx context.Context) ([]providers.ModelVersion, error) {
	var about struct {
		Models []string `json:"models"`
	}
	if err := fetch(ctx, &r.wire, wire.Request{Path: "v2/models"}, true, maxIndex, &about); err != nil {
		return nil, err
	}
	entries := make([]indexEntry, len(about.Models))
	for i, name := range about.Models {
		entries[i] = indexEntry{Name: name, State: "READY"}
	}
	out, err := index(r.cfg, entries)
	for i := range out {
		ready, err := r.ready(ctx, out[i].Model, "")
		if err != nil && providers.KindOf(err) != providers.KindNotFound {
			return nil, err
		}
		if !ready {
			out[i].State, out[i].Detail = providers.ModelAbsent, unready
		}
	}
	return out, err
}

func (r *restProtocol) load(ctx context.Context, model string) error {
	return fetch(ctx, &r.wire, wire.Request{Path: "v2/repository/models/" + url.PathEscape(model) + "/load", Model: model, Body: []byte("{}")}, true, maxDescription, nil)
}

func (r *restProtocol) unload(ctx context.Context, model string) error {
	return fetch(ctx, &r.wire, wire.Request{Path: "v2/repository/models/" + url.PathEscape(model) + "/unload", Model: model, Body: []byte("{}")}, true, maxDescription, nil)
}
