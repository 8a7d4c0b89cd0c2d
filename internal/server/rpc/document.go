package rpc

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
	"fairlead/retrieval"
)

// collection reads the settings of a collection; its counts are the store's.
func collection(c *pb.Collection) retrieval.Collection {
	out := retrieval.Collection{
		Name: c.GetName(), Description: c.GetDescription(), Label: labelOf(c.GetLabel()), Embedder: c.GetEmbedder(),
		LexicalWeight: retrieval.UnsetWeight,
	}
	if c.LexicalWeight != nil {
		out.LexicalWeight = c.GetLexicalWeight()
	}
	return out
}

func collectionMessage(c *retrieval.Collection) *pb.Collection {
	return &pb.Collection{
		Name: c.Name, Description: validText(c.Description), Label: labelMessage(c.Label), Embedder: c.Embedder,
		LexicalWeight: &c.LexicalWeight, Documents: c.Documents, Passages: c.Passages,
		// That a document has none is no language.
		Languages:  slices.DeleteFunc(slices.Clone(c.Languages), func(l string) bool { return l == "" }),
		Dimensions: clamp32(c.Dimensions), CreatedAt: timeMessage(c.CreatedAt),
		Identity: validText(c.Identity), Reindex: reindexMessage(c.Reindex), Outdated: c.Outdated,
	}
}

func documentMessage(d *retrieval.Document) *pb.Document {
	return &pb.Document{
		Id: d.ID, Collection: d.Collection, Uri: validText(d.URI), Title: validText(d.Title), MediaType: validText(d.MediaType),
		Language: d.Language, Label: labelMessage(d.Label), Metadata: structMessage(d.Metadata), SourceBytes: d.SourceBytes,
		Passages: clamp32(d.Passages), ContentHash: d.ContentHash,
		CreatedAt: timeMessage(d.CreatedAt), UpdatedAt: timeMessage(d.UpdatedAt), Text: validText(d.Text),
	}
}

var statuses = map[retrieval.Status]pb.IngestResult_Status{
	retrieval.Added:     pb.IngestResult_STATUS_ADDED,
	retrieval.Unchanged: pb.IngestResult_STATUS_UNCHANGED,
	retrieval.Replaced:  pb.IngestResult_STATUS_REPLACED,
	retrieval.Failed:    pb.IngestResult_STATUS_FAILED,
}

func resultMessage(r *retrieval.Result) *pb.IngestResult {
	out := &pb.IngestResult{
		Uri: r.URI, Status: statuses[r.Status], DocumentId: r.DocumentID, Passages: clamp32(r.Passages),
	}
	if r.Err != nil {
		f := fault.From(r.Err)
		out.Error, out.Reason = validText(f.Error()), string(f.Reason)
		out.Retryable = f.Code == fault.Unavailable || f.Code == fault.DeadlineExceeded || f.Code == fault.ResourceExhausted
	}
	return out
}

var ops = map[pb.Filter_Op]retrieval.Op{
	pb.Filter_OP_EQUAL:            retrieval.Equal,
	pb.Filter_OP_NOT_EQUAL:        retrieval.NotEqual,
	pb.Filter_OP_LESS:             retrieval.Less,
	pb.Filter_OP_LESS_OR_EQUAL:    retrieval.LessOrEqual,
	pb.Filter_OP_GREATER:          retrieval.Greater,
	pb.Filter_OP_GREATER_OR_EQUAL: retrieval.GreaterOrEqual,
	pb.Filter_OP_IN:               retrieval.In,
	pb.Filter_OP_EXISTS:           retrieval.Exists,
}

