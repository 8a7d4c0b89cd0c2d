// Package wiretest holds a peer that others' code makes: a server of TensorFlow Serving's API from the stubs that KServe's
// ModelMesh generated of TensorFlow's own descriptions. It is a test binary of its own, because those stubs and ours have the same names
// for the same messages, and a process takes a name once. The tests of package tfserving build it, run it and talk to it. It
// refuses to import anything of ours.
package wiretest
