package hashing

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"fairlead/providers"
)

// Version is the version of the function: it changes whenever any text's vector does.
const Version = 1

// Sizes of vectors.
const (
	DefaultDimensions = 384
	minDimensions     = 16
	maxDimensions     = 8192
)

// Name is the model's name, as a Request may give it. The model's Identity is one, too.
const Name = "hashing"

// Identity names the function for vectors of so many numbers, such as "hashing@1/384": vectors may be
// compared when their identities are the same.
func Identity(dimensions int) string {
	return fmt.Sprintf("%s@%d/%d", Name, Version, dimensions)
}

// Config is what an embedder is made of.
type Config struct {
	// Backend is the backend's name, for errors. Empty: "hashing".
	Backend string
	// Dimensions is how many numbers a vector has, 16 to 8192. 0: 384.
	Dimensions int
}

// Embedder is the function as a provider. It is safe for concurrent use.
type Embedder struct {
	backend    string
	dimensions int
}

var (
	_ providers.Embedder = (*Embedder)(nil)
	_ providers.Lister   = (*Embedder)(nil)
)

// New makes an embedder.
func New(c Config) (*Embedder, error) {
	e := &Embedder{backend: c.Backend, dimensions: c.Dimensions}
	if e.backend == "" {
		e.backend = "hashing"
	}
	if e.dimensions == 0 {
		e.dimensions = DefaultDimensions
	}
	if e.dimensions < minDimensions || e.dimensions > maxDimensions {
		return nil, fmt.Errorf("making the hashing embedder: %d dimensions: use %d to %d", c.Dimensions, minDimensions, maxDimensions)
	}
	return e, nil
}

// Identity names the embedder's function.
func (e *Embedder) Identity() string { return Identity(e.dimensions) }

// Models gives the one model.
func (e *Embedder) Models(ctx context.Context) ([]providers.Model, error) {
	if err := ctx.Err(); err != nil {
		return nil, providers.AsError(ctx, e.backend, "", err)
	}
	return []providers.Model{{Name: Name, Does: providers.Embed}}, nil
}

// Embed makes a vector of length 1 for each text, also for an empty one. The model may be empty, Name, or
// an Identity, which decides about the dimensions; Request.Dimensions may ask for others. The usage
// counts words, exactly.
func (e *Embedder) Embed(ctx context.Context, req *providers.EmbedRequest) (*providers.Embeddings, error) {
	dims, err := e.dims(req)
	if err != nil {
		return nil, err
	}
	out := &providers.Embeddings{Vectors: make([][]float32, len(req.Texts)), Model: Identity(dims)}
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	all := make([]float32, dims*len(req.Texts)) // one piece of memory for all vectors
	for i, text := range req.Texts {
		if err := ctx.Err(); err != nil {
			return nil, providers.AsError(ctx, e.backend, req.Model, err)
		}
		v := all[i*dims : (i+1)*dims : (i+1)*dims]
		out.Usage.Input += int64(h.embed(text, v))
		out.Vectors[i] = v
	}
	if err := ctx.Err(); err != nil {
		return nil, providers.AsError(ctx, e.backend, req.Model, err)
	}
	return out, nil
}

// dims gives the number of dimensions that a request means.
func (e *Embedder) dims(req *providers.EmbedRequest) (int, error) {
	dims := e.dimensions
	if req.Model != "" && req.Model != Name {
		version, size, _ := strings.Cut(req.Model, "/")
		n, err := strconv.Atoi(size)
		if version != fmt.Sprintf("%s@%d", Name, Version) || err != nil || n < minDimensions || n > maxDimensions {
			return 0, &providers.Error{Kind: providers.KindNotFound, Backend: e.backend, Model: req.Model,
				Detail: "the embedder has the models " + Name + " and " + e.Identity()}
		}
		dims = n
	}
	if req.Dimensions != 0 {
		dims = req.Dimensions
	}
	if dims < minDimensions || dims > maxDimensions {
		return 0, &providers.Error{Kind: providers.KindInvalid, Backend: e.backend, Model: req.Model, Param: "dimensions",
			Detail: fmt.Sprintf("it must be %d to %d", minDimensions, maxDimensions)}
	}
	return dims, nil
}
