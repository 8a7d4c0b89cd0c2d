// Package torture holds no code: its tests break streams between the server and its model servers, thousands of
// times and in every way that internal/faultproxy knows, and hold what callers see against the answer that was
// to come. A part that is passed off as the whole, a text that is told twice or is not the model's, and an
// error that does not say what happened are failures.
//
// go test runs a few hundred cases; make torture runs ten thousand and prints what it counted.
package torture
