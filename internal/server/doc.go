// Package server is the one port of the program. It owns the listener's protocols (HTTP/1.1, HTTP/2, h2c
// and TLS), the middleware that every request passes in one order, health and readiness, and the drain.
// It refuses to know what the mounted handlers do and in which form they speak of errors: a Mount brings
// its handler and its way to refuse. Package rpc mounts the Connect handlers, openaihttp the OpenAI
// dialect.
//
// # The order
//
// Every request goes through
//
//	identify → log → recover → cors → mux → host → origin → gate → principal → body → the mount's handler
//
// Server.handler and Server.wrap are that order and nothing else.
//
// # Who calls
//
// Authenticator proves it, for every mount alike. Of what the server itself answers, health is open to anybody,
// reflection is for callers who prove who they are, and metrics are for those with the scope operator.
//
// # Slow peers
//
// There is no limit on how long a response may take, since streams are long. Instead each write has to get
// on within Config.WriteTimeout, and each read of a body within Config.ReadTimeout and at a least pace: a
// peer that stalls is cut, one that is merely far away is not.
//
// # The drain
//
// When Serve's context ends:
//
//  1. readiness is off: /readyz says 503 and gRPC health NOT_SERVING;
//  2. new calls are refused as unavailable (draining) with Retry-After, the listener stays open;
//  3. calls in flight go on to their end, for at most Config.Grace;
//  4. those that are left are canceled with an error that says why, which their streams end with;
//  5. the listener and the connections are closed, and Serve returns.
//
// A call is in flight from the gate until its handler has returned, and is counted under one lock with
// the gate's state: none can slip in after the count was found to be zero.
package server
