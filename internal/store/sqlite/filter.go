package sqlite

import (
	"context"
	"database/sql"
	"strings"

	"fairlead/internal/label"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// where is a condition on "documents d", with what is bound to it. Nothing that a caller sent is ever part
// of the text: fields and values are bound, operators and columns come from the tables below.
type where struct {
	sql  strings.Builder
	args []any
}

func (w *where) add(sql string, args ...any) {
	w.sql.WriteString(sql)
	w.args = append(w.args, args...)
}

// ownFields are the fields that are columns of the document. They hide metadata of the same name.
var ownFields = map[string]string{"uri": "d.uri", "title": "d.title", "media_type": "d.media_type"}

// documentsWhere gives the condition for a collection's documents that a query may see and asks for.
func documentsWhere(c collection, ceiling label.Label, f retrieval.Filter, doing string) (*where, error) {
	w := &where{}
	w.add("d.collection = ? AND d.label <= ?", c.id, int(ceiling))
	for _, cond := range f {
		if err := form.CheckField(cond, doing); err != nil {
			return nil, err
		}
		var err error
		if column, ok := ownFields[cond.Field]; ok {
			err = w.own(column, cond, doing)
		} else {
			err = w.metadata(c, cond, doing)
		}
		if err != nil {
			return nil, err
		}
	}
	return w, nil
}

// seesAll says whether a query may see and asks for everything in a collection: most do, and need no look at
// any document.
func seesAll(ctx context.Context, tx *sql.Tx, c collection, q retrieval.LegQuery) (bool, error) {
	if len(q.Filter) > 0 {
		return false, nil
	}
	var above bool
	err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM documents WHERE collection = ? AND label > ?)", c.id, int(q.MaxLabel)).Scan(&above)
	return !above, err
}

// own adds a condition on a column of text. An empty one is not there.
func (w *where) own(column string, c retrieval.Condition, doing string) error {
	w.add(" AND ")
	switch c.Op {
	case retrieval.Exists:
		there, err := form.There(c, doing)
		if err != nil {
			return err
		}
		if there {
			w.add(column + " <> ''")
		} else {
			w.add(column + " = ''")
		}
		return nil
	case retrieval.In:
		values, err := form.Operands(c, doing)
		if err != nil {
			return err
		}
		w.add(column + " <> '' AND " + column + " IN (")
		w.list(form.String, values)
		w.add(")")
		return nil
	}
	value, err := form.Operand(c, doing)
	if err != nil {
		return err
	}
	if value.Kind != form.String { // text never equals a number, nor comes before or after one
		if c.Op == retrieval.NotEqual {
			w.add(column + " <> ''")
		} else {
			w.add("FALSE")
		}
		return nil
	}
	op, ordering := form.Ordering(c.Op)
	if !ordering {
		op = map[retrieval.Op]string{retrieval.Equal: "=", retrieval.NotEqual: "<>"}[c.Op]
	}
	w.add(column+" <> '' AND "+column+" "+op+" ?", value.Text)
	return nil
}

// metadata adds a condition on a metadata field: on its value or, for equality, on any item of its list.
func (w *where) metadata(c collection, cond retrieval.Condition, doing string) error {
	const present = "d.id IN (SELECT f.document FROM document_fields f WHERE f.collection = ? AND f.key = ?"
	switch cond.Op {
	case retrieval.Exists:
		there, err := form.There(cond, doing)
		if err != nil {
			return err
		}
		not := ""
		if !there {
			not = "NOT "
		}
		w.add(" AND "+not+present+")", c.id, cond.Field)
		return nil
	case retrieval.In:
		values, err := form.Operands(cond, doing)
		if err != nil {
			return err
		}
		w.add(" AND (FALSE")
		for _, kind := range []form.Kind{form.String, form.Number, form.Bool} {
			w.add(" OR "+present+" AND f.kind = ? AND f.value IN (", c.id, cond.Field, kind)
			w.list(kind, values)
			w.add("))")
		}
		w.add(")")
		return nil
	}
	value, err := form.Operand(cond, doing)
	if err != nil {
		return err
	}
	if op, ordering := form.Ordering(cond.Op); ordering {
		w.add(" AND "+present+" AND f.kind = ? AND f.value "+op+" ? AND f.item = ?)", c.id, cond.Field, value.Kind, held(value), form.Single)
		return nil
	}
	w.add(" AND ")
	if cond.Op == retrieval.NotEqual { // there, and neither equal nor holding it
		w.add(present+") AND NOT ", c.id, cond.Field)
	}
	w.add(present+" AND f.kind = ? AND f.value = ?)", c.id, cond.Field, value.Kind, held(value))
	return nil
}

// list binds the values of one kind.
func (w *where) list(kind form.Kind, values []form.Value) {
	comma := ""
	for _, v := range values {
		if v.Kind == kind {
			w.add(comma+"?", held(v))
			comma = ", "
		}
	}
}

// held gives a value as document_fields holds it.
func held(v form.Value) any {
	switch v.Kind {
	case form.String:
		return v.Text
	case form.Number:
		return v.Number
	case form.Bool:
		return int64(v.Number)
	default:
		return nil
	}
}
