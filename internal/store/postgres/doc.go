// Package postgres keeps everything in PostgreSQL with pgvector: the store of more than one machine. It owns the
// schema, the SQL, the roles, and the translation of PostgreSQL's errors into faults. It refuses to know models and
// to embed: those are retrieval's.
//
// # Tenants
//
// Every table has the tenant in its key, and row level security that is forced on its owner too. The role that serves
// is neither the owner nor a superuser, which Open checks. Only Store.in reaches the pool: it opens a transaction,
// states the tenant inside it, and nowhere else, and every statement names the tenant again, for the planner and as a
// second lock. Nothing outlives a transaction, so a PgBouncer in transaction mode may stand between.
//
// # Roles
//
// The owner makes the schema (Migrate) and nothing serves as it. Migrate also makes the role that serves, where it
// is not there, and grants it what it needs.
package postgres
