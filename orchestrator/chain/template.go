package chain

// Template is text with {{path}} in it, parsed and checked. The path is a name of the input, or
// input.NAME, steps.ID.FIELD, run.FIELD. Nothing else is ever evaluated, and what is put in is not looked
// at again.
type Template struct{ source string }

// Condition is a compiled CEL condition over a Scope.
type Condition struct{ source string }
