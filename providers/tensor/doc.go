// Package tensor is the form in which numbers and texts go to model servers and come back. It owns their types, the
// arithmetic of shapes, which is checked before a byte is allocated, and the ways from and to bytes and JSON that
// several protocols share. It refuses to know a protocol, and what numbers mean.
package tensor
