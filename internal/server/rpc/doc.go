// Package rpc serves the API of proto/fairlead/v1 over Connect, gRPC and gRPC-Web. It owns the translation
// between the protocol's messages and the domain's types, one file per noun, the checks that the
// protocol's own rules cannot express, and the one table from fault codes to Connect codes. It refuses to
// decide anything: the orchestrator runs, routing chooses, retrieval holds documents.
//
// # Errors
//
// Every error carries an ErrorInfo, also those of requests that could not be read: connect reads a unary
// request before its interceptors run, so the codecs leave their verdict within the message (see codec.go)
// and the limits give errors that connect passes on as they are (see limit.go). No error echoes a
// request's content.
//
// # Streams
//
// Each event is sent and flushed as it comes, from messages that are used again for the next one. A stream
// that ends without RunFinished ends with an error, whatever the reason.
package rpc