// filterOf reads a filter and holds each value to what its comparison can use.
func filterOf(f *pb.Filter) (retrieval.Filter, error) {
	var out retrieval.Filter
	for i, c := range f.GetConditions() {
		field := fmt.Sprintf("filter.conditions[%d].value", i)
		value, err := plain(field, c.GetValue())
		if err != nil {
			return nil, err
		}
		op := ops[c.GetOp()]
		switch v := value.(type) {
		case []any:
			if op != retrieval.In {
				return nil, invalid(field, "only OP_IN compares with a list")
			}
			for _, element := range v {
				if !scalar(element) {
					return nil, invalid(field, "the list holds something that is not text, a number or a boolean")
				}
			}
		case bool:
			if op != retrieval.Equal && op != retrieval.NotEqual && op != retrieval.Exists {
				return nil, invalid(field, "this comparison does not work on a boolean")
			}
		case string, float64:
			if op == retrieval.Exists {
				return nil, invalid(field, "OP_EXISTS takes true or false")
			}
			if op == retrieval.In {
				return nil, invalid(field, "OP_IN takes a list")
			}
		default:
			return nil, invalid(field, "it is not text, a number, a boolean or a list of those")
		}
		out = append(out, retrieval.Condition{Field: c.GetField(), Op: op, Value: value})
	}
	return out, nil
}

func scalar(v any) bool {
	switch v.(type) {
	case string, float64, bool:
		return true
	}
	return false
}

func foundMessage(f *retrieval.Found) *pb.SearchResponse {
	out := &pb.SearchResponse{Hits: make([]*pb.Hit, len(f.Hits)), Exhausted: f.Exhausted, Incomplete: f.Incomplete, Degraded: validText(f.Degraded)}
	for i := range f.Hits {
		out.Hits[i] = hitMessage(&f.Hits[i])
	}
	if e := f.Explanation; e != nil {
		out.Explanation = &pb.SearchExplanation{
			Fusion: e.Fusion, LexicalWeight: e.LexicalWeight, LexicalQuery: validText(e.LexicalQuery),
			LexicalHits: clamp32(e.LexicalHits), VectorHits: clamp32(e.VectorHits), Embedder: e.Embedder,
			LexicalMs: millis(e.LexicalTime), VectorMs: millis(e.VectorTime),
			Lexical: scanMessage(e.Lexical), Vector: scanMessage(e.Vector),
		}
	}
	return out
}

// scanMessage gives how a leg went through what is stored, nil for one that was not asked.
func scanMessage(s retrieval.Scan) *pb.Scan {
	if s.Method == "" {
		return nil
	}
	out := &pb.Scan{Method: s.Method, Why: validText(s.Why), Estimated: s.Estimated}
	if s.Rows >= 0 {
		out.Rows = &s.Rows
	}
	return out
}

// hitMessage gives a hit. A leg that did not find it has no score.
func hitMessage(h *retrieval.Hit) *pb.Hit {
	out := &pb.Hit{
		Passage: passageMessage(&h.Passage), Score: h.Score,
		LexicalRank: clamp32(h.LexicalRank), VectorRank: clamp32(h.VectorRank),
	}
	if h.LexicalRank > 0 {
		out.LexicalScore = &h.LexicalScore
	}
	if h.VectorRank > 0 {
		out.VectorScore = &h.VectorScore
	}
	return out
}

func passageMessage(p *retrieval.Passage) *pb.Passage {
	return &pb.Passage{
		Id: p.ID, Collection: p.Collection, DocumentId: p.DocumentID, Uri: validText(p.URI), Title: validText(p.Title),
		Heading: validTexts(p.Heading), Text: validText(p.Text), Span: spanMessage(p.Span), Label: labelMessage(p.Label),
	}
}

// tokenMark begins a page token, so that a token of another form can be told.
const tokenMark = "1:"

// pageToken gives the token of the page after a uri.
func pageToken(after string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(tokenMark + after))
}

// readPageToken gives the uri that a token stands for.
func readPageToken(token string) (string, error) {
	if token == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	after, ok := strings.CutPrefix(string(raw), tokenMark)
	if err != nil || !ok || !utf8.ValidString(after) {
		return "", invalid("page_token", "it is not one that this server gave")
	}
	return after, nil
}
