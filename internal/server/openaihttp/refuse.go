package openaihttp

import (
	"net/http"

	"fairlead/internal/fault"
)

// Refuse answers a request that does not reach the handler, such as one that is too large or comes during
// a drain, in the dialect's form. It is a server.Mount's Refuse.
func Refuse(w http.ResponseWriter, _ *http.Request, err *fault.Error) { fromError(err).write(w) }
