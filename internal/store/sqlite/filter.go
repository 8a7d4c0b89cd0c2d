package sqlite

import (
	"context"
	"database/sql"
	"strings"

	"fairlead/internal/label"
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

var orderings = map[retrieval.Op]string{
	retrieval.Less: "<", retrieval.LessOrEqual: "<=", retrieval.Greater: ">", retrieval.GreaterOrEqual: ">=",
}

// documentsWhere gives the condition for a collection's documents that a query may see and asks for.
func documentsWhere(c collection, ceiling label.Label, f retrieval.Filter, doing string) (*where, error) {
	w := &where{}
	w.add("d.collection = ? AND d.label <= ?", c.id, int(ceiling))
	for _, cond := range f {
		if cond.Field == "" {
			return nil, badRequest(doing, "a condition names no field")
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
		there, ok := c.Value.(bool)
		if !ok {
			return badRequest(doing, "a condition with %q needs a boolean", c.Op)
		}
		if there {
			w.add(column + " <> ''")
		} else {
			w.add(column + " = ''")
		}
		return nil
	case retrieval.In:
		kinds, values, err := inValues(c, doing)
		if err != nil {
			return err
		}
		w.add(column + " <> '' AND " + column + " IN (")
		w.list(kindText, kinds, values)
		w.add(")")
		return nil
	}
	kind, value, err := operand(c, doing)
	if err != nil {
		return err
	}
	if kind != kindText { // text never equals a number, nor comes before or after one
		if c.Op == retrieval.NotEqual {
			w.add(column + " <> ''")
		} else {
			w.add("FALSE")
		}
		return nil
	}
	op, ok := orderings[c.Op]
	if !ok {
		op = map[retrieval.Op]string{retrieval.Equal: "=", retrieval.NotEqual: "<>"}[c.Op]
	}
	w.add(column+" <> '' AND "+column+" "+op+" ?", value)
	return nil
}

// metadata adds a condition on a metadata field: on its value or, for equality, on any item of its list.
func (w *where) metadata(c collection, cond retrieval.Condition, doing string) error {
	const present = "d.id IN (SELECT f.document FROM document_fields f WHERE f.collection = ? AND f.key = ?"
	switch cond.Op {
	case retrieval.Exists:
		there, ok := cond.Value.(bool)
		if !ok {
			return badRequest(doing, "a condition with %q needs a boolean", cond.Op)
		}
		not := ""
		if !there {
			not = "NOT "
		}
		w.add(" AND "+not+present+")", c.id, cond.Field)
		return nil
	case retrieval.In:
		kinds, values, err := inValues(cond, doing)
		if err != nil {
			return err
		}
		w.add(" AND (FALSE")
		for _, kind := range []int{kindText, kindNumber, kindBool} {
			w.add(" OR "+present+" AND f.kind = ? AND f.value IN (", c.id, cond.Field, kind)
			w.list(kind, kinds, values)
			w.add("))")
		}
		w.add(")")
		return nil
	}
	kind, value, err := operand(cond, doing)
	if err != nil {
		return err
	}
	switch cond.Op {
	case retrieval.Equal:
		w.add(" AND "+present+" AND f.kind = ? AND f.value = ?)", c.id, cond.Field, kind, value)
	case retrieval.NotEqual: // there, and neither equal nor holding it
		w.add(" AND "+present+")", c.id, cond.Field)
		w.add(" AND NOT "+present+" AND f.kind = ? AND f.value = ?)", c.id, cond.Field, kind, value)
	default:
		w.add(" AND "+present+" AND f.kind = ? AND f.value "+orderings[cond.Op]+" ? AND f.item = ?)",
			c.id, cond.Field, kind, value, scalarItem)
	}
	return nil
}

// list binds the values of one kind.
func (w *where) list(kind int, kinds []int, values []any) {
	comma := ""
	for i, k := range kinds {
		if k == kind {
			w.add(comma+"?", values[i])
			comma = ", "
		}
	}
}

// operand gives the value of a comparison with one value.
func operand(c retrieval.Condition, doing string) (kind int, value any, err error) {
	_, ordering := orderings[c.Op]
	if !ordering && c.Op != retrieval.Equal && c.Op != retrieval.NotEqual {
		return 0, nil, badRequest(doing, "a condition has an operator that is none of =, !=, <, <=, >, >=, in, exists")
	}
	kind, value, ok := scalar(c.Value)
	if !ok {
		return 0, nil, badRequest(doing, "a condition with %q needs text, a number or a boolean", c.Op)
	}
	if ordering && kind == kindBool {
		return 0, nil, badRequest(doing, "a condition with %q needs text or a number", c.Op)
	}
	return kind, value, nil
}

// maxInValues keeps a statement under SQLite's limit of bound values, with 32 conditions.
const maxInValues = 1000

func inValues(c retrieval.Condition, doing string) (kinds []int, values []any, err error) {
	list, ok := items(c.Value)
	if !ok {
		return nil, nil, badRequest(doing, "a condition with %q needs a list", c.Op)
	}
	if len(list) > maxInValues {
		return nil, nil, badRequest(doing, "a condition has a list of %d values: use at most %d", len(list), maxInValues)
	}
	for _, v := range list {
		kind, value, ok := scalar(v)
		if !ok {
			return nil, nil, badRequest(doing, "a condition's list holds something that is not text, a number or a boolean")
		}
		kinds, values = append(kinds, kind), append(values, value)
	}
	return kinds, values, nil
}
