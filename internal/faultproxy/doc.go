// Package faultproxy is an HTTP proxy that breaks what passes through it, by script or by chance, so that one
// can see what a client of model servers does when they fail. It stands before a real model server, or answers
// by itself in OpenAI's and Ollama's formats with an answer that is always the same.
//
// What it does is decided by a seed and the number of the request, so that a run can be had again. It owns the
// faults and their count. It knows nothing of the rest of the project, keeps no content, and speaks HTTP/1.1
// alone: a fault of a connection is then a fault of one call.
//
// httputil.ReverseProxy is not used: once a response has begun it loses the rest of the request's body, and it
// gives no hand on how a connection ends.
package faultproxy
