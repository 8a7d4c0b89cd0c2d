package postgres

import (
	"strconv"
	"strings"

	"fairlead/internal/label"
	"fairlead/internal/store/form"
	"fairlead/retrieval"
)

// condition is a condition under way. Nothing that a caller sent is ever part of its text: fields and values are
// bound, operators and columns come from the tables below. Operators are only those that are leakproof (=, <>, <, <=,
// >, >= of text and numbers): others run after the policy of row level security, and so without an index.
type condition struct {
	sql   string
	args  *[]any
	doing string
	// tenant and collection are the places of those values.
	tenant, collection string
}

// bind gives the place of a value, as "$3".
func bind(args *[]any, value any) string {
	*args = append(*args, value)
	return "$" + strconv.Itoa(len(*args))
}

func (c *condition) bind(value any) string { return bind(c.args, value) }

// ownFields are the fields that are columns of the document. They hide metadata of the same name.
var ownFields = map[string]string{"uri": "d.uri", "title": "d.title", "media_type": "d.media_type"}

// documentsWhere gives the condition on "documents d" for those of a collection that a query may see and asks for. Its
// values are added to args.
func documentsWhere(tenant string, c collection, ceiling label.Label, f retrieval.Filter, args *[]any, doing string) (string, error) {
	w := &condition{args: args, doing: doing}
	w.tenant, w.collection = w.bind(tenant), w.bind(c.id)
	w.sql = "d.tenant = " + w.tenant + " AND d.collection = " + w.collection + " AND d.label <= " + w.bind(int16(ceiling))
	for _, cond := range f {
		if err := form.CheckField(cond, doing); err != nil {
			return "", err
		}
		var err error
		if column, ok := ownFields[cond.Field]; ok {
			err = w.own(column, cond)
		} else {
			err = w.metadata(cond)
		}
		if err != nil {
			return "", err
		}
	}
	return w.sql, nil
}

// own adds a condition on a column of text. An empty one is not there.
func (w *condition) own(column string, c retrieval.Condition) error {
	switch c.Op {
	case retrieval.Exists:
		there, err := form.There(c, w.doing)
		if err != nil {
			return err
		}
		op := " = ''"
		if there {
			op = " <> ''"
		}
		w.sql += " AND " + column + op
		return nil
	case retrieval.In:
		values, err := form.Operands(c, w.doing)
		if err != nil {
			return err
		}
		texts, _ := parted(values)
		w.sql += " AND " + column + " <> '' AND " + column + " = ANY (" + w.bind(texts) + "::text[])"
		return nil
	}
	value, err := form.Operand(c, w.doing)
	if err != nil {
		return err
	}
	if value.Kind != form.String { // text never equals a number, nor comes before or after one
		if c.Op == retrieval.NotEqual {
			w.sql += " AND " + column + " <> ''"
		} else {
			w.sql += " AND FALSE"
		}
		return nil
	}
	op, ordering := form.Ordering(c.Op)
	if !ordering {
		op = map[retrieval.Op]string{retrieval.Equal: "=", retrieval.NotEqual: "<>"}[c.Op]
	}
	w.sql += " AND " + column + " <> '' AND " + column + " " + op + " " + w.bind(value.Text)
	return nil
}

// field is a row of document_fields with a key, and what is asked of it.
func (w *condition) field(key, asked string) string {
	return "EXISTS (SELECT FROM document_fields f WHERE f.tenant = " + w.tenant + " AND f.document = d.id AND f.collection = " +
		w.collection + " AND f.key = " + key + asked + ")"
}

// metadata adds a condition on a metadata field: on its value or, for equality, on any item of its list.
func (w *condition) metadata(c retrieval.Condition) error {
	if c.Op == retrieval.Exists {
		there, err := form.There(c, w.doing)
		if err != nil {
			return err
		}
		and := " AND NOT "
		if there {
			and = " AND "
		}
		w.sql += and + w.field(w.bind(c.Field), "")
		return nil
	}
	if c.Op == retrieval.In {
		values, err := form.Operands(c, w.doing)
		if err != nil {
			return err
		}
		w.in(c.Field, values)
		return nil
	}
	value, err := form.Operand(c, w.doing)
	if err != nil {
		return err
	}
	key := w.bind(c.Field)
	if op, ordering := form.Ordering(c.Op); ordering {
		w.sql += " AND " + w.field(key, " AND f.item = -1"+w.compared(op, value))
		return nil
	}
	if c.Op == retrieval.NotEqual { // there, and neither equal nor holding it
		w.sql += " AND " + w.field(key, "") + " AND NOT "
	} else {
		w.sql += " AND "
	}
	w.sql += w.field(key, w.compared("=", value))
	return nil
}

// headLength is how many characters of a text are in document_fields.head, by which the index finds it.
const headLength = 200

func head(text string) string {
	n := 0
	for i := range text {
		if n == headLength {
			return text[:i]
		}
		n++
	}
	return text
}

// compared compares a field's value. The beginnings of texts are in the order of the texts, but may be equal where
// those are not.
func (w *condition) compared(op string, v form.Value) string {
	switch v.Kind {
	case form.String:
		heads := op
		if op == "<" || op == ">" {
			heads += "="
		}
		return " AND f.kind = 1 AND f.head " + heads + " " + w.bind(head(v.Text)) + " AND f.text " + op + " " + w.bind(v.Text)
	case form.Bool:
		return " AND f.kind = 3 AND f.number " + op + " " + w.bind(v.Number)
	default:
		return " AND f.kind = 2 AND f.number " + op + " " + w.bind(v.Number)
	}
}

// in asks for any of some values. Each kind is a look of its own, as each has an index of its own.
func (w *condition) in(name string, values []form.Value) {
	texts, numbers := parted(values)
	if len(values) == 0 {
		w.sql += " AND FALSE"
		return
	}
	var looks []string
	key := w.bind(name)
	if len(texts) > 0 {
		heads := make([]string, len(texts))
		for i, t := range texts {
			heads[i] = head(t)
		}
		looks = append(looks, w.field(key, " AND f.kind = 1 AND f.head = ANY ("+w.bind(heads)+"::text[]) AND f.text = ANY ("+w.bind(texts)+"::text[])"))
	}
	for _, kind := range []form.Kind{form.Number, form.Bool} {
		if of := numbers[kind]; len(of) > 0 {
			looks = append(looks, w.field(key, " AND f.kind = "+strconv.Itoa(int(kind))+" AND f.number = ANY ("+w.bind(of)+"::float8[])"))
		}
	}
	w.sql += " AND (" + strings.Join(looks, " OR ") + ")"
}

// parted gives the texts among some values, and the numbers by their kind.
func parted(values []form.Value) (texts []string, numbers map[form.Kind][]float64) {
	texts, numbers = []string{}, map[form.Kind][]float64{}
	for _, v := range values {
		if v.Kind == form.String {
			texts = append(texts, v.Text)
		} else {
			numbers[v.Kind] = append(numbers[v.Kind], v.Number)
		}
	}
	return texts, numbers
}
