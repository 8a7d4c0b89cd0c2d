// Package oidc says who calls with a token: a JWT that an OpenID Connect provider signed. It owns which tokens are
// taken, what their claims mean, and the provider's keys as far as they are known. It refuses to know transports, to
// log anybody in, and to tell a caller why a token is no good.
//
// # What is taken
//
// A token in the compact form (RFC 7515) whose signature, by RS256, PS256, ES256 or EdDSA, is of a key that the
// provider publishes; whose iss is the provider and whose aud holds the audience; whose exp is there and has not
// passed; whose nbf and iat, where they are there, are not to come. Clocks may differ by Skew.
//
// # The provider's keys
//
// Where they are is found out when the first token comes, by the provider's own configuration, and again every
// hour. They are fetched anew when a token names one that is not known, but not more often than every few
// seconds, whatever callers send. While the provider is down, the keys that are known still count, for a day; what
// cannot be decided without it is answered as unavailable.
package oidc
