package postgres

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"fairlead/internal/fault"
)

// readURL reads the URL of a connection. what names it in an error, which tells no more of it: the parser's own text
// may hold the password.
func readURL(text, what, doing string) (*pgx.ConnConfig, error) {
	c, err := pgx.ParseConfig(text)
	if err != nil {
		return nil, unreadable(what, doing)
	}
	return c, nil
}

// readPoolURL reads the URL of a pool, which may hold settings of the pool too.
func readPoolURL(text, what, doing string) (*pgxpool.Config, error) {
	c, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, unreadable(what, doing)
	}
	return c, nil
}

func unreadable(what, doing string) error {
	return fault.New(fault.InvalidArgument, fault.ReasonBadConfig, "%s: %s cannot be read: write postgres://USER:PASSWORD@HOST/DATABASE", doing, what)
}
