package form

import "fairlead/retrieval"

// maxValues keeps a statement under SQLite's limit of bound values, with 32 conditions.
const maxValues = 1000

// Ordering gives the SQL operator of a comparison that needs an order, or false.
func Ordering(op retrieval.Op) (string, bool) {
	switch op {
	case retrieval.Less, retrieval.LessOrEqual, retrieval.Greater, retrieval.GreaterOrEqual:
		return string(op), true
	default:
		return "", false
	}
}

// CheckField refuses a condition whose field is none.
func CheckField(c retrieval.Condition, doing string) error {
	if c.Field == "" {
		return BadRequest(doing, "a condition names no field")
	}
	return checkText(c.Field, doing)
}

func checkText(s, doing string) error {
	if !Text(s) {
		return BadRequest(doing, "a text of a condition is not UTF-8, or holds the character U+0000")
	}
	return nil
}

// There gives the value of a condition that asks whether a field is there.
func There(c retrieval.Condition, doing string) (bool, error) {
	there, ok := c.Value.(bool)
	if !ok {
		return false, BadRequest(doing, "a condition with %q needs a boolean", c.Op)
	}
	return there, nil
}

// Operand gives the value of a comparison with one value. Where the comparison needs an order, it is text or a number.
func Operand(c retrieval.Condition, doing string) (Value, error) {
	_, ordering := Ordering(c.Op)
	if !ordering && c.Op != retrieval.Equal && c.Op != retrieval.NotEqual {
		return Value{}, BadRequest(doing, "a condition has an operator that is none of =, !=, <, <=, >, >=, in, exists")
	}
	value, ok := scalar(c.Value)
	if !ok {
		return Value{}, BadRequest(doing, "a condition with %q needs text, a number or a boolean", c.Op)
	}
	if ordering && value.Kind == Bool {
		return Value{}, BadRequest(doing, "a condition with %q needs text or a number", c.Op)
	}
	return value, checkText(value.Text, doing)
}

// Operands gives the values of a comparison with a list.
func Operands(c retrieval.Condition, doing string) ([]Value, error) {
	list, ok := items(c.Value)
	if !ok {
		return nil, BadRequest(doing, "a condition with %q needs a list", c.Op)
	}
	if len(list) > maxValues {
		return nil, BadRequest(doing, "a condition has a list of %d values: use at most %d", len(list), maxValues)
	}
	values := make([]Value, len(list))
	for i, v := range list {
		if values[i], ok = scalar(v); !ok {
			return nil, BadRequest(doing, "a condition's list holds something that is not text, a number or a boolean")
		}
		if err := checkText(values[i].Text, doing); err != nil {
			return nil, err
		}
	}
	return values, nil
}
