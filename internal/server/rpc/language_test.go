package rpc_test

import (
	"strings"
	"testing"

	"connectrpc.com/connect"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
)

func TestLanguages(t *testing.T) {
	f := start(t, echo())
	c := fairleadv1connect.NewRetrievalServiceClient(client(t, true), f.url)
	list, err := c.ListCollections(t.Context(), &pb.ListCollectionsRequest{})
	if err != nil || strings.Join(list.GetCollections()[0].GetLanguages(), ",") != "ar,de" {
		t.Errorf("collections: %v, %v", list, err)
	}
	if _, err := c.Ingest(t.Context(), &pb.IngestRequest{Collection: "docs", Sources: []*pb.Source{{Uri: "a", Language: "de"}}}); err != nil {
		t.Fatal(err)
	}
	d, err := c.GetDocument(t.Context(), &pb.GetDocumentRequest{Collection: "docs", Document: "a"})
	if err != nil || d.GetDocument().GetLanguage() != "de" {
		t.Errorf("document: %v, %v", d, err)
	}
	_, err = c.Ingest(t.Context(), &pb.IngestRequest{Collection: "docs", Sources: []*pb.Source{{Uri: "a", Language: "German"}}})
	if code, _ := outcome(t, err); code != connect.CodeInvalidArgument {
		t.Errorf("a language that is no code: %v", err)
	}
}
