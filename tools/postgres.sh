#!/usr/bin/env bash
# A throw-away PostgreSQL with pgvector, and PgBouncer, for tests. Nothing of it outlives its command or touches a
# PostgreSQL that is there already.
#
#   tools/postgres.sh run CMD...   runs CMD with FAIRLEAD_TEST_DATABASE_URL set to a new cluster, which ends with it;
#                                  with the one that is set already, where it is. Installs what is missing where it may
#   tools/postgres.sh start DIR    starts a cluster in DIR and prints its URL
#   tools/postgres.sh stop DIR     stops it and removes DIR
#   tools/postgres.sh install      what all this needs, as root of a Debian or Ubuntu
set -euo pipefail
self=$(realpath "$0")
oldest=15                   # the oldest PostgreSQL that tests run on
suite=${PGVECTOR_SUITE:-trixie} # of Debian: where pgvector's source comes from when the machine's own suite has none
PATH=$PATH:/usr/sbin:/usr/local/sbin

# shellcheck source=tools/debian.sh
source "$(dirname "$self")/debian.sh"

say() { echo "postgres.sh: $*" >&2; }
die() { say "$@"; exit 1; }

# find_programs sets bin to the newest PostgreSQL that has pgvector; else it fails.
find_programs() {
	local dir share
	for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) "$(pg_config --bindir 2>/dev/null || true)"; do
		[ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] || continue
		[ "$("$dir/postgres" --version | sed -E 's/[^0-9]*([0-9]+).*/\1/')" -ge "$oldest" ] || continue
		case $dir in
		/usr/lib/postgresql/*) share=/usr/share/postgresql/$(basename "$(dirname "$dir")") ;;
		*) share=$(pg_config --sharedir) ;;
		esac
		if [ -e "$share/extension/vector.control" ] && [ -e "$share/extension/pg_trgm.control" ]; then
			bin=$dir
			return 0
		fi
	done
	return 1
}

complete() { find_programs && command -v pgbouncer >/dev/null; }

may_install() { [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ] && debian_has; }

# require makes sure that everything is there, or says what must be.
require() {
	complete && return
	if may_install; then
		install_
		complete
	else
		die "this needs PostgreSQL $oldest or later with its contrib modules and pgvector, and PgBouncer. On Debian and Ubuntu" \
			"run 'sudo $self install'; elsewhere install those packages so that pg_config and pgbouncer are in PATH;" \
			"or set FAIRLEAD_TEST_DATABASE_URL to a PostgreSQL with pgvector whose user may make databases and roles"
	fi
}

install_() (
	may_install || die "install is for root on Debian and Ubuntu"
	! complete || exit 0
	began=$SECONDS
	say "installing PostgreSQL, pgvector and PgBouncer"
	# A cluster or a service of the system is neither wanted nor needed.
	if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
		mkdir -p /etc/postgresql-common
		echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
	fi
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
		chmod +x /usr/sbin/policy-rc.d
	fi
	debian_apt update
	# What the distribution calls its PostgreSQL: postgresql-15 on Debian 12.
	major=$(apt-cache depends postgresql | sed -nE 's/.*Depends: postgresql-([0-9]+)$/\1/p' | sort -n | tail -n 1)
	[ "${major:-0}" -ge "$oldest" ] || die "this distribution has PostgreSQL ${major:-none}: $oldest is the oldest that will do"
	keep=(install -y --no-install-recommends -o Dpkg::Options::=--force-confold)
	package=postgresql-$major-pgvector
	if [ -n "$(apt-cache policy "$package" | sed -nE '/\(none\)/!s/ *Candidate: //p')" ]; then
		debian_apt "${keep[@]}" "postgresql-$major" "$package" pgbouncer
	else
		debian_apt "${keep[@]}" "postgresql-$major" pgbouncer "postgresql-server-dev-$major" build-essential debian-archive-keyring ca-certificates
		build_pgvector "/usr/lib/postgresql/$major/bin/pg_config"
	fi
	complete || die "installed, and something is still missing"
	say "installed in $((SECONDS - began)) s: $("$bin/postgres" --version), $(pgbouncer --version | head -n 1)"
)

# build_pgvector makes pgvector from Debian's source package of a newer suite.
build_pgvector() (
	pg_config=$1
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	debian_use "$work" deb-src "$suite"
	mkdir "$work/src"
	cd "$work/src"
	debian_apt source --only-source pgvector
	cd pgvector-*/
	# OPTFLAGS: not for this processor alone. The bitcode is for a JIT that tests do not use.
	make -s -j"$(nproc)" OPTFLAGS= with_llvm=no PG_CONFIG="$pg_config" >/dev/null
	make -s install OPTFLAGS= with_llvm=no PG_CONFIG="$pg_config" >/dev/null
)

