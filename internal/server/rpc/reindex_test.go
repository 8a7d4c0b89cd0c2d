package rpc_test

import (
	"net/http"
	"testing"

	"connectrpc.com/connect"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/gen/fairlead/v1/fairleadv1connect"
	"fairlead/internal/auth"
	"fairlead/internal/label"
	"fairlead/internal/server"
)

// reindexed gives the messages of one call.
func reindexed(t *testing.T, c fairleadv1connect.RetrievalServiceClient, req *pb.ReindexCollectionRequest, header ...string) ([]*pb.ReindexCollectionResponse, error) {
	t.Helper()
	ctx := t.Context()
	for _, h := range header {
		ctx = withHeader(ctx, h, "1")
	}
	s, err := c.ReindexCollection(ctx, req)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var out []*pb.ReindexCollectionResponse
	for s.Receive() {
		out = append(out, s.Msg())
	}
	return out, s.Err()
}

func TestReindexCollection(t *testing.T) {
	f := start(t, echo())
	c := fairleadv1connect.NewRetrievalServiceClient(client(t, true), f.url)
	got, err := reindexed(t, c, &pb.ReindexCollectionRequest{Collection: "docs", Embedder: "new"})
	if err != nil {
		t.Fatal(err)
	}
	// It tells at least of the beginning and of the end, and then of the collection.
	progress, last := got[:len(got)-1], got[len(got)-1]
	if len(progress) < 2 || progress[0].GetReindex().GetDone() != 0 || progress[len(progress)-1].GetReindex().GetDone() != 3 {
		t.Errorf("it told %v", progress)
	}
	want := &pb.Reindex{Embedder: "new", Identity: "new@2", Done: 0, Total: 3, StartedAt: progress[0].GetReindex().GetStartedAt()}
	if diff := cmp.Diff(want, progress[0].GetReindex(), protocmp.Transform()); diff != "" || !want.GetStartedAt().IsValid() {
		t.Errorf("the first (-want +got):\n%s", diff)
	}
	if at := last.GetCollection(); at.GetIdentity() != "new@2" || !cmp.Equal(at.GetLanguages(), []string{"de"}) || last.GetReindex() != nil {
		t.Errorf("the last is %v", last)
	}

	got, err = reindexed(t, c, &pb.ReindexCollectionRequest{Collection: "docs"})
	if err != nil || len(got) != 1 || got[0].GetReindex() != nil || got[0].GetCollection().GetName() != "docs" {
		t.Errorf("with nothing to do: %v, %v", got, err)
	}
	got, err = reindexed(t, c, &pb.ReindexCollectionRequest{Collection: "docs", Embedder: "fails"})
	if code, info := outcome(t, err); code != connect.CodeUnavailable || info.GetReason() != "upstream_unavailable" || len(got) == 0 || got[len(got)-1].GetCollection() != nil {
		t.Errorf("one that fails: %v, %v", got, err)
	}
	got, err = reindexed(t, c, &pb.ReindexCollectionRequest{Collection: "open", Abort: true})
	if err != nil || len(got) != 1 || got[0].GetCollection().GetName() != "open" {
		t.Errorf("an abort: %v, %v", got, err)
	}
	_, err = reindexed(t, c, &pb.ReindexCollectionRequest{Collection: "none", Abort: true})
	if code, _ := outcome(t, err); code != connect.CodeNotFound {
		t.Errorf("an abort of none: %v", err)
	}
	_, err = reindexed(t, c, &pb.ReindexCollectionRequest{Collection: "Not A Name"})
	if code, _ := outcome(t, err); code != connect.CodeInvalidArgument {
		t.Errorf("a name that is none: %v", err)
	}
}

func TestReindexCollectionUnderACeiling(t *testing.T) {
	f := start(t, echo(), func(c *server.Config) {
		c.Authenticate = func(r *http.Request) (auth.Principal, error) {
			p := auth.Principal{Tenant: "a", Ceiling: label.Restricted, Scopes: auth.AllScopes}
			if r.Header.Get("Low") != "" {
				p.Ceiling = label.Internal
			}
			if r.Header.Get("Reader") != "" {
				p.Scopes = auth.Search
			}
			return p, nil
		}
	})
	c := fairleadv1connect.NewRetrievalServiceClient(client(t, true), f.url)
	if _, err := c.Ingest(t.Context(), &pb.IngestRequest{Collection: "docs", Sources: []*pb.Source{{Uri: "b", Label: pb.Label_LABEL_RESTRICTED}}}); err != nil {
		t.Fatal(err)
	}
	for _, req := range []*pb.ReindexCollectionRequest{{Collection: "docs", Embedder: "new"}, {Collection: "docs", Abort: true}} {
		for _, who := range []string{"Low", "Reader"} {
			got, err := reindexed(t, c, req, who)
			if code, _ := outcome(t, err); code != connect.CodePermissionDenied || len(got) != 0 {
				t.Errorf("%s, %v: %v, %v", who, req, got, err)
			}
		}
		if _, err := reindexed(t, c, &pb.ReindexCollectionRequest{Collection: "open", Embedder: "new"}); err != nil {
			t.Error(err)
		}
	}
}

// A caller that is held to models names no other as what embeds a collection; one that names none takes what is there.
func TestNamingAnEmbedder(t *testing.T) {
	f := start(t, echo(), func(c *server.Config) {
		c.Authenticate = func(*http.Request) (auth.Principal, error) {
			return auth.Principal{Tenant: "a", Ceiling: label.Restricted, Scopes: auth.AllScopes, Models: []string{"mine"}}, nil
		}
	})
	c := fairleadv1connect.NewRetrievalServiceClient(client(t, true), f.url)
	create := func(embedder string) error {
		_, err := c.CreateCollection(t.Context(), &pb.CreateCollectionRequest{Collection: &pb.Collection{Name: "docs", Embedder: embedder}})
		return err
	}
	reindex := func(embedder string) error {
		_, err := reindexed(t, c, &pb.ReindexCollectionRequest{Collection: "docs", Embedder: embedder})
		return err
	}
	for what, name := range map[string]func(string) error{"create": create, "reindex": reindex} {
		code, info := outcome(t, name("dear"))
		if code != connect.CodeNotFound || info.GetReason() != "unknown_model" {
			t.Errorf("%s: %v %v", what, code, info)
		}
		for _, allowed := range []string{"mine", ""} {
			if err := name(allowed); err != nil {
				t.Errorf("%s, %q: %v", what, allowed, err)
			}
		}
	}
}
