package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

const (
	// exactBelow is up to how many passages are ranked at full precision without candidates: about what
	// reading their vectors costs less than the search for candidates.
	exactBelow = 512
	// candidatesPerHit and minCandidates say how many candidates are taken for a limit.
	candidatesPerHit = 8
	minCandidates    = 200
	// maxCandidates is sqlite-vec's own limit.
	maxCandidates = 4096
)

// SearchVector finds passages by cosine similarity, the best first, with VectorRank and VectorScore set.
// InvalidArgument when the vector's length is not the collection's, it holds something that is not finite,
// or the limit is not above 0. The zero vector, which has no direction, finds nothing.
func (s *Store) SearchVector(ctx context.Context, tenant string, q retrieval.LegQuery) (*retrieval.Leg, error) {
	const doing = "searching by vector"
	if q.Limit <= 0 {
		return nil, form.BadRequest(doing, "the limit is %d: use 1 or more", q.Limit)
	}
	vector, ok := form.Unit(q.Vector)
	if !ok {
		return nil, form.BadRequest(doing, "the vector holds something that is not a finite number")
	}
	leg := &retrieval.Leg{Scan: retrieval.Scan{Method: "exact", Why: "there is nothing to search"}}
	err := s.read(ctx, doing, func(tx *sql.Tx) error {
		c, err := find(ctx, tx, tenant, q.Collection, doing)
		if err != nil {
			return err
		}
		if err := c.admit(q.EmbeddedBy, q.Collection, doing); err != nil {
			return err
		}
		if len(vector) != c.dimensions {
			return form.BadRequest(doing, "the vector has %d dimensions and the collection has %d", len(vector), c.dimensions)
		}
		w, err := documentsWhere(c, q.MaxLabel, q.Filter, doing)
		if err != nil {
			return err
		}
		if c.passages == 0 || !slices.ContainsFunc(vector, func(x float32) bool { return x != 0 }) {
			return nil
		}
		ranking, err := rank(ctx, tx, c, vector, q, w, &leg.Scan)
		if err != nil {
			return err
		}
		leg.Hits, err = hits(ctx, tx, q.Collection, ranking, func(h *retrieval.Hit, rank int, score float64) {
			h.VectorRank, h.VectorScore = rank, score
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return leg, nil
}

// rank gives the best passages that w lets through. How depends on how many it lets through.
func rank(ctx context.Context, tx *sql.Tx, c collection, vector []float32, q retrieval.LegQuery, w *where, scan *retrieval.Scan) ([]scored, error) {
	everything, err := seesAll(ctx, tx, c, q)
	if err != nil {
		return nil, err
	}
	n := c.passages
	if !everything {
		if err := tx.QueryRowContext(ctx, "SELECT coalesce(sum(d.passages), 0) FROM documents d WHERE "+w.sql.String(), w.args...).Scan(&n); err != nil {
			return nil, err
		}
	}
	scan.Rows = n
	if n == 0 {
		return nil, nil
	}
	base := strconv.FormatInt(c.searched().base(), 10)
	k := max(candidatesPerHit*q.Limit, minCandidates)
	if n <= max(exactBelow, int64(k)) || k > maxCandidates {
		scan.Why = fmt.Sprintf("%d passages are few enough to rank them all", n)
		rows, err := tx.QueryContext(ctx, `SELECT p.id, v.embedding FROM documents d
			JOIN passages p ON p.document = d.id JOIN vectors v ON v.id = `+base+` + p.id WHERE `+w.sql.String(), w.args...)
		if err != nil {
			return nil, err
		}
		return best(rows, vector, q.Limit)
	}
	codes := c.searched()
	scan.Method, scan.Why = "codes", fmt.Sprintf("of %d passages the nearest %d by their codes are ranked exactly", n, k)
	e := encoderOf(c.dimensions)
	code := e.encode(vector, make([]float32, e.bits))
	if len(q.Filter) > 0 {
		// The filter is inside the search, so that it is before the k nearest are taken, not after.
		rows, err := tx.QueryContext(ctx, `WITH near AS MATERIALIZED (SELECT rowid FROM `+codes.codes()+`
				WHERE code MATCH vec_bit(?) AND k = ? AND collection = ?
				AND rowid IN (SELECT `+base+` + p.id FROM documents d JOIN passages p ON p.document = d.id WHERE `+w.sql.String()+`))
			SELECT v.id - `+base+`, v.embedding FROM near CROSS JOIN vectors v ON v.id = near.rowid`,
			append([]any{code, k, codes.partition()}, w.args...)...)
		if err != nil {
			return nil, err
		}
		return best(rows, vector, q.Limit)
	}
	near, err := nearCodes(ctx, tx, codes, code, k, q.MaxLabel, everything)
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(near))
	for i, x := range near {
		ids[i] = x.id
	}
	slices.Sort(ids) // neighbours in the table lie on one page
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT v.id - "+base+", v.embedding FROM json_each(?) j CROSS JOIN vectors v ON v.id = j.value", string(list))
	if err != nil {
		return nil, err
	}
	return best(rows, vector, q.Limit)
}

// best reads rows of passage and packed vector, and ranks them by the cosine.
func best(rows *sql.Rows, vector []float32, limit int) ([]scored, error) {
	var all []scored
	if err := each(rows, func() error {
		var id int64
		var packed sql.RawBytes
		if err := rows.Scan(&id, &packed); err != nil {
			return err
		}
		all = append(all, scored{id: id, score: min(max(dot(vector, packed), -1), 1)})
		return nil
	}); err != nil {
		return nil, err
	}
	return top(all, limit), nil
}

// top sorts by score, and by row where scores are equal, and gives the first.
func top(all []scored, limit int) []scored {
	slices.SortFunc(all, func(a, b scored) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		default:
			return int(a.id - b.id)
		}
	})
	return all[:min(limit, len(all))]
}
