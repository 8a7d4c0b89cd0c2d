// Package wire is what adapters of HTTP backends share: a client that makes one call and never two, a
// body that is held to its limits, readers for the two framings (server-sent events, one JSON object on
// each line), and the translation of transport failures into *providers.Error.
//
// It refuses to know what is in a frame: dialects belong to the adapters. It never drops a byte in
// silence: what is not the framing's comes up as a frame or as an error.
package wire
