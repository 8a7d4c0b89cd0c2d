// Package health asks backends how they are, off the path of runs: whether they answer, how their models stand, which
// version a label stands for, and how busy they are. It owns the Watcher, which asks, and tells a Consumer what was
// answered. It refuses to judge: what an answer means for calls is the Consumer's to say.
//
// # How it asks
//
// One goroutine asks one backend. The first round begins at a random moment of the first period, and each further one
// after a period that is up to a tenth longer or shorter, so that replicas do not ask in step. Within a round, what there
// is to ask is asked at the same time, each for as long as the backend's timeout; the next round begins when all of it has
// ended, so that a slow backend is never asked twice at once. After a round in which a target answered worse than before,
// the next one comes after a quarter of the period, so that whoever wants to hear bad news twice need not wait long.
//
// A target whose model has a life (providers.Lifecycle) is asked about by model and version; what names the same model
// and version is asked once. The others share what the backend says of itself (providers.Prober). Where both are missing,
// nothing is told. A signal that a backend says it does not have (KindUnsupported) is not asked for again.
//
// # What an answer is worth
//
// An Answer says after which time another one is due. A consumer should let it count for Lasting(period): then one
// lost round changes nothing, and nothing that was ever said holds for ever when nobody asks any more. A round that is cut
// off because the Watcher stops tells nothing.
package health
