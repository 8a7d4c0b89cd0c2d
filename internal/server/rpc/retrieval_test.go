package rpc_test

import (
	"context"
	"math"
	"net/http"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/structpb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/internal/server"
)

func TestUnknownNames(t *testing.T) {
	f := start(t, echo())
	runs := fairleadv1connect.NewRunServiceClient(client(t, true), f.url)
	s, err := runs.Run(t.Context(), &pb.RunRequest{Chain: "none"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for s.Receive() {
	}
	if code, info := outcome(t, s.Err()); code != connect.CodeNotFound || info.GetReason() != "unknown_chain" {
		t.Errorf("chain: %v", s.Err())
	}
	docs := fairleadv1connect.NewRetrievalServiceClient(client(t, true), f.url)
	_, err = docs.Search(t.Context(), &pb.SearchRequest{Collection: "none", Query: "q"})
	if code, info := outcome(t, err); code != connect.CodeNotFound || info.GetReason() != "unknown_collection" {
		t.Errorf("collection: %v", err)
	}
	_, err = docs.GetDocument(t.Context(), &pb.GetDocumentRequest{Collection: "docs", Document: "none"})
	if code, info := outcome(t, err); code != connect.CodeNotFound || info.GetReason() != "unknown_document" {
		t.Errorf("document: %v", err)
	}
}

func TestInfinityIsNotJSON(t *testing.T) {
	f := start(t, echo())
	runs := fairleadv1connect.NewRunServiceClient(client(t, true), f.url)
	for _, bad := range []*structpb.Value{structpb.NewNumberValue(math.Inf(1)), structpb.NewNumberValue(math.NaN()), {}} {
		s, err := runs.Run(t.Context(), &pb.RunRequest{Chain: "c", Input: &structpb.Struct{Fields: map[string]*structpb.Value{"x": bad}}})
		if err != nil {
			t.Fatal(err)
		}
		for s.Receive() {
		}
		if code, _ := outcome(t, s.Err()); code != connect.CodeInvalidArgument {
			t.Errorf("%v: %v", bad, s.Err())
		}
		_ = s.Close()
	}
}

func TestDocumentsUnderACeiling(t *testing.T) {
	f := start(t, echo(), func(c *server.Config) {
		c.Authenticate = func(r *http.Request) (auth.Principal, error) {
			p := auth.Principal{Tenant: "a", Ceiling: label.Restricted, Scopes: auth.AllScopes}
			if r.Header.Get("Low") != "" {
				p.Ceiling = label.Internal
			}
			return p, nil
		}
	})
	c := fairleadv1connect.NewRetrievalServiceClient(client(t, true), f.url)
	low := func() context.Context { return withHeader(t.Context(), "Low", "1") }
	_, err := c.Ingest(t.Context(), &pb.IngestRequest{Collection: "docs", Sources: []*pb.Source{
		{Uri: "a", Label: pb.Label_LABEL_PUBLIC, Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{"n": structpb.NewNumberValue(1)}}},
		{Uri: "b", Label: pb.Label_LABEL_RESTRICTED}, {Uri: "c", Label: pb.Label_LABEL_INTERNAL},
	}})
	if err != nil {
		t.Fatal(err)
	}
	denied := func(name string, err error, want connect.Code) {
		t.Helper()
		if code, _ := outcome(t, err); err == nil || code != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = c.Ingest(low(), &pb.IngestRequest{Collection: "docs", Sources: []*pb.Source{{Uri: "x", Label: pb.Label_LABEL_RESTRICTED}}})
	denied("ingest", err, connect.CodePermissionDenied)
	_, err = c.GetDocument(low(), &pb.GetDocumentRequest{Collection: "docs", Document: "b"})
	denied("get", err, connect.CodeNotFound)
	_, err = c.DeleteDocument(low(), &pb.DeleteDocumentRequest{Collection: "docs", Document: "b"})
	denied("delete", err, connect.CodeNotFound)
	_, err = c.DeleteCollection(low(), &pb.DeleteCollectionRequest{Name: "docs"})
	denied("delete collection", err, connect.CodePermissionDenied)
	_, err = c.Search(low(), &pb.SearchRequest{Collection: "docs", Query: "q", MaxLabel: pb.Label_LABEL_RESTRICTED})
	denied("search", err, connect.CodePermissionDenied)
	_, err = c.CreateCollection(low(), &pb.CreateCollectionRequest{Collection: &pb.Collection{Name: "x", Label: pb.Label_LABEL_RESTRICTED}})
	denied("create", err, connect.CodePermissionDenied)

	found, err := c.Search(low(), &pb.SearchRequest{Collection: "docs", Query: "q"})
	if err != nil || found.GetHits()[0].GetPassage().GetId() != "internal" {
		t.Errorf("the search's ceiling: %v, %v", found, err)
	}
	if h := found.GetHits()[0]; h.LexicalScore == nil || h.VectorScore != nil {
		t.Errorf("scores: %v", h)
	}
	collections, err := c.ListCollections(low(), &pb.ListCollectionsRequest{})
	if err != nil || len(collections.GetCollections()) != 1 {
		t.Errorf("collections: %v, %v", collections, err)
	}
	var uris []string
	for token, more := "", true; more; more = token != "" {
		page, err := c.ListDocuments(low(), &pb.ListDocumentsRequest{Collection: "docs", PageSize: 1, PageToken: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range page.GetDocuments() {
			uris = append(uris, d.GetUri())
		}
		token = page.GetNextPageToken()
	}
	if strings.Join(uris, " ") != "a c" {
		t.Errorf("documents: %v", uris)
	}
	_, err = c.ListDocuments(low(), &pb.ListDocumentsRequest{Collection: "docs", PageToken: "x"})
	denied("token", err, connect.CodeInvalidArgument)
	if _, err = c.DeleteCollection(t.Context(), &pb.DeleteCollectionRequest{Name: "docs"}); err != nil {
		t.Error(err)
	}
}
