// Package openinference is the adapter for servers of the Open Inference Protocol, version 2, over gRPC and over REST:
// Triton, KServe, MLServer, OpenVINO Model Server and others; and, as a variant, for TorchServe's own REST. It owns the
// translation between tensors and those protocols, both ways. It refuses to retry, to route, to follow redirects, and to
// know what numbers and texts mean.
//
// # What is sent
//
// Over gRPC the elements of inputs are sent as raw bytes. Over REST they are sent by the binary tensor data extension where
// the server's metadata name it (Config.Binary), and else as JSON, which can carry no FP16, no BF16, no number that is not
// finite and no text that is not UTF-8. A request is held to what the server tells of the model (names, types, shapes) before
// it is sent; what the server tells is kept for Config.MetadataTTL, and until it refuses a request as wrong.
//
// # What is taken
//
// No size that a server names is believed: shapes are multiplied out with checks, and compared with the bytes that are
// there, before memory is taken for them. An answer is read by hand from its bytes, so that a small message cannot
// stand for a large one. The data of outputs that came raw are parts of the message and keep it in memory. Outputs that came raw need no
// memory of their own but for the list of a BYTES tensor's texts; those that came as JSON or as typed contents need that of their elements, which can be
// more than what was on the wire (a zero is one byte there and eight here) and never more than tensor.Limits allow.
//
// # TorchServe
//
// TorchServe knows no tensors: a call posts one body and gets one. The variant takes one String tensor of shape [], [n] or [n,1]; each
// element is the body of a call of its own, of which Config.Parallel are made at once. PredictRequest.Signature says what the
// bodies are: "json", "text" or "bytes"; empty is Config.Body. The outputs are tensors:
//
//   - "body", String [n]: the answers as they came.
//   - "classes", String [n,k], and "probabilities", FP64 [n,k]: where every answer is an object of k names with numbers, or a
//     list of k objects that each have a name ("class", "label" or "class_name") and a number ("probability", "score" or "confidence").
//     Each row goes from the greatest number down.
//   - "values", FP64 [n,…]: where every answer is a number or the same form of nested lists of numbers, such as a vector.
//
// The management address, which is another port, serves Versions, Ready and Describe; without it the server's own health
// stands for Ready. Workers are not scaled from here: a model that has none stays as it is.
package openinference
