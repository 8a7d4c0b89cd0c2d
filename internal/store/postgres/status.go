package postgres

import "context"

// Status is how a database's schema stands to this program.
type Status struct {
	// Version is the schema's; 0: there is none. Known is this program's.
	Version, Known int64
	// Stale: the index of words was made by another version of the program, and migrating makes it anew.
	Stale bool
	// Role is who asked, and Vector the version of pgvector; empty: it is not there.
	Role, Vector string
}

// Look gives the status of a database. It needs no right but to connect.
func Look(ctx context.Context, url string) (*Status, error) {
	const doing = "looking at the database"
	config, err := readURL(url, "its URL", doing)
	if err != nil {
		return nil, err
	}
	s, err := inspect(ctx, config)
	if err != nil {
		return nil, translate(ctx, err, doing)
	}
	return &Status{Version: s.version, Known: latest(), Stale: s.version == latest() && s.words != wordsVersion, Role: s.role, Vector: s.vectorVersion}, nil
}
