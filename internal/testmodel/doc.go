// Package testmodel gives tests real model servers: a language model of random weights, small enough to be made on the
// spot and to answer at once on one core, and the servers that serve it. What it says has no meaning; how it is said,
// counted, broken off and constrained is that of any model.
//
// A server is a process of its own on a free port of loopback, with folders of its own, and ends with its test or with
// the tests' process, however that ends. tools/llamaserver.sh and tools/ollama.sh get the programs and name them in
// FAIRLEAD_TEST_LLAMA_SERVER and FAIRLEAD_TEST_OLLAMA_SERVER. Where they are not named, tests are skipped; with
// FAIRLEAD_TEST_REQUIRE_LLAMA or FAIRLEAD_TEST_REQUIRE_OLLAMA they fail.
package testmodel
