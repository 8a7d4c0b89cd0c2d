package postgres

import (
	"context"
	"slices"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"fairlead/retrieval/analysis"
)

const (
	// mostMisspelt is for how many identifiers of a query similar ones are looked for: the first ones.
	mostMisspelt = 4
	// leastIdentifier is from how many letters on a term is kept as an identifier.
	leastIdentifier = 3
)

// identifiers adds to those terms of a query that are identifiers, and that the collection does not have, the most
// similar ones that it has, as variants, as far as they stand in documents that the query may see. It says for how many it found some.
func (f *finding) identifiers(ctx context.Context, tx pgx.Tx, terms []analysis.Term) (misspelt int, err error) {
	var sought []string
	for i := range terms {
		if t := &terms[i]; t.Identifier && utf8.RuneCountInString(t.Text) >= leastIdentifier && len(sought) < mostMisspelt {
			sought = append(sought, t.Text)
		}
	}
	if len(sought) == 0 {
		return 0, nil
	}
	rows, err := tx.Query(ctx, `SELECT t.term, n.identifier FROM unnest($2::text[]) WITH ORDINALITY t (term, place)
		CROSS JOIN LATERAL near_identifiers($1, t.term, $3::smallint) WITH ORDINALITY n (identifier, place) ORDER BY t.place, n.place`, f.c.id, sought, int16(f.q.MaxLabel))
	if err != nil {
		return 0, err
	}
	asked := map[string]bool{}
	for i := range terms {
		for _, v := range terms[i].Variants {
			asked[v] = true
		}
	}
	near := map[string][]string{}
	var term, identifier string
	if _, err := pgx.ForEachRow(rows, []any{&term, &identifier}, func() error {
		if !asked[identifier] {
			asked[identifier] = true
			near[term] = append(near[term], identifier)
		}
		return nil
	}); err != nil {
		return 0, err
	}
	for i := range terms {
		if terms[i].Identifier {
			terms[i].Variants = slices.Concat(terms[i].Variants, near[terms[i].Text])
		}
	}
	return len(near), nil
}

// ForgivesIdentifiers says that a query's identifier that a collection does not have stands for the most similar ones
// that it has.
func (s *Store) ForgivesIdentifiers() {}
