// Package tfserving is the adapter for TensorFlow Serving, over gRPC and over REST, and for whatever else speaks its
// API. It owns the translation between the vocabulary of package providers and that API: tensors (Predict), examples
// with features (Classify, Regress), what a model takes (GetModelMetadata) and how it stands (GetModelStatus). It
// refuses to retry, to route, to follow redirects and to load models.
//
// # Signatures
//
// A call is checked against the signature that the model itself tells of, names, types and shapes, before anything is
// sent, and so is its answer before anyone sees it. What models tell is kept for a while (Config.DiscoveryTTL), and
// forgotten when the server refuses a call as wrong or unknown, when an answer comes from another version than the one
// that was asked about, and when a call does not fit: labels move.
//
// # What is read from the wire
//
// Answers are read by hand and not by generated code, because a message of a few bytes may claim a tensor of
// terabytes. A shape is multiplied out, checked against tensor.Limits and against the bytes that came before anything
// is made. Where the elements stand in the answer as tensors hold them (tensor_content, packed floats), the tensor is a
// part of the answer and nothing is copied. TensorFlow lets a tensor have fewer values than elements: the last value fills
// the rest, and no value at all stands for zeros. That is kept within a bound: all that is made for an answer is at
// most twice its bytes on the wire and 256 KiB. Only varints, which put an integer of eight bytes into one, may take up to
// eight times theirs; what they stand for was then listed one by one. Shapes of unknown rank, types that tensors do not
// have, and both forms of values in one tensor are refused.
//
// REST answers are JSON with NaN and Infinity, which are numbers here too. They are read twice: once for the shape,
// and, when that fits, once for the values; a number of eight bytes takes at least two there, with its comma. REST says nothing of the version that answered, and has no half floats.
package tfserving
