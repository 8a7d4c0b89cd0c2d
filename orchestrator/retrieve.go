package orchestrator

import (
	"context"
	"fmt"

	"fairlead/internal/label"
	"fairlead/orchestrator/chain"
	"fairlead/orchestrator/routing"
	"fairlead/retrieval"
)

func (b *branch) doRetrieve(ctx context.Context, s *chain.Step, path string, emit emitter) (result, *StepFinished, error) {
	r := s.Retrieve
	scope := b.scope()
	collection, err := r.Collection.Render(scope)
	if err != nil {
		return result{}, nil, err
	}
	query, err := r.Query.Render(scope)
	if err != nil {
		return result{}, nil, err
	}
	top, err := r.Limit(scope)
	if err != nil {
		return result{}, nil, err
	}
	q := retrieval.Query{Collection: collection, Text: query, Top: top, MaxLabel: b.principal.Ceiling}
	if q.Filter, err = r.Conditions(scope); err != nil {
		return result{}, nil, err
	}
	used := []*chain.Template{r.Collection, r.Query}
	for _, f := range r.Filter {
		used = append(used, f.Template)
	}
	q.Label = label.Join(s.Label, b.labelOf(used...))
	var found *retrieval.Found
	err = apart(ctx, emit, func(ctx context.Context, emit emitter) (err error) {
		ctx = context.WithValue(ctx, searchKey{}, &search{run: b.run, path: path, emit: emit})
		found, err = b.engine.retrieval.Search(ctx, b.principal.Tenant, q)
		return err
	})
	if err != nil {
		return result{}, nil, err
	}
	res := result{label: label.Join(q.Label, b.labelOf(r.TopFrom)), query: query}
	list := make([]any, len(found.Hits))
	short := make([]any, len(found.Hits))
	for i, h := range found.Hits {
		p := h.Passage
		res.passages = append(res.passages, p)
		res.label = label.Join(res.label, p.Label)
		list[i] = map[string]any{
			"id": p.ID, "uri": p.URI, "title": p.Title, "heading": anys(p.Heading), "text": p.Text, "score": h.Score,
			"label": p.Label.String(), "line_start": float64(p.Span.LineStart), "line_end": float64(p.Span.LineEnd),
		}
		short[i] = fmt.Sprintf("%s:%d-%d", p.URI, p.Span.LineStart, p.Span.LineEnd)
	}
	res.values = map[string]any{"count": float64(len(list)), "exhausted": found.Exhausted, "passages": list, "query": query}
	record := map[string]any{"count": float64(len(list)), "exhausted": found.Exhausted, "collection": collection, "places": short}
	if found.Degraded != "" {
		record["degraded"] = found.Degraded
	}
	return res, &StepFinished{Result: record}, nil
}

func anys(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

func (b *branch) doEmbed(ctx context.Context, s *chain.Step, path string, emit emitter) (result, *StepFinished, error) {
	text, err := s.Embed.Text.Render(b.scope())
	if err != nil {
		return result{}, nil, err
	}
	t, err := b.st.embedderTarget(s.Target)
	if err != nil {
		return result{}, nil, err
	}
	l := label.Join(s.Label, b.labelOf(s.Embed.Text))
	var policy *routing.Policy // the default policy is for answers
	if s.Policy != "" {
		if policy, err = b.policyFor(s.Policy, t.Name); err != nil {
			return result{}, nil, err
		}
	}
	got, err := b.embed(ctx, &errand{path: path, target: t, policy: policy, label: l, classes: b.classes, question: embedding([]string{text}, 0), emit: emit})
	if err != nil {
		return result{}, nil, err
	}
	vector := make([]any, len(got.Vectors[0]))
	for i, v := range got.Vectors[0] {
		vector[i] = float64(v)
	}
	record := map[string]any{"dimensions": float64(len(vector)), "target": t.Name}
	return result{label: l, values: map[string]any{"dimensions": float64(len(vector)), "target": t.Name, "vector": vector}},
		&StepFinished{Result: record}, nil
}
