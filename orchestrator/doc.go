// Package orchestrator runs chains. It owns chains, steps, runs and events; the engine that goes from
// step to step; and dispatch, which turns a plan of orchestrator/routing into attempts. A chat is a run
// of one step, so Chat, Run and the OpenAI dialect share one engine and one stream of events. It refuses
// to decide where a step goes (routing does), to know a wire format (the server does) and to keep
// documents (retrieval does).
//
// # A run
//
// A run has one deadline and one ledger, which every call inherits. Its events are numbered from 1
// without gaps. A run that went well ends with RunFinished and no error; any other end is an error, so a
// stream without RunFinished is never a success. Breaking the loop cancels the run and all its calls.
//
// # An attempt
//
// Dispatch takes the targets of a plan in order. Until an attempt has delivered something to the caller,
// a failure is followed by the next target in silence (as AttemptFailed). After that, the policy's
// midstream rule decides: fail ends the run with an error, restart sends Retracted first and then the
// new answer from its start. Text is never delivered twice.
package orchestrator
