package openinference

import (
	"context"

	"fairlead/providers"
)

var _ providers.Prober = (*Client)(nil)

// Probe says whether the server takes calls; see providers.Prober. It is ServerReady: a model may still not be ready.
func (c *Client) Probe(ctx context.Context) error { return c.ServerReady(ctx) }
