// Package keys owns API keys: their form, their hashes, their making, rotation and revocation, and the proof
// that a caller has one. It refuses to know transports, and to keep a secret: a store gets its hash.
package keys
