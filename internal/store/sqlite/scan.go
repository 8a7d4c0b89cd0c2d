package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/binary"
	"math/bits"
	"slices"

	"fairlead/internal/fault"
	"fairlead/internal/label"
)

// candidate is a passage with the Hamming distance of its code.
type candidate struct {
	distance int
	id       int64
}

// nearCodes gives the k rows of a set, none above the ceiling, whose codes are nearest. It reads the
// chunks in which sqlite-vec keeps the codes and compares them here: sqlite-vec's own search takes time in
// proportion to k for every row (BenchmarkNearCodes20k, k = 512: 12.5 ms there, 2.9 ms here). The layout of the chunks is that
// of sqlite-vec 0.1, whose version is pinned; TestScanFindsWhatSQLiteVecFinds holds it.
func nearCodes(ctx context.Context, tx *sql.Tx, c set, code []byte, k int, ceiling label.Label, everything bool) ([]candidate, error) {
	query := "SELECT c.validity, c.rowids, v.vectors, NULL FROM " + c.codes() + "_chunks c JOIN " + c.codes() + "_vector_chunks00 v ON v.rowid = c.chunk_id WHERE c.partition00 = ?"
	if !everything {
		query = "SELECT c.validity, c.rowids, v.vectors, m.data FROM " + c.codes() + "_chunks c JOIN " + c.codes() + "_vector_chunks00 v ON v.rowid = c.chunk_id JOIN " +
			c.codes() + "_metadatachunks00 m ON m.rowid = c.chunk_id WHERE c.partition00 = ?"
	}
	rows, err := tx.QueryContext(ctx, query, c.partition())
	if err != nil {
		return nil, err
	}
	n := nearestCodes{k: k, worst: codeBits(c.dimensions) + 1}
	words := make([]uint64, len(code)/8)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(code[8*i:])
	}
	err = each(rows, func() error {
		var validity, rowids, codes, labels sql.RawBytes
		if err := rows.Scan(&validity, &rowids, &codes, &labels); err != nil {
			return err
		}
		size := len(rowids) / 8
		if len(validity)*8 != size || len(codes) != size*len(code) || !everything && len(labels) != size*8 {
			return fault.New(fault.DataLoss, fault.ReasonNone, "searching by vector: the index of vectors is damaged: ingest the collection again")
		}
		for i := range size {
			if validity[i/8]>>(i%8)&1 == 0 {
				continue // deleted, or not used yet
			}
			if !everything && int64(binary.LittleEndian.Uint64(labels[8*i:])) > int64(ceiling) {
				continue
			}
			n.add(distance(words, codes[i*len(code):]), int64(binary.LittleEndian.Uint64(rowids[8*i:])))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	n.cut()
	return n.all, nil
}

// distance is the Hamming distance of a code and a packed one that is not shorter.
func distance(words []uint64, packed []byte) int {
	packed = packed[:8*len(words)]
	d := 0
	for i, w := range words {
		d += bits.OnesCount64(w ^ binary.LittleEndian.Uint64(packed[8*i:]))
	}
	return d
}

// nearestCodes keeps the k nearest of those added.
type nearestCodes struct {
	k     int
	worst int // what is as far as this cannot be among them
	all   []candidate
}

func (n *nearestCodes) add(distance int, id int64) {
	if distance >= n.worst {
		return
	}
	n.all = append(n.all, candidate{distance, id})
	if len(n.all) >= 4*n.k {
		n.cut()
	}
}

// cut drops what is not among the k nearest.
func (n *nearestCodes) cut() {
	slices.SortFunc(n.all, func(a, b candidate) int { return cmp.Or(a.distance-b.distance, cmp.Compare(a.id, b.id)) })
	if len(n.all) >= n.k {
		n.all = n.all[:n.k]
		n.worst = n.all[n.k-1].distance
	}
}