# as runs a program of PostgreSQL, which refuses to be root.
as() {
	if [ "$(id -u)" != 0 ]; then
		"$@"
		return
	fi
	(cd / && exec setpriv --reuid="$(account)" --regid="$(id -g "$(account)")" --clear-groups env HOME=/tmp "$@")
}
account() { id -un postgres 2>/dev/null || echo nobody; }

start_() {
	local dir=${1:?start wants a directory} password port
	find_programs || require
	[ ! -e "$dir/url" ] || die "there is a cluster in $dir: stop it first"
	mkdir -p "$dir"
	dir=$(realpath "$dir")
	[ "$(id -u)" != 0 ] || chown "$(account)" "$dir"
	# Whoever is on this machine can reach the port, and this user can do everything that its account can.
	password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	(umask 077 && echo "$password" >"$dir/password")
	[ "$(id -u)" != 0 ] || chown "$(account)" "$dir/password"
	as "$bin/initdb" -D "$dir/data" -U app -A scram-sha-256 --pwfile="$dir/password" -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1 ||
		{ cat "$dir/initdb.log" >&2; die "initdb failed"; }
	# What a crash would lose nobody misses.
	cat >>"$dir/data/postgresql.conf" <<-CONF
		listen_addresses = '127.0.0.1'
		unix_socket_directories = ''
		max_connections = 300
		shared_buffers = 128MB
		fsync = off
		synchronous_commit = off
		full_page_writes = off
		wal_level = minimal
		max_wal_senders = 0
	CONF
	for _ in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 20000))
		if as "$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/data/server.log" -o "-p $port" start >/dev/null 2>&1; then
			(umask 077 && echo "postgres://app:$password@127.0.0.1:$port/postgres?sslmode=disable" | tee "$dir/url")
			return
		fi
		grep -q 'Address already in use' "$dir/data/server.log" || break
	done
	tail -n 20 "$dir/data/server.log" >&2
	die "PostgreSQL did not start"
}

stop_() {
	local dir=${1:?stop wants a directory}
	if [ -e "$dir/data/postmaster.pid" ] && find_programs; then
		as "$bin/pg_ctl" -D "$(realpath "$dir")/data" -m immediate -w stop >/dev/null || say "the cluster in $dir was not stopped"
	fi
	rm -rf "$dir"
}

# guard stops the cluster in a directory when its standard input ends, which is when the one who writes to it is gone.
guard_() {
	trap '' INT TERM HUP
	cat >/dev/null
	stop_ "$1"
}

run_() {
	[ $# -gt 0 ] || die "run wants a command"
	[ -z "${FAIRLEAD_TEST_DATABASE_URL:-}" ] || exec "$@"
	require
	local dir child status guard signal apart=
	dir=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-postgres.XXXXXX")
	chmod 755 "$dir"
	! command -v setsid >/dev/null || apart=setsid
	# Only this shell holds the other end: however it ends, even killed, the cluster is stopped.
	exec 9> >(exec $apart "$self" guard "$dir" >/dev/null)
	guard=$!
	FAIRLEAD_TEST_DATABASE_URL=$(start_ "$dir" 9>&-) || { exec 9>&-; wait "$guard" || true; exit 1; }
	export FAIRLEAD_TEST_DATABASE_URL FAIRLEAD_TEST_REQUIRE_POSTGRES=1
	set -m # a group of its own, so that signals reach all of it
	"$@" 9>&- &
	child=$!
	set +m
	for signal in INT TERM HUP; do
		# shellcheck disable=SC2064 # the child is this one
		trap "kill -s $signal -- -$child 2>/dev/null || true" "$signal"
	done
	while :; do
		status=0
		wait "$child" || status=$?
		kill -0 "$child" 2>/dev/null || break
	done
	exec 9>&-
	wait "$guard" || true
	exit "$status"
}

case ${1:-} in
install) install_ ;;
start | stop | run | guard) command=$1 && shift && "${command}_" "$@" ;;
*) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$self"; exit 2 ;;
esac
