package rpc

import (
	"context"
	"time"

	"connectrpc.com/connect"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
	"fairlead/retrieval"
)

// tellEvery is how often a reindex in progress is told of.
const tellEvery = 100 * time.Millisecond

// ReindexCollection embeds a collection anew. Its documents may be more sensitive than the collection says, so that
// only a caller who may see all of them may have them embedded. When the caller leaves, it stops, and another call goes
// on.
func (s *retrievalService) ReindexCollection(ctx context.Context, req *pb.ReindexCollectionRequest, stream *connect.ServerStream[pb.ReindexCollectionResponse]) error {
	p, err := principal(ctx)
	if err != nil {
		return err
	}
	name := req.GetCollection()
	if err := mayEmbed(p, req.GetEmbedder()); err != nil {
		return err
	}
	if err := s.seesAll(ctx, p, name); err != nil {
		return err
	}
	send := func(m *pb.ReindexCollectionResponse) error {
		if err := stream.Send(m); err != nil {
			return fault.Wrap(err, fault.Canceled, fault.ReasonCanceled, "sending to the caller failed: it left, or it stopped reading")
		}
		return nil
	}
	var c *retrieval.Collection
	if req.GetAbort() {
		if c, err = s.abort(ctx, p.Tenant, name); err != nil {
			return err
		}
		return send(&pb.ReindexCollectionResponse{Collection: collectionMessage(c)})
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var last time.Time
	var left error // why nothing more can be told
	c, err = s.collections.Reindex(ctx, p.Tenant, name, req.GetEmbedder(), func(r retrieval.Reindex) {
		if r.Done < r.Total && time.Since(last) < tellEvery {
			return
		}
		last = time.Now()
		if left == nil {
			if left = send(&pb.ReindexCollectionResponse{Reindex: reindexMessage(&r)}); left != nil {
				cancel()
			}
		}
	})
	switch {
	case left != nil:
		return left
	case err != nil:
		return late(ctx, err)
	}
	return send(&pb.ReindexCollectionResponse{Collection: collectionMessage(c)})
}

// abort drops a reindex and gives the collection as it is then.
func (s *retrievalService) abort(ctx context.Context, tenant, name string) (*retrieval.Collection, error) {
	if err := s.collections.AbortReindex(ctx, tenant, name); err != nil {
		return nil, err
	}
	list, err := s.collections.ListCollections(ctx, tenant)
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].Name == name {
			return &list[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, fault.ReasonUnknownColl, "aborting the reindex: collection %s was deleted meanwhile", name)
}

func reindexMessage(r *retrieval.Reindex) *pb.Reindex {
	if r == nil {
		return nil
	}
	return &pb.Reindex{
		Embedder: validText(r.To.Embedder), Identity: validText(r.To.Identity), Done: r.Done, Total: r.Total, StartedAt: timeMessage(r.StartedAt),
	}
}
