package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"fairlead/internal/telemetry"
)

func (p *program) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Say which version this is", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := telemetry.ReadBuild(version)
			if !p.json {
				fmt.Fprintln(p.out, b)
				return nil
			}
			return json.NewEncoder(p.out).Encode(map[string]any{
				"version": b.Version, "revision": b.Revision, "modified": b.Modified, "go": b.Go, "platform": b.Platform,
			})
		},
	}
}
