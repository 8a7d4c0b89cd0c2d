package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Server is what a server is, for whoever writes down what was measured on it.
type Server struct {
	// Version is PostgreSQL's, and Vector pgvector's; empty: it is not there.
	Version string `json:"version"`
	Vector  string `json:"vector"`
	// SharedBuffers and MaintenanceMemory are as PostgreSQL shows them, such as "128MB".
	SharedBuffers     string `json:"shared_buffers"`
	MaintenanceMemory string `json:"maintenance_work_mem"`
	// Sync says that what was committed outlives a crash of the machine: fsync and synchronous_commit.
	Sync bool `json:"sync"`
}

// Describe says what a server is. It needs no right but to connect.
func Describe(ctx context.Context, url string) (*Server, error) {
	const doing = "describing the database's server"
	config, err := readURL(url, "its URL", doing)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, translate(ctx, err, doing)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var s Server
	err = conn.QueryRow(ctx, `SELECT split_part(current_setting('server_version'), ' ', 1), coalesce((SELECT extversion FROM pg_extension WHERE extname = 'vector'), ''),
		current_setting('shared_buffers'), current_setting('maintenance_work_mem'), current_setting('fsync')::bool AND current_setting('synchronous_commit') <> 'off'`).
		Scan(&s.Version, &s.Vector, &s.SharedBuffers, &s.MaintenanceMemory, &s.Sync)
	return &s, translate(ctx, err, doing)
}
