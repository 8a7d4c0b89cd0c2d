package rpc

import (
	"context"
	"fmt"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// retrievalService serves fairlead.v1.RetrievalService. What is above a caller's ceiling is not there for
// that caller: it is left out of lists, and its name is answered as an unknown one.
type retrievalService struct {
	collections Collections
	documents   Documents
}

var _ fairleadv1connect.RetrievalServiceHandler = (*retrievalService)(nil)

// defaultPage is how many documents a page has when the caller does not say.
const defaultPage = 100

// CreateCollection makes a collection.
func (s *retrievalService) CreateCollection(ctx context.Context, req *pb.CreateCollectionRequest) (*pb.CreateCollectionResponse, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	c := req.GetCollection()
	l := labelOf(c.GetLabel())
	if err := underCeiling(p, l, "collection.label"); err != nil {
		return nil, err
	}
	if err := mayEmbed(p, c.GetEmbedder()); err != nil {
		return nil, err
	}
	made, err := s.collections.CreateCollection(ctx, p.Tenant, collection(c))
	if err != nil {
		return nil, err
	}
	return &pb.CreateCollectionResponse{Collection: collectionMessage(made)}, nil
}

// mayEmbed refuses the name of an embedder that the caller may not name. What embeds a collection where nobody names one
// is the collection's matter.
func mayEmbed(p auth.Principal, embedder string) error {
	if embedder == "" || p.MayUseModel(embedder) {
		return nil
	}
	return fault.New(fault.NotFound, fault.ReasonUnknownModel, "there is no model %q that this caller may embed with", embedder)
}

// ListCollections lists the collections.
func (s *retrievalService) ListCollections(ctx context.Context, _ *pb.ListCollectionsRequest) (*pb.ListCollectionsResponse, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	list, err := s.collections.ListCollections(ctx, p.Tenant)
	if err != nil {
		return nil, err
	}
	out := &pb.ListCollectionsResponse{}
	for i := range list {
		if list[i].Label <= p.Ceiling {
			out.Collections = append(out.Collections, collectionMessage(&list[i]))
		}
	}
	return out, nil
}

// DeleteCollection deletes a collection. Its documents may be more sensitive than the collection says, so
// that only a caller who may see all of them may delete it.
func (s *retrievalService) DeleteCollection(ctx context.Context, req *pb.DeleteCollectionRequest) (*pb.DeleteCollectionResponse, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.seesAll(ctx, p, req.GetName()); err != nil {
		return nil, err
	}
	n, err := s.collections.DeleteCollection(ctx, p.Tenant, req.GetName())
	if err != nil {
		return nil, err
	}
	return &pb.DeleteCollectionResponse{Documents: n}, nil
}

// seesAll refuses a caller who may not see each document of a collection.
func (s *retrievalService) seesAll(ctx context.Context, p auth.Principal, collection string) error {
	if p.Ceiling >= label.Restricted {
		return nil
	}
	const page = 1000
	for after := ""; ; {
		list, err := s.documents.ListDocuments(ctx, p.Tenant, collection, after, page, label.Restricted)
		if err != nil {
			return err
		}
		for i := range list {
			if list[i].Label > p.Ceiling {
				return fault.New(fault.PermissionDenied, fault.ReasonNone,
					"collection %s: it holds documents above what this caller may see, which is %s", collection, p.Ceiling)
			}
		}
		if len(list) < page {
			return nil
		}
		after = list[len(list)-1].URI
	}
}

// Ingest stores documents.
func (s *retrievalService) Ingest(ctx context.Context, req *pb.IngestRequest) (*pb.IngestResponse, error) {
	// The header states the label of all that is sent.
	p, whole, err := admit(ctx, pb.Label_LABEL_UNSPECIFIED)
	if err != nil {
		return nil, err
	}
	sources := make([]retrieval.Source, len(req.GetSources()))
	for i, source := range req.GetSources() {
		field := fmt.Sprintf("sources[%d]", i)
		l := label.Join(whole, labelOf(source.GetLabel()))
		if err := underCeiling(p, l, field+".label"); err != nil {
			return nil, err
		}
		metadata, err := fields(field+".metadata", source.GetMetadata())
		if err != nil {
			return nil, err
		}
		sources[i] = retrieval.Source{
			URI: source.GetUri(), MediaType: source.GetMediaType(), Title: source.GetTitle(),
			Language: source.GetLanguage(), Label: l, Metadata: metadata, Content: source.GetContent(),
		}
	}
	results, err := s.documents.Ingest(ctx, p.Tenant, req.GetCollection(), sources, p.Ceiling)
	if err != nil {
		return nil, err
	}
	out := &pb.IngestResponse{Results: make([]*pb.IngestResult, len(results))}
	for i := range results {
		out.Results[i] = resultMessage(&results[i])
	}
	return out, nil
}

// Search finds passages.
func (s *retrievalService) Search(ctx context.Context, req *pb.SearchRequest) (*pb.SearchResponse, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	ceiling := labelOf(req.GetMaxLabel())
	if err := underCeiling(p, ceiling, "max_label"); err != nil {
		return nil, err
	}
	filter, err := filterOf(req.GetFilter())
	if err != nil {
		return nil, err
	}
	found, err := s.collections.Search(ctx, p.Tenant, retrieval.Query{
		Collection: req.GetCollection(), Text: req.GetQuery(), Top: int(req.GetTop()), Filter: filter,
		MaxLabel: ceiling.Or(p.Ceiling), Explain: req.GetExplain(),
	})
	if err != nil {
		return nil, err
	}
	return foundMessage(found), nil
}

// GetDocument gives a document with its text.
func (s *retrievalService) GetDocument(ctx context.Context, req *pb.GetDocumentRequest) (*pb.GetDocumentResponse, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.documents.GetDocument(ctx, p.Tenant, req.GetCollection(), req.GetDocument(), p.Ceiling)
	if err != nil {
		return nil, err
	}
	return &pb.GetDocumentResponse{Document: documentMessage(d)}, nil
}

// ListDocuments lists documents.
func (s *retrievalService) ListDocuments(ctx context.Context, req *pb.ListDocumentsRequest) (*pb.ListDocumentsResponse, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	after, err := readPageToken(req.GetPageToken())
	if err != nil {
		return nil, err
	}
	size := int(req.GetPageSize())
	if size == 0 {
		size = defaultPage
	}
	list, err := s.documents.ListDocuments(ctx, p.Tenant, req.GetCollection(), after, size, p.Ceiling)
	if err != nil {
		return nil, err
	}
	out := &pb.ListDocumentsResponse{}
	for i := range list {
		out.Documents = append(out.Documents, documentMessage(&list[i]))
	}
	if len(list) >= size {
		out.NextPageToken = pageToken(list[len(list)-1].URI)
	}
	return out, nil
}

// DeleteDocument deletes a document.
func (s *retrievalService) DeleteDocument(ctx context.Context, req *pb.DeleteDocumentRequest) (*pb.DeleteDocumentResponse, error) {
	p, err := principal(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.documents.DeleteDocument(ctx, p.Tenant, req.GetCollection(), req.GetDocument(), p.Ceiling); err != nil {
		return nil, err
	}
	return &pb.DeleteDocumentResponse{}, nil
}

var (
	_ Collections = (*retrieval.Service)(nil)
	_ Documents   = (*retrieval.Service)(nil)
)
