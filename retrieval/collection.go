package retrieval

import (
	"context"
	"regexp"

	"fairlead/internal/fault"
	"fairlead/internal/label"
)

var collectionName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,127}$`)

func checkCollectionName(name string) error {
	if !collectionName.MatchString(name) {
		return badRequest("collection name: use 1 to 128 of a-z, 0-9, '.', '_' and '-', beginning with a letter or a digit")
	}
	return nil
}

func badRequest(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, fault.ReasonBadRequest, format, args...)
}

// CreateCollection makes a collection, and gives it as it is stored. Settings that are not stated (an
// Unset label, an empty embedder or description, a negative weight) take the defaults; Dimensions are
// asked of the embedder. When there is one of that name it is given back if all that is stated equals its
// settings: otherwise the error is AlreadyExists and names what differs.
func (s *Service) CreateCollection(ctx context.Context, tenant string, c Collection) (*Collection, error) {
	if err := checkCollectionName(c.Name); err != nil {
		return nil, err
	}
	switch {
	case c.LexicalWeight >= 0 && !validWeight(c.LexicalWeight) || c.LexicalWeight != c.LexicalWeight:
		return nil, badRequest("creating collection %s: the lexical weight is not in [0,1]", c.Name)
	case c.Label != label.Unset && !c.Label.Valid():
		return nil, badRequest("creating collection %s: the label is not one of the four", c.Name)
	case len(c.Description) > 1024:
		return nil, badRequest("creating collection %s: the description has more than 1024 bytes", c.Name)
	}
	stored, err := s.store.CollectionGet(ctx, tenant, c.Name)
	switch {
	case err == nil:
		return s.same(stored, c)
	case fault.CodeOf(err) != fault.NotFound:
		return nil, err
	}
	made := Collection{
		Name: c.Name, Description: c.Description, Label: c.Label.Or(s.config.Label),
		LexicalWeight: c.LexicalWeight, CreatedAt: s.config.Now(),
	}
	if c.LexicalWeight < 0 {
		made.LexicalWeight = *s.config.LexicalWeight
	}
	e, err := s.embedders.Embedder(c.Embedder)
	if err != nil {
		return nil, err
	}
	to, err := e.embedding(ctx, made.Label)
	if err != nil {
		return nil, err
	}
	made.Embedder, made.Identity, made.Dimensions = to.Embedder, to.Identity, to.Dimensions
	if c.Dimensions > 0 && c.Dimensions != made.Dimensions {
		return nil, badRequest("creating collection %s: vectors of embedder %s have %d dimensions, not %d",
			c.Name, e.Name, made.Dimensions, c.Dimensions)
	}
	err = s.store.CollectionInsert(ctx, tenant, made)
	if err != nil && fault.CodeOf(err) != fault.AlreadyExists {
		return nil, err
	}
	// Either ours or, made at the same time, another's.
	if stored, err = s.store.CollectionGet(ctx, tenant, c.Name); err != nil {
		return nil, err
	}
	return s.same(stored, c)
}

// same gives the stored collection when all that is asked equals its settings.
func (s *Service) same(stored *Collection, asked Collection) (*Collection, error) {
	embedder := asked.Embedder
	if embedder != "" && embedder != stored.Embedder {
		// It may be another name of the same target.
		if e, err := s.embedders.Embedder(embedder); err == nil {
			embedder = e.Name
		}
	}
	var differs string
	switch {
	case asked.Label != label.Unset && asked.Label != stored.Label:
		differs = "label " + stored.Label.String()
	case embedder != "" && embedder != stored.Embedder:
		differs = "embedder " + stored.Embedder
	case asked.LexicalWeight >= 0 && asked.LexicalWeight != stored.LexicalWeight:
		differs = "another lexical weight"
	case asked.Description != "" && asked.Description != stored.Description:
		differs = "another description"
	case asked.Dimensions > 0 && asked.Dimensions != stored.Dimensions:
		differs = "other dimensions"
	default:
		return stored, nil
	}
	return nil, fault.New(fault.AlreadyExists, fault.ReasonBadRequest,
		"creating collection %s: it is there with %s: use it as it is, or take another name", asked.Name, differs)
}

// ListCollections gives all collections by name, with their counts.
func (s *Service) ListCollections(ctx context.Context, tenant string) ([]Collection, error) {
	list, err := s.store.CollectionList(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for i := range list {
		e, err := s.embedders.Embedder(list[i].Embedder)
		list[i].Outdated = err == nil && admits(&list[i], e) != nil
	}
	return list, nil
}

// DeleteCollection deletes a collection and all it holds, whatever the labels, and says how many
// documents went.
func (s *Service) DeleteCollection(ctx context.Context, tenant, name string) (int64, error) {
	if err := checkCollectionName(name); err != nil {
		return 0, err
	}
	return s.store.CollectionDelete(ctx, tenant, name)
}

// GetDocument gives a document with its text, by id or by uri. One above the ceiling is not found: that
// it is there is not told either.
func (s *Service) GetDocument(ctx context.Context, tenant, collection, idOrURI string, ceiling label.Label) (*Document, error) {
	if err := checkCeiling(ceiling); err != nil {
		return nil, err
	}
	d, err := s.store.DocumentGet(ctx, tenant, collection, idOrURI)
	if err != nil {
		return nil, err
	}
	if d.Label > ceiling {
		return nil, fault.New(fault.NotFound, fault.ReasonUnknownDocument,
			"collection %s has no such document", collection)
	}
	return d, nil
}

// ListDocuments gives up to limit documents by uri, without their texts, from the first uri after
// `after`. Those above the ceiling are left out; fewer than limit means that there are no more. Limit is
// from 1 to 1,000; 0 is 100.
func (s *Service) ListDocuments(ctx context.Context, tenant, collection, after string, limit int, ceiling label.Label) ([]Document, error) {
	if err := checkCeiling(ceiling); err != nil {
		return nil, err
	}
	if limit < 0 || limit > 1000 {
		return nil, badRequest("listing documents: the limit is not in 0 to 1000")
	}
	if limit == 0 {
		limit = 100
	}
	var out []Document
	for {
		page, err := s.store.DocumentList(ctx, tenant, collection, after, limit)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			if d.Label <= ceiling {
				if out = append(out, d); len(out) == limit {
					return out, nil
				}
			}
		}
		if len(page) < limit {
			return out, nil
		}
		after = page[len(page)-1].URI
	}
}

// DeleteDocument deletes a document, its passages and its vectors. One above the ceiling is not found.
func (s *Service) DeleteDocument(ctx context.Context, tenant, collection, idOrURI string, ceiling label.Label) error {
	d, err := s.GetDocument(ctx, tenant, collection, idOrURI, ceiling)
	if err != nil {
		return err
	}
	return s.store.DocumentDelete(ctx, tenant, collection, d.ID)
}

// checkCeiling refuses a ceiling that nobody established: to guess one would be to leak.
func checkCeiling(l label.Label) error {
	if !l.Valid() {
		return fault.New(fault.Internal, fault.ReasonInternal, "retrieval: the caller's ceiling is not set")
	}
	return nil
}
